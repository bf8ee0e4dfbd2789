"""What tiles of the skip operand take in DRAM and in its buffer: exact bytes from the recorded masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulator.arch.memory_system import Formats
from simulator.memory import Format, StoredMask, bytes_of_bits
from simulator.workload import OperandMask, Product

Int64s = npt.NDArray[np.int64]


class StoredMasks:
    """Masks in their formats, by mask and format; valid for one recorded step, and shared between machines.

    About `most_bytes` are kept; those used longest ago go first.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.nbytes = most_bytes, 0
        self._stored: dict[tuple[object, ...], StoredMask] = {}

    def get(self, mask: OperandMask, fmt: Format, value_bits: int, formats: Formats) -> StoredMask:
        """Give a mask in a format with the segments and runs of `formats`."""
        key = (mask.key, fmt, value_bits, formats.segment, formats.run_bits)
        stored = self._stored.pop(key, None)
        if stored is None:
            stored = StoredMask(mask.packed, mask.bits, fmt, value_bits, formats.segment, formats.run_bits)
            self.nbytes += stored.nbytes
        self._stored[key] = stored  # as the newest
        while self.nbytes > self.most_bytes and len(self._stored) > 1:
            self.nbytes -= self._stored.pop(next(iter(self._stored))).nbytes
        return stored


@dataclass(frozen=True)
class SkipTile:
    """One tile of a skip operand on its way into the buffer.

    Attributes
    ----------
    dram_bytes : int
        What DRAM moves for it.
    room_bytes : int
        What it takes of its buffer.
    value_bits, metadata_bits : int
        What is written into the buffer, and beside it where the mask has a place of its own.
    """

    dram_bytes: int
    room_bytes: int
    value_bits: int
    metadata_bits: int


