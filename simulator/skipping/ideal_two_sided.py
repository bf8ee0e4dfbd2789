"""Ideal with two operands: the bound that no mechanism beats on its tiles, even where it skips zeros of both."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulator.arch.mechanism import Counts, PassCounts, PassMasks
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.pairs import dense_macs, nonzeros_by_part, summed_products


class IdealTwoSided(TileMechanism):
    """Every slot of a tile takes a MAC with two non-zero operands: ``ceil(such MACs / multipliers)`` cycles.

    A value of the shared operand is fetched and read once for each tile of rows that needs it; slots left over in
    a tile's last cycle are imbalance.
    """

    summary: ClassVar[str] = "the bound of two operands: MACs without a zero spread evenly over all multipliers"
    literature: ClassVar[str] = "no hardware does this; reported beside mechanisms that skip zeros of both operands"

    mechanism: Literal["ideal_two_sided"] = "ideal_two_sided"
    multipliers: int = Field(ge=1, description="Multipliers of the array, rows x columns.")
    tile_rows: int | None = Field(
        default=None, ge=1, description="Rows of outputs of a tile. null: all that the product has."
    )
    tile_columns: int | None = Field(
        default=None, ge=1, description="Columns of outputs of a tile. null: all that the product has."
    )

    @property
    def slots_per_cycle(self) -> int:
        """All multipliers."""
        return self.multipliers

    @property
    def tile_shape(self) -> tuple[int | None, int | None]:
        """As the parameters say."""
        return self.tile_rows, self.tile_columns

    def count_tiles(self, skip: PassMasks, shared: PassMasks | None, columns: Counts) -> PassCounts:
        """Apply the law to every tile: exact counts, each int64 [P, Q]."""
        a = nonzeros_by_part(skip, None)[:, 0]
        b = None if shared is None else nonzeros_by_part(shared, None)[:, 0]
        executed = summed_products(a, b, columns)
        cycles = -(-executed // self.multipliers)
        needed = summed_products(a > 0, b, columns)
        none = executed * 0
        return PassCounts(
            cycles=cycles,
            executed=executed,
            gated=none,
            skipped=dense_macs(skip, columns) - executed,
            imbalance=self.multipliers * cycles - executed,
            conflict=none,
            refill=none,
            fetches=needed,
            reads=needed,
        )
