"""The times of one step, in integer cycles from its start: what engines measure, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulator.engine.invariants import InvariantError, check_moments, require
from simulator.mapping import Plan
from simulator.mapping.plan import NONE
from simulator.memory import TimingDram
from traces.errors import InputError

Int64s = npt.NDArray[np.int64]

Window = tuple[int, int]
"""Cycles from the first up to, not with, the second."""

MOST_TIMED_CYCLES = 1 << 44
"""Of a step on a DRAM of the level `timing`: five hours at 1 GHz."""

WHOLE: Window = (0, 2**62)
"""A window that holds every cycle."""

# Why the array stands still, in order of precedence: a stalled cycle is charged to the first that is not met. The
# order is that in which the DMA serves a job, so the charge goes to what holds up the rest. `operand_bandwidth` is
# the time within a job in which the buffers hand out fewer words than the array could take; `drain` that from the
# array's last job to the last result stored; `all_reduce` that from there to the end of the step, where chips wait for
# their links.
STALLS = (
    "dependency",
    "load_shared",
    "load_skip",
    "output_full",
    "load_partial",
    "operand_bandwidth",
    "drain",
    "all_reduce",
)
UNITS = ("dram", "array", "vector_unit")


class DeadlockError(InvariantError):
    """Nothing can happen any more, but the step is not done; says who waits on what."""

    def __init__(self, found: str) -> None:
        super().__init__("no_deadlock", found)


@dataclass(frozen=True, slots=True)
class Interval:
    """Something went on from `start` up to `end` (cycles).

    Attributes
    ----------
    unit : str
        Who was busy with it, or where it lay.
    name : str
    start, end : int
    about : str
        More of it, for people.
    job : int
        Its job in the plan of its step; -1: none, or several.
    size_bytes : int
        What it moved, or how much room it took.
    """

    unit: str
    name: str
    start: int
    end: int
    about: str = ""
    job: int = NONE
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something waited for something: from a cycle within an interval of one unit to the start of another's."""

    from_unit: str
    from_cycle: int
    to_unit: str
    to_cycle: int


@dataclass(frozen=True)
class History:
    """What happened beside and between the work of `UNITS`; see `simulator.engine.history`.

    Attributes
    ----------
    slices : tuple of Interval
        Those of one unit do not overlap.
    tiles : tuple of Interval
        From when a tile had its room in a buffer to when it gave it back.
    arrows : tuple of Arrow
    """

    slices: tuple[Interval, ...] = ()
    tiles: tuple[Interval, ...] = ()
    arrows: tuple[Arrow, ...] = ()

    def __len__(self) -> int:
        return len(self.slices) + len(self.tiles) + len(self.arrows)


@dataclass(frozen=True)
class Moments:
    """When things happened: all that an engine finds out. Everything else follows from it and the plan.

    Attributes
    ----------
    started, ended : int64 [jobs]
        The array's work on a job.
    made, written, stored : int64 [jobs]
        When the vector unit had made a job's results, when they were in DRAM, and when all before them were, too; 0 for
        jobs that drain no output tile, and with ``memory: ideal``.
    allocated, loaded : int64 [loads]
        When a tile had its room, and when its bytes were there.
    total_cycles : int
        When all blocks had done their last work.
    dram_commands : dict
        What the DRAM did, see `simulator.memory.timing_state.COUNTERS`; empty but at the level `timing`.
    """

    started: Int64s
    ended: Int64s
    made: Int64s
    written: Int64s
    stored: Int64s
    allocated: Int64s
    loaded: Int64s
    total_cycles: int
    dram_commands: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StepTimes:
    """Times of one step.

    Attributes
    ----------
    total_cycles : int
        Until the last result is stored, and summed over all chips.
    start, end : int64 [products]
        First array (or vector unit) work on a product, and the cycle at which its last result is where its readers
        look for it.
    stalls : int64 [products, len(STALLS)]
        Stalled cycles of the array before a job of the product starts, by reason. With the array's own cycles they
        sum to `total_cycles`.
    busy : dict
        Busy cycles by unit, see `UNITS`.
    dram_commands : dict
        What the DRAM did, by name; empty but at the level `timing`.
    all_reduce_cycles : int
        For which the links between chips were busy.
    events : int
        Events that the engine handled; 0 where it has none.
    intervals : tuple of Interval
        What each of `UNITS` did when; empty unless asked for.
    history : History
        What happened beside that; empty unless asked for.
    """

    total_cycles: int
    start: Int64s
    end: Int64s
    stalls: Int64s
    busy: dict[str, int]
    dram_commands: dict[str, int] = field(default_factory=dict)
    all_reduce_cycles: int = 0
    events: int = field(kw_only=True)
    intervals: tuple[Interval, ...] = field(default=())
    history: History = field(default_factory=History)


def summarize(plan: Plan, moments: Moments, events: int, window: Window | None = None) -> StepTimes:
    """Derive a step's times from what an engine measured, and what each unit did when within a window of cycles.

    Raises
    ------
    InvariantError
        If what was measured cannot be: a bug.
    InputError
        If a step is too long for a DRAM of the level `timing`, whose clocks are cycles times a frequency.
    """
    from simulator.engine.kernels import charge_stalls

    check_moments(plan, moments)
    if isinstance(plan.dram, TimingDram) and moments.total_cycles >= MOST_TIMED_CYCLES:
        raise InputError.of(
            "memory.dram.level timing", f"a step of {moments.total_cycles:,} cycles", "steps of less than 2^44 cycles",
            "level bandwidth has no such limit",
        )  # fmt: skip
    first = np.array([p.first_job for p in plan.products], dtype=np.int64)
    last = np.array([p.last_job for p in plan.products], dtype=np.int64)
    stalls = np.zeros((len(plan.products), len(STALLS)), dtype=np.int64)
    at_once = charge_stalls(
        moments.total_cycles,
        plan.job_product,
        plan.job_feed_cycles,
        plan.job_load_skip,
        plan.job_load_shared,
        plan.job_load_output,
        plan.waits_job,
        plan.waits_for,
        plan.waits_on_chip,
        moments.started,
        moments.ended,
        moments.made,
        moments.stored,
        moments.allocated,
        moments.loaded,
        stalls,
    )
    require("jobs_start_at_once", at_once, "a job waits longer than for what it needs, or not as long")
    intervals, history = tuple[Interval, ...](), History()
    if window is not None:
        from simulator.engine.history import intervals_and_history

        intervals, history = intervals_and_history(plan, moments, window)
    busy = {
        "dram": 0,
        "array": int(plan.job_array_cycles.sum()),
        "vector_unit": int(plan.job_vector_cycles.sum()),
    }
    if plan.dram is not None:
        busy["dram"] = plan.dram.busy_cycles(
            np.concatenate([plan.load_address_bytes, plan.job_store_address_bytes]),
            np.concatenate([plan.load_dram_bytes, plan.job_store_bytes]),
        )
    return StepTimes(
        total_cycles=moments.total_cycles,
        start=moments.started[first],
        end=(moments.ended if plan.dram is None else moments.stored)[last],
        stalls=stalls,
        busy=busy,
        dram_commands=moments.dram_commands,
        events=events,
        intervals=intervals,
        history=history,
    )
