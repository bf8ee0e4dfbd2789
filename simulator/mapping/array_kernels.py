"""Compiled kernel of `simulator.mapping.arrays`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled

Int64s = npt.NDArray[np.int64]


@compiled
def deal(
    cycles: Int64s,
    words: Int64s,
    overhead: int,
    row_passes: int,
    column_passes: int,
    across: int,
    arrays: int,
    own: Int64s,
    feed: Int64s,
) -> None:
    """Deal the passes of every job out to arrays.

    Parameters
    ----------
    cycles, words : int64 [T, K tiles, P, Q]
        Of each pass: the law's cycles, and those that its words need. Q is 1 where all column tiles are alike.
    overhead : int
        Cycles added to each pass.
    row_passes, column_passes : int
        Passes of a job, one below the other and side by side.
    across : int
        Passes side by side in the whole product.
    arrays : int
    own, feed : int64 [T, K tiles, M tiles, N tiles], written
        See `dealt_jobs`.
    """
    products, k_tiles, passes, kinds = cycles.shape
    free_at = np.empty(arrays, np.int64)  # when each array is free, the first at 0: a heap
    fed_at = np.empty(arrays, np.int64)  # and where buffers make passes wait
    for t in range(products):
        for q in range(k_tiles):
            for i in range(own.shape[2]):
                width_before = 0
                for j in range(own.shape[3]):
                    first = j * column_passes
                    width = min(column_passes, across - first)
                    if kinds == 1 and width == width_before:
                        own[t, q, i, j] = own[t, q, i, j - 1]
                        feed[t, q, i, j] = feed[t, q, i, j - 1]
                        continue
                    width_before = width
                    free_at[:] = 0
                    fed_at[:] = 0
                    all_words = 0
                    for p in range(i * row_passes, min((i + 1) * row_passes, passes)):
                        for c in range(first, first + width):
                            kind = 0 if kinds == 1 else c
                            taken = cycles[t, q, p, kind]
                            needed = words[t, q, p, kind]
                            _take(free_at, taken + overhead)
                            _take(fed_at, max(taken, needed) + overhead)
                            all_words += needed
                    done, fed = 0, all_words
                    for a in range(arrays):
                        done, fed = max(done, free_at[a]), max(fed, fed_at[a])
                    own[t, q, i, j] = done
                    feed[t, q, i, j] = fed - done


@compiled
def _take(free_at: Int64s, cycles: int) -> None:
    """Let the array that is free first work for so many cycles; the heap stays one."""
    now = free_at[0] + cycles
    at, count = 0, len(free_at)
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and free_at[child + 1] < free_at[child]:
            child += 1
        if free_at[child] >= now:
            break
        free_at[at] = free_at[child]
        at = child
    free_at[at] = now
