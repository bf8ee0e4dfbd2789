"""Pass counts of a product: what the mechanism makes of its masks, shared wherever the masks are the same.

Cycles depend on the mask alone, so one computation serves all column tiles of a product, dW and dU alike, and
every machine that has the same lanes and mechanism.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.skipping.masks import bits_on_lanes, full, rows_on_lanes
from simulator.workload import OperandMask, Product

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassTable:
    """Counts of every pass of a product.

    Attributes
    ----------
    counts : PassCounts
        Arrays int64 [K tiles, P], P = ceil(M / R); slots and MACs per column.
    lanes : int64 [P]
        Rows of each pass.
    nonzeros : int64 [K tiles, P]
        Non-zeros of the skip operand.
    """

    counts: PassCounts
    lanes: Int64s
    nonzeros: Int64s


class PassCache:
    """Pass tables by (mask, lanes, K tile, mechanism); valid for one recorded step."""

    def __init__(self) -> None:
        self._tables: dict[tuple[object, ...], PassTable] = {}

    def table(self, mechanism: Mechanism, product: Product, rows: int, tile_k: int) -> PassTable:
        """Give the pass table of a product on `rows` lanes with K cut into tiles of `tile_k` positions."""
        operand = product.mask
        if operand is None:
            key: tuple[object, ...] = (mechanism, rows, tile_k, product.m, product.k)
        else:
            key = (mechanism, rows, tile_k, operand.key, operand.lanes_hold)
        if key not in self._tables:
            self._tables[key] = _count(mechanism, operand, product.m, product.k, rows, tile_k)
        return self._tables[key]


def _count(
    mechanism: Mechanism, operand: OperandMask | None, m: int, k: int, rows: int, tile_k: int
) -> PassTable:
    starts = range(0, k, tile_k)
    tiles: list[PassCounts] = []
    nonzeros: list[Int64s] = []
    lanes = np.full(-(-m // rows), rows, dtype=np.int64)
    lanes[-1] = m - rows * (len(lanes) - 1)
    for start in starts:
        stop = min(start + tile_k, k)
        if operand is None:
            tiles.append(_dense_counts(mechanism, lanes, stop - start))
            nonzeros.append(lanes * (stop - start))
        else:
            masks = _lane_masks(operand, rows, start, stop)
            tiles.append(mechanism.count(masks))
            nonzeros.append(np.bitwise_count(masks.words).sum(axis=(1, 2), dtype=np.int64))
    counts = PassCounts(**{f.name: np.stack([getattr(t, f.name) for t in tiles]) for f in fields(PassCounts)})
    return PassTable(counts, lanes, np.stack(nonzeros))


def _lane_masks(operand: OperandMask, rows: int, start: int, stop: int) -> PassMasks:
    on_lanes = rows_on_lanes if operand.lanes_hold == "rows" else bits_on_lanes
    return on_lanes(operand.packed, operand.bits, rows, start, stop)


def _dense_counts(mechanism: Mechanism, lanes: Int64s, positions: int) -> PassCounts:
    """Count passes of an unrecorded (dense) skip operand: at most two different ones, full and short."""
    kinds = {int(r): mechanism.count(full(int(r), positions)) for r in {lanes[0], lanes[-1]}}
    return PassCounts(
        **{
            f.name: np.array([getattr(kinds[int(r)], f.name)[0] for r in lanes], dtype=np.int64)
            for f in fields(PassCounts)
        }
    )
