"""The walk itself: a trace and a machine in, a report out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.arch import Architecture, load_arch
from simulator.energy import EnergyTable, area, load_energy_table, price
from simulator.engine import (
    MOST_ROWS,
    WHOLE,
    Activity,
    ActivityBuilder,
    ChipStep,
    EngineName,
    StepActivity,
    Window,
    check_twins,
    join_chips,
    run,
)
from simulator.engine.passes import with_passes
from simulator.mapping import PassCache, plan
from simulator.report import Course, GradientZeros, Report
from simulator.report.reproducer import FailedRun, reproducible
from simulator.workload import Structure, Workload, dealt, lower
from traces import Step, Trace, statistics
from traces.errors import InputError

if TYPE_CHECKING:
    from simulator.values import ValueTally

Steps = tuple[int | None, int | None]


def simulate(
    arch: Architecture | str | os.PathLike[str],
    trace: Trace | str | os.PathLike[str],
    *,
    steps: Steps | None = None,
    baseline: bool = True,
    engine: EngineName = "compiled",
    record_intervals: bool | Window = False,
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
    record_intervals : bool or (first, last)
        Keep what each unit did when, for a timeline; of a window of cycles of the run, from the first up to, not with,
        the last, or of all.
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
    InvariantError
        If the run contradicts the model (see `simulator.engine.invariants`), which would be one, too. It names a folder
        that reproduces it.
    """
    machine = arch if isinstance(arch, Architecture) else load_arch(arch)
    record = trace if isinstance(trace, Trace) else Trace(trace)
    chosen = select_steps(record, steps)
    tally = _tally(machine, check_values)
    table = load_energy_table(machine.energy_table, relative_to=machine.folder)
    machines = [machine]
    if baseline:
        machines += [dense_twin(machine), bound_of(machine)]
    kept = KeptSteps(record, most_bytes=0)
    replays = replay(
        machines,
        kept,
        chosen,
        engine=engine,
        record_intervals=record_intervals,
        progress=progress,
        tally=tally,
        most_rows=most_rows,
    )
    reports = [priced(m, table, record, one, engine) for m, one in zip(machines, replays, strict=True)]
    if not baseline:
        return reports[0]
    with reproducible(FailedRun(machine, record, chosen, engine, baseline=True)):
        check_twins(*(report.activity.totals() for report in reports))
    return reports[0].beside(*reports[1:])


def _tally(machine: Architecture, check_values: bool | ValueTally) -> ValueTally | None:
    """Make what counts checked values, where they shall be checked; refuse a machine where they cannot be."""
    if check_values is False:
        return None
    from simulator.values import ValueTally, require_schedule

    require_schedule(machine)
    return ValueTally() if check_values is True else check_values


@dataclass(frozen=True)
class Replay:
    """What a machine did on some recorded steps, before prices."""

    steps: tuple[int, ...]
    activity: Activity
    gradients: tuple[GradientZeros, ...]


def priced(
    machine: Architecture, table: EnergyTable, trace: Trace, replayed: Replay, engine: EngineName = "compiled"
) -> Report:
    """Put prices to what a machine did with an engine."""
    with reproducible(FailedRun(machine, trace, replayed.steps, engine)):
        energy = price(machine, replayed.activity, table)
    return Report(
        arch=machine,
        trace_sha256=trace.sha256,
        steps=replayed.steps,
        activity=replayed.activity,
        energy=energy,
        area=area(machine, table),
        course=Course.of(trace),
        gradients=replayed.gradients,
        batch_size=trace.batch_size,
    )


def replay(
    machines: Sequence[Architecture],
    kept: KeptSteps,
    steps: Sequence[int],
    *,
    engine: EngineName = "compiled",
    record_intervals: bool | Window = False,
    progress: Callable[[int, int], None] | None = None,
    tally: ValueTally | None = None,
    most_rows: int = MOST_ROWS,
) -> list[Replay]:
    """Replay recorded steps on several machines, which share what is counted of their masks.

    Machines that are the same run once. Parameters are those of `simulate`; timeline and values are the first
    machine's.
    """
    different: dict[str, Architecture] = {}
    for machine in machines:
        different.setdefault(machine.digest, machine)
    window = WHOLE if record_intervals is True else record_intervals or None
    recorded = machines[0].digest
    builders = {digest: ActivityBuilder(most_rows, window if digest == recorded else None) for digest in different}
    # What machines that read no mask did on the last step, by the rows that were real.
    blind: dict[tuple[str, bytes | None], StepActivity] = {}
    gradients = []
    for done, number in enumerate(steps):
        if progress is not None:
            progress(done, len(steps))
        one = kept.get(number)
        gradients.append(one.gradients)
        activities: dict[str, StepActivity] = {}
        for digest, machine in different.items():
            first = machine is machines[0]
            known = blind.pop((digest, one.workload.rows), None)
            if known is not None:
                activities[digest] = known.at(number)
                continue
            with reproducible(FailedRun(machine, kept.trace, [number], engine)):
                window_here, values = builders[digest].window_of_next, tally if first else None
                chips = [
                    _chip(machine, number, kept.trace, share, engine, window_here, values)
                    for share in kept.shares(number, machine)
                ]
                activities[digest] = join_chips(machine, chips, window_here)
        blind = {
            (digest, one.workload.rows): activities[digest]
            for digest, machine in different.items()
            if not machine.reads_masks
            and one.workload.rows is not None
            # Intervals and values are each step's own.
            and not (machine is machines[0] and (window is not None or tally is not None))
        }
        del one
        found = activities[machines[-1].digest].has_zeros  # the bound's, where there is one
        for digest, activity in activities.items():
            builders[digest].append(activity, found)
    if progress is not None:
        progress(len(steps), len(steps))
    finished = {}
    for digest, machine in different.items():
        with reproducible(FailedRun(machine, kept.trace, steps, engine)):
            finished[digest] = builders[digest].finish()
    return [Replay(tuple(steps), finished[m.digest], tuple(gradients)) for m in machines]


