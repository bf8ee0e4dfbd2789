"""Compiled kernel that steps the PEs of `broadcast_fifo` cycle by cycle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@compiled
def broadcast_row(
    values: Floats,
    positions: Int64s,
    shared: Floats,
    stored: Bools,
    pes: int,
    depth: int,
    longest_gap: int,
    sums: Floats,
) -> tuple[int, int]:
    """Broadcast the non-zeros of one row, and let every PE work off its FIFO.

    An entry that is sent in cycle t can be worked on from cycle t + 1. One that is empty for a PE is finished as soon
    as it is at the head; the place of an entry is free in the cycle after the PE finished it. In a cycle a PE takes
    the next of its stored columns n, n % pes == PE: a non-zero, or a zero that is stored because `longest_gap` of
    them follow each other before a non-zero.

    Parameters
    ----------
    values, positions : float64, int64 [S]
        What is broadcast, in order.
    shared, stored : float64, bool [K, columns]
    pes, depth, longest_gap : int
    sums : float64 [columns], added to

    Returns
    -------
    (cycles until the last entry is finished, MACs with two non-zeros)
    """
    columns = shared.shape[1]
    head = np.zeros(pes, np.int64)  # the broadcast that a PE works on
    upcoming = np.empty(pes, np.int64)  # the next column of its share that it looks at
    gap = np.zeros(pes, np.int64)  # zeros since the last stored value
    sent_at = np.empty(len(values), np.int64)
    for pe in range(pes):
        upcoming[pe] = pe
    sent = 0
    macs = 0
    now = 0
    while True:
        behind = len(values)  # the broadcast that the slowest PE works on
        for pe in range(pes):
            # Entries without a non-zero for this PE, or without any left, are finished at once.
            while head[pe] < sent and sent_at[head[pe]] < now:
                n = upcoming[pe]
                while n < columns and not stored[positions[head[pe]], n]:
                    n += pes
                if n < columns:
                    break
                head[pe] += 1
                upcoming[pe] = pe
                gap[pe] = 0
            behind = min(behind, head[pe])
        if behind == len(values):
            return now, macs
        if sent < len(values) and sent - behind < depth:
            sent_at[sent] = now
            sent += 1
        for pe in range(pes):
            if head[pe] < sent and sent_at[head[pe]] < now:
                k = positions[head[pe]]
                n = upcoming[pe]
                while not stored[k, n]:
                    gap[pe] += 1
                    n += pes
                    if gap[pe] == longest_gap:
                        break
                if gap[pe] < longest_gap:  # else this cycle goes to a stored zero
                    sums[n] += values[head[pe]] * shared[k, n]
                    macs += 1
                    n += pes
                gap[pe] = 0
                upcoming[pe] = n
        now += 1
