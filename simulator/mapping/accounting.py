"""Counting what a product does: MACs, slots, and the bits that move for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import PassTable
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


def array_counts(arch: Architecture, product: Product, table: PassTable | None, columns_of_pass: int) -> Int64s:
    """Count what happens in the array and its skip logic: int64 [len(COUNTS)].

    Pass counts hold for one column; a lane's control serves the C columns of a column tile and is counted once
    for each of the ceil(N / C) column tiles. Those of a `TileMechanism` are totals; its control finds the operands
    of each slot that is taken, and reads the skip operand's mask once for each tile of columns.
    """
    counts = np.zeros(len(COUNTS), dtype=np.int64)
    if table is None:
        return counts
    per_pass = table.counts
    columns, column_tiles = _multiples(product, table, columns_of_pass)
    counts[Count.MACS_DENSE] = product.macs_dense
    counts[Count.MACS_EXECUTED] = per_pass.executed.sum() * columns
    counts[Count.MACS_GATED] = per_pass.gated.sum() * columns
    counts[Count.MACS_SKIPPED] = per_pass.skipped.sum() * columns
    counts[Count.SLOTS_IMBALANCE] = per_pass.imbalance.sum() * columns
    counts[Count.SLOTS_CONFLICT] = per_pass.conflict.sum() * columns
    counts[Count.SLOTS_REFILL] = per_pass.refill.sum() * columns
    counts[Count.PASSES] = len(table.lanes) * len(table.nonzeros) * column_tiles
    skipping = arch.skipping
    counts[Count.ACCUMULATOR_UPDATES] = counts[Count.MACS_EXECUTED]
    if skipping.macs_per_lane > 1:  # an adder tree joins the products of a lane, and updates its sum once a cycle
        counts[Count.ACCUMULATOR_UPDATES] = (table.lanes * per_pass.cycles).sum() * columns
    if product.mask is not None and skipping.uses_mask:
        counts[Count.MASK_BITS_SCANNED] = product.m * product.k * column_tiles
    if isinstance(skipping, TileMechanism):
        if product.mask is not None or table.masked_shared:
            counts[Count.LANE_SELECTIONS] = counts[Count.MACS_EXECUTED] + counts[Count.MACS_GATED]
        if table.masked_shared:
            mask_bits = product.k * product.n * len(table.lanes)
            counts[Count.MASK_BITS_SCANNED] += skipping.shared_metadata_bits(mask_bits, int(per_pass.fetches.sum()))
    elif product.mask is not None and skipping.uses_mask:
        selections = (table.lanes * per_pass.cycles).sum() * skipping.macs_per_lane
        counts[Count.LANE_SELECTIONS] = selections * column_tiles
    if skipping.staged:
        bits = columns * arch.precision.operand_bits
        counts[Count.STAGING_BITS_WRITTEN] = per_pass.fetches.sum() * bits
        counts[Count.STAGING_BITS_READ] = per_pass.reads.sum() * bits
    return counts


def _multiples(product: Product, table: PassTable, columns_of_pass: int) -> tuple[int, int]:
    """By what slots, MACs and words of the table are multiplied, and how many column tiles there are."""
    if table.per_column:
        return product.n, -(-product.n // columns_of_pass)
    return 1, table.counts.cycles.shape[2]


def count_buffer_reads(
    counts: Int64s,
    arch: Architecture,
    product: Product,
    table: PassTable,
    columns_of_pass: int,
    encoded: tuple[int, int] | None,
) -> None:
    """Add what the array reads from the operand buffers and writes to the output buffer.

    `encoded` are the (value bits, metadata bits) of a skip operand that does not lie dense in its buffer: for each tile
    of columns the array reads all of them, in place of non-zeros and one mask bit an element.
    """
    operand_bits = arch.precision.operand_bits
    columns, column_tiles = _multiples(product, table, columns_of_pass)
    if encoded is None:
        counts[Count.SKIP_BUFFER_BITS_READ] += table.taken.sum() * column_tiles * operand_bits
    else:
        counts[Count.SKIP_BUFFER_BITS_READ] += encoded[0] * column_tiles
        mask_bits = product.m * product.k if arch.skipping.uses_mask else 0
        counts[Count.MASK_BITS_SCANNED] += (encoded[1] - mask_bits) * column_tiles
    counts[Count.SHARED_BUFFER_BITS_READ] += table.counts.fetches.sum() * columns * operand_bits
    # Each K tile leaves its sums in the output buffer, and each sum is read once: by the next K tile, the vector
    # unit or the DMA.
    sums_bits = product.m * product.n * len(table.nonzeros) * arch.precision.accumulator_bits
    counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] += sums_bits
    counts[Count.OUTPUT_BUFFER_BITS_READ] += sums_bits
