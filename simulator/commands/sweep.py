"""`skipstone sweep`: replay traces on a grid of machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simulator.explore import Outcome

PLAIN_LINE_EVERY_SECONDS = 10.0


@click.command("sweep")
@click.argument("space")
@click.option("--out", required=True, help="Folder for results.csv, and for the store.")
@click.option("--store", default=None, help="Folder of outcomes that sweeps may share; default: store in --out.")
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", help="Of the table.")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes; default: one per core.")
@click.option("--quiet", is_flag=True, help="No progress and no list of invalid points.")
def sweep(space: str, out: str, store: str | None, file_format: str, workers: int | None, quiet: bool) -> None:
    """Replay traces on many machines, to one tidy table.

    SPACE is a space file, or the name of a shipped one such as depth_refill. Invalid combinations are rows
    with a status and the reason. Every outcome is kept in a store as it comes: after Ctrl-C or a kill, the same
    command goes on where it was, and a space that has grown evaluates only what is new. The table's bytes depend
    neither on --workers nor on what the store had.
    """
    from simulator.explore import load_space, run_sweep

    described = load_space(space)
    with progress(quiet, "points") as observer:
        outcome = run_sweep(described, out, workers, observer, store=store, file_format=file_format)
    if not quiet:
        _tell_invalid(outcome)
    wrote = f"{len(outcome.rows)} rows in {outcome.path}"
    if outcome.signal_number:
        kept = wrote if outcome.unfinished < outcome.points else "nothing was written"
        click.echo(f"interrupted with {outcome.unfinished} of {outcome.points} points to go; {kept}", err=True)
        sys.exit(128 + outcome.signal_number)  # as a shell reports a death by this signal
    if not quiet:
        had = f", {outcome.kept} of them from the store" if outcome.kept else ""
        click.echo(wrote + had, err=True)


def _tell_invalid(outcome: Outcome) -> None:
    for reason, count in outcome.invalid.items():
        click.echo(f"invalid: {count} {'point' if count == 1 else 'points'}: {reason}", err=True)


Observer = Callable[[int, int], None]


@contextmanager
def progress(quiet: bool, what: str) -> Iterator[Observer | None]:
    """Show progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(what) as observer:
            yield observer
    else:
        yield _PlainLines(what)


class _PlainLines:
    """Writes a line at the start, at the end, and every ten seconds between."""

    def __init__(self, what: str) -> None:
        self._what, self._due = what, 0.0

    def __call__(self, done: int, total: int) -> None:
        if done == total or time.monotonic() >= self._due:
            click.echo(f"{done}/{total} {self._what}", err=True)
            self._due = time.monotonic() + PLAIN_LINE_EVERY_SECONDS


@contextmanager
def _bar(what: str) -> Iterator[Observer]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
