"""Activity: the integer counts of a whole run, product by product. Prices come later.

A short run keeps a row for each product of each step. Beyond `MOST_ROWS` rows the steps are folded: a product then has
one row for all steps, so that a run of any length takes no more memory than its products and a line of totals a step.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.engine.invariants import check_activity
from simulator.engine.times import STALLS, UNITS, Arrow, History, Interval, StepTimes, Window
from simulator.mapping import COUNTS, Count, Plan
from simulator.workload import Phase
from traces.errors import InputError

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_ROWS = 2**16
"""Rows beyond which steps are folded: some 40 MB for each machine of a run."""

MOST_INTERVALS = 2**21
"""Intervals and arrows that a run keeps for a timeline: some 500 MB, and more than a viewer shows at once."""

_LARGEST_INT64 = 2**63 - 1


class ProductKey(NamedTuple):
    """Which product of which step a row of an `Activity` is about, and its shape (M x K x N).

    Of a row that sums steps, `step` is None, and m, k and n are the largest of these steps: the number of real rows may
    differ from step to step.
    """

    step: int | None
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

    Of several chips, counts are those of all of them, and times those of the slowest.

    Attributes
    ----------
    keys : tuple of ProductKey, length P
        One for each product of each step, in program order. In a folded run, one for each product, in order of
        appearance, or two: the steps in which the bound finds zeros in it, and those in which it finds none.
    steps : int64 [P]
        Steps that a row sums: 1, unless the run is folded.
    counts : int64 [P, len(COUNTS)]
        Column `Count.X` is named ``COUNTS[Count.X]``.
    array_cycles : int64 [P]
    start, end : int64 [P]
        Cycles from the beginning of the run; of a row that sums steps, the start in the first of them and the end in
        the last.
    stalls : int64 [P, len(STALLS)]
    total_cycles : int
        ``array_cycles.sum() + stalls.sum()``.
    busy_cycles : dict
        By unit.
    dram_commands : dict
        What the DRAM did at the level `timing`, by name; otherwise empty.
    step_cycles : dict
        Cycles of each step.
    step_counts : int64 [S, len(COUNTS)]
        Counts of each step, in the order of `step_cycles`.
    events : int
        Events that the engine handled.
    intervals : tuple of Interval
        What each of `UNITS` did when, if it was recorded.
    history : History
        What happened beside that, if it was recorded.
    window : (first, last) or None
        Cycles for which it was recorded, if it was.
    all_reduce_cycles : int
        For which the links between chips were busy.
    """

    keys: tuple[ProductKey, ...]
    steps: Int64s
    counts: Int64s
    array_cycles: Int64s
    start: Int64s
    end: Int64s
    stalls: Int64s
    total_cycles: int
    busy_cycles: dict[str, int]
    dram_commands: dict[str, int]
    step_cycles: dict[int, int]
    step_counts: Int64s
    events: int
    intervals: tuple[Interval, ...]
    history: History = field(default_factory=History)
    window: Window | None = None
    all_reduce_cycles: int = 0

    @property
    def folded(self) -> bool:
        """Whether rows sum steps, because the run had more than `MOST_ROWS` rows."""
        return any(key.step is None for key in self.keys[:1])

    def select(self, mask: Bools) -> Int64s:
        """Sum the counts of the products where `mask` [P] is true: int64 [len(COUNTS)]."""
        return self.counts[mask].sum(axis=0)

    def totals(self) -> dict[str, int]:
        """Sum every count over the run, by name."""
        return dict(zip(COUNTS, self.counts.sum(axis=0).tolist(), strict=True))

    def saving(self, mask: Bools) -> float:
        """Share of the dense MACs that was not executed, among the products where `mask` [P] is true."""
        counts = self.select(mask)
        dense = int(counts[Count.MACS_DENSE])
        return 1 - int(counts[Count.MACS_EXECUTED]) / dense if dense else 0.0

    def where(self, **fields: object) -> Bools:
        """Select products by the fields of their keys: bool [P]."""
        chosen = np.ones(len(self.keys), dtype=bool)
        for name, value in fields.items():
            place = ProductKey._fields.index(name)
            chosen &= np.array([key[place] == value for key in self.keys], dtype=bool)
        return chosen


