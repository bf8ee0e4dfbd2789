"""`skipstone validate-literature`: published numbers beside ours."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from simulator.commands.progress import QUIET_SECONDS, progress

if TYPE_CHECKING:
    from simulator.validation import Table

SPARSELOOP = "Sparseloop, an analytical model, states 0.1 to 8 % (Wu et al., MICRO 2022)"


@click.command("validate-literature")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def validate_literature(as_json: bool, quiet: bool) -> None:
    """Recompute the published figures of other designs and print the error of each.

    Exit code 1 if a row is outside its tolerance without standing in DEVIATIONS.md.
    """
    from simulator.validation import literature, mean_error

    with progress(quiet, "designs", QUIET_SECONDS) as observer:
        tables = literature(observer)
    outside = [row for table in tables for row in table.rows if not row.within and not row.deviation]
    if as_json:
        data = {"schema_version": 1, "mean_error": mean_error(tables), "tables": [t.to_dict() for t in tables]}
        click.echo(json.dumps(data, indent=2))
    else:
        for table in tables:
            click.echo(render(table))
        published = sum(len(t.rows) for t in tables if t.kind == "published")
        summary = f"Mean error of the {published} published rows: {mean_error(tables):.1%}. {SPARSELOOP}."
        click.echo(textwrap.fill(summary, 80))
    if outside:
        raise SystemExit(1)


def render(table: Table) -> str:
    """Give a table as lines of at most 80 columns."""
    lines = [f"{table.design} ({table.kind}, mean error {table.mean_error:.1%})"]
    lines += textwrap.wrap(f"as {table.mechanism}", 78, initial_indent="  ", subsequent_indent="  ")
    lines += textwrap.wrap(table.source, 78, initial_indent="  ", subsequent_indent="  ")
    lines.append(f"  {'':36}{'ours':>11}{'theirs':>11}{'error':>9}  unit")
    for row in table.rows:
        name = textwrap.wrap(row.what, 35)
        lines += [f"  {part}" for part in name[:-1]]
        lines.append(f"  {name[-1]:36}{row.ours:>11.5g}{row.theirs:>11.5g}{row.error:>+9.1%}  {row.unit}")
        if row.deviation:
            lines += textwrap.wrap(row.deviation, 74, initial_indent="    ! ", subsequent_indent="      ")
    return "\n".join([*lines, ""])
