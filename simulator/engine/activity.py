"""Activity: the integer counts of a whole run, product by product. Prices come later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.engine.times import STALLS, UNITS, Interval, StepTimes
from simulator.mapping import COUNTS, Count, Plan
from simulator.workload import Phase

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProductKey:
    """Which product of which step a row of an `Activity` is about, and its shape (M x K x N)."""

    step: int
    layer: str
    product: str
    phase: Phase
    time: int | None
    recorded: bool
    m: int
    k: int
    n: int


@dataclass(frozen=True)
class Activity:
    """Exact counts and times of a run over one or more steps, one after the other.

    Attributes
    ----------
    keys : tuple of ProductKey, length P
    counts : int64 [P, len(COUNTS)]
        Column `Count.X` is named ``COUNTS[Count.X]``.
    array_cycles : int64 [P]
    start, end : int64 [P]
        Cycles from the beginning of the run.
    stalls : int64 [P, len(STALLS)]
    total_cycles : int
        ``array_cycles.sum() + stalls.sum()``.
    busy_cycles : dict
        By unit.
    dram_commands : dict
        What the DRAM did at the level `timing`, by name; otherwise empty.
    step_cycles : dict
        Cycles of each step.
    events : int
        Events that the engine handled.
    intervals : tuple of Interval
        What each unit did when, if it was recorded.
    """

    keys: tuple[ProductKey, ...]
    counts: Int64s
    array_cycles: Int64s
    start: Int64s
    end: Int64s
    stalls: Int64s
    total_cycles: int
    busy_cycles: dict[str, int]
    dram_commands: dict[str, int]
    step_cycles: dict[int, int]
    events: int
    intervals: tuple[Interval, ...]

    def select(self, mask: npt.NDArray[np.bool_]) -> Int64s:
        """Sum the counts of the products where `mask` [P] is true: int64 [len(COUNTS)]."""
        return self.counts[mask].sum(axis=0)

    def totals(self) -> dict[str, int]:
        """Sum every count over the run, by name."""
        return dict(zip(COUNTS, self.counts.sum(axis=0).tolist(), strict=True))

    def saving(self, mask: npt.NDArray[np.bool_]) -> float:
        """Share of the dense MACs that was not executed, among the products where `mask` [P] is true."""
        counts = self.select(mask)
        dense = int(counts[Count.MACS_DENSE])
        return 1 - int(counts[Count.MACS_EXECUTED]) / dense if dense else 0.0

    def where(self, **fields: object) -> npt.NDArray[np.bool_]:
        """Select products by the fields of their keys: bool [P]."""
        return np.array([all(getattr(k, f) == v for f, v in fields.items()) for k in self.keys], dtype=bool)


class ActivityBuilder:
    """Joins the steps of a run, each beginning when the one before has ended."""

    def __init__(self) -> None:
        self._keys: list[ProductKey] = []
        self._columns: dict[str, list[Int64s]] = {
            name: [] for name in ("counts", "array_cycles", "start", "end", "stalls")
        }
        self._busy = dict.fromkeys(UNITS, 0)
        self._dram_commands: dict[str, int] = {}
        self._step_cycles: dict[int, int] = {}
        self._intervals: list[Interval] = []
        self._events = 0
        self._now = 0

    def add(self, step: int, plan: Plan, times: StepTimes) -> None:
        """Append a step."""
        for planned in plan.products:
            p = planned.product
            self._keys.append(ProductKey(step, p.layer, p.name, p.phase, p.time, p.recorded, p.m, p.k, p.n))
        rows: Sequence[Int64s] = [planned.counts for planned in plan.products]
        columns = self._columns
        columns["counts"].append(np.array(rows, dtype=np.int64).reshape(-1, len(COUNTS)))
        columns["array_cycles"].append(np.array([p.array_cycles for p in plan.products], dtype=np.int64))
        columns["start"].append(times.start + self._now)
        columns["end"].append(times.end + self._now)
        columns["stalls"].append(times.stalls)
        for unit, cycles in times.busy.items():
            self._busy[unit] += cycles
        for name, count in times.dram_commands.items():
            self._dram_commands[name] = self._dram_commands.get(name, 0) + count
        self._intervals += [Interval(i.unit, i.name, i.start + self._now, i.end + self._now) for i in times.intervals]
        self._step_cycles[step] = times.total_cycles
        self._events += times.events
        self._now += times.total_cycles

    def finish(self) -> Activity:
        """Freeze what was added."""
        empty = {"counts": (0, len(COUNTS)), "stalls": (0, len(STALLS))}
        joined = {
            name: np.concatenate(parts) if parts else np.zeros(empty.get(name, 0), dtype=np.int64)
            for name, parts in self._columns.items()
        }
        return Activity(
            keys=tuple(self._keys),
            **joined,
            total_cycles=self._now,
            busy_cycles=self._busy,
            dram_commands=self._dram_commands,
            step_cycles=self._step_cycles,
            events=self._events,
            intervals=tuple(self._intervals),
        )
