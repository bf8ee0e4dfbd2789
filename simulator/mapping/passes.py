"""Pass counts of a product: what the mechanism makes of its masks, shared wherever the masks are the same.

Cycles depend on the mask alone, so one computation serves all column tiles of a product, dW and dU alike, and
every machine that has the same lanes and mechanism.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Mechanism, PassCounts
from simulator.skipping.masks import bits_on_lanes, full, nnz, rows_on_lanes
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


def _count(mechanism: Mechanism, operand: OperandMask | None, m: int, k: int, rows: int, tile_k: int) -> PassTable:
    if operand is None:
        # All passes of an unrecorded operand are full of non-zeros; only the last may have fewer rows.
        passes = -(-m // rows)
        tiles = [_repeated(mechanism, rows, m, passes, min(tile_k, k - start)) for start in range(0, k, tile_k)]
        lanes = np.full(passes, rows, dtype=np.int64)
        lanes[-1] = m - rows * (passes - 1)
        nonzeros = [lanes * min(tile_k, k - start) for start in range(0, k, tile_k)]
    else:
        on_lanes = rows_on_lanes if operand.lanes_hold == "rows" else bits_on_lanes
        masks = [
            on_lanes(operand.packed, operand.bits, rows, start, min(start + tile_k, k)) for start in range(0, k, tile_k)
        ]
        tiles = [mechanism.count(tile) for tile in masks]
        nonzeros = [nnz(tile) for tile in masks]
        lanes = masks[0].lanes
    counts = PassCounts(**{f.name: np.stack([getattr(t, f.name) for t in tiles]) for f in fields(PassCounts)})
    return PassTable(counts, lanes, np.stack(nonzeros))


def _repeated(mechanism: Mechanism, rows: int, m: int, passes: int, positions: int) -> PassCounts:
    """Count a full pass and the last one, and repeat the full one."""
    last = m - rows * (passes - 1)
    kinds = mechanism.count(full(rows, positions, rows + last))
    index = np.append(np.zeros(passes - 1, dtype=np.int64), 1)
    return PassCounts(**{f.name: getattr(kinds, f.name)[index] for f in fields(PassCounts)})
