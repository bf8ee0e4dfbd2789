"""Kernels: functions that are compiled to machine code by Numba once, and loaded without it afterwards.

A process whose kernels are in the cache never imports Numba: importing it and loading its own cache take longer than
a replay.
"""

from simulator.compiling.bits import lowest_in, ones_in
from simulator.compiling.kernel import Kernel, compiled, told_of_compiling

__all__ = ["Kernel", "compiled", "lowest_in", "ones_in", "told_of_compiling"]
