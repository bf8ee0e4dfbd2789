"""Mechanisms whose cycles depend on both operands, so that they choose the tile of outputs that a pass works on.

A `Mechanism` looks at the skip operand alone, and all column tiles of a product share one computation. A
`TileMechanism` sees tiles of rows x columns and the masks of both operands there; its slots are those of its
multipliers, not of lanes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import Field

from simulator.arch.mechanism import Counts, Mechanism, PassCounts, PassMasks
from simulator.arch.weights import Weights


class TileMechanism(Mechanism):
    """Base of the mechanisms that read both operands; a subclass states its law in `count_tiles`.

    The counts of every tile close: ``slots_per_cycle * cycles == executed + gated + idle``, and
    ``executed + gated + skipped`` is rows x columns x positions of the tile. A MAC is skipped where either operand
    is zero and it took no slot.
    """

    weights: Weights | None = Field(
        default=None,
        description="Which weights are zero, as no trace records it. null: none. What the trace records of the "
        "shared operand (x and h, where they stand against a gate gradient) is always used.",
    )

    @property
    @abstractmethod
    def slots_per_cycle(self) -> int:
        """Multipliers of the machine: slots of a tile are as many, times its cycles."""

    @property
    @abstractmethod
    def tile_shape(self) -> tuple[int | None, int | None]:
        """Rows and columns of outputs that a pass works on; None: all that the product has."""

    def pass_shape(self, array_rows: int, array_columns: int) -> tuple[int | None, int | None]:
        """`tile_shape`, whatever the array's own shape."""
        return self.tile_shape

    def bound(self, array_rows: int, array_columns: int) -> dict[str, Any]:
        """The bound of two operands, on the same tiles."""
        rows, columns = self.tile_shape
        return {
            "mechanism": "ideal_two_sided",
            "multipliers": self.slots_per_cycle,
            "tile_rows": rows,
            "tile_columns": columns,
            "weights": None if self.weights is None else self.weights.model_dump(mode="json"),
        }

    def shared_metadata_bits(self, mask_bits: int, fetches: int) -> int:
        """Metadata that is read to find the non-zeros of a masked shared operand.

        Parameters
        ----------
        mask_bits : int
            Elements of the shared operand, once for each tile of rows that it is brought to.
        fetches : int
            Values of it that are brought.
        """
        return mask_bits

    @abstractmethod
    def count_tiles(self, skip: PassMasks, shared: PassMasks | None, columns: Counts) -> PassCounts:
        """Apply the law to every tile of rows and columns.

        Parameters
        ----------
        skip : PassMasks
            Tiles of rows: words [P, K, W], a lane is a row.
        shared : PassMasks or None
            Tiles of columns: words [Q, K, V], a lane is a column. None: the shared operand has no zeros.
        columns : int64 [Q]
            Columns of each tile.

        Returns
        -------
        PassCounts
            Arrays int64 [P, Q], totals over the columns of a tile.
        """

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to passes of a single column without zeros: arrays int64 [P]."""
        counts = self.count_tiles(masks, None, np.ones(1, np.int64))
        return PassCounts(**{f.name: getattr(counts, f.name)[:, 0] for f in fields(PassCounts)})
