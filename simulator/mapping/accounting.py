"""Counting what products do: MACs, slots, and the bits that move for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import SUMS, PassTable
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


class Counted(NamedTuple):
    """Products that are alike in shape, such as the time steps of a serial product, as they are counted.

    Attributes
    ----------
    products : sequence of Product
    passes : PassTable or None
        Of these products; None for tasks without MACs.
    columns : int
        Of a pass.
    encoded : int64 [T, 2] or None
        Value bits and metadata bits of each product, where the skip operand does not lie dense in its buffer: for each
        tile of columns the array reads all of them, in place of non-zeros and one mask bit an element.
    """

    products: Sequence[Product]
    passes: PassTable | None
    columns: int
    encoded: Int64s | None = None


class Frame(NamedTuple):
    """What of the counts of products depends on no mask.

    Attributes
    ----------
    counts : int64 [products, len(COUNTS)]
        What happens in the vector unit.
    each : int64 [fields of `_Row`, products]
    """

    counts: Int64s
    each: Int64s


def count_frame(arch: Architecture, groups: Sequence[Counted]) -> Frame:
    """Count what of products depends on no mask; parameters as those of `count_products`."""
    products = [p for group in groups for p in group.products]
    counts = np.zeros((len(products), len(COUNTS)), dtype=np.int64)
    if not arch.ideal_memory:
        counts[:, Count.GATE_FORWARD_VALUES] = [p.epilogue.gate_forward_values for p in products]
        backward = [p.epilogue.gate_backward_values for p in products]
        counts[:, Count.GATE_BACKWARD_VALUES] = backward
        if arch.skipping.uses_mask:
            counts[:, Count.THRESHOLD_VALUES] = backward
            counts[:, Count.MASK_BITS_PACKED] = backward  # a bit for each value that was judged
    each = []
    for group in groups:
        row = _Row() if group.passes is None else _row(arch, group, group.passes)
        each += [row] * len(group.products)
    return Frame(counts, np.array(each, dtype=np.int64).reshape(-1, len(_Row._fields)).T.copy())


def count_products(arch: Architecture, groups: Sequence[Counted], frame: Frame | None = None) -> Int64s:
    """Count what happens in the array, its skip logic, the vector unit and the operand buffers.

    Pass counts hold for one column; a lane's control serves the C columns of a column tile and is counted once
    for each of the ceil(N / C) column tiles. Those of a `TileMechanism` are totals; its control finds the operands
    of each slot that is taken, and reads the skip operand's mask once for each tile of columns.

    Parameters
    ----------
    arch : Architecture
        With ``memory: ideal`` nothing of buffers and vector unit is counted.
    groups : sequence of Counted
    frame : Frame, optional
        What `count_frame` says of them.

    Returns
    -------
    int64 [products, len(COUNTS)]
        Of one group after the other, without what is counted while loads and stores are written.
    """
    frame = count_frame(arch, groups) if frame is None else frame
    skipping, precision = arch.skipping, arch.precision
    counts = frame.counts.copy()
    macs, columns, column_tiles, passes, sums_bits, mask_bits, shared_bits, picks = frame.each
    sums = np.zeros((len(SUMS), len(counts)), dtype=np.int64)
    at = 0
    for group in groups:
        stop = at + len(group.products)
        if group.passes is not None:
            sums[:, at:stop] = group.passes.sums
        at = stop
    sum_of = dict(zip(SUMS, sums, strict=True))
    executed = sum_of["executed"] * columns
    counts[:, Count.MACS_DENSE] = macs
    counts[:, Count.MACS_EXECUTED] = executed
    counts[:, Count.MACS_GATED] = sum_of["gated"] * columns
    counts[:, Count.MACS_SKIPPED] = sum_of["skipped"] * columns
    counts[:, Count.SLOTS_IMBALANCE] = sum_of["imbalance"] * columns
    counts[:, Count.SLOTS_CONFLICT] = sum_of["conflict"] * columns
    counts[:, Count.SLOTS_REFILL] = sum_of["refill"] * columns
    counts[:, Count.PASSES] = passes
    counts[:, Count.ACCUMULATOR_UPDATES] = executed
    if skipping.macs_per_lane > 1:  # an adder tree joins the products of a lane, and updates its sum once a cycle
        counts[:, Count.ACCUMULATOR_UPDATES] = sum_of["busy"] * columns
    counts[:, Count.MASK_BITS_SCANNED] = mask_bits * column_tiles
    if isinstance(skipping, TileMechanism):
        counts[:, Count.LANE_SELECTIONS] = (executed + counts[:, Count.MACS_GATED]) * picks
        for index in np.flatnonzero(shared_bits).tolist():
            read = skipping.shared_metadata_bits(int(shared_bits[index]), int(sum_of["fetches"][index]))
            counts[index, Count.MASK_BITS_SCANNED] += read
    else:
        counts[:, Count.LANE_SELECTIONS] = sum_of["busy"] * skipping.macs_per_lane * column_tiles * picks
    if skipping.staged:
        counts[:, Count.STAGING_BITS_WRITTEN] = sum_of["fetches"] * columns * precision.operand_bits
        counts[:, Count.STAGING_BITS_READ] = sum_of["reads"] * columns * precision.operand_bits
    if arch.ideal_memory:
        return counts
    taken = sum_of["taken"] * precision.operand_bits
    at = 0
    for group in groups:
        stop = at + len(group.products)
        if group.encoded is not None:
            value_bits, metadata_bits = group.encoded.T
            taken[at:stop] = value_bits
            counts[at:stop, Count.MASK_BITS_SCANNED] += (metadata_bits - mask_bits[at:stop]) * column_tiles[at:stop]
        at = stop
    counts[:, Count.SKIP_BUFFER_BITS_READ] = taken * column_tiles
    counts[:, Count.SHARED_BUFFER_BITS_READ] = sum_of["fetches"] * columns * precision.operand_bits
    # Each K tile leaves its sums in the output buffer, and each sum is read once: by the next K tile, the vector
    # unit or the DMA.
    counts[:, Count.OUTPUT_BUFFER_BITS_WRITTEN] = sums_bits
    counts[:, Count.OUTPUT_BUFFER_BITS_READ] = sums_bits
    return counts


class _Row(NamedTuple):
    """What all products of a group have in common; nothing, of tasks without MACs."""

    macs: int = 0
    columns: int = 0  # for which pass counts hold
    column_tiles: int = 0
    passes: int = 0
    sums_bits: int = 0  # that go through the output buffer
    mask_bits: int = 0  # of the skip operand that are read for each tile of columns
    shared_bits: int = 0  # elements of a masked shared operand, for each tile of rows
    picks: int = 0  # 1: lanes pick operands by a mask


def _row(arch: Architecture, group: Counted, passes: PassTable) -> _Row:
    product, skipping = group.products[0], arch.skipping
    row_tiles, k_tiles = len(passes.lanes), passes.nonzeros.shape[-2]
    columns, column_tiles = product.n, -(-product.n // group.columns)
    if not passes.per_column:
        columns, column_tiles = 1, passes.counts.cycles.shape[-1]
    masked = product.mask is not None
    mask_bits = product.m * product.k if masked and skipping.uses_mask else 0
    return _Row(
        product.macs_dense,
        columns,
        column_tiles,
        row_tiles * k_tiles * column_tiles,
        product.m * product.n * k_tiles * arch.precision.accumulator_bits,
        mask_bits,
        product.k * product.n * row_tiles if passes.masked_shared else 0,
        masked or passes.masked_shared if isinstance(skipping, TileMechanism) else mask_bits > 0,
    )