@dataclass(frozen=True)
class StepActivity:
    """Counts and times of one step, from its own beginning: what is kept of its plan and its times."""

    keys: tuple[ProductKey, ...]
    counts: Int64s
    array_cycles: Int64s
    step: int
    times: StepTimes

    @classmethod
    def of(cls, step: int, plan: Plan, times: StepTimes) -> StepActivity:
        """Take the counts out of a plan, which need not be kept after that."""
        products = [planned.product for planned in plan.products]
        return cls(
            keys=tuple(ProductKey(step, p.layer, p.name, p.phase, p.time, p.recorded, p.m, p.k, p.n) for p in products),
            counts=np.array([p.counts for p in plan.products], dtype=np.int64).reshape(-1, len(COUNTS)),
            array_cycles=np.array([p.array_cycles for p in plan.products], dtype=np.int64),
            step=step,
            times=times,
        )

    def at(self, step: int) -> StepActivity:
        """The same counts and times as another step's."""
        return replace(self, step=step, keys=tuple([key._replace(step=step) for key in self.keys]))

    @property
    def has_zeros(self) -> Bools:
        """Whether MACs of a product were left out: bool [P]."""
        zeros: Bools = self.counts[:, Count.MACS_EXECUTED] < self.counts[:, Count.MACS_DENSE]
        return zeros


class ActivityBuilder:
    """Joins the steps of a run, each beginning when the one before has ended.

    Parameters
    ----------
    most_rows : int
        Rows that are kept apart; a run with more of them is folded. A single step is never folded.
    window : (first, last), optional
        Cycles of the run for which steps tell what each unit did when.
    """

    def __init__(self, most_rows: int = MOST_ROWS, window: Window | None = None) -> None:
        self._most_rows = most_rows
        self._window = window
        self._rows: _Rows = _Apart()
        self._totals = [0] * len(COUNTS)
        self._busy = dict.fromkeys(UNITS, 0)
        self._dram_commands: dict[str, int] = {}
        self._all_reduce_cycles = 0
        self._step_cycles: dict[int, int] = {}
        self._step_counts = array("q")
        self._intervals: list[Interval] = []
        self._slices: list[Interval] = []
        self._tiles: list[Interval] = []
        self._arrows: list[Arrow] = []
        self._events = 0
        self._now = 0

    @property
    def window_of_next(self) -> Window | None:
        """The window, in cycles of the step that is appended next; None if nothing is recorded of it."""
        if self._window is None or self._window[1] <= self._now:
            return None
        return max(0, self._window[0] - self._now), self._window[1] - self._now

    def add(self, step: int, plan: Plan, times: StepTimes) -> None:
        """Append a step of a machine that runs alone."""
        self.append(StepActivity.of(step, plan, times))

    def append(self, step: StepActivity, has_zeros: Bools | None = None) -> None:
        """Append a step.

        Parameters
        ----------
        step : StepActivity
        has_zeros : bool [P], optional
            Products in which the bound found zeros; they are kept apart from the others when steps are folded, for the
            report tells their cycles apart. Default: those in which this machine found zeros.

        Raises
        ------
        InputError
            If there are more intervals than a timeline can show, or a count is more than 64 bits hold.
        """
        times = step.times
        sums = step.counts.sum(axis=0).tolist()
        self._totals = [total + more for total, more in zip(self._totals, sums, strict=True)]
        self._require_int64(step.step, max(*self._totals, self._now + times.total_cycles))
        zeros = step.has_zeros if has_zeros is None else has_zeros
        if isinstance(self._rows, _Apart) and self._rows.steps and self._rows.count + len(step.keys) > self._most_rows:
            self._rows = self._rows.folded()
        self._rows.append(step, zeros, self._now)
        self._step_counts.extend(sums)
        for unit, cycles in times.busy.items():
            self._busy[unit] += cycles
        for name, count in times.dram_commands.items():
            self._dram_commands[name] = self._dram_commands.get(name, 0) + count
        self._all_reduce_cycles += times.all_reduce_cycles
        self._keep_intervals(times)
        self._step_cycles[step.step] = times.total_cycles
        self._events += times.events
        self._now += times.total_cycles

    def finish(self) -> Activity:
        """Freeze what was added.

        Raises
        ------
        InvariantError
            If the run is not the sum of its steps: a bug.
        """
        activity = Activity(
            keys=self._rows.keys(),
            **self._rows.columns(),
            total_cycles=self._now,
            busy_cycles=self._busy,
            dram_commands=self._dram_commands,
            step_cycles=self._step_cycles,
            step_counts=np.array(self._step_counts, dtype=np.int64).reshape(-1, len(COUNTS)),
            events=self._events,
            intervals=tuple(self._intervals),
            history=History(tuple(self._slices), tuple(self._tiles), tuple(self._arrows)),
            window=self._window,
            all_reduce_cycles=self._all_reduce_cycles,
        )
        check_activity(activity)
        return activity

    def _require_int64(self, step: int, largest: int) -> None:
        if largest > _LARGEST_INT64:
            raise InputError.of(
                f"step {step}", f"a count of {largest:,}", "sums over the run of less than 2^63",
                "replay a part of the trace with --steps A:B",
            )  # fmt: skip

    def _keep_intervals(self, times: StepTimes) -> None:
        history, now = times.history, self._now
        kept = len(self._intervals) + len(self._slices) + len(self._tiles) + len(self._arrows)
        found = kept + len(times.intervals) + len(history)
        if found > MOST_INTERVALS:
            raise InputError.of(
                "timeline", f"{found:,} intervals in {len(self._step_cycles) + 1} steps",
                f"at most {MOST_INTERVALS:,}, which are kept in memory",
                "fewer steps, with --steps A:B, or fewer cycles, with --timeline-cycles A:B",
            )  # fmt: skip
        for own, new in (
            (self._intervals, times.intervals),
            (self._slices, history.slices),
            (self._tiles, history.tiles),
        ):
            own += [replace(i, start=i.start + now, end=i.end + now) for i in new]
        self._arrows += [replace(a, from_cycle=a.from_cycle + now, to_cycle=a.to_cycle + now) for a in history.arrows]


