"""`skipstone search`: look for the best machines and traces of a space, without trying all of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from simulator.commands.progress import progress
from traces.program import say

if TYPE_CHECKING:
    from simulator.explore import Found


@click.command("search", context_settings={"max_content_width": 100})
@click.argument("space")
@click.option("--out", required=True, help="Folder for results.csv, for the journal and for the store.")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="MEASURE[:min|max]",
    help="What counts; can be repeated. A column of a sweep's table, or cycles, time, energy, energy-delay, area, "
    "quality-loss. Default: cycles and energy.",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="'MEASURE<=NUMBER'",
    help="A bound to keep, also with >=; can be repeated.",
)
@click.option("--trials", type=click.IntRange(min=1), default=100, show_default=True, help="Combinations to try.")
@click.option("--sampler", type=click.Choice(["tpe", "nsga2", "random", "qmc"]), default="tpe", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--quality",
    default=None,
    metavar="FILE.csv:COLUMN:min|max",
    help="How good the training of each trace was (a column `trace` names them), for quality-loss: how much worse than "
    "the first trace of the space. Default: what the space says.",
)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Trials chosen at a time.")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes; default: one per core.")
@click.option(
    "--storage", default=None, metavar="URL", help="A database in place of the journal in --out, for many machines."
)
@click.option("--study", default=None, help="Name of the study in the database.  [default: the space's]")
@click.option("--store", default=None, help="Folder of outcomes to share with sweeps; default: store in --out.")
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", help="Of the table.")
@click.option("--quiet", is_flag=True, help="No progress, no notes and no list of invalid trials.")
def search(
    space: str,
    out: str,
    objectives: tuple[str, ...],
    constraints: tuple[str, ...],
    trials: int,
    sampler: str,
    seed: int,
    quality: str | None,
    batch: int,
    workers: int | None,
    storage: str | None,
    study: str | None,
    store: str | None,
    file_format: str,
    quiet: bool,
) -> None:
    """Look for the best combinations of a space, and print those that no other one beats.

    SPACE is a space file as `skipstone sweep` takes it, or the name of a shipped one. Every trial is kept as it comes:
    after Ctrl-C or a kill, the same command goes on where it was, and with more --trials it goes on further. What is
    found depends on --seed and --batch, not on --workers. Needs Optuna: pip install 'skipstone[search]'.
    Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.contradiction import end_of_failed
    from simulator.explore import search as run

    with progress(quiet, "trials") as observer:
        found = run(
            space,
            objectives or ("cycles", "energy"),
            trials,
            out,
            workers,
            observer,
            constraints=constraints,
            sampler=sampler,
            seed=seed,
            batch=batch,
            storage=storage,
            study=study,
            store=store,
            quality=quality,
            file_format=file_format,
        )
    if not quiet:
        for choice in found.no_workload:
            say(f"note: {choice} are a choice here, as machines are: that with the least work is best", err=True)
        for reason, count in found.invalid.items():
            say(f"invalid: {_counted(count)}: {reason}", err=True)
    wrote = f"{_counted(len(found.rows))} in {found.path}" if found.rows else "nothing was written"
    if found.signal_number:
        say(f"interrupted with {found.unfinished} of {found.points} trials to go; {wrote}", err=True)
        sys.exit(128 + found.signal_number)  # as a shell reports a death by this signal
    _tell_best(found, quiet)
    if not quiet:
        had = f", {found.kept} of them from before" if found.kept else ""
        say(wrote + had, err=True)
        if found.exhausted:
            say("no combination is left that was not tried", err=True)
    end_of_failed(found.failed)


def _tell_best(found: Found, quiet: bool) -> None:
    """Print the frontier, as `skipstone frontier` prints that of the table."""
    from simulator.commands.frontier import compared_per, frontier_table
    from simulator.commands.simulate import print_text
    from simulator.explore.frontier import frontier
    from simulator.explore.rows import of_rows

    feasible = sum(row["feasible"] == "yes" for row in found.rows)
    if not feasible:
        print_text(f"None of {_counted(len(found.rows))} is feasible.\n")
        return
    if found.goals.constraints and not quiet:
        say(f"{feasible} of {_counted(len(found.rows))} keep all constraints", err=True)
    result = of_rows(str(found.path), found.axes, found.rows)
    objectives = found.goals.objectives
    print_text(frontier_table(frontier(result, objectives, per=compared_per(result, objectives)), result))


def _counted(trials: int) -> str:
    return "1 trial" if trials == 1 else f"{trials} trials"
