"""Ideal: the bound that no mechanism beats."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.skipping.lookahead import without_the_usual
from simulator.skipping.masks import tallied


class Ideal(Mechanism):
    """Every slot takes a non-zero of any lane: ``ceil(non-zeros / (lanes x positions_per_cycle))`` cycles."""

    summary: ClassVar[str] = "the bound: non-zeros spread evenly over all lanes"
    literature: ClassVar[str] = "no hardware does this; reported beside every result"

    mechanism: Literal["ideal"] = "ideal"
    positions_per_cycle: int = Field(default=1, ge=1, le=1024, description="Multipliers of a lane and column.")

    @property
    def macs_per_lane(self) -> int:
        """As the parameter says."""
        return self.positions_per_cycle

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_the_usual(dump(self))

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P].

        A position is fetched and read once if any lane needs it; slots left over in the last cycle are
        imbalance.
        """
        nonzeros, needed = tallied(masks)
        slots = masks.lanes * self.positions_per_cycle
        cycles = -(-nonzeros // slots)
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=nonzeros,
            gated=none,
            skipped=masks.lanes * masks.positions - nonzeros,
            imbalance=slots * cycles - nonzeros,
            conflict=none,
            refill=none,
            fetches=needed,
            reads=needed,
        )
