"""The two bit counts that a CPU has an instruction for, as kernels call them; compiled they are that instruction."""

from __future__ import annotations

import numpy as np

WORD_BITS = 64


def ones_in(word: np.uint64) -> int:
    """Count the set bits of a uint64."""
    return int(word).bit_count()


def lowest_in(word: np.uint64) -> int:
    """Give the index of the lowest set bit of a uint64; of 0, 64."""
    whole = int(word)
    return (whole & -whole).bit_length() - 1 if whole else WORD_BITS
