"""What each unit did when, what it waited for, and what lay where: derived from a plan and the moments of a run.

Engines find out when things happen (`Moments`); everything here follows from that and the plan, so all engines tell the
same history. Units of a `History` beside `UNITS`, each without overlaps:

* ``array stalls``, by reason (`STALLS`); ``array passes`` come from `simulator.engine.passes`;
* ``output_port``: from the beginning of a drain to its end;
* ``dma_in 0``, ``dma_in 1``, ...: reads under way, a unit for each place in the queue; ``dma_in waits``: what the DMA
  waits for before it can ask for the next one; ``dma_out 0``, ...: writes under way;
* ``dram 0 reads``, ``dram 0 writes``, ...: data on the pins of each channel, at the level `timing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from simulator.engine.channels import channel_intervals
from simulator.engine.times import STALLS, Arrow, History, Int64s, Interval, Moments, Window
from simulator.mapping.plan import BUFFERS, NONE, OUTPUT, Plan
from simulator.memory import TimingDram

STALL_UNIT, PASS_UNIT, PORT_UNIT = "array stalls", "array passes", "output_port"
FETCH_UNIT, STORE_UNIT, FETCH_WAITS_UNIT = "dma_in", "dma_out", "dma_in waits"

Span = tuple[Int64s, Int64s]
"""From when to when, in cycles: int64 [jobs] or [loads] each."""
Place = tuple[str, int, int]
"""A unit's interval: from when to when."""


def intervals_and_history(plan: Plan, moments: Moments, window: Window) -> tuple[tuple[Interval, ...], History]:
    """Tell what each of `UNITS` did when, and the history beside it, as far as they reach into a window.

    Parameters
    ----------
    plan : Plan
    moments : Moments
        Of this plan.
    window : (first, last)
        In cycles, the last left out. What lies partly within is told whole.

    Raises
    ------
    InputError
        If a DRAM of the level `timing` got more commands than are looked at.
    """
    if window[0] >= moments.total_cycles:
        return (), History()
    told = _Teller(plan, moments, window)
    if plan.dram is None:
        return tuple(told.array()), History(slices=tuple(told.stalls()))
    slices = [*told.stalls(), *told.port(), *told.fetches(), *told.fetch_waits(), *told.stores(), *told.channels()]
    history = History(tuple(slices), tuple(told.tiles()), tuple(told.arrows()))
    return (*told.array(), *told.vector_unit(), *told.dram()), history


