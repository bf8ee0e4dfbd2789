"""`skipstone break-even`: from which share of zeros on skipping pays on a machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.commands.options import arch_option, trace_option
from simulator.commands.progress import QUIET_SECONDS, progress
from traces.errors import InputError
from traces.program import say

if TYPE_CHECKING:
    from simulator.explore.break_even import Progress
    from simulator.report.break_even import BreakEven, CurvePoint

PLOT_SUFFIXES = (".png", ".svg", ".pdf")


@click.command("break-even", context_settings={"max_content_width": 100})
@arch_option
@trace_option("A trace: its shapes are replayed.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the machine.")
@click.option(
    "--steps",
    "step_range",
    metavar="A:B",
    help="Recorded steps to show beside the curve; by default the last one.",
)
@click.option("--points", default=11, show_default=True, help="Points of the curve, from no zeros to nothing else.")
@click.option(
    "--time-steps",
    type=int,
    default=None,
    help="Time steps of the synthetic steps. Left out: the trace's, cut only where replays would take long.",
)
@click.option("--seed", default=0, show_default=True, help="Of the synthetic masks.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What to print: a table to read, or one JSON object.",
)
@click.option("--plot", "plot_file", metavar="FILE.png", help="Also draw the curve: .png, .svg or .pdf.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def break_even(
    machine: str,
    trace_file: str,
    overrides: tuple[str, ...],
    step_range: str | None,
    points: int,
    time_steps: int | None,
    seed: int,
    form: str,
    plot_file: str | None,
    quiet: bool,
) -> None:
    """Find the share of zeros in dG from which on skipping saves time, and energy.

    Replays synthetic steps of the trace's shapes with independent zeros on the machine and on its dense twin. Results
    go to stdout, progress to stderr. Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.simulate import print_text, read_inputs
    from simulator.explore.break_even import find_break_even
    from simulator.report.files import check_writable
    from simulator.run import simulate

    if plot_file is not None:
        if Path(plot_file).suffix not in PLOT_SUFFIXES:
            raise InputError.of("--plot", repr(plot_file), f"a file that ends in {', '.join(PLOT_SUFFIXES)}")
        check_writable(plot_file)
    arch, trace, steps = read_inputs(machine, overrides, trace_file, step_range)
    with trace, replays_done(quiet) as observer:
        if steps is None and trace.steps:
            steps = (trace.steps[-1], None)
        report = simulate(arch, trace, steps=steps) if trace.steps else None
        found = find_break_even(
            arch, trace, report=report, points=points, time_steps=time_steps, seed=seed, progress=observer
        )
    if plot_file is not None:
        _draw(found, Path(plot_file))
        if not quiet:
            say(f"wrote {plot_file}", err=True)
    print_text(_json(found) if form == "json" else _table(found))


@contextmanager
def replays_done(quiet: bool) -> Iterator[Progress | None]:
    """Count replays on stderr; how many it will take is not known before."""
    with progress(quiet, "shares of zeros replayed", QUIET_SECONDS) as observer:
        yield None if observer is None else lambda done: observer(done, None)


def _json(found: BreakEven) -> str:
    data = {
        "schema_version": 1,
        "architecture": {"name": found.machine, "digest": found.digest},
        "trace": {"sha256": found.trace_sha256},
        **found.to_dict(),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _table(found: BreakEven) -> str:
    import textwrap

    from simulator.report import numbers

    def row(name: str, point: CurvePoint) -> str:
        zeros, saving = numbers.percent(point.sparsity), numbers.percent(point.energy_saving)
        return f"{name:<20}{zeros:>8}{numbers.times(point.speedup):>10}{saving:>14}"

    lines = [f"{numbers.plain(found.machine)}: break-even", ""]
    lines += textwrap.wrap(" ".join(found.sentences()), 80)
    lines += ["", f"{'':<20}{'zeros':>8}{'speed-up':>10}{'energy saved':>14}", "-" * 52]
    lines += [row("synthetic", point) for point in found.points]
    lines += [row(f"recorded, step {step}", point) for step, point in found.recorded]
    return "\n".join([*lines, "", *textwrap.wrap(f"Replayed: {found.method}.", 80)]) + "\n"


def _draw(found: BreakEven, path: Path) -> None:
    from simulator.report.break_even_plot import FIGURE_INCHES, gains_by_sparsity
    from simulator.report.files import write_bytes_atomically
    from simulator.report.plots.export import drawn

    content = drawn(lambda axes: gains_by_sparsity(found, axes[:, 0]), FIGURE_INCHES, path.suffix[1:], (2, 1))
    write_bytes_atomically(path, content)
