"""Both operands of a tile: non-zeros per position, and how many MACs have two non-zero operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, PassMasks

Int32s = npt.NDArray[np.int32]


def nonzeros_by_part(masks: PassMasks, part: int | None, parts: int = 1) -> Int32s:
    """Count the non-zeros of each position in each part of the lanes: int32 [P, parts, K].

    Parameters
    ----------
    masks : PassMasks
    part : int or None
        Lanes of a part; None: all of them, with one part.
    parts : int
    """
    from simulator.skipping.pair_kernels import count_by_part

    passes, positions, width = masks.words.shape
    ones = np.zeros((passes, parts, positions), np.int32)
    count_by_part(np.ascontiguousarray(masks.words), 64 * width if part is None else part, ones)
    return ones


def largest_sums(left: Int32s, right: Int32s) -> Counts:
    """Sum the products of [P, S, K] and [Q, T, K] over K and take the largest over S and T: int64 [P, Q]."""
    from simulator.skipping.pair_kernels import most_products

    most = np.empty((len(left), len(right)), np.int64)
    most_products(np.ascontiguousarray(left), np.ascontiguousarray(right), most)
    return most


def summed_products(left: npt.NDArray[np.integer[Any] | np.bool_], right: Int32s | None, columns: Counts) -> Counts:
    """Sum over positions what each of `left` is times the non-zeros of the shared operand: int64 [P, Q].

    Parameters
    ----------
    left : int or bool [P, K]
        Something per tile of rows and position, such as its non-zeros: the result is then the MACs whose operands
        are both non-zero.
    right : int32 [Q, K] or None
        Non-zeros of the shared operand per tile of columns and position; None: no zeros.
    columns : int64 [Q]
    """
    if right is None:
        return np.multiply.outer(left.sum(axis=1, dtype=np.int64), columns)
    narrow = left.astype(np.int32, copy=False)
    return largest_sums(narrow[:, None, :], right[:, None, :])


def dense_macs(skip: PassMasks, columns: Counts) -> Counts:
    """MACs of each tile, zeros included: int64 [P, Q]."""
    return np.multiply.outer(skip.lanes * skip.words.shape[1], columns)
