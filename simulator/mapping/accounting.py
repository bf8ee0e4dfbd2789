"""Counting what a product does: MACs, slots, and the bits that move for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture
from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import PassTable
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


def array_counts(arch: Architecture, product: Product, table: PassTable | None) -> Int64s:
    """Count what happens in the array and its skip logic: int64 [len(COUNTS)].

    Pass counts hold for one column; a lane's control serves the C columns of a column tile and is counted once
    for each of the ceil(N / C) column tiles.
    """
    counts = np.zeros(len(COUNTS), dtype=np.int64)
    if table is None:
        return counts
    n, per_pass = product.n, table.counts
    column_tiles = -(-n // arch.array.columns)
    counts[Count.MACS_DENSE] = product.macs_dense
    counts[Count.MACS_EXECUTED] = per_pass.executed.sum() * n
    counts[Count.MACS_GATED] = per_pass.gated.sum() * n
    counts[Count.MACS_SKIPPED] = per_pass.skipped.sum() * n
    counts[Count.SLOTS_IMBALANCE] = per_pass.imbalance.sum() * n
    counts[Count.SLOTS_CONFLICT] = per_pass.conflict.sum() * n
    counts[Count.SLOTS_REFILL] = per_pass.refill.sum() * n
    counts[Count.PASSES] = per_pass.cycles.size * column_tiles
    counts[Count.ACCUMULATOR_UPDATES] = counts[Count.MACS_EXECUTED]
    if product.mask is not None and arch.skipping.uses_mask:
        counts[Count.LANE_SELECTIONS] = (table.lanes * per_pass.cycles).sum() * column_tiles
        counts[Count.MASK_BITS_SCANNED] = product.m * product.k * column_tiles
    if arch.skipping.staged:
        bits = n * arch.precision.operand_bits
        counts[Count.STAGING_BITS_WRITTEN] = per_pass.fetches.sum() * bits
        counts[Count.STAGING_BITS_READ] = per_pass.reads.sum() * bits
    return counts


def count_buffer_reads(counts: Int64s, arch: Architecture, product: Product, table: PassTable) -> None:
    """Add what the array reads from the operand buffers and writes to the output buffer."""
    operand_bits = arch.precision.operand_bits
    column_tiles = -(-product.n // arch.array.columns)
    counts[Count.SKIP_BUFFER_BITS_READ] += table.counts.executed.sum() * column_tiles * operand_bits
    counts[Count.SHARED_BUFFER_BITS_READ] += table.counts.fetches.sum() * product.n * operand_bits
    # Each K tile leaves its sums in the output buffer, and each sum is read once: by the next K tile, the vector
    # unit or the DMA.
    sums_bits = product.m * product.n * len(table.nonzeros) * arch.precision.accumulator_bits
    counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] += sums_bits
    counts[Count.OUTPUT_BUFFER_BITS_READ] += sums_bits
