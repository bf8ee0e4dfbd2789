"""Counting what products do: MACs, slots, and the bits that move for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping.counts import COUNTS, Count
from simulator.mapping.passes import PassTable
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]
PRODUCT_NDIM = 2
"""Dimensions of the non-zeros of one product alone: K tiles and passes."""


def count_products(
    arch: Architecture,
    products: Sequence[Product],
    passes: PassTable | None,
    columns_of_pass: int,
    encoded: Sequence[tuple[int, int] | None],
) -> Int64s:
    """Count what happens in the array, its skip logic, the vector unit and the operand buffers.

    Pass counts hold for one column; a lane's control serves the C columns of a column tile and is counted once
    for each of the ceil(N / C) column tiles. Those of a `TileMechanism` are totals; its control finds the operands
    of each slot that is taken, and reads the skip operand's mask once for each tile of columns.

    Parameters
    ----------
    arch : Architecture
        With ``memory: ideal`` nothing of buffers and vector unit is counted.
    products : sequence of Product
        Alike in shape: the time steps of a serial product, or one.
    passes : PassTable or None
        Of these products; None for tasks without MACs.
    columns_of_pass : int
    encoded : sequence of (value bits, metadata bits) or None
        Of a skip operand that does not lie dense in its buffer: for each tile of columns the array reads all of them,
        in place of non-zeros and one mask bit an element.

    Returns
    -------
    int64 [products, len(COUNTS)]
        Without what is counted while loads and stores are written.
    """
    counts = np.zeros((len(products), len(COUNTS)), dtype=np.int64)
    first = products[0]
    if not arch.ideal_memory:
        counts[:, Count.GATE_FORWARD_VALUES] = [p.epilogue.gate_forward_values for p in products]
        backward = [p.epilogue.gate_backward_values for p in products]
        counts[:, Count.GATE_BACKWARD_VALUES] = backward
        if arch.skipping.uses_mask:
            counts[:, Count.THRESHOLD_VALUES] = backward
            counts[:, Count.MASK_BITS_PACKED] = backward  # a bit for each value that was judged
    if passes is None:
        return counts
    each = passes.counts
    # A table of one row holds for all products alike.
    rows = len(passes.nonzeros) if passes.nonzeros.ndim > PRODUCT_NDIM else 1

    def total(values: Int64s) -> Int64s:
        sums: Int64s = values.reshape(rows, -1).sum(axis=1)
        return sums

    skipping, operand_bits, lanes = arch.skipping, arch.precision.operand_bits, passes.lanes
    masked_shared, per_column = passes.masked_shared, passes.per_column
    columns, column_tiles = first.n, -(-first.n // columns_of_pass)
    cycles, fetches = each.cycles, total(each.fetches)
    if not per_column:
        columns, column_tiles = 1, cycles.shape[-1]
    busy = total(cycles * (lanes if per_column else lanes[:, None]))
    executed = total(each.executed) * columns
    counts[:, Count.MACS_DENSE] = first.macs_dense
    counts[:, Count.MACS_EXECUTED] = executed
    counts[:, Count.MACS_GATED] = total(each.gated) * columns
    counts[:, Count.MACS_SKIPPED] = total(each.skipped) * columns
    counts[:, Count.SLOTS_IMBALANCE] = total(each.imbalance) * columns
    counts[:, Count.SLOTS_CONFLICT] = total(each.conflict) * columns
    counts[:, Count.SLOTS_REFILL] = total(each.refill) * columns
    k_tiles = passes.nonzeros.shape[-2]
    counts[:, Count.PASSES] = len(lanes) * k_tiles * column_tiles
    counts[:, Count.ACCUMULATOR_UPDATES] = executed
    if skipping.macs_per_lane > 1:  # an adder tree joins the products of a lane, and updates its sum once a cycle
        counts[:, Count.ACCUMULATOR_UPDATES] = busy * columns
    mask_bits = first.m * first.k if first.mask is not None and skipping.uses_mask else 0
    counts[:, Count.MASK_BITS_SCANNED] = mask_bits * column_tiles
    if isinstance(skipping, TileMechanism):
        if first.mask is not None or masked_shared:
            counts[:, Count.LANE_SELECTIONS] = executed + counts[:, Count.MACS_GATED]
        if masked_shared:
            shared_bits = first.k * first.n * len(lanes)
            counts[:, Count.MASK_BITS_SCANNED] += [
                skipping.shared_metadata_bits(shared_bits, count) for count in fetches.tolist()
            ]
    elif mask_bits:
        counts[:, Count.LANE_SELECTIONS] = busy * skipping.macs_per_lane * column_tiles
    if skipping.staged:
        counts[:, Count.STAGING_BITS_WRITTEN] = fetches * columns * operand_bits
        counts[:, Count.STAGING_BITS_READ] = total(each.reads) * columns * operand_bits
    if arch.ideal_memory:
        return counts
    taken = np.broadcast_to(total(passes.taken) * operand_bits, len(products)).copy()
    for row, read in enumerate(encoded):
        if read is not None:
            taken[row] = read[0]
            counts[row, Count.MASK_BITS_SCANNED] += (read[1] - mask_bits) * column_tiles
    counts[:, Count.SKIP_BUFFER_BITS_READ] = taken * column_tiles
    counts[:, Count.SHARED_BUFFER_BITS_READ] = fetches * columns * operand_bits
    # Each K tile leaves its sums in the output buffer, and each sum is read once: by the next K tile, the vector
    # unit or the DMA.
    sums_bits = first.m * first.n * k_tiles * arch.precision.accumulator_bits
    counts[:, Count.OUTPUT_BUFFER_BITS_WRITTEN] = sums_bits
    counts[:, Count.OUTPUT_BUFFER_BITS_READ] = sums_bits
    return counts
