"""What tiles of the skip operand take in DRAM and in its buffer: exact bytes from the recorded masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulator.arch.memory_system import Formats
from simulator.memory import Format, StoredMask
from simulator.workload import OperandMask, Product

Int64s = npt.NDArray[np.int64]


Grids = tuple[Int64s, Int64s]
"""Value bits and metadata bits of tiles."""


class StoredMasks:
    """Masks in their formats, by mask and format, and what was counted of their tiles.

    Valid for one recorded step, and shared between machines. About `most_bytes` are kept of either; those used longest
    ago go first.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.nbytes = most_bytes, 0
        self._stored: dict[tuple[object, ...], StoredMask] = {}
        self._grids: dict[tuple[object, ...], Grids] = {}
        self._grid_bytes = 0

    def get(self, masks: Sequence[OperandMask], fmt: Format, value_bits: int, formats: Formats) -> StoredMask:
        """Give masks of as many bits a row, one below the other, in a format with segments and runs of `formats`."""
        key = _key(masks, fmt, value_bits, formats)
        stored = self._stored.pop(key, None)
        if stored is None:
            packed = masks[0].packed if len(masks) == 1 else np.concatenate([mask.packed for mask in masks])
            stored = StoredMask(packed, masks[0].bits, fmt, value_bits, formats.segment, formats.run_bits)
            self.nbytes += stored.nbytes
        self._stored[key] = stored  # as the newest
        while self.nbytes > self.most_bytes and len(self._stored) > 1:
            self.nbytes -= self._stored.pop(next(iter(self._stored))).nbytes
        return stored

    def counted(self, key: tuple[object, ...], count: Callable[[], Grids]) -> Grids:
        """Give what `count` counts of a grid of tiles that `key` names, counted once."""
        grids = self._grids.pop(key, None)
        if grids is None:
            grids = count()
            self._grid_bytes += _nbytes(grids)
        self._grids[key] = grids  # as the newest
        while self._grid_bytes > self.most_bytes and len(self._grids) > 1:
            self._grid_bytes -= _nbytes(self._grids.pop(next(iter(self._grids))))
        return grids


def _key(masks: Sequence[OperandMask], fmt: Format, value_bits: int, formats: Formats) -> tuple[object, ...]:
    return (*[mask.key for mask in masks], fmt, value_bits, formats.segment, formats.run_bits)


def _nbytes(grids: Grids) -> int:
    return grids[0].nbytes + grids[1].nbytes


