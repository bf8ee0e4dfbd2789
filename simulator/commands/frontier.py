"""`skipstone frontier`: the rows of a sweep that no other row beats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traces.errors import InputError
from traces.program import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.explore.frontier import Frontier, Objective
    from simulator.explore.rows import ResultTable

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
KEY_DIGITS = 10
OF_QUALITY = ("quality", "quality_loss")
DEFAULT_OBJECTIVES = ("cycles_total", "energy_total_pj")


@click.command("frontier", context_settings={"max_content_width": 100})
@click.argument("results", metavar="RESULTS.csv")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="COLUMN[:min|max]",
    help="What counts; can be repeated. Savings, speed-ups and utilisation are to be large by default, the rest small. "
    "Default: cycles_total and energy_total_pj.",
)
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Relative difference that means nothing: rows that are behind by no more are kept, too.",
)
@click.option(
    "--per",
    multiple=True,
    metavar="COLUMN",
    help="Compare only rows that agree here; can be repeated. Default: trace and steps, where the table has them; "
    "phase where the objectives are about quality, for then the trace is a choice.",
)
@click.option("--plot", "plot_file", metavar="FILE.svg", help="Draw the first two objectives (.png, .svg or .pdf).")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--quiet", is_flag=True, help="No notes on stderr.")
def frontier(
    results: str,
    objectives: tuple[str, ...],
    tolerance: float,
    per: tuple[str, ...],
    plot_file: str | None,
    form: str,
    quiet: bool,
) -> None:
    """Find the rows of RESULTS.csv that no other row beats in every objective.

    A row is dropped if another one is nowhere worse and somewhere better by more than the tolerance; ties are kept.
    Parquet does as well as CSV. Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.simulate import print_text
    from simulator.explore.frontier import Objective
    from simulator.explore.frontier import frontier as find
    from simulator.explore.rows import read_table
    from simulator.report.files import check_writable

    wanted = [Objective.parse(text) for text in objectives or DEFAULT_OBJECTIVES]
    if plot_file is not None:
        if Path(plot_file).suffix not in PLOT_SUFFIXES:
            raise InputError.of("--plot", repr(plot_file), f"a file that ends in {', '.join(PLOT_SUFFIXES)}")
        if len(wanted) < 2:
            raise InputError.of("--plot", "one objective", "two or more, which can be drawn against each other")
        check_writable(plot_file)
    table = read_table(results)
    found = find(table, wanted, tolerance, per or compared_per(table, wanted))
    if plot_file is not None:
        _draw(found, Path(plot_file))
        if not quiet:
            say(f"wrote {plot_file}", err=True)
    print_text({"table": frontier_table, "csv": _csv, "json": _json}[form](found, table))


def compared_per(table: ResultTable, objectives: Sequence[Objective]) -> list[str]:
    """Say which rows are compared: those of the same trace and steps, unless quality makes the trace a choice."""
    about_quality = any(objective.column in OF_QUALITY for objective in objectives)
    return [name for name in (("phase",) if about_quality else ("trace", "steps")) if name in table.columns]


def frontier_table(found: Frontier, table: ResultTable) -> str:
    """Write a frontier for reading."""
    from simulator.explore.measures import said
    from simulator.explore.text_table import text_table

    key = ["key"] if "key" in table.columns else []
    measures = [objective.column for objective in found.objectives]
    settings = [name for name in table.varied_axes or found.per if name not in measures]
    texts = [*key, *settings]
    head = [*texts, *(str(objective).replace(":", "\n:") for objective in found.objectives)]
    rows = [
        [row[name][:KEY_DIGITS] if name == "key" else row[name] or "-" for name in texts]
        + [said(name, float(row[name])) for name in measures]
        for row in found.kept
    ]
    lines = text_table(head, rows, len(texts))
    within = f", or by no more than {100 * found.tolerance:g} %" if found.tolerance else ""
    apart = f"; apart for each {' and '.join(found.per)}" if found.per else ""
    lines += ["", f"{len(found.kept)} of {len(found.considered)} rows, which no other one beats{within}{apart}."]
    missing = found.without + table.left_out
    if missing:
        lines.append(f"{missing} left out: invalid, infeasible, or without one of the objectives.")
    return "\n".join(lines) + "\n"


def _csv(found: Frontier, table: ResultTable) -> str:
    from simulator.explore.table import csv_text

    return csv_text([table.columns, *([row[name] for name in table.columns] for row in found.kept)])


def _json(found: Frontier, table: ResultTable) -> str:
    from simulator.explore.rows import cell

    data = {
        "schema_version": 1,
        "objectives": [{"column": o.column, "direction": o.direction} for o in found.objectives],
        "tolerance": found.tolerance,
        "per": list(found.per),
        "considered": len(found.considered),
        "left_out": found.without + table.left_out,
        "rows": [{name: cell(name, text) for name, text in row.items()} for row in found.kept],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _draw(found: Frontier, path: Path) -> None:
    from simulator.explore.frontier_plot import FIGURE_INCHES, frontier_of_two
    from simulator.report.files import write_bytes_atomically
    from simulator.report.plots.export import drawn

    content = drawn(lambda ax: frontier_of_two(found, ax), FIGURE_INCHES, path.suffix[1:])
    write_bytes_atomically(path, content)
