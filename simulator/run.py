"""The walk itself: a trace and a machine in, a report out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.arch import Architecture, load_arch
from simulator.energy import area, load_energy_table, price
from simulator.engine import MOST_ROWS, Activity, ActivityBuilder, EngineName, StepActivity, run
from simulator.mapping import PassCache, plan
from simulator.report import Course, GradientZeros, Report
from simulator.values import ValueTally, check_step, require_schedule
from simulator.workload import lower
from traces import Trace, statistics
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
    check_values: bool | ValueTally = False,
    most_rows: int = MOST_ROWS,
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
    check_values : bool or ValueTally
        Also compute every product through the machine's schedule and compare it with numpy's, and the schedule's
        cycles with those counted; a tally counts what was checked. The report is the same. The dense twin and the
        bound are not computed.
    most_rows : int
        Products of steps that the report lists one by one. A run with more of them lists each product once, summed over
        the steps, so that memory does not grow with their number; every other figure is the same.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the machine or the trace is not as it must be, no recorded step is within `steps`, values shall be
        checked that are not finite or on a mechanism whose schedule is not stated, or a timeline of the steps would
        have more intervals than are kept.
    Mismatch
        If a value or a cycle that was checked is wrong, which would be a bug of the model.
    """
    machine = arch if isinstance(arch, Architecture) else load_arch(arch)
    record = trace if isinstance(trace, Trace) else Trace(trace)
    chosen = select_steps(record, steps)
    tally = ValueTally() if check_values is True else check_values or None
    if tally is not None:
        require_schedule(machine)
    table = load_energy_table(machine.energy_table, relative_to=machine.folder)
    machines = [machine]
    if baseline:
        machines += [dense_twin(machine), bound_of(machine)]
    runs = _Runs(machines, engine, record_intervals, most_rows)
    for done, number in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        runs.add(record, number, tally)
    if progress is not None:
        progress(len(chosen), len(chosen))
    activities = runs.finish()
    course, gradients = Course.of(record), tuple(runs.gradients)
    reports = [
        Report(
            arch=m,
            trace_sha256=record.sha256,
            steps=tuple(chosen),
            activity=activity,
            energy=price(m, activity, table),
            area=area(m, table),
            course=course,
            gradients=gradients,
        )
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
    if not machine.ideal_memory:
        machine = machine.replaced("memory.formats.skip", "dense").replaced("memory.formats.skip_on_chip", "dense")
        if machine.skipping.slots_per_cycle is not None:  # pinned tiles fit the mechanism's passes, not the array's
            machine = machine.replaced("memory.mapping", {})
    return machine.with_mechanism(machine.skipping.dense_twin())


def bound_of(machine: Architecture) -> Architecture:
    """The same machine with the mechanism that its own cannot beat."""
    return machine.with_mechanism(machine.skipping.bound(machine.array.rows, machine.array.columns))


@dataclass
class _Runs:
    """One replay on several machines that share the pass tables of each step."""

    machines: list[Architecture]
    engine: EngineName
    record_intervals: bool
    most_rows: int
    builders: dict[str, ActivityBuilder] = field(default_factory=dict)
    gradients: list[GradientZeros] = field(default_factory=list)

    def add(self, trace: Trace, number: int, tally: ValueTally | None) -> None:
        """Replay a step on every machine, and check its values on the first; machines that are the same run once."""
        step = trace.step(number)
        zeros = statistics.total(statistics.step_rows(step, trace.layers))
        self.gradients.append(GradientZeros(number, zeros["zeros"], zeros["elements"]))
        workload = lower(trace, step)
        cache = PassCache()
        done: dict[str, StepActivity] = {}
        for i, machine in enumerate(self.machines):
            digest = machine.digest
            if digest in done:
                continue
            step_plan = plan(machine, workload, cache)
            if tally is not None and i == 0:
                check_step(machine, step_plan, step, cache, tally, str(trace.path))
            times = run(step_plan, self.engine, self.record_intervals and i == 0)
            done[digest] = StepActivity.of(workload.step, step_plan, times)
            del step_plan, times  # or they would stay while the next machine's are made
        found = done[self.machines[-1].digest].has_zeros  # the bound's, where there is one
        for digest, one in done.items():
            self.builders.setdefault(digest, ActivityBuilder(self.most_rows)).append(one, found)

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
