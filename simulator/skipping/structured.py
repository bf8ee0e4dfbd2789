"""Structured: exactly n slots for every m positions, whatever the mask within them.

The operand is stored as n values and their places for every m consecutive positions of a lane, so a pass takes n
cycles for every m positions, always: 2:4 is exactly 2.000 times as fast as dense. A group begins at every m-th
position; a short last group of r positions takes min(n, r). A mask with more than n non-zeros in a group cannot be
stored and is an `InputError` that names the first one too many; it is never run some other way.

An operand whose zeros were not recorded is dense by agreement, not by accident: it runs in the array's dense mode,
m slots for m positions, as sparse tensor cores run dense operands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simulator.arch.mechanism import Counts, Mechanism, PassCounts, PassMasks
from simulator.arch.problems import wrong
from simulator.skipping.masks import tallied
from traces.errors import InputError, Problem


class BrokenPatternError(InputError):
    """A recorded mask that is not n:m.

    Attributes
    ----------
    at_pass, lane, position : int
        The first non-zero without a slot: of the first such pass its first position, and there the lowest lane.
    """

    def __init__(self, n: int, m: int, at_pass: int, lane: int, position: int) -> None:
        self.at_pass, self.lane, self.position = at_pass, lane, position
        super().__init__(
            Problem(
                f"pass {at_pass}, lane {lane}, position {position}",
                f"non-zero number {n + 1} in a group of {m} positions",
                f"at most {n} in each (structured {n}:{m})",
                "prune the operand to that pattern, or choose a mechanism that takes any mask",
            )
        )

    def within(self, product: str, rows: int, start: int) -> InputError:
        """Tell it of a product that has `rows` rows a pass, from a K tile whose first position is `start`."""
        (problem,) = self.problems
        row, position = self.at_pass * rows + self.lane, start + self.position
        return InputError(replace(problem, where=f"{product}: row {row}, position {position}"))


class Structured(Mechanism):
    """n slots for every m positions; the mask must keep to that pattern."""

    summary: ClassVar[str] = "exactly n slots for every m positions; a mask that breaks the pattern is an error"
    literature: ClassVar[str] = "sparse tensor cores (NVIDIA A100, 2:4; Mishra et al. 2021)"

    mechanism: Literal["structured"] = "structured"
    n: int = Field(ge=1, le=1024, description="Slots of a group, that is non-zeros it may have; at most m.")
    m: int = Field(ge=1, le=1024, description="Positions of a group.")

    @model_validator(mode="after")
    def _slots_fit(self) -> Self:
        if self.n > self.m:
            raise wrong(
                f"n {self.n} with m {self.m}", "n of at most m", f"for instance {self.m}:{self.n} the other way"
            )
        return self

    @property
    def staged(self) -> bool:
        """Whether a group's words are held, for each lane to select from."""
        return self.m > 1

    @property
    def selector_positions(self) -> int:
        """A lane selects among the positions of its group."""
        return self.m

    @property
    def position_grain(self) -> int:
        """A group: a K tile that ends within one would cut it."""
        return self.m

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P].

        A slot whose stored value is zero is gated. All words of a group are fetched.

        Raises
        ------
        BrokenPatternError
            Where a recorded mask has more than n non-zeros in a group: an `InputError` that names the first.
        """
        nonzeros, needed = tallied(masks)
        positions = masks.words.shape[1]
        if masks.recorded:
            served = positions // self.m * self.n + min(self.n, positions % self.m)
            reads = self._fill_slots(masks)
        else:
            served, reads = positions, needed
        cycles = np.full(len(masks.lanes), served, np.int64)
        slots = masks.lanes * served
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=nonzeros,
            gated=slots - nonzeros,
            skipped=masks.lanes * positions - slots,
            imbalance=none,
            conflict=none,
            refill=none,
            fetches=np.full_like(cycles, positions),
            reads=reads,
        )

    def _fill_slots(self, masks: PassMasks) -> Counts:
        """Check the pattern, and count the words that the slots read: int64 [P]."""
        from simulator.skipping.structured_kernels import fill_slots

        reads = np.zeros(len(masks.lanes), np.int64)
        offence = np.full(3, -1, np.int64)
        fill_slots(np.ascontiguousarray(masks.words), self.n, self.m, reads, offence)
        if offence[0] >= 0:
            raise BrokenPatternError(self.n, self.m, *offence.tolist())
        return reads
