"""Compiled kernels that lay packed masks on lanes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, ones_in

Bytes = npt.NDArray[np.uint8]


@compiled
def bits_from(flat: Bytes, at: int, bit: int) -> np.uint64:
    """Load the 64 bits that start `bit` bits after byte `at`, the first as the lowest; beyond the array's end 0.

    A row's end is not looked at: whoever asks drops the bits of the next row.
    """
    first = at + (bit >> 3)
    shift = np.uint64(bit & 7)
    if first + 9 <= flat.size:
        # Eight bytes written out one by one, at unsigned places (signed ones may be negative, which numba looks at):
        # the compiler makes one load of them.
        here = np.uint64(first)
        word = np.uint64(flat[here])
        word |= np.uint64(flat[here + np.uint64(1)]) << np.uint64(8)
        word |= np.uint64(flat[here + np.uint64(2)]) << np.uint64(16)
        word |= np.uint64(flat[here + np.uint64(3)]) << np.uint64(24)
        word |= np.uint64(flat[here + np.uint64(4)]) << np.uint64(32)
        word |= np.uint64(flat[here + np.uint64(5)]) << np.uint64(40)
        word |= np.uint64(flat[here + np.uint64(6)]) << np.uint64(48)
        word |= np.uint64(flat[here + np.uint64(7)]) << np.uint64(56)
        # The ninth byte is shifted twice, for a shift by 64 is undefined.
        above = np.uint64(flat[here + np.uint64(8)]) << np.uint64(1) << (np.uint64(63) - shift)
        return (word >> shift) | above
    word = np.uint64(0)
    for n in range(min(8, flat.size - first)):
        word |= np.uint64(flat[first + n]) << np.uint64(8 * n)
    return word >> shift


@compiled
def _is_first(words: Words, p: int, k: int, w: int) -> bool:
    """Whether word w is the first of its position that is not 0."""
    for earlier in range(w):
        if words[p, k, earlier]:
            return False
    return words[p, k, w] != 0


@compiled
def transpose_rows(
    flat: Bytes,
    octets: int,
    firsts: Counts,
    sizes: Counts,
    start: int,
    words: Words,
    nonzeros: Counts,
    needed: Counts,
) -> None:
    """Lay rows on lanes: bit i of word [p, k, w] is bit ``start + k`` of row ``firsts[p] + 64 w + i``.

    Only where ``64 w + i < sizes[p]``; other bits are 0.

    Squares of 64 x 64 bits are transposed by exchanging ever smaller quarters (Hacker's Delight, section 7-3). Where
    32, 16 or 8 lanes are enough, a word of 64 positions holds 2, 4 or 8 squares side by side, and the exchange of
    larger quarters is left out.

    Parameters
    ----------
    flat : uint8 [rows * octets]
        The rows, one after the other.
    octets : int
        Bytes of a row.
    firsts, sizes : int64 [P]
    start : int
    words : uint64 [P, K, W], written
    nonzeros, needed : int64 [P], written
        Set bits of each pass, and positions with any.
    """
    passes, positions, width = words.shape
    block = np.empty(64, np.uint64)
    for p in range(passes):
        ones = positions_needed = 0
        for w in range(width):
            rows = min(64, sizes[p] - 64 * w)
            if rows <= 0:
                continue
            side = 8
            while side < rows:
                side *= 2
            column = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - side)
            for at in range(0, positions, 64):
                for i in range(rows):
                    block[i] = bits_from(flat, (firsts[p] + 64 * w + i) * octets, start + at)
                for i in range(rows, side):
                    block[i] = 0
                step = 32
                low = np.uint64(0x0000_0000_FFFF_FFFF)
                while step:
                    if step < side:
                        shift = np.uint64(step)
                        for corner in range(0, side, 2 * step):
                            for i in range(corner, corner + step):
                                swap = ((block[i] >> shift) ^ block[i + step]) & low
                                block[i + step] ^= swap
                                block[i] ^= swap << shift
                    step >>= 1
                    low ^= low << np.uint64(step)
                for left in range(0, min(64, positions - at), side):
                    for k in range(min(side, positions - at - left)):
                        word = (block[k] >> np.uint64(left)) & column
                        words[p, at + left + k, w] = word
                        ones += ones_in(word)
                        positions_needed += word != 0 if w == 0 else _is_first(words, p, at + left + k, w)
        nonzeros[p], needed[p] = ones, positions_needed


@compiled
def gather_bits(
    flat: Bytes,
    octets: int,
    firsts: Counts,
    sizes: Counts,
    start: int,
    words: Words,
    nonzeros: Counts,
    needed: Counts,
) -> None:
    """Lay bits on lanes: bit i of word [p, k, w] is bit ``firsts[p] + 64 w + i`` of row ``start + k``.

    Only where ``64 w + i < sizes[p]``; other bits are 0.

    Parameters
    ----------
    flat : uint8 [rows * octets]
        The rows, one after the other.
    octets : int
        Bytes of a row.
    firsts, sizes : int64 [P]
    start : int
    words : uint64 [P, K, W], written
    nonzeros, needed : int64 [P], written
        Set bits of each pass, and positions with any.
    """
    passes, positions, width = words.shape
    for p in range(passes):
        ones = positions_needed = 0
        for w in range(width):
            lanes = min(64, sizes[p] - 64 * w)
            if lanes <= 0:
                continue
            keep = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - lanes)
            for k in range(positions):
                word = bits_from(flat, (start + k) * octets, firsts[p] + 64 * w) & keep
                words[p, k, w] = word
                ones += ones_in(word)
                positions_needed += word != 0 if w == 0 else _is_first(words, p, k, w)
        nonzeros[p], needed[p] = ones, positions_needed
