"""When: engines that walk a plan in integer cycles."""

from typing import Literal, get_args

from simulator.engine.activity import MOST_ROWS, Activity, ActivityBuilder, ProductKey, StepActivity
from simulator.engine.chips import ChipStep, join_chips
from simulator.engine.times import STALLS, UNITS, Interval, StepTimes
from simulator.mapping import Plan

EngineName = Literal["compiled", "event"]
ENGINES: tuple[str, ...] = get_args(EngineName)

__all__ = [
    "ENGINES",
    "MOST_ROWS",
    "STALLS",
    "UNITS",
    "Activity",
    "ActivityBuilder",
    "ChipStep",
    "EngineName",
    "Interval",
    "ProductKey",
    "StepActivity",
    "StepTimes",
    "join_chips",
    "run",
]


def run(plan: Plan, engine: EngineName, record_intervals: bool = False) -> StepTimes:
    """Walk a plan with one of the engines; only the event engine records intervals, so it is taken for them."""
    if engine == "event" or record_intervals:
        from simulator.engine.event import run as run_event

        return run_event(plan, record_intervals)
    from simulator.engine.compiled import run as run_compiled

    return run_compiled(plan)
