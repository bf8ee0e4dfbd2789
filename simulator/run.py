"""The walk itself: a trace and a machine in, a report out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.arch import Architecture, load_arch
from simulator.energy import load_energy_table, price
from simulator.engine import Activity, ActivityBuilder, EngineName, run
from simulator.mapping import PassCache, plan
from simulator.report import Report
from simulator.workload import Workload, lower
from traces import Trace
from traces.errors import InputError

Steps = tuple[int | None, int | None]


def simulate(
    arch: Architecture | str | os.PathLike[str],
    trace: Trace | str | os.PathLike[str],
    *,
    steps: Steps | None = None,
    baseline: bool = True,
    engine: EngineName = "compiled",
    record_intervals: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Replay a trace on a machine.

    Parameters
    ----------
    arch : Architecture, or the name or file of one
    trace : Trace, or the file of one
    steps : (first, last), optional
        Replay only recorded steps with ``first <= step < last``; None leaves a side open. Default: all.
    baseline : bool
        Also replay on the dense twin and the ideal mechanism, which speed-ups are told against.
    engine : "compiled" or "event"
        The fast one, or the readable one; they return the same counts.
    record_intervals : bool
        Keep what each unit did when, for a timeline; the event engine does that whatever `engine` says.
    progress : callable, optional
        Called with (steps done, steps to do).

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the machine or the trace is not as it must be, or no recorded step is within `steps`.
    """
    machine = arch if isinstance(arch, Architecture) else load_arch(arch)
    record = trace if isinstance(trace, Trace) else Trace(trace)
    chosen = select_steps(record, steps)
    table = load_energy_table(machine.energy_table, relative_to=machine.folder)
    machines = [machine]
    if baseline:
        machines += [dense_twin(machine), machine.with_mechanism({"mechanism": "ideal"})]
    runs = _Runs(machines, engine, record_intervals)
    for done, number in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        runs.add(lower(record, record.step(number)))
    if progress is not None:
        progress(len(chosen), len(chosen))
    activities = runs.finish()
    reports = [
        Report(m, record.sha256, tuple(chosen), activity, price(m, activity, table))
        for m, activity in zip(machines, activities, strict=True)
    ]
    return reports[0].beside(*reports[1:]) if baseline else reports[0]


def select_steps(trace: Trace, steps: Steps | None) -> list[int]:
    """Pick the recorded steps with first <= step < last.

    Raises
    ------
    InputError
        If there is none.
    """
    first, last = steps or (None, None)
    chosen = [s for s in trace.steps if (first is None or s >= first) and (last is None or s < last)]
    if not chosen:
        asked = f"{'' if first is None else first}:{'' if last is None else last}"
        there = f"{trace.steps[0]} to {trace.steps[-1]}" if trace.steps else "none"
        raise InputError.of(
            f"--steps {asked}", "no recorded step in that range", f"steps of {trace.path}, which are {there}"
        )
    return chosen


def dense_twin(machine: Architecture) -> Architecture:
    """The same machine as a plain dense array: no skipping, no masks, no threshold, dense formats."""
    twin = machine.with_mechanism({"mechanism": "dense"})
    return twin if twin.ideal_memory else twin.replaced("memory.formats.skip", "dense")


@dataclass
class _Runs:
    """One replay on several machines that share the pass tables of each step."""

    machines: list[Architecture]
    engine: EngineName
    record_intervals: bool
    builders: dict[str, ActivityBuilder] = field(default_factory=dict)

    def add(self, workload: Workload) -> None:
        """Replay a step on every machine; machines that are the same run once."""
        cache = PassCache()
        seen = set()
        for i, machine in enumerate(self.machines):
            digest = machine.digest
            if digest in seen:
                continue
            seen.add(digest)
            step_plan = plan(machine, workload, cache)
            times = run(step_plan, self.engine, self.record_intervals and i == 0)
            self.builders.setdefault(digest, ActivityBuilder()).add(workload.step, step_plan, times)

    def finish(self) -> list[Activity]:
        """Give the activity of each machine."""
        done = {digest: builder.finish() for digest, builder in self.builders.items()}
        return [done[machine.digest] for machine in self.machines]


def step_range(text: str) -> Steps:
    """Read ``A:B``, either side open.

    Raises
    ------
    InputError
        If it is anything else.
    """
    first, colon, last = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return (int(first) if first.strip() else None, int(last) if last.strip() else None)
    except ValueError:
        raise InputError.of(
            "--steps", repr(text), "A:B, two step numbers (first:last, the last left out)", "for example 100:500"
        ) from None
