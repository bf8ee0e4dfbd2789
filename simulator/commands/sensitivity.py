"""`skipstone sensitivity`: which axis of a sweep moves which measure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simulator.explore.sensitivity import Sensitivity

WIDTH = 80
DEFAULT_MEASURES = ("cycles_total", "energy_total_pj")
READ_AS = (
    "change: of the larger value, from rows that differ in this axis alone, mean and largest. variance: what the axis "
    "explains by itself; where a space was sampled, it holds what other axes did at the same time, too."
)


@click.command("sensitivity", context_settings={"max_content_width": 100})
@click.argument("results", metavar="RESULTS.csv")
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="COLUMN",
    help="What is moved; can be repeated. Default: cycles_total and energy_total_pj.",
)
@click.option(
    "--axis",
    "axes",
    multiple=True,
    metavar="COLUMN",
    help="What was set; can be repeated, and then names all axes. Default: those of skipstone sweep.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def sensitivity(results: str, measures: tuple[str, ...], axes: tuple[str, ...], form: str) -> None:
    """Say which axis of the space in RESULTS.csv (or Parquet) moves which measure, and how much.

    Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.simulate import print_text
    from simulator.explore.rows import read_table
    from simulator.explore.sensitivity import sensitivities

    table = read_table(results)
    wanted = list(dict.fromkeys(measures or DEFAULT_MEASURES))
    found = sensitivities(table, wanted, list(dict.fromkeys(axes)) or None)
    if form == "json":
        data = {"schema_version": 1, "rows": len(table.rows), "axes": [one.to_dict() for one in found]}
        print_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    parts = ["\n".join(_lines(name, [one for one in found if one.measure == name])) for name in wanted]
    parts.append("\n".join(textwrap.wrap(READ_AS, WIDTH)))
    print_text("\n\n".join(parts) + "\n")


def _lines(measure: str, found: Sequence[Sensitivity]) -> list[str]:
    from simulator.explore.measures import said
    from simulator.explore.text_table import text_table
    from simulator.report import numbers

    def share(value: float | None) -> str:
        return "-" if value is None else numbers.percent(value)

    rows, steps = [], list[str]()
    for one in found:
        changes = [share(one.mean_change), share(one.largest_change)]
        rows.append([one.axis, str(one.levels), str(one.pairs), *changes, share(one.share)])
        where = one.largest
        if where is not None:
            settings = f"{numbers.plain(one.axis)} {where.worse or '-'} to {where.better or '-'}"
            values = f"{said(measure, where.larger)} to {said(measure, where.smaller)}"
            steps += textwrap.wrap(f"largest: {settings}: {values}", WIDTH, subsequent_indent="  ")
    head = [numbers.plain(measure), "levels", "pairs", "mean", "largest", "variance"]
    return [*text_table(head, rows), *steps]
