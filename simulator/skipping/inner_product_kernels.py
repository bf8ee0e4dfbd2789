"""Compiled kernel of the inner-product law.

The masks lie position-major with one bit per array row, so every array row of a word chooses at the same time: a
lane's choice is one AND for 64 array rows, which need not be transposed first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled

Int64s = npt.NDArray[np.int64]


@compiled
def stage_time_rows(
    words: Words,
    rows: Counts,
    lanes: int,
    depth: int,
    order: Int64s,
    ahead: Int64s,
    source: Int64s,
    cycles: Counts,
    reads: Counts,
    silent: Counts,
) -> None:
    """Apply the law cycle by cycle; takes O(cycles * lanes * moves) for each 64 array rows.

    Parameters
    ----------
    words : uint64 [P, K, W]
        Bit r % 64 of word r // 64 belongs to array row r.
    rows : int64 [P]
        Array rows of each pass.
    lanes, depth : int
        Multipliers of a PE, and time rows of the window; at least 1.
    order : int64 [lanes]
        The lanes in the order in which they choose.
    ahead : int64 [moves]
        Time rows ahead of the base, of each move.
    source : int64 [moves, lanes]
        The lane from which a move takes, for each lane.
    cycles, reads, silent : int64 [P], written
        Cycles of the pass; distinct positions handed out per cycle, summed; cycles in which no lane took anything.
    """
    passes, positions, width = words.shape
    times = -(-positions // lanes)
    pending = np.zeros((times * lanes, width), np.uint64)
    left = np.empty(times, np.int64)  # words of a time row that still hold something
    handed = np.full(times * lanes, -1, np.int64)  # the cycle in which a position was last handed out
    now = 0
    for p in range(passes):
        left[:] = 0
        for k in range(positions):
            for w in range(width):
                word = words[p, k, w]
                pending[k, w] = word
                left[k // lanes] += word != 0
        base = 0
        started, granted, quiet = now, 0, 0
        while base < times:
            stop = min(base + depth, times)
            waiting = 0
            for t in range(base + 1, stop):
                waiting += left[t]
            taken = left[base] != 0
            for w in range(width):
                present = min(64, rows[p] - 64 * w)
                if present <= 0:
                    break
                every = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - present)
                for i in range(lanes):
                    lane = order[i]
                    own = pending[base * lanes + lane, w]
                    if own and handed[base * lanes + lane] != now:
                        handed[base * lanes + lane] = now
                        granted += 1
                    if waiting == 0:
                        continue
                    free = every & ~own
                    for m in range(len(ahead)):
                        if free == 0:
                            break
                        t = base + ahead[m]
                        if t >= stop:
                            continue
                        k = t * lanes + source[m, lane]
                        word = pending[k, w]
                        move = free & word
                        if move:
                            taken = True
                            pending[k, w] = word ^ move
                            left[t] -= word == move
                            free ^= move
                            if handed[k] != now:
                                handed[k] = now
                                granted += 1
            quiet += not taken
            now += 1
            base += 1
            while base < stop and left[base] == 0:
                base += 1
        cycles[p] = now - started
        reads[p] = granted
        silent[p] = quiet
