"""Packed trace masks laid on the array's lanes: position-major lane words, ready for a mechanism."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, PassMasks, Words
from simulator.compiling.eight import WORD_BYTES

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


class PackedRows(NamedTuple):
    """Packed rows on lanes: row ``firsts[p] + i`` is lane i of pass p, and bit ``start + k`` its position k.

    Attributes
    ----------
    flat : uint8 [rows * octets]
        The rows, one after the other; zeros follow where they have fewer than eight bytes.
    octets : int
        Bytes of a row.
    firsts : int64 [P]
    start : int
    """

    flat: Bytes
    octets: int
    firsts: Counts
    start: int


class LaidLater(PassMasks, ABC):
    """Packed masks, which become words by position only where a mechanism asks for these."""

    _shape: tuple[int, int, int]

    def __init__(self, sizes: Counts, lanes: int, positions: int, **kept: Any) -> None:
        shape = (len(sizes), positions, _words_of(lanes))
        self.__dict__.update(lanes=sizes, recorded=True, tally=None, _shape=shape, **kept)

    @property
    def positions(self) -> int:
        """K."""
        return self._shape[1]

    def keep_tally(self, nonzeros: Counts, needed: Counts) -> None:
        """Keep what was counted along the way, see `PassMasks.tally`."""
        self.__dict__["tally"] = (nonzeros, needed)

    @property
    @abstractmethod
    def rows(self) -> PackedRows:
        """Each lane's positions as a packed row."""

    def _filled(self, fill: Callable[..., None], flat: Bytes, octets: int, firsts: Counts, start: int) -> Words:
        words = np.zeros(self._shape, np.uint64)
        nonzeros, needed = np.empty((2, len(self.lanes)), np.int64)
        fill(flat, octets, firsts, self.lanes, start, words, nonzeros, needed)
        self.keep_tally(nonzeros, needed)
        return words


class RowMasks(LaidLater):
    """Masks whose lanes hold rows, see `rows_on_lanes`."""

    _rows: PackedRows

    @property
    def rows(self) -> PackedRows:
        """Each lane's positions as a packed row."""
        return self._rows

    @cached_property
    def words(self) -> Words:
        """See `PassMasks`."""
        from simulator.skipping.mask_kernels import transpose_rows

        return self._filled(transpose_rows, self.rows.flat, self.rows.octets, self.rows.firsts, self.rows.start)


class BitMasks(LaidLater):
    """Masks whose lanes hold bits, see `bits_on_lanes`."""

    _packed: Bytes
    _bits: int
    _firsts: Counts
    _start: int

    @cached_property
    def words(self) -> Words:
        """See `PassMasks`."""
        from simulator.skipping.mask_kernels import gather_bits

        return self._filled(gather_bits, self._packed.reshape(-1), self._packed.shape[1], self._firsts, self._start)

    @cached_property
    def rows(self) -> PackedRows:
        """Each lane's positions as a packed row."""
        from simulator.skipping.row_kernels import turn

        flat, octets = _a_word_at_least(self._packed), self._packed.shape[1]
        words = np.empty((self._bits, _words_of(self.positions)), np.uint64)
        turn(flat, octets, self._start, self.positions, self._bits, words)
        turned = words.astype("<u8", copy=False).view(np.uint8)
        return PackedRows(turned.reshape(-1), turned.shape[1], self._firsts, 0)


def rows_on_lanes(
    packed: Bytes, bits: int, lanes: int, start: int = 0, stop: int | None = None, *, group: int | None = None
) -> RowMasks:
    """Lay rows on lanes; positions are the bits of a row.

    Row ``p * lanes + i`` is lane i of pass p, and the last pass may be short. That is dx and dh, whose lanes
    hold time steps and sequences and whose reduction axis is the gates.

    Parameters
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Masks packed by ``numpy.packbits(..., bitorder="little")``; bits at or above `bits` are not read.
    bits : int
        Length of an unpacked row.
    lanes : int
        Lanes R of the array, at least 1.
    start, stop : int
        Which bits are the positions: ``start <= bit < stop``; all of them by default.
    group : int, optional
        Rows of a group: no pass holds rows of two groups, so the last pass of every group may be short. With
        one group per time step, one call makes the passes of all T serial products of dh. One group by
        default.

    Returns
    -------
    RowMasks
        words uint64 [P, stop - start, ceil(lanes / 64)].

    Raises
    ------
    ValueError
        Where shapes, dtype, range or counts are not as stated.
    """
    rows, stop = _checked(packed, bits, lanes)[0], bits if stop is None else stop
    _check_range(start, stop, bits)
    firsts, sizes = _cut(rows, lanes, rows if group is None else group)
    kept = PackedRows(_a_word_at_least(packed), packed.shape[1], firsts, start)
    return RowMasks(sizes, lanes, stop - start, _rows=kept)


