"""When: engines that walk a plan in integer cycles."""

from typing import Literal, get_args

from simulator.engine.activity import MOST_ROWS, Activity, ActivityBuilder, ProductKey, StepActivity
from simulator.engine.chips import ChipStep, join_chips
from simulator.engine.invariants import INVARIANTS, InvariantError, check_twins, require
from simulator.engine.times import STALLS, UNITS, WHOLE, Arrow, History, Interval, StepTimes, Window
from simulator.mapping import Plan

EngineName = Literal["compiled", "event"]
ENGINES: tuple[str, ...] = get_args(EngineName)

__all__ = [
    "ENGINES",
    "INVARIANTS",
    "MOST_ROWS",
    "STALLS",
    "UNITS",
    "WHOLE",
    "Activity",
    "ActivityBuilder",
    "Arrow",
    "ChipStep",
    "EngineName",
    "History",
    "Interval",
    "InvariantError",
    "ProductKey",
    "StepActivity",
    "StepTimes",
    "Window",
    "check_twins",
    "join_chips",
    "require",
    "run",
]


def run(plan: Plan, engine: EngineName, window: Window | None = None) -> StepTimes:
    """Walk a plan with one of the engines; within a window of cycles it is told what each unit did when."""
    if engine == "event":
        from simulator.engine.event import run as run_event

        return run_event(plan, window)
    from simulator.engine.compiled import run as run_compiled

    return run_compiled(plan, window)
