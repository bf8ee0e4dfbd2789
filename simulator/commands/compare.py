"""`skipstone compare`: what changed between runs, by how much, and why."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from simulator.commands.completion import complete_report
from traces.errors import InputError, Problem

if TYPE_CHECKING:
    from simulator.explore.compare import Change, Comparison, Contribution

WIDTH = 80
LISTED = 6
"""Contributions to a difference that have a line each; the others share one."""
DIGESTS, DIGEST_DIGITS = ("arch_digest", "trace_sha256"), 12


@click.command("compare", context_settings={"max_content_width": 100})
@click.argument("runs", nargs=-1, required=True, metavar="A B ...", shell_complete=complete_report)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def compare(runs: tuple[str, ...], form: str) -> None:
    """Say what changed from A to B (and to each further run), by how much, and because of what.

    A run is a report.json of `simulate --out`, or RESULTS.csv:KEY (or .parquet), a row of `skipstone sweep` by its key
    or the first digits of it. Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.simulate import print_text
    from simulator.explore.compare import compare as set_beside
    from simulator.explore.subjects import EXPECTED, read_subject

    if len(runs) < 2:
        raise InputError.of("compare", "one run", f"at least two, each {EXPECTED}")
    subjects, problems = [], list[Problem]()
    for text in runs:
        try:
            subjects.append(read_subject(text))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    found = set_beside(subjects[0], subjects[1:])
    if form == "json":
        data = {"schema_version": 1, "reference": subjects[0].source, "comparisons": [one.to_dict() for one in found]}
        print_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    print_text("\n\n".join("\n".join(_lines(one)) for one in found) + "\n")


def _lines(found: Comparison) -> list[str]:
    from simulator.explore.text_table import text_table
    from simulator.report import numbers

    lines = [f"A  {numbers.plain(found.reference.source)}", f"B  {numbers.plain(found.other.source)}", ""]
    settings = [(n, *(v[:DIGEST_DIGITS] if n in DIGESTS else v for v in values)) for n, *values in found.settings]
    lines += text_table(["set", "A", "B"], settings, texts=3) if settings else ["set: all the same"]
    rows = [_cells(c.measure, c.measure, c, c.relative) for c in found.changes]
    lines += ["", *text_table(["measure", "A", "B", "B - A", "of A"], rows)]
    for change in found.changes:
        if change.contributions:
            lines += ["", *_why(change)]
    if found.reference.limit is not None and found.other.limit is not None:
        same = found.reference.limit == found.other.limit
        limits = found.reference.limit if same else f"{found.reference.limit} in A, {found.other.limit} in B"
        lines += ["", f"largest limit: {numbers.plain(limits)}"]
    for note in found.notes:
        lines += ["", *textwrap.wrap(f"note: {note}", WIDTH)]
    return lines


def _why(change: Change) -> list[str]:
    """Tabulate where a difference comes from; the lines sum to the last one."""
    from simulator.explore.compare import Contribution
    from simulator.explore.measures import changed, signed
    from simulator.explore.text_table import text_table

    told = list(change.contributions)
    if len(told) > LISTED + 1:
        others = told[LISTED:]
        before, after = sum(c.before for c in others), sum(c.after for c in others)
        difference = sum(c.difference for c in others)
        told = [*told[:LISTED], Contribution(f"{len(others)} others", before, after, difference)]
    measure, whole = change.measure, abs(change.before)
    rows = [_cells(c.name, measure, c, c.difference / whole if whole else None) for c in told]
    rows.append(["all", "", "", signed(measure, change.difference), changed(change.relative)])
    return text_table([f"{measure} by part", "A", "B", "B - A", "of A's total"], rows)


def _cells(name: str, measure: str, of: Change | Contribution, relative: float | None) -> list[str]:
    from simulator.explore.measures import changed, said, signed

    values = [said(measure, value) for value in (of.before, of.after)]
    return [name, *values, signed(measure, of.difference), changed(relative)]