class SkipOperands:
    """Skip operands as one machine stores them. Rows and positions are those of S [M, K].

    Products that are given together are alike in shape: the T time steps of a serial product, or one product.

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

    def _grid_bits(self, products: Sequence[Product], fmt: Format, tile_m: int, tile_k: int) -> Grids:
        """Bits of all tiles of products with masks: values and metadata, each int64 [T, M tiles, K tiles]."""
        masks = [product.mask for product in products if product.mask is not None]
        m, k, lanes_hold = products[0].m, products[0].k, masks[0].lanes_hold

        def count() -> Grids:
            row_edges, position_edges = _edges(m, tile_m), _edges(k, tile_k)
            stored = self.masks.get(masks, fmt, self.operand_bits, self.formats)
            if lanes_hold == "rows":
                values, metadata = stored.grid_bits(_below(masks, row_edges), position_edges)
                shape = (len(masks), len(row_edges) - 1, len(position_edges) - 1)
                return values.reshape(shape), metadata.reshape(shape)
            values, metadata = stored.grid_bits(_below(masks, position_edges), row_edges)
            shape = (len(masks), len(position_edges) - 1, len(row_edges) - 1)
            return values.reshape(shape).transpose(0, 2, 1), metadata.reshape(shape).transpose(0, 2, 1)

        key = (*_key(masks, fmt, self.operand_bits, self.formats), lanes_hold, m, k, tile_m, tile_k)
        return self.masks.counted(key, count)

    def tiles_are_alike(self, product: Product) -> bool:
        """Whether `tiles` depends on the product's shape alone and not on its zeros."""
        return product.mask is None or (self.formats.skip == "dense" and self.formats.skip_on_chip == "dense")

    def stores_are_alike(self, product: Product) -> bool:
        """Whether `stores` depends on the product's shape alone: there is nothing to store, or it lies dense."""
        mask = product.epilogue.store_skip
        return mask is None or (self.formats.skip == "dense" and mask.bits % product.n == 0)

    def tiles(self, products: Sequence[Product], tile_m: int, tile_k: int, nonzeros: Int64s) -> Int64s:
        """Say what each tile takes: int64 [T, M tiles * K tiles, 4].

        Columns are DRAM bytes, room in bytes, value bits and metadata bits; `nonzeros` [T, M tiles, K tiles] are those
        of each tile's own elements.

        What lies dense on chip and comes encoded writes its non-zeros only: its mask says where there are none. An
        array that reads no mask needs its zeros, too.
        """
        first = products[0]
        elements = np.broadcast_to(_elements(first.m, first.k, tile_m, tile_k), nonzeros.shape)
        value_bits = elements * self.operand_bits
        metadata_bits = np.zeros_like(value_bits)
        dram_bytes = room_bytes = -(-value_bits // 8)
        if first.mask is not None:
            if self.formats.skip != "dense":
                dram_bytes = _bytes(*self._grid_bits(products, self.formats.skip, tile_m, tile_k))
            if self.encoded_on_chip(first):
                value_bits, metadata_bits = self._grid_bits(products, self.formats.skip_on_chip, tile_m, tile_k)
                room_bytes = _bytes(value_bits, metadata_bits)
            elif self.keeps_mask:
                metadata_bits = elements
                if self.formats.skip != "dense":
                    value_bits = nonzeros * self.operand_bits
        return np.stack([dram_bytes, room_bytes, value_bits, metadata_bits], axis=-1).reshape(len(products), -1, 4)

    def stores(self, products: Sequence[Product], tile_m: int, tile_n: int) -> Int64s:
        """Bytes of the next skip operand that each output tile stores: int64 [T, M tiles * N tiles].

        A tile of columns holds all gates of its units, and the stored rows have one gate after the other. A segment is
        written by the tile that holds its last element. Where padding gives the next skip operand another number of
        rows, they are dealt out over the tiles of rows in proportion.
        """
        masks = [p.epilogue.store_skip for p in products if p.epilogue.store_skip is not None]
        m, n, bits = products[0].m, products[0].n, masks[0].bits
        rows, columns = _edges(m, tile_m), _edges(n, tile_n)
        if self.stores_are_alike(products[0]):
            heights = np.array([len(mask.packed) for mask in masks], dtype=np.int64)
            own = np.diff(rows * heights[:, None] // m)
            elements = own[:, :, None] * np.diff(columns) * (bits // n)
            return np.asarray(-(-elements * self.operand_bits // 8)).reshape(len(products), -1)

        def count() -> Grids:
            stored = self.masks.get(masks, self.formats.skip, self.operand_bits, self.formats)
            gates = np.arange(0, bits, n, dtype=np.int64)
            return stored.owned_grid_bits(_below(masks, rows, m), gates[:, None] + columns)

        key = (*_key(masks, self.formats.skip, self.operand_bits, self.formats), "owned", m, n, tile_m, tile_n)
        return _bytes(*self.masks.counted(key, count)).reshape(len(products), -1)

    def stored_bytes(self, products: Sequence[Product]) -> Int64s:
        """DRAM bytes of the next skip operand that products store, each as one tile: int64 [T]; 0 where none."""
        found = np.zeros(len(products), dtype=np.int64)
        storing = [row for row, product in enumerate(products) if product.epilogue.store_skip is not None]
        if storing:
            found[storing] = self.stores([products[row] for row in storing], products[0].m, products[0].n)[:, 0]
        return found

    def fetched_bytes(self, products: Sequence[Product], tile_m: int, tile_k: int) -> Int64s:
        """DRAM bytes of all tiles of products, each fetched once: int64 [T]."""
        first = products[0]
        if first.mask is None or self.formats.skip == "dense":
            return np.full(len(products), -(-first.m * first.k * self.operand_bits // 8), dtype=np.int64)
        return np.asarray(_bytes(*self._grid_bits(products, self.formats.skip, tile_m, tile_k)).sum(axis=(1, 2)))

    def largest_room_bytes(self, groups: Sequence[Sequence[Product]], tile_m: int, tile_k: int) -> int:
        """Room of the largest tile of any product that is encoded on chip, in groups that are each alike in shape."""
        largest = 0
        for products in groups:
            room = _bytes(*self._grid_bits(products, self.formats.skip_on_chip, tile_m, tile_k))
            largest = max(largest, int(room.max(initial=0)))
        return largest

    def bits_read(self, products: Sequence[Product], tile_m: int, tile_k: int) -> Int64s | None:
        """Value bits and metadata bits that the array reads for each tile of columns, all that its tiles store: [T, 2].

        None where the operand lies dense, so that the array picks its values.
        """
        if not self.encoded_on_chip(products[0]):
            return None
        grids = self._grid_bits(products, self.formats.skip_on_chip, tile_m, tile_k)
        return np.stack([bits.sum(axis=(1, 2)) for bits in grids], axis=1)

    def segment_positions(self, product: Product) -> int:
        """Positions that K tiles are multiples of, where they fit, lest two tiles fetch the same segment."""
        coded = {self.formats.skip, self.formats.skip_on_chip} != {"dense"}
        along_rows = product.mask is not None and product.mask.lanes_hold == "rows"
        return self.formats.segment if coded and along_rows else 1


def _below(masks: Sequence[OperandMask], edges: Int64s, whole: int | None = None) -> Int64s:
    """Edges of tiles of rows of masks that lie one below the other; edges of `whole` rows are in proportion."""
    heights = np.array([len(mask.packed) for mask in masks], dtype=np.int64)
    if whole is not None:
        edges = edges * heights[:, None] // whole
    starts = np.cumsum(heights) - heights
    return np.append((starts[:, None] + edges)[:, :-1], heights.sum())


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
