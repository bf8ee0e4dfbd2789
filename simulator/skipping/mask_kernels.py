"""Compiled kernels that lay packed masks on lanes. Importing this file loads numba."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled

Bytes = npt.NDArray[np.uint8]


@compiled
def _bits_from(packed: Bytes, row: int, bit: int, count: int) -> np.uint64:
    """Load at least `count` bits of a row, up to 64, from any bit on, the first as the lowest; beyond the row 0."""
    first = bit >> 3
    shift = np.uint64(bit & 7)
    octets = packed.shape[1]
    word = np.uint64(0)
    for n in range(min(8, octets - first, ((bit & 7) + count + 7) >> 3)):
        word |= np.uint64(packed[row, first + n]) << np.uint64(8 * n)
    if shift:
        word >>= shift
        if first + 8 < octets:
            word |= np.uint64(packed[row, first + 8]) << (np.uint64(64) - shift)
    return word


@compiled
def transpose_rows(packed: Bytes, firsts: Counts, sizes: Counts, start: int, words: Words) -> None:
    """Lay rows on lanes: bit i of word [p, k, w] is bit ``start + k`` of row ``firsts[p] + 64 w + i``.

    Only where ``64 w + i < sizes[p]``; other bits are 0.

    64 x 64 bits at a time are transposed by exchanging ever smaller quarters (Hacker's Delight, section 7-3).

    Parameters
    ----------
    packed : uint8 [rows, bytes]
    firsts, sizes : int64 [P]
    start : int
    words : uint64 [P, K, W], written
    """
    passes, positions, width = words.shape
    block = np.empty(64, np.uint64)
    for p in range(passes):
        for w in range(width):
            rows = min(64, sizes[p] - 64 * w)
            for at in range(0, positions, 64):
                for i in range(rows):
                    block[i] = _bits_from(packed, firsts[p] + 64 * w + i, start + at, 64)
                for i in range(max(rows, 0), 64):
                    block[i] = 0
                step = 32
                low = np.uint64(0x0000_0000_FFFF_FFFF)
                while step:
                    shift = np.uint64(step)
                    for corner in range(0, 64, 2 * step):
                        for i in range(corner, corner + step):
                            swap = ((block[i] >> shift) ^ block[i + step]) & low
                            block[i + step] ^= swap
                            block[i] ^= swap << shift
                    step >>= 1
                    low ^= low << np.uint64(step)
                for k in range(min(64, positions - at)):
                    words[p, at + k, w] = block[k]


@compiled
def gather_bits(packed: Bytes, firsts: Counts, sizes: Counts, start: int, words: Words) -> None:
    """Lay bits on lanes: bit i of word [p, k, w] is bit ``firsts[p] + 64 w + i`` of row ``start + k``.

    Only where ``64 w + i < sizes[p]``; other bits are 0.

    Parameters
    ----------
    packed : uint8 [rows, bytes]
    firsts, sizes : int64 [P]
    start : int
    words : uint64 [P, K, W], written
    """
    passes, positions, width = words.shape
    for p in range(passes):
        for w in range(width):
            lanes = min(64, sizes[p] - 64 * w)
            if lanes <= 0:
                continue
            keep = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - lanes)
            for k in range(positions):
                words[p, k, w] = _bits_from(packed, start + k, firsts[p] + 64 * w, lanes) & keep
