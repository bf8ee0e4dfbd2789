"""Packed: the non-zeros of the stationary operand lie densely in the multipliers, whatever rows they belong to.

The stationary operand is the skip operand. Its non-zeros, row by row, fill packings of ``multipliers`` values; a value
at a position where the whole row of the streamed operand is zero is left out. Each packing is loaded and then streams
all columns of the other operand once. A packing of c values from r rows at d distinct positions takes

* ``ceil(c / distribution)`` cycles to load;
* for each column, as many cycles as the networks need, at least one: ``max(1, ceil(s / distribution),
  ceil(r / reduction))``, where s of its d positions are not zero in the column, each sent once to all multipliers that
  need it, and r sums leave;
* the latency of both networks once, as columns follow each other through them.

With unlimited bandwidths and no latency that is ``1 + columns`` cycles a packing. ``whole_rows`` lets no row cross from
one packing into the next unless it is longer than one.

Of ``multipliers x cycles`` slots, each column uses c in one cycle (executed, or gated where the column is zero at the
value's position) and leaves the rest of that cycle to imbalance; cycles that a bandwidth costs beyond it are conflict,
loading and latency are refill.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from simulator.arch.mechanism import Counts, PassCounts, PassMasks
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.pairs import dense_macs


class Packed(TileMechanism):
    """Multipliers filled with the non-zeros of one operand, through which the other one streams."""

    summary: ClassVar[str] = "non-zeros of one operand packed into the multipliers, the other one streams past"
    literature: ClassVar[str] = "SIGMA"

    mechanism: Literal["packed"] = "packed"
    multipliers: int = Field(ge=1, le=1 << 20, description="Multipliers, each holding a non-zero of the skip operand.")
    whole_rows: bool = Field(
        default=False, description="Whether a row that does not fit the rest of a packing begins the next one."
    )
    distribution_values_per_cycle: int | None = Field(
        default=None,
        ge=1,
        description="Distinct values that the distribution network takes in a cycle, each to any multipliers. "
        "null: unlimited.",
    )
    reduction_values_per_cycle: int | None = Field(
        default=None, ge=1, description="Sums of rows that leave the reduction network in a cycle. null: unlimited."
    )
    distribution_latency_cycles: int = Field(
        default=0, ge=0, le=1024, description="From a value's way in to the multipliers, once for each packing."
    )
    reduction_latency_cycles: int = Field(
        default=0, ge=0, le=1024, description="From the multipliers to a sum's way out, once for each packing."
    )
    tile_rows: int | None = Field(
        default=None, ge=1, le=65536, description="Rows that are packed together. null: all that the product has."
    )
    tile_columns: int | None = Field(
        default=None, ge=1, le=65536, description="Columns that a packing streams. null: all that the product has."
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
        from simulator.skipping.kernels import UNLIMITED
        from simulator.skipping.packed_kernels import RESULTS, pack_and_stream

        passes, positions, _ = skip.words.shape
        results = np.empty((passes, len(columns), RESULTS), np.int64)
        pack_and_stream(
            np.ascontiguousarray(skip.words),
            np.ascontiguousarray(np.empty((len(columns), positions, 0), np.uint64) if shared is None else shared.words),
            np.ascontiguousarray(columns),
            self.multipliers,
            self.whole_rows,
            self.distribution_values_per_cycle or UNLIMITED,
            self.reduction_values_per_cycle or UNLIMITED,
            results,
        )
        loading, streaming, stalled, packings, placed, executed, fetches = np.moveaxis(results, 2, 0)
        waiting = loading + (self.distribution_latency_cycles + self.reduction_latency_cycles) * packings
        used = placed * columns  # slots that a stationary value takes
        return PassCounts(
            cycles=waiting + streaming + stalled,
            executed=executed,
            gated=used - executed,
            skipped=dense_macs(skip, columns) - used,
            imbalance=self.multipliers * streaming - used,
            conflict=self.multipliers * stalled,
            refill=self.multipliers * waiting,
            fetches=fetches,
            reads=executed,
        )
