"""Ideal: the bound that no mechanism beats."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.skipping.lookahead import tallied


class Ideal(Mechanism):
    """Every slot takes a non-zero of any lane: ``ceil(non-zeros / lanes)`` cycles."""

    summary: ClassVar[str] = "the bound: non-zeros spread evenly over all lanes"
    literature: ClassVar[str] = "no hardware does this; reported beside every result"

    mechanism: Literal["ideal"] = "ideal"

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P].

        A position is fetched and read once if any lane needs it; slots left over in the last cycle are
        imbalance.
        """
        nonzeros, needed = tallied(masks)
        cycles = -(-nonzeros // masks.lanes)
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=nonzeros,
            gated=none,
            skipped=masks.lanes * masks.words.shape[1] - nonzeros,
            imbalance=masks.lanes * cycles - nonzeros,
            conflict=none,
            refill=none,
            fetches=needed,
            reads=needed,
        )
