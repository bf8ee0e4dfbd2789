"""From the mask of the skip operand to the exact cycles of a pass: one file per mechanism.

Importing this package registers every mechanism; the compiled kernels are loaded when one first counts.
"""

from simulator.skipping.broadcast_fifo import BroadcastFifo
from simulator.skipping.ideal import Ideal
from simulator.skipping.ideal_two_sided import IdealTwoSided
from simulator.skipping.inner_product import InnerProduct
from simulator.skipping.lookahead import Dense, Gated, Lookahead, VectorSkip
from simulator.skipping.one_pass import PassResult, run_pass
from simulator.skipping.outer_product import OuterProduct
from simulator.skipping.packed import Packed
from simulator.skipping.structured import Structured

__all__ = [
    "BroadcastFifo",
    "Dense",
    "Gated",
    "Ideal",
    "IdealTwoSided",
    "InnerProduct",
    "Lookahead",
    "OuterProduct",
    "Packed",
    "PassResult",
    "Structured",
    "VectorSkip",
    "run_pass",
]
