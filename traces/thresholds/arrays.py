"""Where numpy and PyTorch meet: tensors are decided on as the numpy arrays that they are.

Sums are rounded in another order by PyTorch than by numpy, and a threshold that is computed from a sum would then
differ in its last bits, and with it now and then an element. So there is one arithmetic: a tensor in main memory is
viewed as a numpy array without a copy (on another device it is copied, which costs a transfer per time step;
`traces.thresholds.Fixed` alone decides where the tensor lies), and the answer becomes a tensor of its dtype and
device. Half precision is decided on in float32, which holds its values exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Booleans = npt.NDArray[np.bool_]

FEW = 8
"""Longest row in which it is quicker to compare all pairs than to partition."""


def as_array(gradient: Any) -> Floats:
    """View a numpy array or a PyTorch tensor as a float32 or float64 array; only to be read."""
    if not isinstance(gradient, np.ndarray):
        tensor = gradient.detach().cpu()
        gradient = (tensor.float() if tensor.dtype.itemsize < 4 else tensor).numpy()
    array: Floats = gradient.astype(np.float32) if gradient.itemsize < 4 else gradient
    return array


def like(gradient: Any, array: Floats) -> Any:
    """Give an array of our own the library, dtype and device of ``gradient``."""
    if isinstance(gradient, np.ndarray):
        return array.astype(gradient.dtype, copy=False)
    return gradient.new_tensor(array)


def unchanged(gradient: Any) -> Any:
    """Copy a numpy array or a PyTorch tensor."""
    return gradient.copy() if isinstance(gradient, np.ndarray) else gradient.detach().clone()


def masked(gradient: Floats, keep: Booleans) -> Floats:
    """Make a new array with exact zeros where ``keep`` (which may be broadcast) is False.

    A product and not an assignment of 0: a NaN stays one, and a mask that drops only zeros changes no bit, not even
    the sign of a zero. An infinite element that is dropped becomes NaN, and so is not hidden either.
    """
    with np.errstate(invalid="ignore"):
        product: Floats = gradient * keep
    return product


def keep_largest(magnitudes: Floats, count: int) -> Booleans:
    """Mark the ``count`` largest of each row; of equal ones those of lowest index.

    Parameters
    ----------
    magnitudes : floating [rows, n]
        Of at least 0. NaN counts as larger than all.
    count : int
        From 0 to n.

    Returns
    -------
    bool [rows, n]
        With exactly ``count`` marks in each row.
    """
    n = magnitudes.shape[1]
    if count == 0 or count == n:
        return np.full(magnitudes.shape, count == n)
    if n <= FEW:
        return _keep_largest_of_few(magnitudes, count)
    magnitudes = np.where(np.isnan(magnitudes), np.inf, magnitudes)
    last = np.partition(magnitudes, n - count, axis=1)[:, n - count, None]
    keep: Booleans = magnitudes >= last
    surplus = np.flatnonzero(np.count_nonzero(keep, axis=1) > count)
    if surplus.size:  # ties at the border, resolved in their rows alone
        rows, border = magnitudes[surplus], last[surplus]
        above, ties = rows > border, rows == border
        room = count - np.count_nonzero(above, axis=1)[:, None]
        keep[surplus] = above | (ties & (np.cumsum(ties, axis=1) <= room))
    return keep


def _keep_largest_of_few(magnitudes: Floats, count: int) -> Booleans:
    """Do the same by comparing each element with the others of its row."""
    columns = [np.ascontiguousarray(column) for column in np.where(np.isnan(magnitudes), np.inf, magnitudes).T]
    keep: Booleans = np.empty((len(columns), len(magnitudes)), np.bool_)
    for k, column in enumerate(columns):
        larger = np.zeros(column.size, np.uint8)  # how many of the row come before this one
        for other, neighbour in enumerate(columns):
            if other != k:
                larger += neighbour >= column if other < k else neighbour > column
        np.less(larger, count, out=keep[k])
    return np.ascontiguousarray(keep.T)
