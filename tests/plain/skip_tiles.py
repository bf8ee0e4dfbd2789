"""The plain form of `simulator.mapping.skip_tiles`: one tile of one skip operand at a time."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.mapping.skip_tiles import SkipOperands
from simulator.memory import Format, bytes_of_bits
from simulator.workload import OperandMask, Product


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


def skip_tile(skip: SkipOperands, product: Product, rows: slice, positions: slice, nonzeros: int) -> SkipTile:
    """Say what a tile takes; `nonzeros` are those of its own elements."""
    elements = (rows.stop - rows.start) * (positions.stop - positions.start)
    dense_bits = elements * skip.operand_bits
    if product.mask is None:
        return SkipTile(bytes_of_bits(dense_bits), bytes_of_bits(dense_bits), dense_bits, 0)
    dram_bytes = bytes_of_bits(*_tile_bits(skip, product.mask, skip.formats.skip, rows, positions))
    if skip.encoded_on_chip(product):
        bits = _tile_bits(skip, product.mask, skip.formats.skip_on_chip, rows, positions)
        return SkipTile(dram_bytes, bytes_of_bits(*bits), *bits)
    only_nonzeros = skip.keeps_mask and skip.formats.skip != "dense"
    value_bits = nonzeros * skip.operand_bits if only_nonzeros else dense_bits
    return SkipTile(dram_bytes, bytes_of_bits(dense_bits), value_bits, elements if skip.keeps_mask else 0)


def _tile_bits(skip: SkipOperands, mask: OperandMask, fmt: Format, rows: slice, positions: slice) -> tuple[int, int]:
    stored = skip.masks.get([mask], fmt, skip.operand_bits, skip.formats)
    return stored.tile_bits(rows, positions) if mask.lanes_hold == "rows" else stored.tile_bits(positions, rows)


def stored_bytes(skip: SkipOperands, product: Product, rows: slice, columns: slice) -> int:
    """DRAM bytes that a tile of the product's outputs writes of the next skip operand."""
    mask = product.epilogue.store_skip
    if mask is None:
        return 0
    stored = skip.masks.get([mask], skip.formats.skip, skip.operand_bits, skip.formats)
    mine = slice(rows.start * stored.rows // product.m, rows.stop * stored.rows // product.m)
    pieces = [
        stored.owned_bits(mine, slice(first + columns.start, first + columns.stop))
        for first in range(0, stored.bits, product.n)
    ]
    return bytes_of_bits(sum(values for values, _ in pieces), sum(metadata for _, metadata in pieces))