class _Apart:
    """Rows of a run that is short enough: one for each product of each step."""

    def __init__(self) -> None:
        self.steps: list[tuple[StepActivity, Bools, int]] = []
        self.count = 0

    def append(self, step: StepActivity, zeros: Bools, now: int) -> None:
        slim = replace(step, times=replace(step.times, intervals=(), history=History()))
        self.steps.append((slim, zeros, now))
        self.count += len(step.keys)

    def folded(self) -> _Folded:
        rows = _Folded()
        for step, zeros, now in self.steps:
            rows.append(step, zeros, now)
        return rows

    def keys(self) -> tuple[ProductKey, ...]:
        return tuple(key for step, _, _ in self.steps for key in step.keys)

    def columns(self) -> dict[str, Int64s]:
        if not self.steps:
            return _no_rows(0)
        return {
            "steps": np.ones(self.count, dtype=np.int64),
            "counts": np.concatenate([step.counts for step, _, _ in self.steps]),
            "array_cycles": np.concatenate([step.array_cycles for step, _, _ in self.steps]),
            "start": np.concatenate([step.times.start + now for step, _, now in self.steps]),
            "end": np.concatenate([step.times.end + now for step, _, now in self.steps]),
            "stalls": np.concatenate([step.times.stalls for step, _, _ in self.steps]),
        }


class _Folded:
    """Rows of a long run: one for each product, whatever its shape in a step, and whether it had zeros there."""

    def __init__(self) -> None:
        self._row_of: dict[tuple[object, ...], int] = {}
        self._keys: list[ProductKey] = []
        self._columns = _no_rows(0)

    def append(self, step: StepActivity, zeros: Bools, now: int) -> None:
        places = np.array(
            [self._place(key, zero) for key, zero in zip(step.keys, zeros.tolist(), strict=True)], dtype=np.int64
        )
        columns, known = self._columns, len(self._columns["steps"])
        if len(self._keys) > known:
            more = _no_rows(len(self._keys) - known)
            columns = self._columns = {name: np.concatenate([columns[name], more[name]]) for name in columns}
        first = columns["steps"][places] == 0
        columns["start"][places[first]] = step.times.start[first] + now
        columns["end"][places] = step.times.end + now
        # Not `columns[...][places] += ...`, which would lose a product that a step has twice.
        np.add.at(columns["steps"], places, 1)
        np.add.at(columns["counts"], places, step.counts)
        np.add.at(columns["array_cycles"], places, step.array_cycles)
        np.add.at(columns["stalls"], places, step.times.stalls)

    def keys(self) -> tuple[ProductKey, ...]:
        return tuple(self._keys)

    def columns(self) -> dict[str, Int64s]:
        return self._columns

    def _place(self, key: ProductKey, zero: bool) -> int:
        """Find the row of a product, or make it; keep the largest shape."""
        name = (key.layer, key.product, key.phase, key.time, key.recorded, zero)
        place = self._row_of.setdefault(name, len(self._keys))
        if place == len(self._keys):
            self._keys.append(key._replace(step=None))
            return place
        largest = self._keys[place]
        if key.m > largest.m or key.k > largest.k or key.n > largest.n:
            m, k, n = max(key.m, largest.m), max(key.k, largest.k), max(key.n, largest.n)
            self._keys[place] = largest._replace(m=m, k=k, n=n)
        return place


_Rows = _Apart | _Folded


def _no_rows(rows: int) -> dict[str, Int64s]:
    """Columns of an `Activity` with nothing counted yet."""
    columns = dict.fromkeys(("steps", "counts", "array_cycles", "start", "end", "stalls"), ())
    widths: dict[str, tuple[int, ...]] = {**columns, "counts": (len(COUNTS),), "stalls": (len(STALLS),)}
    return {name: np.zeros((rows, *width), dtype=np.int64) for name, width in widths.items()}