def bits_on_lanes(packed: Bytes, bits: int, lanes: int, start: int = 0, stop: int | None = None) -> BitMasks:
    """Lay bits on lanes; positions are the rows.

    Bit ``p * lanes + i`` is lane i of pass p, and the last pass may be short. That is dW and dU, whose lanes
    hold gates and whose reduction axis is time steps and sequences.

    Parameters
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Masks packed by ``numpy.packbits(..., bitorder="little")``; bits at or above `bits` are not read.
    bits : int
        Length of an unpacked row.
    lanes : int
        Lanes R of the array, at least 1.
    start, stop : int
        Which rows are the positions: ``start <= row < stop``; all of them by default.

    Returns
    -------
    BitMasks
        words uint64 [P, stop - start, ceil(lanes / 64)].

    Raises
    ------
    ValueError
        Where shapes, dtype, range or counts are not as stated.
    """
    rows = _checked(packed, bits, lanes)[0]
    stop = rows if stop is None else stop
    _check_range(start, stop, rows)
    firsts, sizes = _cut(bits, lanes, bits)
    return BitMasks(sizes, lanes, stop - start, _packed=packed, _bits=bits, _firsts=firsts, _start=start)


def from_bools(mask: Bools) -> PassMasks:
    """Make masks of a bool array [lanes, positions], or of P passes of as many lanes [P, lanes, positions].

    Raises
    ------
    ValueError
        Where the array is not bool, has another rank, or has no lanes.
    """
    if mask.dtype != np.bool_ or mask.ndim not in (2, 3) or mask.shape[-2] < 1:
        raise ValueError(f"{mask.dtype} array of shape {mask.shape} in place of bool [lanes >= 1, positions]")
    passes, lanes, positions = mask.shape if mask.ndim == 3 else (1, *mask.shape)
    by_position = mask.reshape(passes, lanes, positions).transpose(0, 2, 1)
    octets = np.zeros((passes, positions, 8 * _words_of(lanes)), np.uint8)
    octets[:, :, : -(-lanes // 8)] = np.packbits(by_position, axis=2, bitorder="little")
    words = octets.view("<u8").astype(np.uint64, copy=False)
    return PassMasks(words, np.full(passes, lanes, np.int64))


def full(lanes: int, positions: int, rows: int | None = None) -> PassMasks:
    """Make masks without a zero: what an operand whose zeros are not recorded looks like.

    Parameters
    ----------
    lanes, positions : int
        Lanes R, at least 1, and positions K, at least 0.
    rows : int, optional
        Rows that are laid on the lanes: ceil(rows / lanes) passes, the last one perhaps short. One full pass
        by default.
    """
    rows = lanes if rows is None else rows
    if lanes < 1 or positions < 0 or rows < 1:
        raise ValueError(f"{rows} rows on {lanes} lanes over {positions} positions")
    _, sizes = _cut(rows, lanes, rows)
    words = np.empty((len(sizes), positions, _words_of(lanes)), np.uint64)
    words[:] = lane_words(sizes, words.shape[2])[:, None, :]
    return PassMasks(words, sizes, recorded=False)


def tallied(masks: PassMasks) -> tuple[Counts, Counts]:
    """Count each pass's non-zeros and the positions that some lane needs: two int64 [P]."""
    if masks.tally is None:
        words = np.ascontiguousarray(masks.words)  # laying rows counts them, too
        if masks.tally is None:
            from simulator.skipping.kernels import tally

            nonzeros, needed = np.empty((2, len(masks.lanes)), np.int64)
            tally(words, nonzeros, needed)
            return nonzeros, needed
    return masks.tally


def nnz(masks: PassMasks) -> Counts:
    """Count the non-zeros of each pass: int64 [P]."""
    return tallied(masks)[0]


def lane_words(lanes: Counts, words: int) -> Words:
    """Make the words whose bits are all the lanes of a pass: uint64 [P, words] from lane counts int64 [P]."""
    # Bits of each word: 0 to 64. A shift by 64 is undefined, so the full word is put in by hand.
    used = np.clip(lanes[:, None] - 64 * np.arange(words), 0, 64).astype(np.uint64)
    ones = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    partial = (np.uint64(1) << np.minimum(used, np.uint64(63))) - np.uint64(1)
    return np.where(used == 64, ones, partial)


def _a_word_at_least(packed: Bytes) -> Bytes:
    """All bytes one after the other, and zeros behind fewer than eight, which kernels load at once."""
    flat = packed.reshape(-1)
    return flat if flat.size >= WORD_BYTES else np.append(flat, np.zeros(WORD_BYTES - flat.size, np.uint8))


def _words_of(lanes: int) -> int:
    return -(-lanes // 64)


def _cut(items: int, lanes: int, group: int) -> tuple[Counts, Counts]:
    """Cut items into passes of at most `lanes` that never cross a group: first item and size of each pass."""
    if group < 1 or items % group:
        raise ValueError(f"{items} rows in groups of {group}")
    in_group = np.arange(0, group, lanes, dtype=np.int64)
    sizes = np.minimum(group - in_group, lanes)
    groups = items // group
    firsts = (np.arange(groups, dtype=np.int64)[:, None] * group + in_group).reshape(-1)
    return firsts, np.tile(sizes, groups)


def _checked(packed: Bytes, bits: int, lanes: int) -> tuple[int, int]:
    if packed.dtype != np.uint8 or packed.ndim != 2:
        raise ValueError(f"{packed.dtype} array of shape {packed.shape} in place of uint8 [rows, bytes]")
    rows, octets = packed.shape
    if bits < 1 or octets != -(-bits // 8):
        raise ValueError(f"{octets} bytes in a row for {bits} bits")
    if rows < 1 or lanes < 1:
        raise ValueError(f"{rows} rows and {lanes} lanes; at least one of each is needed")
    return rows, octets


def _check_range(start: int, stop: int, positions: int) -> None:
    if not 0 <= start <= stop <= positions:
        raise ValueError(f"positions {start} to {stop} of {positions}")
