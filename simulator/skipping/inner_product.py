"""Inner product: each PE multiplies many consecutive positions a cycle into one sum, and pulls later ones forward.

A PE has `lanes` multipliers. Time row t of a pass holds positions ``lanes * t`` to ``lanes * t + lanes - 1``, the
last one padded with zeros. Every array row keeps its own pending non-zeros of a window of `depth` time rows, base to
base + depth - 1; the base is shared, because all array rows read the same staged operand. In one cycle, for every
array row:

1. the lanes choose in a fixed order: a lane whose own value in time row `base` is pending takes it; otherwise it
   takes the first pending value among its moves (time rows ahead, lanes aside, lanes wrap around), of those within
   the window and the tile. Time row `base` is then drained;
2. it could advance by 1 plus the number of time rows after it, within the window, that are drained, up to the first
   that is not.

The base advances by the least of the array rows; the pass ends when it leaves the tile. No more than `depth` times
faster than dense, which takes one cycle a time row.

Lane order and moves are those of the TensorDash group's public simulator (isakedo/DNNsim, history before January 2020,
``core/include/core/TensorDash.h``: lookahead 2, lookaside 5, search shape T, and the sets of lanes whose moves
do not overlap); the design is Mahmoud et al., "TensorDash: Exploiting Sparsity to Accelerate Deep Neural Network
Training", MICRO 2020.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.arch.problems import wrong
from simulator.skipping.masks import tallied

Move = tuple[Annotated[int, Field(ge=1)], int]
PUBLISHED_MOVES: tuple[Move, ...] = ((1, -1), (1, 0), (1, 1), (1, 3), (2, -2), (2, 0), (2, 2))
LOOKASIDE = 5
"""Lanes whose distance is a multiple of it choose one after the other: the published moves of such lanes hardly
meet."""


class InnerProduct(Mechanism):
    """PEs with many multipliers whose lanes pull later non-zeros forward, within a window of time rows."""

    summary: ClassVar[str] = "PEs of many multipliers; a lane without work takes a non-zero of the next time rows"
    literature: ClassVar[str] = "TensorDash (Mahmoud et al., MICRO 2020), its selection on one operand"

    mechanism: Literal["inner_product"] = "inner_product"
    lanes: int = Field(default=16, ge=1, le=1024, description="Multipliers of a PE: positions of a time row.")
    depth: int = Field(
        default=3, ge=1, le=1024, description="Time rows of the staging window; the speed-up is at most this."
    )
    moves: tuple[Move, ...] = Field(
        default=PUBLISHED_MOVES,
        description="Where a lane without work looks, in this order: [time rows ahead, lanes aside]; lanes wrap "
        "around, and moves beyond the window are not wired.",
    )

    @model_validator(mode="after")
    def _each_move_once(self) -> Self:
        twice = [move for i, move in enumerate(self.moves) if move in self.moves[:i]]
        if twice:
            raise wrong(f"the move {list(twice[0])} twice", "each move once", "a lane looks at a place once a cycle")
        return self

    @property
    def staged(self) -> bool:
        """Whether there is more than the one time row that a plain PE holds, too."""
        return self.depth > 1

    @property
    def selector_positions(self) -> int:
        """A lane's own position and its moves within the window."""
        return 1 + sum(ahead < self.depth for ahead, _ in self.moves)

    @property
    def macs_per_lane(self) -> int:
        """The multipliers of a PE."""
        return self.lanes

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P].

        The padding of the last time row is no dense MAC: its slots are idle. Idle slots are `refill` in a cycle in
        which no lane took anything, so that the window only slid, and `imbalance` otherwise: a lane that found
        nothing among its moves, be it that there was nothing or that an earlier lane took it. Every position
        passes through the window (`fetches`).
        """
        from simulator.skipping.inner_product_kernels import stage_time_rows

        nonzeros, _ = tallied(masks)
        cycles, reads, silent = np.zeros((3, len(masks.lanes)), np.int64)
        wired = [(ahead, aside) for ahead, aside in self.moves if ahead < self.depth]
        ahead = np.array([ahead for ahead, _ in wired], np.int64)
        aside = np.array([aside % self.lanes for _, aside in wired], np.int64)
        source = (np.arange(self.lanes) + aside[:, None]) % self.lanes
        order = np.array(lane_order(self.lanes), np.int64)
        stage_time_rows(
            np.ascontiguousarray(masks.words),
            np.ascontiguousarray(masks.lanes),
            self.lanes,
            self.depth,
            order,
            ahead,
            source,
            cycles,
            reads,
            silent,
        )
        slots = masks.lanes * self.lanes
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=nonzeros,
            gated=none,
            skipped=masks.lanes * masks.words.shape[1] - nonzeros,
            imbalance=slots * (cycles - silent) - nonzeros,
            conflict=none,
            refill=slots * silent,
            fetches=np.full_like(cycles, masks.words.shape[1]),
            reads=reads,
        )


def lane_order(lanes: int) -> tuple[int, ...]:
    """Give the order in which so many lanes choose.

    From the lowest lane f that has not been listed, every `LOOKASIDE`-th lane below ``f + lanes - LOOKASIDE``, and f
    itself in any case; and so on. For 16 lanes that is 0 5 10, 1 6 11, 2 7 12, 3 8 13, 4 9 14, 15.
    """
    order: list[int] = []
    for first in range(lanes):
        if first not in order:
            order += [first, *range(first + LOOKASIDE, min(first + lanes - LOOKASIDE, lanes), LOOKASIDE)]
    return tuple(order)
