"""Lookahead: lanes run ahead of each other within a window of the shared operand; three knobs, one family.

The window starts at ``base = 0``, or with unlimited refill at the first position that any lane needs. Each
cycle, while ``base < K``:

1. each lane whose next unconsumed non-zero p satisfies ``p < base + depth`` requests p;
2. each bank (position k lives in bank k mod banks) grants the smallest position requested of it, and every
   lane that requested that position consumes it;
3. ``base = min(first position that any lane still needs, base + refill)``, and K where no lane needs any.

With unlimited banks, cycles never rise when depth or refill grows, and no number of banks is better than
unlimited: a machine whose lanes and base are all at least as far stays so in every cycle. With limited banks
there is no such law, as a lane that is ahead may meet others in a bank: about 1 random mask in 100 costs
cycles with one more bank, and 1 to 20 in a million with twice the banks or one more depth or refill. Small
examples of each are in ``tests/skipping``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from simulator.arch.mechanism import Counts, Mechanism, PassCounts, PassMasks
from simulator.arch.problems import wrong
from simulator.skipping.masks import LaidLater, tallied

DEEPEST_SCAN = 64
"""Windows are scanned by position up to this depth; beyond it the other two kernels, which give the same
counts, are faster (measured with 32 lanes at 80 % zeros)."""


UNLIMITED_SELECTOR_POSITIONS = 64
"""What the selector of a lane with unlimited depth is priced as: it scans its mask a machine word at a time (our
choice; no hardware looks at a whole row at once)."""


class Lookahead(Mechanism):
    """A staging window that all lanes share: its depth, how fast it slides, how many positions it reads."""

    summary: ClassVar[str] = "lanes skip zeros within a shared window of depth, refill and banks"
    literature: ClassVar[str] = "Bit-Tactical, one-operand TensorDash, Cnvlutin (all unlimited)"

    mechanism: Literal["lookahead"] = "lookahead"
    depth: int | None = Field(
        ge=1,
        description="Positions of the shared operand that the window holds: how far the fastest lane may run "
        "ahead of the slowest. null: unlimited.",
    )
    refill: int | None = Field(
        ge=1,
        description="Positions by which the window may slide in a cycle, at most depth. null: unlimited.",
    )
    banks: int | None = Field(
        default=None,
        ge=1,
        description="Distinct positions that may be read in a cycle, position k from bank k mod banks. "
        "One more bank can cost cycles, twice as many hardly ever do. null: unlimited.",
    )
    gate: bool = Field(
        default=True,
        description="Whether a MAC whose slot a zero took is switched off. Zeros take slots at depth 1 only.",
    )
    block: int = Field(
        default=1,
        ge=1,
        description="Positions skipped together: only where all of them are zero in all lanes. "
        "Only with depth 1 and unlimited refill.",
    )

    fed_by_buffer: bool = Field(
        default=False,
        description="The shared buffer feeds the window directly: refill and banks are at most the words of "
        "array.columns values that it hands out in a cycle (its banks x ports x width_bits), and at least 1.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.depth is not None and self.refill is not None and self.refill > self.depth:
            raise wrong(
                f"refill {self.refill} with depth {self.depth}",
                "a refill of at most depth, or null for unlimited",
                "the window cannot slide beyond what it holds",
            )
        if self.block > 1 and (self.depth != 1 or self.refill is not None):
            raise wrong(
                f"block {self.block} with depth {self.depth} and refill {self.refill}",
                "block 1, or depth 1 and refill null",
                "blocks of positions are skipped by vector skip alone",
            )
        return self

    def fed(self, words_per_cycle: int) -> Lookahead:
        """Limit refill and banks to what the shared buffer hands out, where it feeds the window."""
        if not self.fed_by_buffer:
            return self
        words = max(1, words_per_cycle)
        refill = words if self.refill is None else min(self.refill, words)
        return self.model_copy(
            update={
                "refill": refill if self.depth is None else min(refill, self.depth),
                "banks": words if self.banks is None else min(self.banks, words),
            }
        )

    @property
    def uses_mask(self) -> bool:
        """Whether the hardware reads the mask: not as a plain dense array, which multiplies zeros, too."""
        return self.gate or self.depth != 1 or self.refill is None

    @property
    def staged(self) -> bool:
        """Whether there is a window of more than the one position that a plain array holds, too."""
        return self.depth is not None and self.depth > 1

    @property
    def selector_positions(self) -> int:
        """The window, or a machine word of mask bits where it is unlimited."""
        return UNLIMITED_SELECTOR_POSITIONS if self.depth is None else self.depth

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P]."""
        if self.depth == 1:
            return self._in_lockstep(masks, *tallied(masks))
        cycles, reads, refused, silent = self._run(masks)
        nonzeros, needed = tallied(masks)
        if self.depth is None:
            fetches = reads
        elif self.refill is None:
            fetches = needed
        else:
            fetches = np.full_like(needed, masks.positions)
        stuck = masks.lanes * silent
        return PassCounts(
            cycles=cycles,
            executed=nonzeros,
            gated=np.zeros_like(nonzeros),
            skipped=masks.lanes * masks.positions - nonzeros,
            imbalance=masks.lanes * cycles - nonzeros - refused - stuck,
            conflict=refused,
            refill=stuck,
            fetches=fetches,
            reads=reads,
        )

    def _in_lockstep(self, masks: PassMasks, nonzeros: Counts, needed: Counts) -> PassCounts:
        """Count at depth 1, where each cycle serves one position to all lanes: no slot is idle."""
        positions = masks.positions
        if self.refill is not None:
            served = np.full_like(needed, positions)
        elif self.block == 1:
            served = needed
        else:
            served = self._in_kept_blocks(masks)
        slots = masks.lanes * served
        none = np.zeros_like(slots)
        return PassCounts(
            cycles=served,
            executed=nonzeros if self.gate else slots,
            gated=slots - nonzeros if self.gate else none,
            skipped=masks.lanes * positions - slots,
            imbalance=none,
            conflict=none,
            refill=none,
            fetches=served,
            reads=needed if self.gate else served,
        )

    def _in_kept_blocks(self, masks: PassMasks) -> Counts:
        """Count the positions of the blocks in which some lane has a non-zero: int64 [P]."""
        passes, positions, _ = masks.words.shape
        firsts = np.arange(0, positions, self.block)
        if not len(firsts):
            return np.zeros(passes, np.int64)
        kept = np.logical_or.reduceat(masks.words.any(axis=2), firsts, axis=1)
        lengths = np.minimum(positions - firsts, self.block)
        return np.asarray(kept @ lengths, dtype=np.int64)

    def _run(self, masks: PassMasks) -> tuple[Counts, Counts, Counts, Counts]:
        """Run the window: cycles, reads, refused requests and cycles without a request, each int64 [P]."""
        from simulator.skipping.kernels import UNLIMITED, finish_times, scan_window, step_lanes
        from simulator.skipping.row_kernels import DEEPEST as DEEPEST_OF_ROWS
        from simulator.skipping.row_kernels import scan_rows

        passes, positions = len(masks.lanes), masks.positions
        depth = UNLIMITED if self.depth is None else self.depth
        refill = UNLIMITED if self.refill is None else self.refill
        banks = UNLIMITED if self.banks is None else self.banks
        cycles, reads, refused, silent = np.zeros((4, passes), np.int64)
        window = min(depth, positions)
        if isinstance(masks, LaidLater) and 0 < window <= DEEPEST_OF_ROWS and banks >= window:
            nonzeros, needed = np.empty((2, passes), np.int64)
            rows = masks.rows
            of_rows = (rows.flat, rows.octets, rows.firsts, masks.lanes, rows.start, positions)
            scan_rows(*of_rows, window, refill, cycles, reads, silent, nonzeros, needed)
            masks.keep_tally(nonzeros, needed)
            return cycles, reads, refused, silent
        words = np.ascontiguousarray(masks.words)
        if window <= DEEPEST_SCAN:
            scan_window(words, depth, refill, banks, cycles, reads, refused, silent)
        elif banks >= window:  # every position of the window has a bank of its own
            finish_times(words, depth, refill, cycles, reads, silent)
        else:
            step_lanes(words, depth, refill, banks, cycles, reads, refused, silent)
        return cycles, reads, refused, silent