class SkipOperands:
    """Skip operands as one machine stores them. Rows and positions are those of S [M, K].

    Parameters
    ----------
    formats : Formats
    operand_bits : int
        Bits of a value.
    keeps_mask : bool
        Whether the array reads a mask bit for each element that lies dense in the buffer.
    masks : StoredMasks
    """

    def __init__(self, formats: Formats, operand_bits: int, keeps_mask: bool, masks: StoredMasks) -> None:
        self.formats, self.operand_bits, self.keeps_mask, self.masks = formats, operand_bits, keeps_mask, masks

    def encoded_on_chip(self, product: Product) -> bool:
        """Whether the buffer holds the operand in another format than dense; unrecorded ones are dense."""
        return product.mask is not None and self.formats.skip_on_chip != "dense"

    def tile(self, product: Product, rows: slice, positions: slice, nonzeros: int) -> SkipTile:
        """Say what a tile takes; `nonzeros` are those of its own elements.

        What lies dense on chip and comes encoded writes its non-zeros only: its mask says where there are none. An
        array that reads no mask needs its zeros, too.
        """
        elements = (rows.stop - rows.start) * (positions.stop - positions.start)
        dense_bits = elements * self.operand_bits
        if product.mask is None:
            return SkipTile(bytes_of_bits(dense_bits), bytes_of_bits(dense_bits), dense_bits, 0)
        dram_bytes = bytes_of_bits(*self._tile_bits(product.mask, self.formats.skip, rows, positions))
        if self.encoded_on_chip(product):
            bits = self._tile_bits(product.mask, self.formats.skip_on_chip, rows, positions)
            return SkipTile(dram_bytes, bytes_of_bits(*bits), *bits)
        only_nonzeros = self.keeps_mask and self.formats.skip != "dense"
        value_bits = nonzeros * self.operand_bits if only_nonzeros else dense_bits
        return SkipTile(dram_bytes, bytes_of_bits(dense_bits), value_bits, elements if self.keeps_mask else 0)

    def _tile_bits(self, mask: OperandMask, fmt: Format, rows: slice, positions: slice) -> tuple[int, int]:
        stored = self.masks.get(mask, fmt, self.operand_bits, self.formats)
        return stored.tile_bits(rows, positions) if mask.lanes_hold == "rows" else stored.tile_bits(positions, rows)

    def _grid_bits(self, product: Product, fmt: Format, tile_m: int, tile_k: int) -> tuple[Int64s, Int64s]:
        """Bits of all tiles of a product: values and metadata, each int64 [M tiles, K tiles]."""
        row_edges, position_edges = _edges(product.m, tile_m), _edges(product.k, tile_k)
        mask = product.mask
        if mask is None:
            values = np.multiply.outer(np.diff(row_edges), np.diff(position_edges)) * self.operand_bits
            return values, np.zeros_like(values)
        stored = self.masks.get(mask, fmt, self.operand_bits, self.formats)
        if mask.lanes_hold == "rows":
            return stored.grid_bits(row_edges, position_edges)
        values, metadata = stored.grid_bits(position_edges, row_edges)
        return values.T, metadata.T

    def tiles_are_alike(self, product: Product) -> bool:
        """Whether `tiles` depends on the product's shape alone and not on its zeros."""
        return product.mask is None or (self.formats.skip == "dense" and self.formats.skip_on_chip == "dense")

    def tiles(self, product: Product, tile_m: int, tile_k: int, nonzeros: Int64s) -> Int64s:
        """Say what each tile takes, as `tile` does: int64 [M tiles * K tiles, 4].

        Columns are DRAM bytes, room in bytes, value bits and metadata bits; `nonzeros` [M tiles, K tiles] are those of
        each tile's own elements.
        """
        elements = _elements(product.m, product.k, tile_m, tile_k)
        value_bits = elements * self.operand_bits
        metadata_bits = np.zeros_like(value_bits)
        dram_bytes = room_bytes = -(-value_bits // 8)
        if product.mask is not None:
            if self.formats.skip != "dense":
                dram_bytes = _bytes(*self._grid_bits(product, self.formats.skip, tile_m, tile_k))
            if self.encoded_on_chip(product):
                value_bits, metadata_bits = self._grid_bits(product, self.formats.skip_on_chip, tile_m, tile_k)
                room_bytes = _bytes(value_bits, metadata_bits)
            elif self.keeps_mask:
                metadata_bits = elements
                if self.formats.skip != "dense":
                    value_bits = nonzeros * self.operand_bits
        return np.stack([dram_bytes, room_bytes, value_bits, metadata_bits], axis=-1).reshape(-1, 4)

    def stores(self, product: Product, tile_m: int, tile_n: int) -> Int64s:
        """Bytes of the next skip operand that each output tile stores: int64 [M tiles * N tiles]."""
        mask, m, n = product.epilogue.store_skip, product.m, product.n
        assert mask is not None
        rows, columns = _edges(m, tile_m), _edges(n, tile_n)
        if self.formats.skip == "dense" and mask.bits % n == 0:
            own = np.diff(rows * mask.packed.shape[0] // m)
            elements = np.multiply.outer(own, np.diff(columns)) * (mask.bits // n)
            return np.asarray(-(-elements * self.operand_bits // 8)).ravel()
        stored = self.masks.get(mask, self.formats.skip, self.operand_bits, self.formats)
        gates = np.arange(0, stored.bits, n, dtype=np.int64)
        return _bytes(*stored.owned_grid_bits(rows * stored.rows // m, gates[:, None] + columns)).ravel()

    def fetched_bytes(self, product: Product, tile_m: int, tile_k: int) -> int:
        """DRAM bytes of all tiles of a product, each fetched once."""
        if product.mask is None or self.formats.skip == "dense":
            return -(-product.m * product.k * self.operand_bits // 8)
        return int(_bytes(*self._grid_bits(product, self.formats.skip, tile_m, tile_k)).sum())

    def largest_room_bytes(self, products: Sequence[Product], tile_m: int, tile_k: int) -> int:
        """Room of the largest tile of any of the products."""
        largest = 0
        for product in products:
            if self.encoded_on_chip(product):
                room = _bytes(*self._grid_bits(product, self.formats.skip_on_chip, tile_m, tile_k))
                largest = max(largest, int(room.max(initial=0)))
            else:
                elements = min(tile_m, product.m) * min(tile_k, product.k)
                largest = max(largest, -(-elements * self.operand_bits // 8))
        return largest

    def bits_read(self, product: Product, tile_m: int, tile_k: int) -> tuple[int, int] | None:
        """(value bits, metadata bits) that the array reads for each tile of columns: all that its tiles store.

        None where the operand lies dense, so that the array picks its values.
        """
        if not self.encoded_on_chip(product):
            return None
        values, metadata = self._grid_bits(product, self.formats.skip_on_chip, tile_m, tile_k)
        return int(values.sum()), int(metadata.sum())

    def segment_positions(self, product: Product) -> int:
        """Positions that K tiles are multiples of, where they fit, lest two tiles fetch the same segment."""
        coded = {self.formats.skip, self.formats.skip_on_chip} != {"dense"}
        along_rows = product.mask is not None and product.mask.lanes_hold == "rows"
        return self.formats.segment if coded and along_rows else 1

    def written_bytes(self, product: Product, rows: slice | None = None, columns: slice | None = None) -> int:
        """DRAM bytes that a tile of the product's outputs writes of the next skip operand; by default all of them.

        A tile of columns holds all gates of its units, and the stored rows have one gate after the other. A segment is
        written by the tile that holds its last element. Where padding gives the next skip operand another number of
        rows, they are dealt out over the tiles of rows in proportion.
        """
        mask = product.epilogue.store_skip
        if mask is None:
            return 0
        if rows is columns is None and self.formats.skip == "dense" and mask.bits % product.n == 0:
            return -(-len(mask.packed) * mask.bits * self.operand_bits // 8)
        rows, columns = rows or slice(0, product.m), columns or slice(0, product.n)
        stored = self.masks.get(mask, self.formats.skip, self.operand_bits, self.formats)
        mine = slice(rows.start * stored.rows // product.m, rows.stop * stored.rows // product.m)
        units = product.n
        pieces = [
            stored.owned_bits(mine, slice(first + columns.start, first + columns.stop))
            for first in range(0, stored.bits, units)
        ]
        return bytes_of_bits(sum(values for values, _ in pieces), sum(metadata for _, metadata in pieces))


@lru_cache(maxsize=256)
def _elements(m: int, k: int, tile_m: int, tile_k: int) -> Int64s:
    """Elements of each tile: int64 [M tiles, K tiles], read-only."""
    elements = np.multiply.outer(np.diff(_edges(m, tile_m)), np.diff(_edges(k, tile_k)))
    elements.flags.writeable = False
    return elements


def _edges(extent: int, tile: int) -> Int64s:
    return np.array([*range(0, extent, tile), extent], dtype=np.int64)


def _bytes(values: Int64s, metadata: Int64s) -> Int64s:
    """Whole bytes of each tile, values and metadata rounded up one by one."""
    return np.asarray(-(-values // 8) + -(-metadata // 8))
