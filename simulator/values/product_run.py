"""One product through the modelled schedule: jobs in plan order, passes, lanes, accumulators, partial sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping import Tiling
from simulator.values.schedules import schedule_pass
from simulator.values.tiles import TILE_RUNS, Tile
from simulator.workload import Product

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Operands:
    """The operands of a product, and where they are not zero.

    Attributes
    ----------
    skip, skip_mask : float64, bool [M, K]
    skip_recorded : bool
        False where the skip operand's zeros were not recorded.
    shared, shared_mask : float64, bool [K, N]
        The mask is None where nothing is known of the shared operand's zeros.
    """

    skip: Floats
    skip_mask: Bools
    skip_recorded: bool
    shared: Floats
    shared_mask: Bools | None


@dataclass
class ProductRun:
    """Runs a product job by job; `run` fills the results.

    Attributes
    ----------
    sums : float64 [M, N]
        The output buffer, and at the end the product.
    cycles, macs : int64 [K tiles, P, Q]
        Of each pass, by K tile, tile of rows and tile of columns. Without a `TileMechanism` the MACs of a column.
    last_lane : int64 [K tiles, P, Q]
        The lane that ended last; -1 where none did anything, or the mechanism has no lanes.
    job_cycles : list of int
        Array cycles of each job, in program order.
    """

    arch: Architecture
    product: Product
    tiling: Tiling
    operands: Operands
    sums: Floats = field(init=False)
    cycles: Int64s = field(init=False)
    macs: Int64s = field(init=False)
    last_lane: Int64s = field(init=False)
    job_cycles: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        product = self.product
        self.rows, self.columns = self.tiling.rows, self.tiling.columns
        self.sums = np.zeros((product.m, product.n))
        shape = (
            -(-product.k // self.tiling.tile_k),
            -(-product.m // self.rows),
            -(-product.n // self.columns),
        )
        self.cycles, self.macs = np.zeros((2, *shape), np.int64)
        self.last_lane = np.full(shape, -1, np.int64)

    def run(self) -> None:
        """Run all jobs in program order."""
        product, tiling = self.product, self.tiling
        on_tile = self._on_tile if isinstance(self.arch.skipping, TileMechanism) else self._on_lanes
        for i, j, q in tiling.jobs(product.m, product.n, product.k):
            positions = _cut(q, tiling.tile_k, product.k)
            m, n = _cut(i, tiling.tile_m, product.m), _cut(j, tiling.tile_n, product.n)
            columns = list(_passes(n, self.columns))
            # What the shared buffer holds, one contiguous block for each tile of columns.
            shared = [np.ascontiguousarray(self.operands.shared[positions, c]) for _, c in columns]
            free_at = [0] * self.arch.arrays  # each takes the next pass when it is free
            for p, rows in _passes(m, self.rows):
                on_tile(q, p, rows, positions, columns, shared)
                for c, _ in columns:
                    first = free_at.index(min(free_at))
                    free_at[first] += int(self.cycles[q, p, c]) + self.arch.array.pass_overhead_cycles
            self.job_cycles.append(max(free_at))

    def _on_lanes(
        self, q: int, p: int, rows: slice, positions: slice, columns: list[tuple[int, slice]], shared: list[Floats]
    ) -> None:
        """Run the passes of some rows: one schedule, which every tile of columns follows."""
        from simulator.values.kernels import multiply_accumulate

        operands = self.operands
        schedule = schedule_pass(
            self.arch.skipping, operands.skip_mask[rows, positions], recorded=operands.skip_recorded
        )
        skip = np.ascontiguousarray(operands.skip[rows, positions])
        lane = np.ascontiguousarray(schedule.lane, np.int64)
        position = np.ascontiguousarray(schedule.position, np.int64)
        for (c, own), block in zip(columns, shared, strict=True):
            accumulators = np.ascontiguousarray(self.sums[rows, own])
            multiply_accumulate(lane, position, skip, block, accumulators)
            self.sums[rows, own] = accumulators
            self.cycles[q, p, c] = schedule.cycles
            self.macs[q, p, c] = len(lane)
            self.last_lane[q, p, c] = lane[-1] if len(lane) else -1

    def _on_tile(
        self, q: int, p: int, rows: slice, positions: slice, columns: list[tuple[int, slice]], shared: list[Floats]
    ) -> None:
        """Run the passes of some rows: each tile of columns has pairs of non-zeros of its own."""
        operands, mechanism = self.operands, self.arch.skipping
        skip, skip_mask = operands.skip[rows, positions], operands.skip_mask[rows, positions]
        for (c, own), block in zip(columns, shared, strict=True):
            mask = operands.shared_mask
            shared_mask = np.ones(block.shape, np.bool_) if mask is None else mask[positions, own]
            tile = Tile(skip, skip_mask, block, shared_mask, np.ascontiguousarray(self.sums[rows, own]))
            self.cycles[q, p, c], self.macs[q, p, c] = TILE_RUNS[type(mechanism)](mechanism, tile)
            self.sums[rows, own] = tile.sums


def _cut(index: int, size: int, extent: int) -> slice:
    return slice(index * size, min((index + 1) * size, extent))


def _passes(tile: slice, size: int) -> Iterator[tuple[int, slice]]:
    """Walk the passes of a tile: their number in the whole product, and their rows or columns."""
    for first in range(tile.start, tile.stop, size):
        yield first // size, slice(first, min(first + size, tile.stop))
