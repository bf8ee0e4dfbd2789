"""From the mask of the skip operand to the exact cycles of a pass: one file per mechanism.

Importing this package registers every mechanism; the compiled kernels are loaded when one first counts.
"""

from simulator.skipping.ideal import Ideal
from simulator.skipping.lookahead import Dense, Gated, Lookahead, VectorSkip
from simulator.skipping.one_pass import PassResult, run_pass

__all__ = ["Dense", "Gated", "Ideal", "Lookahead", "PassResult", "VectorSkip", "run_pass"]
