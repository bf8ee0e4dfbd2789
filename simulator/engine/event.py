"""The readable engine: SimPy processes that read like the block diagram.

    DRAM <-> DMA in -> buffers -> array -> output port -> vector unit -> DMA out <-> DRAM

MODEL.md states the semantics; `Plan` has the tables that the processes walk. Each block serves in program order.
Every event's value is the cycle at which it happened.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import simpy

from simulator.engine.times import DeadlockError, Int64s, Moments, StepTimes, Window, summarize
from simulator.mapping.plan import BUFFERS, NONE, OUTPUT, Plan
from simulator.memory import BandwidthDram, TimingDram
from simulator.memory.timing_state import NEVER, DramState

# SimPy handles the events of one instant by priority (urgent 0, normal 1), then age. The DRAM looks at its queue
# only after everything else of the instant, so what it serves next does not depend on which process ran first.
AFTER_ALL_ELSE = 2
READ, WRITE = 0, 1

Process = Generator[simpy.Event, None, None]


def run(plan: Plan, window: Window | None = None) -> StepTimes:
    """Walk a plan and return its times.

    Parameters
    ----------
    plan : Plan
    window : (first, last), optional
        Also return what each unit did when, from the first cycle up to, not with, the last.

    Raises
    ------
    DeadlockError
        If the machine gets stuck: the plan asks for what the machine cannot hold.
    """
    return _Machine(plan).run(window)


def times_of(events: list[simpy.Event]) -> Int64s:
    """When events happened; 0 for those that never did: int64 [len(events)]."""
    return np.array([event.value if event.triggered else 0 for event in events], dtype=np.int64)


@dataclass(order=True)
class _Request:
    """A DRAM request; sorts by arrival, reads before writes, older job first, then as the DMA asked."""

    arrival: int
    kind: int
    job: int
    number: int
    size_bytes: int = field(compare=False)
    done: simpy.Event = field(compare=False)


class _Machine:
    """All blocks, and what has happened so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.env = env = simpy.Environment()
        jobs, loads = len(plan.job_product), len(plan.load_buffer)
        self.allocated_at = [0] * loads
        self.loaded = [env.event() for _ in range(loads)]
        self.started = [env.event() for _ in range(jobs)]
        self.ended = [env.event() for _ in range(jobs)]
        self.drained = [env.event() for _ in range(jobs)]
        self.made = [env.event() for _ in range(jobs)]  # by the vector unit
        self.stored = [env.event() for _ in range(jobs)]
        self.draining = np.flatnonzero(plan.job_drains).tolist()
        self.written_at = [0] * jobs
        self.written: set[int] = set()  # jobs whose write is done, while an earlier one is not
        self.unstored = iter([*self.draining, NONE])
        self.next_stored = next(self.unstored)
        self.free_bytes = list(plan.capacity_bytes)
        self.freed = [env.event() for _ in BUFFERS]
        self.frees_at: dict[int, list[int]] = {}  # job -> loads whose space it gives back
        for load, job in enumerate(plan.load_last_job.tolist()):
            self.frees_at.setdefault(job, []).append(load)
        self.requests: list[_Request] = []  # of a DRAM at the level bandwidth
        self.banks: DramState | None = None  # of one at the level timing, whose transfers are loads and then jobs
        if isinstance(plan.dram, TimingDram):
            self.banks = plan.dram.new_state(loads + jobs)
        self.asked_for: dict[int, simpy.Event] = {}
        self.request_came = env.event()
        self.asked = 0
        self.waiting: dict[str, str] = {}

    def run(self, window: Window | None = None) -> StepTimes:
        """Start all blocks and step until each has done its last job."""
        env = self.env
        blocks = [self.array()]
        if self.plan.dram is not None:
            blocks += [self.dma_in(), self.output_port(), self.vector_unit(), self.dma_out()]
        if isinstance(self.plan.dram, BandwidthDram):
            env.process(self.serve_dram(self.plan.dram))
        done = env.all_of([env.process(block) for block in blocks])
        events = 0
        while not done.processed:
            if self.banks is not None and env.peek() > env.now:
                self.let_banks_work()
            if env.peek() == float("inf"):
                waits = "; ".join(f"{who} waits for {what}" for who, what in self.waiting.items())
                raise DeadlockError(f"stuck at cycle {env.now}: {waits}")
            env.step()
            events += 1
        return summarize(self.plan, self.moments(), events, window)

    def moments(self) -> Moments:
        """Say when everything happened, once all has."""
        commands: dict[str, int] = {}
        if self.banks is not None:
            from simulator.engine.kernels import commands_until

            commands = commands_until(self.banks, self.now)
        return Moments(
            started=times_of(self.started),
            ended=times_of(self.ended),
            made=times_of(self.made),
            written=np.array(self.written_at, dtype=np.int64),
            stored=times_of(self.stored),
            allocated=np.array(self.allocated_at, dtype=np.int64),
            loaded=times_of(self.loaded),
            total_cycles=self.now,
            dram_commands=commands,
        )

    # --- blocks ------------------------------------------------------------------------------------------

    def dma_in(self) -> Process:
        """Allocate and fetch tiles in program order: space first, then bytes, `queue` reads in flight."""
        plan, in_flight = self.plan, list[simpy.Event]()
        assert plan.dram is not None
        columns = (plan.load_buffer, plan.load_space_bytes, plan.load_dram_bytes, plan.load_after_job)
        first_jobs = np.repeat(np.arange(len(plan.job_product)), np.diff(plan.job_first_load)).tolist()
        rows = zip(first_jobs, *(c.tolist() for c in columns), strict=True)
        for load, (job, buffer, space, size, after) in enumerate(rows):
            if after != NONE:
                yield from self.wait("DMA in", f"job {after} to be stored", self.stored[after])
            while self.free_bytes[buffer] < space:
                room = f"{space} bytes of the {BUFFERS[buffer]} buffer ({self.free_bytes[buffer]} free)"
                yield from self.wait("DMA in", f"{room} for load {load} of job {job}", self.freed[buffer])
            self.free_bytes[buffer] -= space
            self.allocated_at[load] = self.now
            if size == 0:
                self.loaded[load].succeed(self.now)
                continue
            if len(in_flight) == plan.dram.queue:
                yield from self.wait("DMA in", "a place in the DRAM's queue", in_flight.pop(0))
            done = self.loaded[load]
            if self.banks is None:
                in_flight.append(self.request(READ, job, size, done))
            else:
                in_flight.append(self.ask_banks(load, False, int(plan.load_address_bytes[load]), size, done))

    def array(self) -> Process:
        """Run jobs in order, each as soon as its dependencies and its tiles are there."""
        plan = self.plan
        dependencies: dict[int, list[tuple[int, simpy.Event]]] = {}
        waits = (plan.waits_job, plan.waits_for, plan.waits_on_chip)
        for job, awaited, on_chip in zip(*(w.tolist() for w in waits), strict=True):
            by = self.made if on_chip else self.stored
            dependencies.setdefault(job, []).append((awaited, by[awaited]))
        columns = (plan.job_array_cycles, plan.job_feed_cycles, plan.job_load_shared)
        rows = zip(*(c.tolist() for c in (*columns, plan.job_load_skip, plan.job_load_output)), strict=True)
        for job, (cycles, feed, shared, skip, output) in enumerate(rows):
            for awaited, event in dependencies.get(job, ()):
                yield from self.wait("array", f"the results of job {awaited} for job {job}", event)
            loads = [load for load in (shared, skip, output) if load != NONE]
            for load in loads:
                yield from self.wait("array", f"load {load} of job {job}", self.loaded[load])
            self.started[job].succeed(self.now)
            yield from self.work(cycles + feed)
            self.ended[job].succeed(self.now)
            self.free(job, output=False)

    def output_port(self) -> Process:
        """Drain finished output tiles while and after the array works on them."""
        plan = self.plan
        for job in self.draining:
            yield from self.wait("output port", f"job {job} to start", self.started[job])
            if cycles := int(plan.job_drain_cycles[job]):
                yield self.env.timeout(cycles)
            yield from self.wait("output port", f"job {job} to end", self.ended[job])
            rest = self.ended[job].value + int(plan.job_tail_cycles[job]) - self.now
            if rest > 0:
                yield self.env.timeout(rest)
            self.drained[job].succeed(self.now)

    def vector_unit(self) -> Process:
        """Compute gates, or gate gradients, of drained tiles in order."""
        plan = self.plan
        for job in self.draining:
            yield from self.wait("vector unit", f"job {job} to drain", self.drained[job])
            cycles = int(plan.job_vector_cycles[job])
            yield from self.work(cycles)
            latency = plan.vector_latency_cycles if cycles else 0
            ready = self.env.timeout(latency)
            ready.callbacks.append(lambda _, job=job: self.made[job].succeed(self.now))

    def dma_out(self) -> Process:
        """Write finished results back, `queue` writes in flight; they count as stored in order."""
        plan, in_flight = self.plan, list[simpy.Event]()
        assert plan.dram is not None
        for job in self.draining:
            yield from self.wait("DMA out", f"job {job} to be made", self.made[job])
            self.stored[job].callbacks.append(lambda _, job=job: self.finish(job))
            size = int(plan.job_store_bytes[job])
            if size == 0:
                self.retire(job)
                continue
            if len(in_flight) == plan.dram.queue:
                yield from self.wait("DMA out", "a place in the DRAM's queue", in_flight.pop(0))
            written = self.env.event()
            written.callbacks.append(lambda _, job=job: self.retire(job))
            if self.banks is None:
                in_flight.append(self.request(WRITE, job, size, written))
            else:
                address = int(plan.job_store_address_bytes[job])
                in_flight.append(self.ask_banks(len(self.loaded) + job, True, address, size, written))
        if self.draining:
            yield from self.wait("DMA out", "the last writes", self.stored[self.draining[-1]])

    def serve_dram(self, dram: BandwidthDram) -> Process:
        """Serve requests first come, first served, one at a time on the data bus: the level `bandwidth`."""
        while True:
            while not self.requests:
                self.request_came = self.env.event()
                yield self.request_came
            yield self.after_all_else()
            request = heapq.heappop(self.requests)
            latency = dram.latency_cycles if request.kind == READ else 0
            transfer = dram.transfer_cycles(request.size_bytes)
            wait = max(0, request.arrival + latency - self.now)
            yield self.env.timeout(wait + transfer)
            request.done.succeed(self.now)

    def let_banks_work(self) -> None:
        """Let the DRAM at the level `timing` work until something else happens; what it completes happens then.

        Called when all of an instant has happened, as its controller may then decide.
        """
        from simulator.memory.timing_kernels import advance

        assert self.banks is not None
        next_event = self.env.peek()
        transfer, cycle = advance(self.banks, NEVER if next_event == float("inf") else int(next_event))
        if transfer >= 0:
            self.env.timeout(cycle - self.now, transfer).callbacks.append(lambda event: self.moved(event.value))

    def ask_banks(self, transfer: int, is_write: bool, address: int, size_bytes: int, done: simpy.Event) -> simpy.Event:
        """Ask the DRAM at the level `timing` for a transfer; `done` succeeds with its last byte."""
        from simulator.memory.timing_kernels import arrive

        assert self.banks is not None
        arrive(self.banks, transfer, is_write, address, size_bytes, self.now)
        self.asked_for[transfer] = done
        return done

    def moved(self, transfer: int) -> None:
        """Note that the last byte of a transfer has moved."""
        self.asked_for.pop(transfer).succeed(self.now)

    # --- parts -------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The present cycle."""
        return int(self.env.now)

    def wait(self, who: str, what: str, event: simpy.Event) -> Process:
        """Wait for an event, and say so while it lasts."""
        if not event.processed:
            self.waiting[who] = what
            yield event
            del self.waiting[who]

    def work(self, cycles: int) -> Process:
        """Let a unit be busy."""
        if cycles:
            yield self.env.timeout(cycles)

    def request(self, kind: int, job: int, size_bytes: int, done: simpy.Event) -> simpy.Event:
        """Put a request into the DRAM's queue; `done` succeeds with its last byte."""
        self.asked += 1
        heapq.heappush(self.requests, _Request(self.now, kind, job, self.asked, size_bytes, done))
        if not self.request_came.triggered:
            self.request_came.succeed()
        return done

    def after_all_else(self) -> simpy.Event:
        """Give an event that happens now, but after everything else that happens now."""
        event = self.env.event()
        event._ok, event._value = True, None
        self.env.schedule(event, priority=AFTER_ALL_ELSE)
        return event

    def retire(self, job: int) -> None:
        """Note that a job has nothing more to write; it is stored when all before it are."""
        self.written_at[job] = self.now
        self.written.add(job)
        while self.next_stored in self.written:
            self.written.remove(self.next_stored)
            self.stored[self.next_stored].succeed(self.now)
            self.next_stored = next(self.unstored)

    def finish(self, job: int) -> None:
        """Give back the output tile of a job whose results are stored."""
        self.free(job, output=True)

    def free(self, job: int, output: bool) -> None:
        """Give back the space of the tiles that nobody needs after this job."""
        for load in self.frees_at.get(job, ()):
            buffer = int(self.plan.load_buffer[load])
            if (buffer == OUTPUT) == output:
                self.free_bytes[buffer] += int(self.plan.load_space_bytes[load])
                freed, self.freed[buffer] = self.freed[buffer], self.env.event()
                freed.succeed()
