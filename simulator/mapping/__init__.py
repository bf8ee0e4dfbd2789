"""Products as tiles and passes: what the machine will do, before any time passes."""

from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import PassCache, PassTable
from simulator.mapping.plan import BUFFERS, Plan, PlannedProduct
from simulator.mapping.planner import Choice, choices, plan
from simulator.mapping.tiling import Tiling
from simulator.mapping.tilings import Candidate
from simulator.mapping.why import busiest_unit, why_not

__all__ = [
    "BUFFERS",
    "COUNTS",
    "Candidate",
    "Choice",
    "Count",
    "PassCache",
    "PassTable",
    "Plan",
    "PlannedProduct",
    "Tiling",
    "busiest_unit",
    "choices",
    "plan",
    "why_not",
]
