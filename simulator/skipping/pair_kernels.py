"""Compiled kernels on pairs of operands: counts per position, and sums of their products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, ones_in

Int32s = npt.NDArray[np.int32]


@compiled
def count_by_part(words: Words, part: int, ones: Int32s) -> None:
    """Count the non-zeros of each position in each part of the lanes.

    Parameters
    ----------
    words : uint64 [P, K, W]
    part : int
        Lanes of a part: part s holds lanes ``s * part`` up to ``(s + 1) * part``.
    ones : int32 [P, S, K], written
    """
    passes, positions, width = words.shape
    every = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    for s in range(ones.shape[1]):
        first, stop = s * part, min((s + 1) * part, 64 * width)
        for p in range(passes):
            for k in range(positions):
                count = 0
                for w in range(first >> 6, (stop + 63) >> 6):
                    low, high = max(first - 64 * w, 0), min(stop - 64 * w, 64)
                    inside = (every >> np.uint64(64 - (high - low))) << np.uint64(low)
                    count += ones_in(words[p, k, w] & inside)
                ones[p, s, k] = count


@compiled
def most_products(left: Int32s, right: Int32s, most: Counts) -> None:
    """Sum products over positions, and take the largest sum of any pair of parts.

    Parameters
    ----------
    left : int32 [P, S, K]
    right : int32 [Q, T, K]
    most : int64 [P, Q], written
        ``max over s, t of sum over k of left[p, s, k] * right[q, t, k]``, exact where sums stay below 2^63.
    """
    for p in range(left.shape[0]):
        for q in range(right.shape[0]):
            largest = np.int64(0)
            for s in range(left.shape[1]):
                for t in range(right.shape[1]):
                    total = np.int64(0)
                    for k in range(left.shape[2]):
                        total += np.int64(left[p, s, k]) * np.int64(right[q, t, k])
                    largest = max(largest, total)
            most[p, q] = largest
