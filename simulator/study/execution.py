"""Runs a study: each run once, in a pool of processes, its result a line of a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simulator.explore.pool import run_points
from simulator.report.files import make_folder
from simulator.study.measuring import measured
from simulator.study.results import Results, Row
from simulator.study.runs import Group, StudyRun
from simulator.study.training import InterruptedRunError, train
from traces.errors import InputError
from traces.interruption import stop_on_signals

Observer = Callable[[int, int], None]
TRACES = "traces"


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes
    ----------
    results : Results
    wanted : int
        Runs that the tables need.
    missing : int
        Runs without a result, because a signal came first.
    signal_number : int
        The signal; 0 where there was none.
    """

    results: Results
    wanted: int
    missing: int
    signal_number: int


def run_study(
    groups: Sequence[Group],
    out: str | os.PathLike[str],
    workers: int = 1,
    observer: Observer | None = None,
    keep_traces: bool = False,
) -> Outcome:
    """Run what has no result yet. SIGINT (Ctrl-C) or SIGTERM ends it; the runs on their way begin anew next time.

    Parameters
    ----------
    groups : sequence of Group
    out : path
        Folder of the results.
    workers : int
        Processes, one run and one thread each.
    observer : callable, optional
        Called with (runs done, runs wanted).
    keep_traces : bool
        Keep each run's trace in ``out/traces``, named by its key.

    Raises
    ------
    InputError
        If `out` cannot be used, or a package that a run needs is missing. A run whose training diverges has a
        result that says so.
    """
    results = Results(out)
    folder = make_folder(Path(out) / TRACES)
    wanted = list({run.key: run for group in groups for run in group.runs}.values())
    todo = [run for run in wanted if run.key not in results.rows]
    observe = observer or (lambda done, total: None)
    with stop_on_signals() as stop:
        observe(len(wanted) - len(todo), len(wanted))
        execute = partial(execute_run, folder=folder, keep_trace=keep_traces)
        for _, row in run_points(todo, execute, workers, lambda: bool(stop), largest_lot=1):
            if row is None:
                break
            results.add(row)
            observe(sum(run.key in results.rows for run in wanted), len(wanted))
    missing = sum(run.key not in results.rows for run in wanted)
    return Outcome(results, len(wanted), missing, stop.signal_number)


def execute_run(run: StudyRun, folder: Path, keep_trace: bool) -> Row | None:
    """Train one run, measure it, and give its line; None where a signal ended the training."""
    path = folder / f"{run.key}.npz"
    begin = time.perf_counter()
    row: Row = {"key": run.key, **run.identity}
    try:
        trained = train(run, path)
    except InterruptedRunError:
        return None
    except InputError as error:
        if not any(problem.where.startswith("training step") for problem in error.problems):
            raise
        return row | {"status": "diverged", "error": str(error), "seconds": time.perf_counter() - begin}
    row |= {"status": "ok", **trained, **measured(path), "seconds": time.perf_counter() - begin}
    if not keep_trace:
        path.unlink()
    path.with_name(path.name + ".state.npz").unlink(missing_ok=True)
    return row
