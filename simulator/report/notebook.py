"""The report as a notebook shows it: the headline, its tables and its reasons, in the notebook's own colours."""

from __future__ import annotations

from html import escape

from simulator.report import numbers, summary
from simulator.report.result import Report
from simulator.report.training import Training
from traces.html_tables import pairs, side_by_side, table


def to_html(report: Report) -> str:
    """Lay the report out as an HTML fragment without scripts; every text in it is escaped.

    Returns
    -------
    str
        One ``<div>``: headline, cycles by phase and product, energy by component, the whole training, why the figures
        are as they are, machine and trace, remarks.
    """
    title = escape(f"{numbers.plain(report.arch.name)} on {summary.steps(report.steps)}")
    training = "" if report.training is None else _training(report.training)
    tables = side_by_side(_cycles(report), _energy(report), training)
    reasons = "".join(f"<p>{escape(sentence)}</p>" for sentence in report.explain())
    remarks = "".join(f"<p><em>Note: {escape(remark)}</em></p>" for remark in summary.remarks(report))
    return (
        f'<div class="skipstone-report"><h4>{title}</h4>{pairs(summary.headline(report))}{tables}{reasons}'
        "<details><summary>Machine and trace</summary>"
        f"{pairs(summary.provenance(report))}</details>{remarks}</div>"
    )


def _cycles(report: Report) -> str:
    compared = report.baseline is not None
    unit = numbers.unit_for([report.energy.total_pj], numbers.ENERGY_UNITS)
    heads = ["cycles", "share", *(("dense twin", "speed-up") if compared else ()), "utilisation", unit.name]
    rows = []
    for row in summary.cycle_rows(report):
        share = numbers.ratio(row.cycles, report.total_cycles)
        cells = [numbers.count(row.cycles), "-" if share is None else numbers.percent(share)]
        if row.twin_cycles is not None:
            speedup = numbers.ratio(row.twin_cycles, row.cycles)
            cells += [numbers.count(row.twin_cycles), numbers.times(speedup)]
        cells.append("" if row.utilization is None else numbers.percent(row.utilization))
        cells.append("" if row.energy_pj is None else numbers.aligned(row.energy_pj, unit))
        rows.append((row.name, row.level, cells))
    return table("Cycles", heads, rows)


def _energy(report: Report) -> str:
    total = report.energy.total_pj
    twin_total = None if report.baseline is None else report.baseline.energy.total_pj
    unit = numbers.unit_for([total, twin_total or 0.0], numbers.ENERGY_UNITS)
    heads = [unit.name, "share", *(() if twin_total is None else (f"dense twin, {unit.name}", "saved"))]
    rows = []
    every = summary.Comparison("total", total, twin_total)
    for row in (*summary.energies(report), every):
        share = numbers.ratio(row.here, total)
        cells = [numbers.aligned(row.here, unit), "-" if share is None else numbers.percent(share)]
        if row.twin is not None:
            saved = numbers.percent(1 - row.here / row.twin) if row.twin else "-"
            cells += [numbers.aligned(row.twin, unit), saved]
        rows.append((row.name, 0 if row is every else 1, cells))
    return table("Energy", heads, rows)


def _training(training: Training) -> str:
    rows = summary.training_rows(training)
    time = numbers.unit_for([row.time_us for row in rows], numbers.TIME_UNITS)
    energy = numbers.unit_for([row.energy_pj for row in rows], numbers.ENERGY_UNITS)
    twin = training.run.twin_cycles is not None
    heads = ["steps", "zeros", time.name, *(["speed-up"] if twin else []), energy.name, *(["saved"] if twin else [])]
    body = []
    for row in rows:
        cells = [numbers.count(row.steps), numbers.percent(row.sparsity), numbers.aligned(row.time_us, time)]
        cells += [numbers.times(row.speedup)] if twin else []
        cells.append(numbers.aligned(row.energy_pj, energy))
        cells += ["-" if row.energy_saving is None else numbers.percent(row.energy_saving)] if twin else []
        body.append((row.name, row.level, cells))
    return table("Whole training", heads, body)
