"""Computing, not only counting: every product through the modelled schedule, compared with numpy.

A mechanism's schedule says which lane consumes which position in which cycle. It is a second statement of the law, so
that a check proves cycles as well as values.
"""

from simulator.values.check import ValueTally, check_step
from simulator.values.mismatch import CycleMismatch, Mismatch, ValueMismatch
from simulator.values.schedules import SCHEDULES, LaneSchedule, require_schedule
from simulator.values.tiles import TILE_RUNS, Tile

__all__ = [
    "SCHEDULES",
    "TILE_RUNS",
    "CycleMismatch",
    "LaneSchedule",
    "Mismatch",
    "Tile",
    "ValueMismatch",
    "ValueTally",
    "check_step",
    "require_schedule",
]
