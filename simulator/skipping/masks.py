"""Packed trace masks laid on the array's lanes: position-major lane words, ready for a mechanism."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, PassMasks, Words

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


class RowMasks(PassMasks):
    """Packed rows on lanes, which become words by position only where a mechanism asks for these.

    Attributes
    ----------
    flat : uint8 [rows * octets]
        Packed rows, one after the other.
    octets : int
        Bytes of a row.
    firsts : int64 [P]
        The row on lane 0 of each pass.
    start : int
        The bit of a row that is position 0.
    """

    def __init__(self, packed: Bytes, firsts: Counts, sizes: Counts, lanes: int, start: int, stop: int) -> None:
        self.__dict__.update(
            lanes=sizes, recorded=True, tally=None, flat=packed.reshape(-1), octets=packed.shape[1], firsts=firsts,
            start=start, _shape=(len(sizes), stop - start, _words_of(lanes)),
        )  # fmt: skip

    flat: Bytes
    octets: int
    firsts: Counts
    start: int
    _shape: tuple[int, int, int]

    @property
    def positions(self) -> int:
        """K."""
        return self._shape[1]

    @cached_property
    def words(self) -> Words:
        """See `PassMasks`."""
        from simulator.skipping.mask_kernels import transpose_rows

        words = np.zeros(self._shape, np.uint64)
        nonzeros, needed = np.empty((2, len(self.lanes)), np.int64)
        transpose_rows(self.flat, self.octets, self.firsts, self.lanes, self.start, words, nonzeros, needed)
        self.keep_tally(nonzeros, needed)
        return words

    def keep_tally(self, nonzeros: Counts, needed: Counts) -> None:
        """Keep what was counted along the way, see `PassMasks.tally`."""
        self.__dict__["tally"] = (nonzeros, needed)


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
    return RowMasks(packed, firsts, sizes, lanes, start, stop)


def bits_on_lanes(packed: Bytes, bits: int, lanes: int, start: int = 0, stop: int | None = None) -> PassMasks:
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
    PassMasks
        words uint64 [P, stop - start, ceil(lanes / 64)].

    Raises
    ------
    ValueError
        Where shapes, dtype, range or counts are not as stated.
    """
    from simulator.skipping.mask_kernels import gather_bits

    rows = _checked(packed, bits, lanes)[0]
    stop = rows if stop is None else stop
    _check_range(start, stop, rows)
    firsts, sizes = _cut(bits, lanes, bits)
    return _filled(gather_bits, packed, firsts, sizes, lanes, start, stop)


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


def _filled(
    fill: Callable[..., None],
    packed: Bytes,
    firsts: Counts,
    sizes: Counts,
    lanes: int,
    start: int,
    stop: int,
) -> PassMasks:
    words = np.zeros((len(sizes), stop - start, _words_of(lanes)), np.uint64)
    nonzeros, needed = np.empty((2, len(sizes)), np.int64)
    fill(packed.reshape(-1), packed.shape[1], firsts, sizes, start, words, nonzeros, needed)
    return PassMasks(words, sizes, tally=(nonzeros, needed))


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
