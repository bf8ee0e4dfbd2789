"""`skipstone study`: train many models with thresholded gate gradients, and tell what that costs and saves."""

from __future__ import annotations

import sys
import textwrap

import click

from traces.program import say


@click.group()
def study() -> None:
    """Train many models, and set quality beside sparsity, cycles and energy."""


@study.command("paper")
@click.option("--out", required=True, metavar="DIR", help="Folder of results.jsonl and report.md; runs in it are kept.")
@click.option(
    "--scale",
    type=click.Choice(["small", "medium", "paper"]),
    default="small",
    show_default=True,
    help="Sizes: for an hour or two of two cores, for days, or as published.",
)
@click.option("--only", multiple=True, metavar="TABLE", help="Only this table; can be repeated. --list names them.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="Processes, one run each; default: one a core."
)
@click.option("--keep-traces", is_flag=True, help="Keep each run's trace in DIR/traces.")
@click.option("--list", "lists", is_flag=True, help="Say what would be run, and run nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
def paper(
    out: str, scale: str, only: tuple[str, ...], workers: int | None, keep_traces: bool, lists: bool, quiet: bool
) -> None:
    """Redo the paper's study, and what it left out, on one machine.

    Every run is a line of DIR/results.jsonl; what is there is not run again, so a study that was ended goes on. The
    tables are written to DIR/report.md when it ends, by Ctrl-C too.
    """
    from simulator.commands.progress import progress
    from simulator.cpus import usable_cpus
    from simulator.study import GROUPS, Results, paper_study, run_study, write_page
    from traces.errors import InputError, nearest

    for name in only:
        if name not in GROUPS:
            raise InputError.of("--only", repr(name), f"one of {', '.join(GROUPS)}", nearest(name, GROUPS))
    every = paper_study(scale)
    groups = [group for group in every if not only or group.name in only]
    if lists:
        done = Results(out).rows
        for group in groups:
            missing = sum(run.key not in done for run in group.runs)
            told = f"{group.name:14s} {len(group.runs):4d} runs, {missing} to do: {group.title}"
            click.echo(textwrap.fill(told, 80, subsequent_indent=" " * 15))
        return
    with progress(quiet, "runs") as observer:
        outcome = run_study(groups, out, workers or usable_cpus(), observer, keep_traces)
    path = write_page(every, outcome.results, scale)
    if not quiet:
        say(f"wrote {path}", err=True)
    if outcome.signal_number:
        click.echo(f"interrupted with {outcome.missing} of {outcome.wanted} runs to go", err=True)
        sys.exit(128 + outcome.signal_number)  # as a shell reports a death by this signal
