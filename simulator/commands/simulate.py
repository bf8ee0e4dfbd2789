"""`simulate`: replay a trace on a machine and say what it took."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from simulator.commands.options import arch_option, trace_option
from simulator.commands.progress import QUIET_SECONDS
from simulator.commands.progress import progress as progress_of_job
from traces.errors import InputError, Problem, nearest
from traces.program import say

if TYPE_CHECKING:
    from simulator.arch import Architecture
    from simulator.engine import EngineName, Window
    from simulator.report import Report
    from simulator.run import Steps
    from simulator.values import ValueTally
    from traces import Trace

Result = TypeVar("Result")


def _engines(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from simulator.engine import ENGINES

    return [name for name in ENGINES if name.startswith(incomplete)]


def _known_engine(context: click.Context, parameter: click.Parameter, name: str) -> EngineName:
    """Check the engine's name against those there are, which are imported only now."""
    from simulator.engine import ENGINES

    if context.resilient_parsing:  # somebody completes the line
        return cast("EngineName", name)
    if name not in ENGINES:
        raise InputError.of("--engine", repr(name), "one of " + ", ".join(ENGINES), nearest(name, ENGINES))
    return cast("EngineName", name)


def _known_plot_format(context: click.Context, parameter: click.Parameter, form: str | None) -> str | None:
    """Check the format of plots against those there are, which are imported only now."""
    if form is None:
        return None
    from simulator.report.plots.export import check_format

    return check_format(form, "--plots-format")


@click.command("simulate", context_settings={"max_content_width": 100})
@arch_option
@trace_option("The trace to replay, or its URL.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    help="Also write report.json, products.csv, energy.csv and report.txt there.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What to print: a report to read, one JSON object, or a CSV row per product.",
)
@click.option(
    "--engine",
    callback=_known_engine,
    metavar="compiled|event",
    shell_complete=_engines,
    default="compiled",
    show_default=True,
    help="What walks the plan; all engines give the same counts and times.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the machine, such as array.rows=64. Can be repeated.",
)
@click.option("--steps", "step_range", metavar="A:B", help="Replay only recorded steps from A up to, not with, B.")
@click.option("--no-baseline", is_flag=True, help="Leave out the dense twin and the bound: three times as quick.")
@click.option(
    "--check-values",
    is_flag=True,
    help="Also compute every product through the machine's schedule and compare it with numpy's. A difference is "
    "an error.",
)
@click.option(
    "--break-even",
    "wants_break_even",
    is_flag=True,
    help="Also find the share of zeros from which on skipping pays here: some twenty more replays.",
)
@click.option("--plots", "plots_folder", metavar="DIR", help="Write every plot that the run has the numbers for there.")
@click.option(
    "--plots-format",
    "plots_format",
    callback=_known_plot_format,
    metavar="svg|pdf|png",
    help="Of the plots.  [default: svg]",
)
@click.option("--timeline", metavar="FILE.json", help="Write what each unit did when, for ui.perfetto.dev.")
@click.option(
    "--html", "page", metavar="FILE.html", help="Write the report as one page for a browser, without network."
)
@click.option(
    "--timeline-cycles",
    "cycle_range",
    metavar="A:B",
    help="Of the timeline only the cycles of the run from A up to, not with, B.",
)
@click.option("--waves", metavar="FILE.vcd", help="Write one pass of the first step cycle by cycle, for wave viewers.")
@click.option(
    "--waves-pass",
    metavar="PASS",
    help="Which pass, as the timeline names them: 'lstm0 dh t=3:2'. Default: the first with recorded zeros in dG.",
)
@click.option("--verbose", is_flag=True, help="Also print the area by component, and what must be known of it.")
@click.option("--quiet", is_flag=True, help="No progress and no notes on stderr.")
def simulate(
    machine: str,
    trace_file: str,
    folder: str | None,
    form: str,
    engine: EngineName,
    overrides: tuple[str, ...],
    step_range: str | None,
    no_baseline: bool,
    check_values: bool,
    wants_break_even: bool,
    plots_folder: str | None,
    plots_format: str | None,
    timeline: str | None,
    page: str | None,
    cycle_range: str | None,
    waves: str | None,
    waves_pass: str | None,
    verbose: bool,
    quiet: bool,
) -> None:
    """Replay a recorded training trace on a machine: cycles, energy and saved MACs.

    Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.waves import find_pass, write_pass
    from simulator.report.files import check_writable, folders_for_results
    from simulator.run import simulate as replay

    window = _window(timeline, cycle_range)
    if waves_pass is not None and waves is None:
        raise InputError.of("--waves-pass", "no --waves", "--waves FILE.vcd beside it")
    if plots_format is not None and plots_folder is None:
        raise InputError.of("--plots-format", "no --plots", "a folder to write plots into: --plots DIR")
    arch, trace, steps = read_inputs(machine, overrides, trace_file, step_range)
    # What could not be written is told before the run, not after it.
    folders = [results for results in (folder, plots_folder) if results is not None]
    click.get_current_context().with_resource(folders_for_results(folders))  # first, for the others may go into them
    for file in (timeline, waves, page):
        if file is not None:
            check_writable(file)
    written = []
    with trace:
        chosen = None if waves is None else find_pass(arch, trace, steps, waves_pass)
        with progress_of_job(quiet, "steps", QUIET_SECONDS) as progress:
            settings: dict[str, Any] = {
                "steps": steps,
                "baseline": not no_baseline,
                "engine": engine,
                "record_intervals": timeline is not None and (window or True),
                "progress": progress,
            }
            if check_values:
                report, tally = _checked(arch, trace, settings)
            else:
                report = replay(arch, trace, **settings)
        if wants_break_even:
            report = _with_break_even(report, trace, quiet)
        if plots_folder is not None:
            from simulator.report.plots import write_plots

            written += write_plots(report, plots_folder, trace, plots_format or "svg")
    if check_values and not quiet:
        say(f"note: {tally}", err=True)
    if timeline is not None:
        from simulator.report.timeline import write_timeline

        written.append(write_timeline(report, timeline))
    if page is not None:
        written.append(_write_page(report, page, str(trace.path)))
    if waves is not None and chosen is not None:
        wave_file, note = write_pass(arch, *chosen, waves)
        written.append(wave_file)
        if not quiet:
            say(f"note: {note}", err=True)
    if folder is not None:
        written += _write_all(report, Path(folder), verbose)
    if not quiet:
        _say_notes(report, written, with_remarks=form != "table")
    print_text(_table(report, verbose) if form == "table" else _FORMS[form](report))


def _window(timeline: str | None, text: str | None) -> Window | None:
    """Read the cycles of the timeline."""
    from simulator.engine import WHOLE

    if text is None:
        return None
    if timeline is None:
        raise InputError.of("--timeline-cycles", "no --timeline", "--timeline FILE.json beside it")
    first, colon, last = text.replace("_", "").replace(",", "").partition(":")
    try:
        window = (int(first or "0"), int(last) if last.strip() else WHOLE[1])
        if not colon or not 0 <= window[0] < window[1]:
            raise ValueError
    except ValueError:
        expected = "A:B, two cycles of the run (first:last, the last left out)"
        raise InputError.of("--timeline-cycles", repr(text), expected, "for example 100000:120000") from None
    return window


def _checked(arch: Architecture, trace: Trace, settings: dict[str, Any]) -> tuple[Report, ValueTally]:
    """Replay and compare every value with numpy's."""
    from simulator.run import simulate as replay
    from simulator.values import Mismatch, ValueTally

    tally = ValueTally()
    try:
        report = replay(arch, trace, check_values=tally, **settings)
    except Mismatch as error:
        # Ours: exit code 1. The message says more than a traceback would.
        raise click.ClickException(f"the model contradicts itself, which is a bug of Skipstone: {error}") from error
    return report, tally


