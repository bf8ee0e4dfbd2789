"""What an engine returns: the times of one step, in integer cycles from its start."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

# Why the array stands still, in order of precedence: a stalled cycle is charged to the first that is not met. The
# order is that in which the DMA serves a job, so the charge goes to what holds up the rest. `drain` is the
# time from the array's last job to the end of the step.
STALLS = ("dependency", "load_shared", "load_skip", "output_full", "load_partial", "drain")
UNITS = ("dram", "array", "vector_unit")


@dataclass(frozen=True)
class Interval:
    """A unit was busy with something from `start` up to `end` (cycles)."""

    unit: str
    name: str
    start: int
    end: int


@dataclass(frozen=True)
class StepTimes:
    """Times of one step.

    Attributes
    ----------
    total_cycles : int
        Until the last result is stored.
    start, end : int64 [products]
        First array (or vector unit) work on a product, and the cycle at which its last result is where its readers
        look for it.
    stalls : int64 [products, len(STALLS)]
        Stalled cycles of the array before a job of the product starts, by reason. With the array's own cycles they
        sum to `total_cycles`.
    busy : dict
        Busy cycles by unit, see `UNITS`.
    events : int
        Events that the engine handled; 0 where it has none.
    intervals : tuple of Interval
        Empty unless asked for.
    """

    total_cycles: int
    start: Int64s
    end: Int64s
    stalls: Int64s
    busy: dict[str, int]
    events: int = 0
    intervals: tuple[Interval, ...] = field(default=())
