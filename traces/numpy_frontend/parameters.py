"""Parameters and their gradients: named arrays that lie in one flat vector each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""An array in the precision of the training, float32 or float64."""
Integers = npt.NDArray[np.int64]


class Parameters:
    """Named arrays as views of one flat vector, beside a gradient of the same layout.

    An optimiser walks the two flat vectors; layers read and write the views.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of each parameter, in the order in which they lie in the vector.
    dtype : numpy dtype
        float32 or float64.

    Attributes
    ----------
    flat, flat_gradient : floating [total size]
    values, gradients : dict of str to floating array
        Views of the two.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: npt.DTypeLike) -> None:
        total = sum(math.prod(shape) for shape in shapes.values())
        self.flat: Floats = np.zeros(total, dtype)
        self.flat_gradient: Floats = np.zeros(total, dtype)
        self.values = _views(self.flat, shapes)
        self.gradients = _views(self.flat_gradient, shapes)


def _views(flat: Floats, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    views, start = {}, 0
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        views[name] = flat[start:end].reshape(shape)
        start = end
    return views
