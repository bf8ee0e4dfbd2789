"""The report as text for a terminal, a pipe or a file.

Laid out by `textwrap` and styled by click, which are loaded anyway: importing rich's console and laying out its tables
took a seventh of a short run. Characters that are not one column wide are left to rich.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

import click

from simulator.energy import AreaReport
from simulator.report import numbers, summary
from simulator.report.result import Report
from simulator.report.training import Training

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
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if width is None:
        width = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns if terminal else DEFAULT_WIDTH
    if color is None:
        color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")
    width = min(max(width, NARROWEST), WIDEST)
    lines = [line for part in _parts(report, verbose) for line in part.laid_out(width)]
    return "\n".join(_shown(line, color) for line in lines).strip("\n") + "\n"


Piece = tuple[str, str]
"""Text of one line, and its style: a colour, ``bold``, both, or nothing."""


def _shown(line: list[Piece], color: bool) -> str:
    """Join the pieces of a line, with the codes of a terminal where there is colour, and without blanks at its end."""
    while line and not line[-1][0].rstrip():
        line = line[:-1]
    if line:
        line = [*line[:-1], (line[-1][0].rstrip(), line[-1][1])]
    if not color:
        return "".join(text for text, _ in line)
    return "".join(_styled(text, style) if style else text for text, style in line)


def _styled(text: str, style: str) -> str:
    words = style.split()
    return click.style(text, fg=next((word for word in words if word != "bold"), None), bold="bold" in words or None)


def _cells(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines at its blanks, and within words that are longer than a line."""
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    from rich.console import Console
    from rich.text import Text

    return [line.plain.rstrip() for line in Text(text).wrap(Console(width=width), width)]


class _Sentence:
    """Text as wide as there is room."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text, self._style = text, style

    def laid_out(self, width: int) -> list[list[Piece]]:
        """Give its lines."""
        return [[(line, self._style)] for line in _wrapped(self._text, width)]


class _Lines:
    """Labels, and what stands beside them."""

    def __init__(self, lines: list[summary.Line], style: str = "") -> None:
        self._lines, self._style = lines, style

    def laid_out(self, width: int) -> list[list[Piece]]:
        """Give its lines: a label is told once."""
        left = max((_cells(label) for label, _ in self._lines), default=0)
        found = []
        for label, text in self._lines:
            for number, line in enumerate(_wrapped(text, width - left - len(GAP))):
                name = "" if number else label
                found.append([(name + " " * (left - _cells(name)), self._style), (GAP + line, "")])
        return found


def _parts(report: Report, verbose: bool) -> list[_Sentence | _Lines | _Table]:
    title = f"{numbers.plain(report.arch.name)} on {summary.steps(report.steps)}"
    nothing = _Sentence("")
    parts: list[_Sentence | _Lines | _Table] = [_Sentence(title, "bold"), nothing]
    parts += [_Lines(summary.headline(report), "bold green"), nothing]
    parts += [_Lines(summary.provenance(report)), nothing, _cycles(report), nothing]
    layers = summary.layer_rows(report)
    if len(layers) > 1:
        parts += [_layers(layers, with_dram=not report.arch.ideal_memory), nothing]
    parts += [_slots(report), nothing, _energy(report), nothing]
    if not report.arch.ideal_memory:
        parts += [_dram(report), *([_Lines(rows)] if (rows := summary.dram_commands(report)) else []), nothing]
    if verbose and report.area is not None and report.area.lines:
        parts += [_area(report.area, None if report.baseline is None else report.baseline.area), nothing]
        parts += [_Lines([("note", numbers.plain(note)) for note in report.area.notes], "yellow"), nothing]
    if report.training is not None:
        parts += [_training(report.training), _Lines(_training_lines(report.training)), nothing]
    if report.break_even is not None:
        parts += [_Lines(summary.break_even(report.break_even)), nothing]
    if remarks := summary.remarks(report):
        parts += [_Lines([("note", remark) for remark in remarks], "yellow"), nothing]
    return [*parts, *(_Sentence(numbers.plain(sentence)) for sentence in report.explain())]


class _Table:
    """Names on the left, numbers on the right, two blanks between columns; a rule of dashes, no frame."""

    def __init__(self, title: str, *columns: str) -> None:
        self._header, self._rows = (title, *columns), list[tuple[tuple[str, ...], str]]()

    def add_row(self, *cells: str, style: str | None = None) -> None:
        """Add a row of as many cells as the header has."""
        self._rows.append((cells, style or ""))

    def laid_out(self, width: int) -> list[list[Piece]]:
        """Give its lines; where they were too long, names are cut."""
        every = [self._header, *(cells for cells, _ in self._rows)]
        widths = [max(map(_cells, column)) for column in zip(*every, strict=True)]
        whole = sum(widths) + len(GAP) * (len(widths) - 1)
        widths[0] -= max(0, whole - width)

        def line(cells: tuple[str, ...], style: str, of_name: str) -> list[Piece]:
            others = (" " * (w - _cells(cell)) + cell for cell, w in zip(cells[1:], widths[1:], strict=True))
            return [(_fitted(cells[0], widths[0]), of_name), ("".join(GAP + other for other in others), style)]

        rule: list[Piece] = [("-" * min(whole, width), "")]
        return [line(self._header, "", "bold cyan"), rule, *(line(cells, style, style) for cells, style in self._rows)]


def _fitted(text: str, width: int) -> str:
    """Fill a text up with blanks, or cut it, the last three of its characters dots."""
    if _cells(text) <= width:
        return text + " " * (width - _cells(text))
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 3) + "..."


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