def _with_break_even(report: Report, trace: Trace, quiet: bool) -> Report:
    """Add the machine's break-even on the trace's shapes."""
    from dataclasses import replace

    from simulator.commands.break_even import replays_done
    from simulator.explore.break_even import find_break_even

    with replays_done(quiet) as progress:
        return replace(report, break_even=find_break_even(report.arch, trace, report=report, progress=progress))


def read_inputs(
    machine: str, overrides: tuple[str, ...], trace_file: str, step_range: str | None
) -> tuple[Architecture, Trace, Steps | None]:
    """Read all that the user named, and tell everything that is wrong with it at once."""
    from simulator.arch import load_arch
    from simulator.run import step_range as read_range
    from traces import Trace
    from traces.remote import local_file

    problems: list[Problem] = []

    def attempt(read: Callable[[], Result]) -> Result | None:
        try:
            return read()
        except InputError as error:
            problems.extend(error.problems)
            return None

    steps = None if step_range is None else attempt(lambda: read_range(step_range))
    arch = attempt(lambda: load_arch(machine, overrides))
    trace = attempt(lambda: Trace(local_file(trace_file)))
    if arch is None or trace is None or problems:
        if trace is not None:
            trace.close()
        raise InputError(problems)
    return arch, trace, steps


def _table(report: Report, verbose: bool) -> str:
    from simulator.report.terminal import render

    return render(report, verbose=verbose)


def _json(report: Report) -> str:
    return report.to_json()


def _csv(report: Report) -> str:
    from simulator.report.tables import to_csv

    return to_csv(report.frame())


_FORMS: dict[str, Callable[[Report], str]] = {"json": _json, "csv": _csv}


def _write_all(report: Report, folder: Path, verbose: bool) -> list[Path]:
    """Write every form of the report; none of them depends on the terminal."""
    from simulator.report.files import write_text_atomically
    from simulator.report.tables import to_csv
    from simulator.report.terminal import DEFAULT_WIDTH, render

    texts = {
        "report.json": report.to_json(),
        "products.csv": to_csv(report.frame()),
        "energy.csv": to_csv(report.energy_frame()),
        "report.txt": render(report, width=DEFAULT_WIDTH, color=False, verbose=verbose),
    }
    return [write_text_atomically(folder / name, text) for name, text in texts.items()]


def _write_page(report: Report, path: str, trace_file: str) -> Path:
    """Write the page of the run, with the command line that makes it."""
    from simulator.commands.provenance import command_line
    from simulator.report.files import write_text_atomically
    from simulator.report.html import Provenance, run_page
    from simulator.report.saved import saved

    provenance = Provenance(command_line(), (("trace file", trace_file),))
    return write_text_atomically(path, run_page(saved(report), provenance))


def _say_notes(report: Report, written: list[Path], with_remarks: bool) -> None:
    """Say on stderr what was written, and what the table on stdout would have remarked."""
    from simulator.report.summary import remarks

    for remark in remarks(report) if with_remarks else ():
        say(f"note: {remark}", err=True)
    for path in written:
        say(f"wrote {path}", err=True)


def print_text(text: str) -> None:
    """Print as UTF-8, the same bytes in every locale; a reader who has enough (``| head``) is no error."""
    if sys.stdout is None:  # closed by the caller
        return
    stream = sys.stdout.buffer
    try:
        stream.write(text.encode(errors="backslashreplace"))  # a file's name may be no text
        stream.flush()
    except OSError as error:
        # Python flushes stdout once more at its end; what is left then goes nowhere instead of failing again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            found = error.strerror or str(error)
            raise InputError.of("stdout", found, "an output that can be written") from None
