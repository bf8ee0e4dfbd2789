"""How many bits a masked operand takes in DRAM or in its buffer, by format, counted from the mask itself.

The stored tensor is cut along each of its rows into *segments* of a fixed number of elements. Each is encoded by
itself, so that it can be fetched alone, and a tile fetches every segment that it overlaps: what is written once is
what is read, by rows or by columns.

========  ===============================================  ===========================================
format    stored as values                                 metadata
========  ===============================================  ===========================================
dense     every element; no segments                       none
bitmap    the non-zeros                                    one mask bit an element
rle       the non-zeros, and padding zeros                 the run of zeros before each stored value,
                                                           in `run_bits`; the segment's count
csc       the non-zeros                                    the place of each in its segment; its count
========  ===============================================  ===========================================

``rle`` is the code of EIE (Han et al., ISCA 2016, section III: "If more than 15 zeros appear before a non-zero entry we
add a zero"; its column of 23 elements is an example in `tests/memory/test_formats.py`). A count says how many values a
segment stores, from none to all, so that a reader knows where it ends; a bitmap's own ones say that.

A segment begins at a fixed place, as if every segment were full, and counts and mask bits lie at fixed places, too. So
no pointers are stored, and any segment can be found: a format saves transfers and energy, not addresses. How
much DRAM there is is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

Format = Literal["dense", "bitmap", "rle", "csc"]
FORMATS: tuple[Format, ...] = ("dense", "bitmap", "rle", "csc")
SEGMENT = 32
RUN_BITS = 4

Int64s = npt.NDArray[np.int64]
Size = TypeVar("Size", int, npt.NDArray[np.int64])
NO_PADDING = 62
"""Bits of a run that no segment exceeds."""


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A mask in one format: exact bits of any tile of it, in constant time.

    Parameters
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Non-zero mask as it is stored, little bit order; bits at or above `bits` are not read.
    bits : int
        Elements of a row.
    fmt : "dense", "bitmap", "rle" or "csc"
    value_bits : int
        Bits of one value.
    segment : int
        Elements of a segment; the last of a row may be shorter. ``dense`` has none.
    run_bits : int
        Bits of a run of zeros, of ``rle``.

    Raises
    ------
    ValueError
        Where shape, dtype, format or a number is not as stated.
    """

    packed: npt.NDArray[np.uint8]
    bits: int
    fmt: Format
    value_bits: int
    segment: int = SEGMENT
    run_bits: int = RUN_BITS
    _before: Int64s = field(init=False, repr=False)  # [rows + 1, segments + 1]: entries above and left of a corner

    def __post_init__(self) -> None:
        packed, bits = self.packed, self.bits
        if packed.dtype != np.uint8 or packed.ndim != 2 or bits < 1 or packed.shape[1] != -(-bits // 8):
            raise ValueError(f"{packed.dtype} array of shape {packed.shape} in place of uint8 [rows, {-(-bits // 8)}]")
        if self.fmt not in FORMATS:
            raise ValueError(f"format {self.fmt!r} is not one of {', '.join(FORMATS)}")
        if self.value_bits < 1 or self.segment < 1 or not 1 <= self.run_bits < NO_PADDING:
            raise ValueError(
                f"values of {self.value_bits} bits in segments of {self.segment} with runs of {self.run_bits} bits"
            )
        object.__setattr__(self, "_before", self._summed())

    def _summed(self) -> Int64s:
        if self.fmt == "dense":
            return np.zeros((0, 0), np.int64)
        from simulator.memory.format_kernels import count_entries

        rows, segments = self.packed.shape[0], -(-self.bits // self.segment)
        packed = np.ascontiguousarray(self.packed).view()
        packed.flags.writeable = False
        entries = np.empty((rows, segments), np.int64)
        run_bits = self.run_bits if self.fmt == "rle" else NO_PADDING
        count_entries(packed, self.bits, self.segment, run_bits, entries)
        before = np.zeros((rows + 1, segments + 1), np.int64)
        np.cumsum(entries, axis=0, out=before[1:, 1:])
        np.cumsum(before[1:, 1:], axis=1, out=before[1:, 1:])
        return before

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps beside the mask."""
        return int(self._before.nbytes)

    @property
    def rows(self) -> int:
        """Rows of the stored tensor."""
        return int(self.packed.shape[0])

    def tile_bits(self, rows: slice, elements: slice) -> tuple[int, int]:
        """Count (value bits, metadata bits) of all segments that a tile overlaps.

        Parameters
        ----------
        rows, elements : slice
            ``start <= x < stop`` of the stored rows, and of the elements of each.
        """
        start, stop = elements.start, elements.stop
        if self.fmt == "dense":
            return (rows.stop - rows.start) * (stop - start) * self.value_bits, 0
        first = start // self.segment
        return self._range_bits(rows, first, -(-stop // self.segment) if stop > start else first)

    def grid_bits(self, row_edges: Int64s, element_edges: Int64s) -> tuple[Int64s, Int64s]:
        """Count the bits of all tiles of a grid, as `tile_bits` does: two arrays int64 [row tiles, element tiles].

        Parameters
        ----------
        row_edges, element_edges : int64 [tiles + 1], ascending
            Where each tile begins, and where the last one ends.
        """
        starts, stops = element_edges[:-1], element_edges[1:]
        rows = np.diff(row_edges)
        if self.fmt == "dense":
            values = np.multiply.outer(rows, stops - starts) * self.value_bits
            return values, np.zeros_like(values)
        first = starts // self.segment
        stop = np.where(stops > starts, -(-stops // self.segment), first)
        corners = self._before[row_edges]
        entries = np.diff(corners[:, stop] - corners[:, first], axis=0)
        covered = np.minimum(stop * self.segment, self.bits) - np.minimum(first * self.segment, self.bits)
        segments, elements = np.multiply.outer(rows, stop - first), np.multiply.outer(rows, covered)
        return entries * self.value_bits, self._metadata_bits(entries, segments, elements)

    def owned_bits(self, rows: slice, elements: slice) -> tuple[int, int]:
        """Count (value bits, metadata bits) of the segments whose last element is in a tile.

        So every segment belongs to one tile, however the tensor is cut: tiles that are written sum to the whole.
        """
        if self.fmt == "dense":
            return self.tile_bits(rows, elements)
        return self._range_bits(rows, self._segments_up_to(elements.start), self._segments_up_to(elements.stop))

    def owned_grid_bits(self, row_edges: Int64s, element_edges: Int64s) -> tuple[Int64s, Int64s]:
        """Count the bits that the tiles of a grid own, as `owned_bits` does: two arrays int64 [row tiles, tiles].

        Parameters
        ----------
        row_edges : int64 [row tiles + 1], ascending
        element_edges : int64 [parts, tiles + 1], ascending along a row
            A tile owns its run of elements in each part p: ``element_edges[p, i] <= x < element_edges[p, i + 1]``.
        """
        rows = np.diff(row_edges)
        if self.fmt == "dense":
            values = np.multiply.outer(rows, np.diff(element_edges).sum(axis=0)) * self.value_bits
            return values, np.zeros_like(values)
        whole = -(-self.bits // self.segment)
        edges = np.where(element_edges == self.bits, whole, element_edges // self.segment)
        first, stop = edges[:, :-1], edges[:, 1:]
        corners = np.diff(self._before[row_edges[:, None, None], edges], axis=2).sum(axis=1)
        entries = np.diff(corners, axis=0)
        covered = np.minimum(stop * self.segment, self.bits) - np.minimum(first * self.segment, self.bits)
        segments = np.multiply.outer(rows, (stop - first).sum(axis=0))
        elements = np.multiply.outer(rows, covered.sum(axis=0))
        return entries * self.value_bits, self._metadata_bits(entries, segments, elements)

    def whole_bits(self) -> tuple[int, int]:
        """Count (value bits, metadata bits) of the whole tensor."""
        return self.tile_bits(slice(0, self.rows), slice(0, self.bits))

    def _segments_up_to(self, element: int) -> int:
        return -(-self.bits // self.segment) if element == self.bits else element // self.segment

    def _range_bits(self, rows: slice, first: int, stop: int) -> tuple[int, int]:
        """Count the bits of segments ``first <= s < stop`` of some rows."""
        before, height = self._before.item, rows.stop - rows.start
        entries = before(rows.stop, stop) - before(rows.start, stop)
        entries -= before(rows.stop, first) - before(rows.start, first)
        covered = min(stop * self.segment, self.bits) - min(first * self.segment, self.bits)
        return entries * self.value_bits, self._metadata_bits(entries, height * (stop - first), height * covered)

    def _metadata_bits(self, entries: Size, segments: Size, elements: Size) -> Size:
        """Metadata of so many stored values, segments and elements."""
        if self.fmt == "bitmap":
            return elements
        beside = self.run_bits if self.fmt == "rle" else place_bits(self.segment)
        return entries * beside + segments * count_bits(self.segment)


def place_bits(segment: int) -> int:
    """Bits of a place in a segment: ceil(log2(segment)), at least one."""
    return max(1, (segment - 1).bit_length())


def count_bits(segment: int) -> int:
    """Bits of the number of values that a segment stores, which is from 0 to `segment`."""
    return segment.bit_length()


def bytes_of_bits(*bits: int) -> int:
    """Round each run of bits up to whole bytes and add them."""
    return sum([-(-b // 8) for b in bits])
