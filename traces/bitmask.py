"""Packed masks: one bit per element, 1 where the element is non-zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class BitMask:
    """A boolean array [T, B, bits], its last axis packed as `numpy.packbits(..., bitorder="little")` does.

    Two masks are equal where shape and every bit are.

    Parameters
    ----------
    packed : uint8 [T, B, ceil(bits / 8)]
        Bit ``k % 8`` of byte ``k // 8`` is element k. Kept as a read-only view, not copied.
    bits : int
        Length of the unpacked last axis, at least 1. The padding bits above it are 0.

    Raises
    ------
    ValueError
        Where dtype, shape or a padding bit is not as stated.
    """

    packed: Bytes
    bits: int

    def __post_init__(self) -> None:
        packed = self.packed
        if self.bits < 1:
            raise ValueError(f"a mask of {self.bits} bits")
        if packed.dtype != np.uint8 or packed.ndim != 3:
            raise ValueError(f"{packed.dtype} array of shape {packed.shape} in place of uint8 [T, B, bytes]")
        if packed.shape[2] != packed_bytes(self.bits):
            raise ValueError(f"{packed.shape[2]} bytes for {self.bits} bits")
        padding = (0xFF << (self.bits % 8)) & 0xFF if self.bits % 8 else 0
        if padding and (packed[:, :, -1] & np.uint8(padding)).any():
            raise ValueError(f"a set padding bit above bit {self.bits - 1}")
        view = packed.view()
        view.flags.writeable = False
        object.__setattr__(self, "packed", view)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitMask):
            return NotImplemented
        return self.bits == other.bits and np.array_equal(self.packed, other.packed)

    __hash__ = None  # type: ignore[assignment]  # equality reads the whole array, so hashing one is a mistake

    @classmethod
    def pack(cls, mask: Bools) -> BitMask:
        """Pack a bool array [T, B, bits]; any other dtype or rank is a `ValueError`."""
        if mask.dtype != np.bool_ or mask.ndim != 3:
            raise ValueError(f"{mask.dtype} array of shape {mask.shape} in place of bool [T, B, bits]")
        return cls(np.packbits(mask, axis=-1, bitorder="little"), mask.shape[2])

    @classmethod
    def ones(cls, T: int, B: int, bits: int) -> BitMask:
        """Make the mask of a dense array [T, B, bits]."""
        packed = np.full((T, B, packed_bytes(bits)), 0xFF, np.uint8)
        if bits % 8:
            packed[:, :, -1] = 0xFF >> (8 - bits % 8)
        return cls(packed, bits)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the unpacked mask: (T, B, bits)."""
        return self.packed.shape[0], self.packed.shape[1], self.bits

    def unpack(self) -> Bools:
        """Return the mask as a new bool array [T, B, bits]."""
        unpacked = np.unpackbits(self.packed, axis=-1, count=self.bits, bitorder="little")
        return unpacked.view(np.bool_)

    def count(self) -> int:
        """Count the set bits, that is the non-zero elements."""
        return count_bits(self.packed)


def packed_bytes(bits: int) -> int:
    """Return the bytes that so many bits take: ceil(bits / 8)."""
    return -(-bits // 8)


def count_bits(packed: Bytes) -> int:
    """Count the set bits of a uint8 array of any shape."""
    # Eight bytes at a time is about six times as fast as single bytes.
    flat = np.ascontiguousarray(packed).reshape(-1)
    whole = flat.size // 8 * 8
    words = flat[:whole].view(np.uint64)
    return int(np.bitwise_count(words).sum(dtype=np.int64) + np.bitwise_count(flat[whole:]).sum(dtype=np.int64))
