"""Signals of a pass of inner-product rows, cycle by cycle, named as in the SystemVerilog of ``tests/rtl/sv``.

The schedule says which row takes which positions; which of its multipliers takes each, and how far the window moves,
follow by the rules of `simulator.skipping.inner_product`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from simulator.report.bit_vectors import Path, bits_below, by_cycle, lowest, power_of_two, vector
from simulator.skipping import InnerProduct
from simulator.skipping.inner_product import PUBLISHED_MOVES, lane_order
from simulator.values import LaneSchedule

Bools = npt.NDArray[np.bool_]

TILE: Path = ("tile",)
LANES = 16
ORDER = lane_order(LANES)


@dataclass(frozen=True)
class InnerProductTile:
    """A build of ``inner_product_tile`` for one mechanism; sizes are powers of two.

    Attributes
    ----------
    mechanism : InnerProduct
    rows, window, longest : int
        Array rows, time rows of the deepest window, and of the longest pass.
    """

    mechanism: InnerProduct
    rows: int
    window: int
    longest: int

    @classmethod
    def smallest(cls, mechanism: InnerProduct, rows: int, positions: int) -> Self:
        """Give the smallest build that can run such a pass."""
        window = power_of_two(max(2, mechanism.depth))
        return cls(mechanism, rows, window, max(power_of_two(max(1, -(-positions // LANES))), 2 * window))

    def signals(self) -> dict[Path, int]:
        """List the signals, and how many bits each has."""
        position, count = bits_below(self.longest) + 2, bits_below(self.window) + 1
        widths = {
            (*TILE, "clock"): 1,
            (*TILE, "time_rows"): position,
            (*TILE, "depth"): count,
            (*TILE, "row_mask"): self.rows,
            (*TILE, "running"): 1,
            (*TILE, "done"): 1,
            (*TILE, "base"): position,
            (*TILE, "advance"): count,
            (*TILE, "feed_time_row"): position,
            (*TILE, "in_range"): self.window,
            (*TILE, "write"): self.window,
            (*TILE, "read"): self.window * LANES,
        }
        for row in range(self.rows):
            macs = (*TILE, f"row[{row}]", "macs")
            widths |= {(*macs, name): self.window * LANES for name in ("pending", "taken", "next")}
            widths |= {(*macs, "busy"): LANES, (*macs, "drained"): count}
        return widths

    def values(self, mask: Bools, schedule: LaneSchedule) -> Iterator[dict[Path, int]]:
        """Walk the cycles of a pass, and one more in which it is done; each gives every signal but the clock.

        Parameters
        ----------
        mask : bool [rows, positions]
        schedule : LaneSchedule
            Of this pass.
        """
        time_rows, window, depth = -(-mask.shape[1] // LANES), self.window, self.mechanism.depth
        whole = (1 << window * LANES) - 1
        left = [vector(row) for row in mask]  # bit k: the row still needs position k
        entries = by_cycle(schedule)
        constant: dict[Path, int] = {
            (*TILE, "time_rows"): time_rows,
            (*TILE, "depth"): depth,
            (*TILE, "row_mask"): (1 << self.rows) - 1,
        }
        base = 0
        for cycle in range(schedule.cycles + 1):
            running = cycle < schedule.cycles
            assert running == (base < time_rows), "the window reaches the end when the schedule does"
            taken = [0] * self.rows
            for row, position in entries.get(cycle, ()):
                taken[row] |= 1 << position - base * LANES
            found, least, read = dict(constant), depth, 0
            for row in range(self.rows):
                pending = left[row] >> base * LANES & whole
                busy, chosen = self._choose(pending)
                assert chosen == taken[row], "a row takes what its multipliers choose"
                drained = self._drained(pending & ~chosen)
                least, read = min(least, drained), read | chosen
                macs = (*TILE, f"row[{row}]", "macs")
                found |= {
                    (*macs, "pending"): pending,
                    (*macs, "taken"): chosen,
                    (*macs, "next"): pending & ~chosen,
                    (*macs, "busy"): busy,
                    (*macs, "drained"): drained,
                }
            feed, advance = base + window, least if running else 0
            yield found | {
                (*TILE, "running"): int(running),
                (*TILE, "done"): int(not running),
                (*TILE, "base"): base,
                (*TILE, "advance"): advance,
                (*TILE, "feed_time_row"): feed,
                (*TILE, "in_range"): (1 << min(window, max(0, time_rows - feed))) - 1,
                (*TILE, "write"): sum(1 << (feed + i) % window for i in range(advance)),
                (*TILE, "read"): read,
            }
            for row in range(self.rows):
                left[row] &= ~(taken[row] << base * LANES)
            base += advance

    def _choose(self, pending: int) -> tuple[int, int]:
        """Let the multipliers choose, one after the other: which of them are busy, and what they take."""
        busy = chosen = 0
        for lane in ORDER:
            for ahead, aside in ((0, 0), *PUBLISHED_MOVES):
                bit = 1 << ahead * LANES + (lane + aside) % LANES
                if ahead < self.mechanism.depth and pending & ~chosen & bit:
                    busy, chosen = busy | 1 << lane, chosen | bit
                    break
        return busy, chosen

    def _drained(self, pending: int) -> int:
        """Give the time rows from the base on that need nothing any more; the first never does."""
        return min(self.mechanism.depth, max(1, lowest(pending >> LANES, self.window * LANES) // LANES + 1))


def as_inner_product(mechanism: object) -> InnerProduct | None:
    """Give a mechanism if the hardware is built for it: with the published lanes and moves."""
    if not isinstance(mechanism, InnerProduct) or (mechanism.lanes, mechanism.moves) != (LANES, PUBLISHED_MOVES):
        return None
    return mechanism
