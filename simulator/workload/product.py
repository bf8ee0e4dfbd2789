"""The nouns of a workload: products, their masks, what they wait for, what follows them.

Nothing here knows a machine: sizes are counted in values, not in bytes or cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Phase = Literal["forward", "backward"]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class OperandMask:
    """Non-zero mask of a skip operand S [M, K], as the trace packed it.

    Of a shared operand [K, N] it is the mask of the transpose: N stands for M below.

    Attributes
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Rows of packed bits, little bit order, as in the trace file.
    bits : int
        Bits of a row.
    lanes_hold : "rows" or "bits"
        ``"rows"``: S is the mask itself (M = rows, K = bits). ``"bits"``: S is its transpose
        (M = bits, K = rows), as the weight gradients need it.
    key : tuple
        Names the mask within a step, so that products that read the same one share its results.
    """

    packed: npt.NDArray[np.uint8]
    bits: int
    lanes_hold: Literal["rows", "bits"]
    key: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """M and K."""
        rows = self.packed.shape[0]
        return (rows, self.bits) if self.lanes_hold == "rows" else (self.bits, rows)

    @property
    def nonzero_rows(self) -> npt.NDArray[np.bool_]:
        """Which rows of S have a non-zero: bool [M]."""
        if self.lanes_hold == "rows":
            return np.asarray(self.packed.any(axis=1))
        anywhere = np.bitwise_or.reduce(self.packed, axis=0)
        return np.unpackbits(anywhere, count=self.bits, bitorder="little").view(np.bool_)


class After(NamedTuple):
    """A product must wait for another one.

    Attributes
    ----------
    product : int
        Index of the awaited product in the workload.
    on_chip : bool
        True where the awaited result is handed over on chip as soon as the vector unit made it (the serial
        chains); False where it comes back from DRAM, so that it must have been stored.
    rows : (first, last) or None
        The rows of the awaited result that are needed, the last left out; None: all.
    """

    product: int
    on_chip: bool
    rows: tuple[int, int] | None = None


class Epilogue(NamedTuple):
    """What happens to a product's M x N outputs after the array, totals in values.

    Attributes
    ----------
    load_operand_values, load_accumulator_values : int
        Values that must be read to finish the outputs (saved activations; partial sums), by precision.
    gate_forward_values, gate_backward_values : int
        Gate values that the vector unit computes: gate functions, or gate derivatives with the threshold.
    store_operand_values, store_accumulator_values : int
        Values written back dense, by precision.
    store_skip : OperandMask or None
        Mask of the gate gradient that is written back in the skip operand's format.
    """

    load_operand_values: int = 0
    load_accumulator_values: int = 0
    gate_forward_values: int = 0
    gate_backward_values: int = 0
    store_operand_values: int = 0
    store_accumulator_values: int = 0
    store_skip: OperandMask | None = None


VALUES = Epilogue._fields[:-1]
"""The totals of an epilogue, its first fields."""


@dataclass(frozen=True, eq=False)
class Product:
    """One matrix product S [M, K] x shared [K, N] of a step; K = 0 marks a vector-unit task without MACs.

    Attributes
    ----------
    layer, name : str
        Layer name of the trace; ``gates_x``, ``gates_h``, ``dh``, ``dx``, ``dW``, ``dU`` of a recurrent layer,
        ``y``, ``dx``, ``dW`` of a linear or dense one, ``gates_backward`` for the first gate gradient of a step.
    phase : "forward" or "backward"
    time : int or None
        Time step of a serial product.
    m, k, n : int
    mask : OperandMask or None
        None: the skip operand was not recorded, so it counts as dense.
    recorded : bool
        False for the trace's ``dense_layers``.
    after : tuple of After
    shared_operand : str
        Names the shared operand, such as ``lstm0.U``: products that name the same one can share a resident copy.
    epilogue : Epilogue
    shared_mask : OperandMask or None
        Mask of the shared operand where the trace recorded one: x of dW, h of dU. Weights have none.
    made_by : int64 [M] or None
        Where the rows of the skip operand are made by the products of a serial chain: which one makes each row. The
        last of them in program order is in `after`, too.
    """

    layer: str
    name: str
    phase: Phase
    time: int | None
    m: int
    k: int
    n: int
    mask: OperandMask | None
    recorded: bool
    after: tuple[After, ...]
    shared_operand: str
    epilogue: Epilogue
    shared_mask: OperandMask | None = None
    made_by: npt.NDArray[np.int64] | None = None

    @cached_property
    def in_chain(self) -> bool:
        """Whether the skip operand is handed over on chip by the product before (a serial chain)."""
        for after in self.after:  # noqa: SIM110 (asked of every product: a generator takes three times as long)
            if after.on_chip:
                return True
        return False

    def with_masks(
        self, mask: OperandMask | None, store_skip: OperandMask | None, shared_mask: OperandMask | None
    ) -> Product:
        """Give the same product of another step."""
        epilogue = self.epilogue
        if store_skip is not epilogue.store_skip:
            epilogue = Epilogue(*epilogue[:-1], store_skip)  # in a quarter of the time that _replace takes
        return Product(
            *(self.layer, self.name, self.phase, self.time, self.m, self.k, self.n, mask, self.recorded, self.after),
            *(self.shared_operand, epilogue, shared_mask, self.made_by),
        )

    @property
    def macs_dense(self) -> int:
        """Multiply-accumulates of a dense execution."""
        return self.m * self.k * self.n


class Structure:
    """What workloads that differ in their masks alone have in common, and what others derived from that.

    Parameters
    ----------
    most : int
        Derived things that are kept; those used longest ago go first.
    """

    def __init__(self, most: int = 16) -> None:
        self.most = most
        self._kept: dict[Hashable, Any] = {}

    def kept(self, key: Hashable, derive: Callable[[], T]) -> T:
        """Give what `derive` makes, made once: it must depend on `key` and on this structure alone, on no mask."""
        if key in self._kept:
            found: T = self._kept.pop(key)
        else:
            found = derive()
        self._kept[key] = found  # as the newest
        while len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
        return found


@dataclass(frozen=True, eq=False)
class Workload:
    """The products of one recorded optimiser step, in program order; each waits only for earlier ones.

    Attributes
    ----------
    step : int
    products : tuple of Product
    rows : bytes or None
        Which rows (t, b) are real. Workloads of the same trace and the same rows differ in their masks alone, so a
        machine that reads no mask takes the same counts and times for both. None: not known.
    structure : Structure
        Shared by workloads that differ in their masks alone; by default its own.
    """

    step: int
    products: tuple[Product, ...]
    rows: bytes | None = None
    structure: Structure = field(default_factory=Structure)