def _chip(
    machine: Architecture,
    number: int,
    trace: Trace,
    share: Share,
    engine: EngineName,
    window: Window | None,
    tally: ValueTally | None,
) -> ChipStep:
    """Replay what one chip works on in a step."""
    step_plan = plan(machine, share.workload, share.cache)
    if tally is not None:
        from simulator.values import check_step

        check_step(machine, step_plan, share.step, share.cache, tally, str(trace.path))
    times = run(step_plan, engine, window)
    if window is not None:
        times = with_passes(machine, step_plan, share.cache, times, window)
    return ChipStep.of(machine, number, step_plan, times)


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
    """The same machine as a plain dense array: no skipping, no masks, no threshold, dense formats and gradients."""
    if machine.sends_sparse_gradients:
        machine = machine.replaced("chips.gradients", "dense")
    if not machine.ideal_memory:
        machine = machine.replaced("memory.formats.skip", "dense").replaced("memory.formats.skip_on_chip", "dense")
        if machine.skipping.slots_per_cycle is not None:  # pinned tiles fit the mechanism's passes, not the array's
            machine = machine.replaced("memory.mapping", {})
    return machine.with_mechanism(machine.skipping.dense_twin())


def bound_of(machine: Architecture) -> Architecture:
    """The same machine with the mechanism that its own cannot beat."""
    return machine.with_mechanism(machine.skipping.bound(machine.array.rows, machine.array.columns))


@dataclass(frozen=True)
class Share:
    """What a chip works on in a step: a step, what it lowers to, and what was counted of its masks so far."""

    step: Step
    workload: Workload
    cache: PassCache


@dataclass(frozen=True)
class KeptStep(Share):
    """A recorded step, and its shares by the number of chips that it was dealt out to."""

    gradients: GradientZeros
    dealt: dict[int, list[Share]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of masks and counts."""
        every = [self, *(share for shares in self.dealt.values() for share in shares)]
        return sum(share.step.nbytes + share.cache.nbytes for share in every)


class KeptSteps:
    """Recorded steps of one trace, kept for several replays on different machines.

    Parameters
    ----------
    trace : Trace
        Open for as long as steps are asked for.
    most_bytes : int
        About as many bytes of masks and of what was counted of them are kept; the step used longest ago goes first.
        The newest stays in any case.
    threads : int, optional
        See `PassCache`.
    """

    def __init__(self, trace: Trace, most_bytes: int, threads: int | None = None) -> None:
        self.trace, self.most_bytes, self.threads = trace, most_bytes, threads
        self._steps: dict[int, KeptStep] = {}
        # Of the step that was read last, by the number of chips and the one of them: (1, 0) of the whole step.
        self._structures: dict[tuple[int, int], Structure] = {}

    def get(self, number: int) -> KeptStep:
        """Give a recorded step by its number."""
        kept = self._steps.pop(number, None)
        if kept is None:
            self._forget(keep=0)
            step = self.trace.step(number)
            zeros = statistics.total(statistics.step_rows(step, self.trace.layers))
            gradients = GradientZeros(number, zeros["zeros"], zeros["elements"])
            kept = KeptStep(step, self._lowered(step), PassCache(self.threads), gradients)
        self._steps[number] = kept  # as the newest
        self._forget(keep=1)
        return kept

    def shares(self, number: int, machine: Architecture) -> Sequence[Share]:
        """Give what each chip of a machine works on in a recorded step; one share alone is that of every chip.

        Raises
        ------
        InputError
            If the machine divides a batch that has fewer sequences than there are chips.
        """
        kept, chips, sequences = self.get(number), machine.chips.count, self.trace.batch_size
        if chips == 1 or machine.chips.batch == "per_chip":
            return [kept]
        if chips > sequences:
            raise InputError.of(
                f"machine {machine.name}: chips.count",
                f"{chips} chips to divide a batch of {sequences}",
                "at most one chip for each sequence of the trace's batch",
                "chips.batch: per_chip gives each chip a batch of its own",
            )
        if chips not in kept.dealt:
            kept.dealt[chips] = [
                Share(step, self._lowered(step, chips, chip), PassCache(self.threads))
                for chip, step in enumerate(dealt(kept.step, chips))
            ]
        return kept.dealt[chips]

    def _lowered(self, step: Step, chips: int = 1, chip: int = 0) -> Workload:
        """Lower a step, or the share of one of some chips."""
        sequences = -(-(self.trace.batch_size - chip) // chips)
        workload = lower(self.trace, step, self._structures.get((chips, chip)), sequences)
        self._structures[chips, chip] = workload.structure
        return workload

    def _forget(self, keep: int) -> None:
        while len(self._steps) > keep and self.nbytes > self.most_bytes:
            del self._steps[next(iter(self._steps))]

    @property
    def nbytes(self) -> int:
        """Bytes of masks and counts that are kept."""
        return sum(kept.nbytes for kept in self._steps.values())


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
