"""The report as text for a terminal, a pipe or a file."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING

from simulator.energy import AreaReport
from simulator.report import numbers, summary
from simulator.report.result import Report
from simulator.report.training import Training

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

DEFAULT_WIDTH = 80
NARROWEST, WIDEST = 80, 110  # below, numbers would be cut; beyond, the eye loses the line
LONGEST_LAYER_NAME = 15  # leaves room for the numbers in 80 columns
LARGEST_CYCLES_IN_FULL = 10**8  # as do these: two columns of ten characters
SUM_STYLE = "bold"
GAP = "  "


def render(report: Report, width: int | None = None, color: bool | None = None, verbose: bool = False) -> str:
    """Lay the report out as text.

    Parameters
    ----------
    report : Report
    width : int, optional
        Columns; no line is longer. By default those of the terminal, or 80 where stdout is none; at least 80,
        at most 110.
    color : bool, optional
        Whether to use ANSI colours; by default only where stdout is a terminal and ``NO_COLOR`` is not set.
    verbose : bool
        Also tell the area by component, with what must be known of it.

    Returns
    -------
    str
        Ends with a line break.
    """
    from rich.console import Console, Group

    terminal = sys.stdout is not None and sys.stdout.isatty()
    if width is None:
        width = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns if terminal else DEFAULT_WIDTH
    text = io.StringIO()
    console = Console(
        file=text,
        width=min(max(width, NARROWEST), WIDEST),
        force_terminal=terminal if color is None else color,
        color_system=None if color is False else "auto" if color is None else "standard",
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        no_color=None if color is None else not color,
    )
    parts = _parts(report, verbose)
    console.print(Group(*[part.laid_out(console.width) if isinstance(part, _Table) else part for part in parts]))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n") + "\n"


def _parts(report: Report, verbose: bool) -> list[RenderableType | _Table]:
    from rich.text import Text

    title = Text(f"{numbers.plain(report.arch.name)} on {summary.steps(report.steps)}", style="bold")
    parts: list[RenderableType | _Table] = [title, "", _lines(summary.headline(report), "bold green"), ""]
    parts += [_lines(summary.provenance(report)), "", _cycles(report), ""]
    layers = summary.layer_rows(report)
    if len(layers) > 1:
        parts += [_layers(layers, with_dram=not report.arch.ideal_memory), ""]
    parts += [_slots(report), "", _energy(report), ""]
    if not report.arch.ideal_memory:
        parts += [_dram(report), *([_lines(rows)] if (rows := summary.dram_commands(report)) else []), ""]
    if verbose and report.area is not None and report.area.lines:
        parts += [_area(report.area, None if report.baseline is None else report.baseline.area), ""]
        parts += [_lines([("note", numbers.plain(note)) for note in report.area.notes], "yellow"), ""]
    if report.training is not None:
        parts += [_training(report.training), _lines(_training_lines(report.training)), ""]
    if report.break_even is not None:
        parts += [_lines(summary.break_even(report.break_even)), ""]
    if remarks := summary.remarks(report):
        parts += [_lines([("note", remark) for remark in remarks], "yellow"), ""]
    for sentence in report.explain():
        parts.append(Text(numbers.plain(sentence)))
    return parts


def _lines(lines: list[summary.Line], style: str = "") -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style=style)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(label, text)
    return grid


class _Table:
    """Names on the left, numbers on the right, two blanks between columns; a rule of dashes, no frame.

    Laid out here and not as a `rich.table.Table`, which takes three times as long: a tenth of a short run.
    """

    def __init__(self, title: str, *columns: str) -> None:
        self._header, self._rows = (title, *columns), list[tuple[tuple[str, ...], str]]()

    def add_row(self, *cells: str, style: str | None = None) -> None:
        """Add a row of as many cells as the header has."""
        self._rows.append((cells, style or ""))

    def laid_out(self, width: int) -> Text:
        """Make text whose lines are no longer than `width`, at the cost of the names."""
        from rich.cells import cell_len, set_cell_size
        from rich.text import Text

        every = [self._header, *(cells for cells, _ in self._rows)]
        widths = [max(map(cell_len, column)) for column in zip(*every, strict=True)]
        whole = sum(widths) + len(GAP) * (len(widths) - 1)
        widths[0] -= max(0, whole - width)

        def line(cells: tuple[str, ...]) -> list[str]:
            name, room = cells[0], widths[0]
            left = set_cell_size(name, room) if cell_len(name) <= room else set_cell_size(name, room - 3) + "..."
            others = (" " * (w - cell_len(cell)) + cell for cell, w in zip(cells[1:], widths[1:], strict=True))
            return [left, "".join(GAP + other for other in others)]

        title, columns = line(self._header)
        text = Text.assemble((title, "bold cyan"), columns, "\n", "-" * min(whole, width), no_wrap=True)
        for cells, style in self._rows:
            text.append("\n").append("".join(line(cells)), style)
        return text


def _cycles(report: Report) -> _Table:
    unit = numbers.unit_for([report.energy.total_pj], numbers.ENERGY_UNITS)
    table = _Table("Cycles", "cycles", "share", *_compared(report, "dense twin", "speed-up"), "util.", unit.name)
    for row in summary.cycle_rows(report):
        cells = [_indented(row.name, row.level), _cycle_count(row.cycles)]
        cells.append(_share(row.cycles, report.total_cycles))
        if row.twin_cycles is not None:
            cells.append(_cycle_count(row.twin_cycles))
            cells.append(_speedup(row.cycles, row.twin_cycles))
        cells.append("" if row.utilization is None else numbers.percent(row.utilization))
        cells.append("" if row.energy_pj is None else numbers.aligned(row.energy_pj, unit))
        table.add_row(*cells, style=None if row.level else SUM_STYLE)
    return table


def _layers(rows: list[summary.LayerRow], with_dram: bool) -> _Table:
    twin = ["dense twin", "speed-up"] if rows[0].twin_cycles is not None else []
    unit = numbers.unit_for([row.energy_pj for row in rows], numbers.ENERGY_UNITS)
    table = _Table("Layers", "cycles", *twin, "MACs saved", *(["DRAM"] if with_dram else []), unit.name)
    for row in rows:
        cells = [numbers.shortened(row.name, LONGEST_LAYER_NAME), _cycle_count(row.cycles)]
        if row.twin_cycles is not None:
            cells += [_cycle_count(row.twin_cycles), _speedup(row.cycles, row.twin_cycles)]
        cells.append(numbers.percent(row.saving))
        cells += [numbers.data(row.dram_bytes)] if with_dram else []
        table.add_row(*cells, numbers.aligned(row.energy_pj, unit))
    return table


def _slots(report: Report) -> _Table:
    table = _Table("MAC slots while the array runs", "slots", "share")
    uses = [use for use in summary.slot_uses(report) if use.slots]
    every = sum(use.slots for use in uses)
    for use in uses:
        table.add_row(_indented(use.name, 1), numbers.count(use.slots), _share(use.slots, every))
    table.add_row("total", numbers.count(every), _share(every, every), style=SUM_STYLE)
    return table


def _energy(report: Report) -> _Table:
    total, twin = report.energy.total_pj, report.baseline
    twin_total = None if twin is None else twin.energy.total_pj
    unit = numbers.unit_for([total, twin_total or 0.0], numbers.ENERGY_UNITS)
    table = _Table("Energy", unit.name, "share", *_compared(report, f"dense twin, {unit.name}", "share", "saved"))
    rows = [*summary.energies(report), summary.Comparison("total", total, twin_total)]
    for row in rows:
        is_total = row is rows[-1]
        cells = [
            _indented(row.name, 0 if is_total else 1),
            numbers.aligned(row.here, unit),
            _share(row.here, total),
        ]
        if row.twin is not None:
            cells += [numbers.aligned(row.twin, unit), _share(row.twin, twin_total or 0.0), _saved(row)]
        table.add_row(*cells, style=SUM_STYLE if is_total else None)
    return table


def _dram(report: Report) -> _Table:
    table = _Table("DRAM", "bytes", *_compared(report, "dense twin", "saved"))
    for row in summary.dram_traffic(report):
        cells = [_indented(row.name, 1), numbers.data(int(row.here))]
        if row.twin is not None:
            cells += [numbers.data(int(row.twin)), _saved(row)]
        table.add_row(*cells)
    return table


def _area(area: AreaReport, twin: AreaReport | None) -> _Table:
    here = area.by_component()
    there = None if twin is None else twin.by_component()
    table = _Table("Area", "mm2", "share", *(["dense twin"] if there is not None else []))
    rows = [(name, 1, mm2, None if there is None else there.get(name, 0.0)) for name, mm2 in here.items()]
    rows.append(("total", 0, area.total_mm2, None if twin is None else twin.total_mm2))
    for name, level, mm2, twin_mm2 in rows:
        cells = [_indented(name, level), numbers.aligned(mm2, numbers.MM2), _share(mm2, area.total_mm2)]
        cells += [] if twin_mm2 is None else [numbers.aligned(twin_mm2, numbers.MM2)]
        table.add_row(*cells, style=None if level else SUM_STYLE)
    return table


def _training(training: Training) -> _Table:
    rows = summary.training_rows(training)
    time = numbers.unit_for([row.time_us for row in rows], numbers.TIME_UNITS)
    energy = numbers.unit_for([row.energy_pj for row in rows], numbers.ENERGY_UNITS)
    twin = training.run.twin_cycles is not None
    speedup, saved = (["speed-up"], ["saved"]) if twin else ([], [])
    table = _Table("Whole training", "steps", "recorded", "zeros", time.name, *speedup, energy.name, *saved)
    for row in rows:
        recorded = "" if row.recorded_steps is None else numbers.count(row.recorded_steps)
        cells = [_indented(row.name, row.level), numbers.count(row.steps), recorded, numbers.percent(row.sparsity)]
        cells += [numbers.aligned(row.time_us, time), *([numbers.times(row.speedup)] if twin else [])]
        saving = "-" if row.energy_saving is None else numbers.percent(row.energy_saving)
        cells += [numbers.aligned(row.energy_pj, energy), *([saving] if twin else [])]
        table.add_row(*cells, style=SUM_STYLE if row.name == "total" else None)
    return table


def _training_lines(training: Training) -> list[summary.Line]:
    between = summary.training_range(training)
    return [("how", training.method), *([] if between is None else [("range", between)])]


def _compared(report: Report, *columns: str) -> tuple[str, ...]:
    return () if report.baseline is None else columns


def _indented(name: str, level: int) -> str:
    return "  " * level + name


def _cycle_count(cycles: int) -> str:
    return numbers.count(cycles, LARGEST_CYCLES_IN_FULL)


def _share(part: float, whole: float) -> str:
    return numbers.percent(part / whole) if whole else "-"


def _speedup(cycles: int, twin_cycles: int) -> str:
    return numbers.times(numbers.ratio(twin_cycles, cycles))


def _saved(row: summary.Comparison) -> str:
    """Say the saving against the twin; a dash where the twin has none of it."""
    return numbers.percent(1 - row.here / row.twin) if row.twin else "-"
