"""When: engines that walk a plan in integer cycles."""

from simulator.engine.activity import Activity, ActivityBuilder, ProductKey
from simulator.engine.times import STALLS, UNITS, Interval, StepTimes

ENGINES = ("event",)

__all__ = ["ENGINES", "STALLS", "UNITS", "Activity", "ActivityBuilder", "Interval", "ProductKey", "StepTimes"]
