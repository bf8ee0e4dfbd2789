"""`skipstone sweep`: replay traces on a grid of machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from simulator.commands.completion import complete_space
from simulator.commands.progress import QUIET_SECONDS, duration, progress
from traces.program import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.explore import Forecast


@click.command("sweep")
@click.argument("space", shell_complete=complete_space)
@click.option(
    "--out",
    default=None,
    metavar="DIR",
    help="Folder for results.csv, and for the store.  [required but for --dry-run]",
)
@click.option(
    "--store", default=None, metavar="DIR", help="Folder of outcomes that sweeps may share; default: store in --out."
)
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", help="Of the table.")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes; default: one per core.")
@click.option("--scheduler", default=None, metavar="tcp://HOST:PORT", help="Use the workers of a Dask cluster instead.")
@click.option("--dry-run", is_flag=True, help="Tell points, reasons and about the time, and write nothing.")
@click.option("--quiet", is_flag=True, help="No progress and no list of invalid points.")
def sweep(
    space: str,
    out: str | None,
    store: str | None,
    file_format: str,
    workers: int | None,
    scheduler: str | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Replay traces on many machines, to one tidy table.

    SPACE is a space file, or the name of a shipped one such as depth_refill. Invalid combinations are rows
    with a status and the reason. Every outcome is kept in a store as it comes: after Ctrl-C or a kill, the same
    command goes on where it was, and a space that has grown evaluates only what is new. The table's bytes depend
    neither on --workers or --scheduler nor on what the store had.
    """
    from simulator.commands.contradiction import end_of_failed
    from simulator.explore import forecast, load_space, run_sweep
    from simulator.explore.sweeping import changed_meanwhile

    described = load_space(space)
    if dry_run:
        with progress(quiet, "points measured", QUIET_SECONDS) as observer:
            ahead = forecast(described, out, workers, store=store, scheduler=scheduler, progress=observer)
        _tell_forecast(ahead)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    with progress(quiet, "points") as observer:
        outcome = run_sweep(
            described, out, workers, observer, store=store, file_format=file_format, scheduler=scheduler
        )
    if not quiet:
        _tell_others(outcome.left_out, outcome.invalid, err=True)
    wrote = f"{len(outcome.rows)} rows in {outcome.path}"
    if outcome.signal_number:
        kept = wrote if outcome.unfinished < outcome.points else "nothing was written"
        say(f"interrupted with {outcome.unfinished} of {outcome.points} points to go; {kept}", err=True)
        sys.exit(128 + outcome.signal_number)  # as a shell reports a death by this signal
    if outcome.changed:
        raise changed_meanwhile(outcome.changed)
    if not quiet:
        had = f", {outcome.kept} of them from the store" if outcome.kept else ""
        say(wrote + had, err=True)
    end_of_failed(outcome.failed)


def _tell_forecast(ahead: Forecast) -> None:
    invalid = sum(ahead.invalid.values())
    had = f", {ahead.kept} of them in the store" if ahead.kept else ""
    left_out = sum(ahead.left_out.values())
    out = f"; {_counted(left_out, 'combination')} left out" if left_out else ""
    say(f"{_counted(ahead.points)} to replay{had}; {_counted(invalid)} invalid{out}")
    _tell_others(ahead.left_out, ahead.invalid, err=False)
    if ahead.left:
        each = " ".join(f"{1000 * seconds:.1f}" for seconds in ahead.measured_seconds)
        workers = min(ahead.workers, ahead.left)
        processes = "1 process" if workers == 1 else f"{workers} processes"
        say(f"about {duration(ahead.seconds)} at most on {processes}: some points took {each} ms here")


def _tell_others(left_out: Mapping[str, int], invalid: Mapping[str, int], err: bool) -> None:
    for rule, count in left_out.items():
        say(f"left out: {_counted(count, 'combination')}: {rule} does not hold", err=err)
    for reason, count in invalid.items():
        say(f"invalid: {_counted(count)}: {reason}", err=err)


def _counted(number: int, what: str = "point") -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
