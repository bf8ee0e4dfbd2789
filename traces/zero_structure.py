"""Where the zeros of a gate gradient lie: in dead gates, in whole columns or rows, or scattered.

A network of dead units is sparse, too, and hardware that skips only whole columns gains from zeros that come in
columns alone. So zeros are told apart, each counted once, under the first of:

* *dead*: the gate element k is zero at every time step and in every sequence of the batch;
* *column*: [t, :, k] is zero for the whole batch;
* *row*: [t, b, :] is zero for all gates of the layer;
* *scattered*: everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from traces.bitmask import BitMask
from traces.header import Layer
from traces.records import Step


@dataclass(frozen=True)
class ZeroStructure:
    """Zeros of one gate gradient or of several, counts of elements in real time steps.

    Attributes
    ----------
    elements : int
        All elements, non-zeros too.
    dead, column, row, scattered : int
        Zeros, by where they lie.
    """

    elements: int = 0
    dead: int = 0
    column: int = 0
    row: int = 0
    scattered: int = 0

    def __add__(self, other: ZeroStructure) -> ZeroStructure:
        return ZeroStructure(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def zeros(self) -> int:
        """All zeros."""
        return self.dead + self.column + self.row + self.scattered

    @property
    def sparsity(self) -> float:
        """Zeros over elements; 0.0 where there is no element."""
        return self.zeros / self.elements if self.elements else 0.0

    def shares(self) -> dict[str, float]:
        """Share of the zeros that lie in each place, by its name; all 0.0 where there is no zero."""
        names = [f.name for f in fields(self) if f.name != "elements"]
        return {name: getattr(self, name) / self.zeros if self.zeros else 0.0 for name in names}


def zero_structure(mask: BitMask, valid_steps: npt.NDArray[np.int64] | None = None) -> ZeroStructure:
    """Tell the zeros of a mask [T, B, bits] apart; padded time steps are absent and count nothing.

    Parameters
    ----------
    mask : BitMask
        Non-zeros of the gate gradient.
    valid_steps : int64 [B], optional
        Real time steps of each sequence.
    """
    T, B, bits = mask.shape
    zero = ~mask.unpack()  # (T, B, bits)
    real = np.ones((T, B), np.bool_)
    if valid_steps is not None:
        real = np.arange(T)[:, None] < valid_steps  # (T, B)
    absent = ~real[:, :, None]
    columns = (zero | absent).all(axis=1)  # (T, bits): zero wherever it is real
    dead = columns.all(axis=0)  # (bits,)
    rows = zero.all(axis=2) & real  # (T, B)
    in_column = columns & ~dead
    heights = real.sum(axis=1)  # real sequences of each time step
    dead_zeros = int(dead.sum()) * int(heights.sum())
    column_zeros = int((in_column.sum(axis=1) * heights).sum())
    beside = ~(dead | in_column)  # (T, bits)
    row_zeros = int((rows.sum(axis=1) * beside.sum(axis=1)).sum())
    zeros = int((zero & real[:, :, None]).sum())
    scattered = zeros - dead_zeros - column_zeros - row_zeros
    return ZeroStructure(int(real.sum()) * bits, dead_zeros, column_zeros, row_zeros, scattered)


def step_structure(step: Step, layers: Iterable[Layer]) -> ZeroStructure:
    """Tell the zeros of all recorded layers of a step apart."""
    found = ZeroStructure()
    for layer in layers:
        found += zero_structure(step.layers[layer.name].gate_gradient, step.valid_steps_of(layer.name))
    return found