class _Teller:
    """All times that follow from the moments of a run."""

    def __init__(self, plan: Plan, moments: Moments, window: Window) -> None:
        self.plan, self.moments, self.window = plan, moments, window
        self.work: Span = moments.started, moments.started + plan.job_array_cycles
        if plan.dram is None:
            return
        self.load_job = np.repeat(np.arange(plan.jobs), np.diff(plan.job_first_load))
        self.reads = np.flatnonzero(plan.load_dram_bytes)
        self.draining = np.flatnonzero(plan.job_drains)
        self.writes = self.draining[plan.job_store_bytes[self.draining] > 0]
        self.drain, self.vector = self._drain_and_vector()
        # A place in either queue becomes free when the oldest request is done.
        queue = plan.dram.queue
        asked, posted = moments.allocated.copy(), np.maximum.accumulate(moments.made[self.draining])
        later, earlier = self.reads[queue:], self.reads[:-queue]
        asked[later] = np.maximum(asked[later], moments.loaded[earlier])
        self.fetch: Span = asked, moments.loaded
        posted_at = np.zeros(plan.jobs, np.int64)
        posted_at[self.draining] = posted
        free = np.zeros(len(self.writes), np.int64)
        free[queue:] = moments.written[self.writes[:-queue]]
        posted_at[self.writes] = np.maximum(posted_at[self.writes], np.maximum.accumulate(free))
        self.store: Span = posted_at, np.where(plan.job_store_bytes > 0, moments.written, posted_at)
        self.read_place, self.write_place = np.zeros(len(asked), np.int64), np.zeros(plan.jobs, np.int64)
        self.read_place[self.reads] = np.arange(len(self.reads)) % queue
        self.write_place[self.writes] = np.arange(len(self.writes)) % queue

    def _drain_and_vector(self) -> tuple[Span, Span]:
        """When the output port drained each job, and when the vector unit worked on it; in order, one at a time."""
        plan, moments = self.plan, self.moments
        begun, drained, taken, done = np.zeros((4, plan.jobs), np.int64)
        port = vector = 0
        for job in self.draining.tolist():
            begun[job] = port = max(port, int(moments.started[job]))
            port = max(port + int(plan.job_drain_cycles[job]), int(moments.ended[job] + plan.job_tail_cycles[job]))
            drained[job] = port
            taken[job] = vector = max(vector, port)
            done[job] = vector = vector + int(plan.job_vector_cycles[job])
        return (begun, drained), (taken, done)

    # --- what is told ------------------------------------------------------------------------------------

    def array(self) -> Iterator[Interval]:
        """The array's own work."""
        for job, start, end in self._within(np.arange(self.plan.jobs), *self.work):
            yield Interval("array", self._name(job), start, end, job=job)

    def vector_unit(self) -> Iterator[Interval]:
        """The vector unit's work, without its pipeline's latency."""
        for job, start, end in self._within(self.draining, *self.vector):
            yield Interval("vector_unit", self._name(job), start, end, job=job)

    def dram(self) -> Iterator[Interval]:
        """Data on the bus, or at the level `timing` when any transfer is under way."""
        plan = self.plan
        assert plan.dram is not None
        if isinstance(plan.dram, TimingDram):
            yield from self._under_way()
            return
        took, sizes = plan.dram.transfer_cycles(plan.load_dram_bytes), plan.load_dram_bytes
        for load, start, end in self._within(self.reads, self.moments.loaded - took, self.moments.loaded):
            job = int(self.load_job[load])
            yield Interval("dram", f"read (job {job})", start, end, self._tile(load), job, int(sizes[load]))
        took, sizes = plan.dram.transfer_cycles(plan.job_store_bytes), plan.job_store_bytes
        for job, start, end in self._within(self.writes, self.moments.written - took, self.moments.written):
            yield Interval("dram", f"write (job {job})", start, end, self._name(job), job, int(sizes[job]))

    def _under_way(self) -> Iterator[Interval]:
        start = np.concatenate([self.fetch[0][self.reads], self.store[0][self.writes]])
        end = np.concatenate([self.fetch[1][self.reads], self.store[1][self.writes]])
        if not len(start):
            return
        order = np.argsort(start, kind="stable")
        start, reached = start[order], np.maximum.accumulate(end[order])
        begins = np.flatnonzero(np.concatenate([[True], start[1:] > reached[:-1]]))
        ends = np.append(begins[1:], len(start))
        spans = np.stack([start[begins], reached[ends - 1]])
        for stretch, first, last in self._within(np.arange(len(begins)), *spans):
            yield Interval("dram", f"{ends[stretch] - begins[stretch]} transfers", first, last)

    def stalls(self) -> Iterator[Interval]:
        """Each stalled cycle of the array, by the first reason that holds; as `charge_stalls` sums them up."""
        plan, moments = self.plan, self.moments
        jobs = np.arange(plan.jobs)
        if not plan.jobs:
            return
        met = np.zeros((len(STALLS) - 1, plan.jobs), np.int64)  # when the job before had ended, and each need was met
        met[0, 1:] = moments.ended[:-1]
        there = np.where(plan.waits_on_chip == 1, moments.made[plan.waits_for], moments.stored[plan.waits_for])
        np.maximum.at(met[1], plan.waits_job, there)
        needs = (
            (plan.job_load_shared, moments.loaded),
            (plan.job_load_skip, moments.loaded),
            (plan.job_load_output, moments.allocated),
            (plan.job_load_output, moments.loaded),
        )
        for row, (load, times) in enumerate(needs, start=2):
            met[row, load != NONE] = times[load[load != NONE]]
        reached = np.maximum.accumulate(met, axis=0)
        for reason, name in enumerate(STALLS[: len(needs) + 1]):
            for job, start, end in self._within(jobs, reached[reason], reached[reason + 1]):
                yield Interval(STALL_UNIT, name, start, end, f"before {self._name(job)}", job)
        for job, start, end in self._within(jobs, self.work[1], moments.ended):
            yield Interval(STALL_UNIT, "operand_bandwidth", start, end, f"in {self._name(job)}", job)
        for _, start, end in self._within(jobs[:1], moments.ended[-1:], np.array([moments.total_cycles])):
            yield Interval(STALL_UNIT, "drain", start, end, "the last results on their way to the DRAM")

    def port(self) -> Iterator[Interval]:
        """Drains, from when the port begins with one to when the last value has left."""
        for job, start, end in self._within(self.draining, *self.drain):
            yield Interval(PORT_UNIT, self._name(job), start, end, job=job)

    def fetches(self) -> Iterator[Interval]:
        """Reads under way, from when they are asked for to their last byte."""
        for load, start, end in self._within(self.reads, *self.fetch):
            size, job = int(self.plan.load_dram_bytes[load]), int(self.load_job[load])
            name = f"{BUFFERS[self.plan.load_buffer[load]]} tile (job {job})"
            yield Interval(f"{FETCH_UNIT} {self.read_place[load]}", name, start, end, self._name(job), job, size)

    def stores(self) -> Iterator[Interval]:
        """Writes under way, from when they are asked for to their last byte."""
        for job, start, end in self._within(self.writes, *self.store):
            size = int(self.plan.job_store_bytes[job])
            yield Interval(
                f"{STORE_UNIT} {self.write_place[job]}", self._name(job), start, end, job=job, size_bytes=size
            )

    def fetch_waits(self) -> Iterator[Interval]:
        """What the DMA waits for before it can ask for a tile, in the order in which it looks."""
        plan, moments = self.plan, self.moments
        loads, after = np.arange(len(plan.load_buffer)), plan.load_after_job
        if not len(loads):
            return
        free = np.concatenate([[0], self.fetch[0][:-1]])  # it has asked for the tile before, or given it room
        exists = free.copy()
        exists[after != NONE] = np.maximum(free, moments.stored[after])[after != NONE]
        waits = (
            ("data", free, exists),
            ("room", exists, moments.allocated),
            ("queue", moments.allocated, self.fetch[0]),
        )
        for name, start, end in waits:
            for load, first, last in self._within(loads, start, end):
                of = f" in the {BUFFERS[plan.load_buffer[load]]} buffer" if name == "room" else ""
                about = f"for {self._tile(load)}"
                yield Interval(FETCH_WAITS_UNIT, f"{name}{of}", first, last, about, int(self.load_job[load]))

    def channels(self) -> Iterator[Interval]:
        """Data on the pins of each channel, at the level `timing`."""
        plan = self.plan
        if not isinstance(plan.dram, TimingDram):
            return
        reads, writes = self.reads, self.writes
        intervals = channel_intervals(
            plan.dram,
            np.concatenate([plan.load_address_bytes[reads], plan.job_store_address_bytes[writes]]),
            np.concatenate([plan.load_dram_bytes[reads], plan.job_store_bytes[writes]]),
            np.repeat(np.array([0, 1]), [len(reads), len(writes)]),
            np.concatenate([self.fetch[0][reads], self.store[0][writes]]),
            np.concatenate([self.fetch[1][reads], self.store[1][writes]]),
            self.moments.dram_commands,
        )
        first, last = self.window
        yield from (i for i in intervals if i.start < last and i.end > first)

    def tiles(self) -> Iterator[Interval]:
        """Tiles in buffers, from when they take their room to when they give it back."""
        plan, moments = self.plan, self.moments
        is_output = plan.load_buffer == OUTPUT
        freed = np.where(is_output, moments.stored[plan.load_last_job], moments.ended[plan.load_last_job])
        for load, start, end in self._within(np.arange(len(plan.load_buffer)), moments.allocated, freed):
            unit, job = f"{BUFFERS[plan.load_buffer[load]]} buffer", int(self.load_job[load])
            yield Interval(unit, self._name(job), start, end, job=job, size_bytes=int(plan.load_space_bytes[load]))

    def arrows(self) -> Iterator[Arrow]:
        """Who waited for whom: tile to job, results to jobs and tiles that need them, and the way of results out."""
        plan = self.plan
        first, last = self.window
        # Only what has an end within the window is looked at; a long run has millions of jobs.
        for load in self.reads[(self.fetch[0][self.reads] < last) & (self.fetch[1][self.reads] >= first)].tolist():
            yield from self._arrow(self._fetch_place(load), self._array_place(int(self.load_job[load])))
            after = int(plan.load_after_job[load])
            if after != NONE:
                yield from self._arrow(self._store_place(after), self._fetch_place(load))
        waiting = self.work[0][plan.waits_job]
        waits = np.flatnonzero((waiting >= first) & (waiting < last))
        for wait in waits.tolist():
            awaited = int(plan.waits_for[wait])
            made = self._vector_place(awaited) or self._port_place(awaited)
            source = made if plan.waits_on_chip[wait] else self._store_place(awaited)
            yield from self._arrow(source, self._array_place(int(plan.waits_job[wait])))
        for job in self.draining[
            (self.drain[0] < last)[self.draining] & (self.store[1] >= first)[self.draining]
        ].tolist():
            way = [self._array_place(job), self._port_place(job), self._vector_place(job), self._store_place(job)]
            there = [place for place in way if place is not None]
            for source, target in pairwise(there):
                yield from self._arrow(source, target)

    # --- parts -------------------------------------------------------------------------------------------

    def _within(self, which: Int64s, start: Int64s, end: Int64s) -> Iterator[tuple[int, int, int]]:
        """Walk those of `which` that last at least a cycle and reach into the window, with start and end."""
        first, last = self.window
        start, end = start[which], end[which]
        seen = (end > start) & (start < last) & (end > first)
        return zip(which[seen].tolist(), start[seen].tolist(), end[seen].tolist(), strict=True)

    def _name(self, job: int) -> str:
        """Name a job for people."""
        return f"{self.plan.products[self.plan.job_product[job]].label} (job {job})"

    def _tile(self, load: int) -> str:
        """Name the tile of a load for people."""
        return f"the {BUFFERS[self.plan.load_buffer[load]]} tile of {self._name(int(self.load_job[load]))}"

    def _array_place(self, job: int) -> Place | None:
        return _place("array", self.work, job)

    def _port_place(self, job: int) -> Place | None:
        return _place(PORT_UNIT, self.drain, job)

    def _vector_place(self, job: int) -> Place | None:
        return _place("vector_unit", self.vector, job)

    def _fetch_place(self, load: int) -> Place | None:
        return _place(f"{FETCH_UNIT} {self.read_place[load]}", self.fetch, load)

    def _store_place(self, job: int) -> Place | None:
        return _place(f"{STORE_UNIT} {self.write_place[job]}", self.store, job)

    def _arrow(self, source: Place | None, target: Place | None) -> Iterator[Arrow]:
        """From the last cycle of one interval to the first of another, if both are there and within the window."""
        if source is None or target is None:
            return
        # A drain begins while its job still runs.
        leaves, arrives = min(source[2] - 1, target[1]), target[1]
        first, last = self.window
        if first <= leaves and arrives < last:
            yield Arrow(source[0], leaves, target[0], arrives)


def _place(unit: str, span: Span, index: int) -> Place | None:
    start, end = int(span[0][index]), int(span[1][index])
    return (unit, start, end) if end > start else None
