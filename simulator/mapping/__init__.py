"""Products as tiles and passes: what the machine will do, before any time passes."""

from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import PassCache, PassTable
from simulator.mapping.plan import BUFFERS, Plan, PlannedProduct
from simulator.mapping.planner import plan
from simulator.mapping.tiling import Tiling

__all__ = ["BUFFERS", "COUNTS", "Count", "PassCache", "PassTable", "Plan", "PlannedProduct", "Tiling", "plan"]