class Dense(Mechanism):
    """A plain dense array: every zero is multiplied. The baseline."""

    summary: ClassVar[str] = "no zero-skipping: every position takes a cycle and every zero is multiplied"
    literature: ClassVar[str] = "any systolic or broadcast array; lookahead with depth 1, refill 1, no gating"

    mechanism: Literal["dense"] = "dense"
    positions_per_cycle: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Multipliers of a lane and column: positions that it takes in a cycle. The twin of an array of "
        "PEs with several multipliers has as many.",
    )

    @property
    def macs_per_lane(self) -> int:
        """As the parameter says."""
        return self.positions_per_cycle

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_the_usual(dump(self))

    @property
    def uses_mask(self) -> bool:
        """Never: zeros are multiplied like any other value."""
        return False

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P].

        A last cycle that is not full leaves slots idle, counted as imbalance.
        """
        counts = Lookahead(depth=1, refill=1, gate=False).count(masks)
        cycles = -(-counts.cycles // self.positions_per_cycle)
        slots = masks.lanes * self.positions_per_cycle * cycles
        return replace(counts, cycles=cycles, imbalance=slots - counts.executed)


class Gated(Mechanism):
    """A dense array whose MACs are switched off for zeros: saves energy and no time."""

    summary: ClassVar[str] = "dense timing; the MAC of a zero is switched off"
    literature: ClassVar[str] = "zero gating as in Eyeriss v1; lookahead with depth 1, refill 1"

    mechanism: Literal["gated"] = "gated"

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P]."""
        return Lookahead(depth=1, refill=1).count(masks)


class VectorSkip(Mechanism):
    """Lanes in lockstep skip a position, or a block of them, only where all lanes are zero."""

    summary: ClassVar[str] = "lockstep lanes skip positions, or blocks of them, that are zero in all lanes"
    literature: ClassVar[str] = "block-structured GPU kernels; lookahead with depth 1, unlimited refill"

    mechanism: Literal["vector_skip"] = "vector_skip"
    block: int = Field(default=1, ge=1, description="Positions skipped together: only where all are zero in all lanes.")

    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass: exact counts, each int64 [P]."""
        return Lookahead(depth=1, refill=None, block=self.block).count(masks)


def without_the_usual(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out one position a cycle, so that a plain machine's digest is what it was before the key was there."""
    return {key: value for key, value in data.items() if (key, value) != ("positions_per_cycle", 1)}
