"""Compiled kernel of the structured law."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, lowest_in

Int64s = npt.NDArray[np.int64]


@compiled
def fill_slots(words: Words, n: int, m: int, reads: Counts, offence: Int64s) -> None:
    """Give every non-zero its slot: the j-th of a lane and group takes slot j; all lanes of a word at once.

    Parameters
    ----------
    words : uint64 [P, K, W]
    n, m : int
        Slots and positions of a group.
    reads : int64 [P], written
        Distinct positions per slot, summed over the slots of all groups.
    offence : int64 [3], written where there is one
        Pass, lane and position of the first non-zero that finds no slot: of the first such pass its first position, and
        there the lowest lane. The search ends there.
    """
    passes, positions, width = words.shape
    filled = np.empty((n + 1, width), np.uint64)  # lanes that have used exactly j slots of the group
    for p in range(passes):
        total = 0
        for k in range(positions):
            if k % m == 0:
                filled[:] = 0
                filled[0] = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
            for w in range(width):
                late = words[p, k, w] & filled[n, w]
                if late:
                    offence[0] = p
                    offence[1] = 64 * w + lowest_in(late)
                    offence[2] = k
                    return
            for j in range(n - 1, -1, -1):
                read = False
                for w in range(width):
                    here = words[p, k, w] & filled[j, w]
                    if here:
                        read = True
                        filled[j, w] ^= here
                        filled[j + 1, w] |= here
                total += read
        reads[p] = total
