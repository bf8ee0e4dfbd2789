"""Multiplying a tile as the mechanisms do that read both operands: they choose pairs, so values and schedule are one.

Each is a statement of the mechanism's law of its own, beside the one that counts, and yields the cycles, too. A
mechanism of yours joins by ``TILE_RUNS[MyMechanism] = my_run``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch import Mechanism
from simulator.skipping.broadcast_fifo import BroadcastFifo
from simulator.skipping.ideal_two_sided import IdealTwoSided
from simulator.skipping.outer_product import OuterProduct
from simulator.skipping.packed import Packed

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tile:
    """One pass over a tile of outputs and a K tile.

    Attributes
    ----------
    skip, skip_mask : float64, bool [rows, K]
    shared, shared_mask : float64, bool [K, columns]
    sums : float64 [rows, columns]
        The accumulators, which a run adds to.
    """

    skip: Floats
    skip_mask: Bools
    shared: Floats
    shared_mask: Bools
    sums: Floats


def _outer_product(mechanism: OuterProduct, tile: Tile) -> tuple[int, int]:
    """Run each PE of the grid on its part of the tile; the slowest ends the pass."""
    from simulator.values.kernels import meet_all_pairs

    cycles = macs = 0
    for own_rows in _parts(tile.sums.shape[0], mechanism.tile_rows):
        for own_columns in _parts(tile.sums.shape[1], mechanism.tile_columns):
            sums = np.ascontiguousarray(tile.sums[own_rows, own_columns])
            taken, done = meet_all_pairs(
                *_contiguous(tile.skip[own_rows], tile.skip_mask[own_rows]),
                *_contiguous(tile.shared[:, own_columns], tile.shared_mask[:, own_columns]),
                mechanism.rows,
                mechanism.columns,
                sums,
            )
            tile.sums[own_rows, own_columns] = sums
            cycles, macs = max(cycles, taken), macs + done
    return cycles, macs


def _ideal_two_sided(mechanism: IdealTwoSided, tile: Tile) -> tuple[int, int]:
    """Deal the pairs of non-zeros out one after the other, as many a cycle as there are multipliers."""
    from simulator.values.kernels import meet_all_pairs

    skip, shared = _contiguous(tile.skip, tile.skip_mask), _contiguous(tile.shared, tile.shared_mask)
    pairs, macs = meet_all_pairs(*skip, *shared, 1, 1, tile.sums)
    return -(-pairs // mechanism.multipliers), macs


def _broadcast_fifo(mechanism: BroadcastFifo, tile: Tile) -> tuple[int, int]:
    from simulator.values.fifo_kernel import broadcast_row

    shared, stored = _contiguous(tile.shared, tile.shared_mask)
    depth = tile.skip.shape[1] + 1 if mechanism.depth is None else mechanism.depth
    longest_gap = (1 << mechanism.index_bits) if mechanism.index_bits else tile.sums.shape[1] + 1
    cycles = macs = 0
    for row, sums in enumerate(tile.sums):
        sent = np.flatnonzero(tile.skip_mask[row])
        taken, done = broadcast_row(tile.skip[row, sent], sent, shared, stored, mechanism.pes, depth, longest_gap, sums)
        cycles, macs = cycles + taken, macs + done
    return cycles, macs


def _packed(mechanism: Packed, tile: Tile) -> tuple[int, int]:
    """Load one packing after the other and stream all columns through it."""
    from simulator.values.kernels import meet_all_pairs

    useful = tile.skip_mask & tile.shared_mask.any(axis=1)
    every_value = max(1, tile.skip.size)
    distribution = mechanism.distribution_values_per_cycle or every_value
    reduction = mechanism.reduction_values_per_cycle or every_value
    latency_cycles = mechanism.distribution_latency_cycles + mechanism.reduction_latency_cycles
    shared = _contiguous(tile.shared, tile.shared_mask)
    cycles = macs = 0
    for row, position in _packings(useful, mechanism.multipliers, mechanism.whole_rows):
        held = np.zeros_like(useful)
        held[row, position] = True
        macs += meet_all_pairs(*_contiguous(tile.skip, held), *shared, 1, 1, tile.sums)[1]
        sent = -(-tile.shared_mask[np.unique(position)].sum(axis=0) // distribution)  # cycles of each column
        leaving = -(-len(np.unique(row)) // reduction)
        cycles += -(-len(row) // distribution) + latency_cycles + int(np.maximum(sent, max(1, leaving)).sum())
    return cycles, macs


def _packings(values: Bools, multipliers: int, whole_rows: bool) -> Iterator[tuple[Int64s, Int64s]]:
    """Cut the set places of `values` [rows, K], row by row, into packings: rows and positions of each."""
    row, position = np.nonzero(values)
    first = 0
    while first < len(row):
        stop = min(first + multipliers, len(row))
        if whole_rows and stop < len(row) and row[stop - 1] == row[stop]:
            begin = int(np.searchsorted(row, row[stop]))  # of the row that would be torn
            # A row that began before this packing, or with it, is longer than one and must be torn.
            stop = begin if begin > first else stop
        yield row[first:stop], position[first:stop]
        first = stop


def _parts(extent: int, part: int | None) -> list[slice]:
    """Cut an extent into parts; the last may be short."""
    size = part or extent
    return [slice(first, min(first + size, extent)) for first in range(0, extent, size)]


def _contiguous(values: Floats, mask: Bools) -> tuple[Floats, Bools]:
    return np.ascontiguousarray(values), np.ascontiguousarray(mask)


TILE_RUNS: dict[type[Mechanism], Callable[[Any, Tile], tuple[int, int]]] = {
    OuterProduct: _outer_product,
    IdealTwoSided: _ideal_two_sided,
    BroadcastFifo: _broadcast_fifo,
    Packed: _packed,
}
"""How each mechanism that reads both operands multiplies a tile: (mechanism, tile) to (cycles, MACs)."""
