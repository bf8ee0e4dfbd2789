"""Events per second of the event engine, against bare SimPy timeouts in the same run."""

from __future__ import annotations

from pathlib import Path

import simpy

from benchmarks.rows import Row, median_seconds
from simulator.arch import load_arch
from simulator.engine.event import run
from simulator.mapping import plan
from simulator.workload import lower
from traces import Trace

SAMPLE = Path(__file__).parents[2] / "traces" / "samples" / "charlm_t1e-6.npz"


def measure(times: int = 5) -> list[Row]:
    """Time of as many bare timeouts as the engine handles events, over its own."""
    with Trace(SAMPLE) as trace:
        step = plan(load_arch("zero_skip"), lower(trace, trace.step(1000)))
    events = run(step).events

    def bare() -> None:
        env = simpy.Environment()

        def clock() -> simpy.events.ProcessGenerator:
            for _ in range(events):
                yield env.timeout(1)

        env.process(clock())
        env.run()

    note = f"{events:,} events of a sample step on `zero_skip`; rival: as many SimPy timeouts"
    return [Row("events", median_seconds(lambda: run(step), times), median_seconds(bare, times), 1, 0.2, note)]
