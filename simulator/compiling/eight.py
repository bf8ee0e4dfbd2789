"""Eight words side by side, as kernels work on them: each operation on all eight at once.

Compiled, an `Eight` is a vector of the CPU, whose operators ``& | ^ << >> + -`` take two of them; here it is an array
uint64 [8], which has the same operators. It is a value: ``a += b``, which would change an array in place, does not
compile. A condition is an Eight, too: of all ones where it holds, else 0. Shifts by 64 and more are undefined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Eight = npt.NDArray[np.uint64]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

SIDE = 8
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
WORD_BYTES = 8


def all_eight(value: int | np.uint64) -> Eight:
    """Put one value, from 0 up, into all eight."""
    return np.full(SIDE, value, np.uint64)


def eight_at(rows: Words, row: int) -> Eight:
    """Load a row of a uint64 array [rows, 8]."""
    return rows[row].copy()


def put_eight(rows: Words, row: int, words: Eight) -> None:
    """Store into a row of a uint64 array [rows, 8]."""
    rows[row] = words


def bytes_at(flat: Bytes, places: Eight, where: Eight) -> Eight:
    """Load eight bytes, the first as the lowest, from each place of a uint8 array; 0 where a condition does not hold.

    Where it holds, all eight must lie within the array.
    """
    found = np.zeros(SIDE, np.uint64)
    for i in range(SIDE):
        if where[i]:
            found[i] = flat[int(places[i]) : int(places[i]) + WORD_BYTES].view("<u8")[0]
    return found


def less(a: Eight, b: Eight) -> Eight:
    """Whether a < b."""
    return np.where(a < b, ALL, np.uint64(0))


def equal(a: Eight, b: Eight) -> Eight:
    """Whether a = b."""
    return np.where(a == b, ALL, np.uint64(0))


def least(a: Eight, b: Eight) -> Eight:
    """The smaller of two."""
    return np.minimum(a, b)


def any_of(condition: Eight) -> bool:
    """Whether a condition holds for any of the eight."""
    return bool(condition.any())


def ones_in_each(words: Eight) -> Eight:
    """Count the set bits of each word."""
    return np.bitwise_count(words).astype(np.uint64)


def lowest_in_each(words: Eight) -> Eight:
    """Give the index of the lowest set bit of each word; of 0, 64."""
    lowest = words & (np.uint64(0) - words)
    return np.bitwise_count(lowest - np.uint64(1)).astype(np.uint64)
