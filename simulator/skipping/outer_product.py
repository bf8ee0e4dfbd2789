"""Outer product: the non-zeros of a column of A meet those of a row of B, position by position.

A PE works on one tile of outputs. At position k the tile's column of A has a_k non-zeros and its row of B has b_k;
every one of the first meets every one of the second, ``rows`` x ``columns`` pairs a cycle::

    cycles = sum over k of ceil(a_k / rows) * ceil(b_k / columns)

With several PEs a pass is a grid of ``pe_rows`` x ``pe_columns`` tiles, one for each, that meet at its end: it takes
as long as its slowest PE. PEs of a grid row share their rows of A, those of a grid column their columns of B.

A slot is one multiplier of one PE for a cycle. It is executed or idle: a position's last blocks are seldom full, and a
PE waits for the slowest. Zeros of either operand take none. What adds up the products (SCNN's banked accumulators) is
taken to keep pace.

1 x 1 is the Eyeriss v2 PE: ``sum over k of a_k * b_k``. 8 x 16 on tiles of 32 x 32 is the dual-side sparse tensor core.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simulator.arch.mechanism import Counts, PassCounts, PassMasks
from simulator.arch.problems import wrong
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.pairs import dense_macs, largest_sums, nonzeros_by_part, summed_products


class OuterProduct(TileMechanism):
    """PEs that multiply all pairs of non-zeros of a position, a block of pairs a cycle."""

    summary: ClassVar[str] = "all pairs of non-zeros of a position, rows x columns of them a cycle"
    literature: ClassVar[str] = "SCNN, dual-side sparse tensor core, Eyeriss v2 PE (1 x 1)"

    mechanism: Literal["outer_product"] = "outer_product"
    rows: int = Field(ge=1, le=1024, description="Non-zeros of the skip operand that a PE multiplies in a cycle.")
    columns: int = Field(ge=1, le=1024, description="Non-zeros of the shared operand that each of them meets.")
    tile_rows: int | None = Field(
        default=None, ge=1, le=65536, description="Rows of outputs of a PE's tile. null: all that the product has."
    )
    tile_columns: int | None = Field(
        default=None, ge=1, le=65536, description="Columns of outputs of a PE's tile. null: all that the product has."
    )
    pe_rows: int = Field(
        default=1, ge=1, le=1024, description="PEs that work on neighbouring tiles of rows, in step. Needs tile_rows."
    )
    pe_columns: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="PEs that work on neighbouring tiles of columns, in step. Needs tile_columns.",
    )

    @model_validator(mode="after")
    def _grid_has_tiles(self) -> Self:
        for side in ("rows", "columns"):
            pes = getattr(self, f"pe_{side}")
            if pes > 1 and getattr(self, f"tile_{side}") is None:
                raise wrong(f"pe_{side} {pes} with tile_{side} null", f"a number of tile_{side} for each PE")
        return self

    @property
    def slots_per_cycle(self) -> int:
        """The multipliers of all PEs."""
        return self.rows * self.columns * self.pe_rows * self.pe_columns

    @property
    def tile_shape(self) -> tuple[int | None, int | None]:
        """The tiles of all PEs of the grid."""
        return (
            None if self.tile_rows is None else self.tile_rows * self.pe_rows,
            None if self.tile_columns is None else self.tile_columns * self.pe_columns,
        )

    def count_tiles(self, skip: PassMasks, shared: PassMasks | None, columns: Counts) -> PassCounts:
        """Apply the law to every tile: exact counts, each int64 [P, Q]."""
        a = nonzeros_by_part(skip, self.tile_rows, self.pe_rows)  # [P, S, K]
        b = None if shared is None else nonzeros_by_part(shared, self.tile_columns, self.pe_columns)  # [Q, T, K]
        a_blocks = -(-a // self.rows)
        if b is None:
            # Without zeros a position's cycles are the same for all positions: the slowest PE has the most columns.
            widest = columns if self.tile_columns is None else np.minimum(columns, self.tile_columns)
            slowest = a_blocks.sum(axis=2, dtype=np.int64).max(axis=1)
            cycles = np.multiply.outer(slowest, -(-widest // self.columns))
        else:
            cycles = largest_sums(a_blocks, -(-b // self.columns))
        b_all = None if b is None else b.sum(axis=1, dtype=np.int32)
        needing = (a > 0).sum(axis=1)  # grid rows that need position k: [P, K]
        executed = summed_products(a.sum(axis=1), b_all, columns)
        none = np.zeros_like(executed)
        return PassCounts(
            cycles=cycles,
            executed=executed,
            gated=none,
            skipped=dense_macs(skip, columns) - executed,
            imbalance=self.slots_per_cycle * cycles - executed,
            conflict=none,
            refill=none,
            fetches=summed_products(needing > 0, b_all, columns),
            reads=summed_products(needing, b_all, columns),
        )
