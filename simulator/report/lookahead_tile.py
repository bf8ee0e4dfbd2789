"""Signals of a pass of the lookahead family, cycle by cycle, named as in the SystemVerilog of ``tests/rtl/sv``.

The schedule says who consumes what; the window, requests, grants and the feed follow from it by the rules of
`simulator.skipping.lookahead`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from simulator.report.bit_vectors import Path, bits_below, by_cycle, lowest, power_of_two, vector
from simulator.skipping import Dense, Gated, Lookahead, VectorSkip
from simulator.values import LaneSchedule

Bools = npt.NDArray[np.bool_]

TILE: Path = ("tile",)
ARRAY: Path = ("tile", "array")


@dataclass(frozen=True)
class LookaheadTile:
    """A build of ``lookahead_tile`` for one mechanism; sizes are powers of two.

    Attributes
    ----------
    mechanism : Lookahead
    lanes, slots, longest : int
        Lanes, positions of the deepest window, and of the longest pass.
    """

    mechanism: Lookahead
    lanes: int
    slots: int
    longest: int

    @classmethod
    def smallest(cls, mechanism: Lookahead, lanes: int, positions: int) -> Self:
        """Give the smallest build that can run such a pass; a window without a limit holds all of it."""
        slots = power_of_two(max(2, positions if mechanism.depth is None else mechanism.depth))
        return cls(mechanism, lanes, slots, max(power_of_two(max(positions, 1)), 2 * slots))

    @property
    def settings(self) -> dict[str, int]:
        """What the machine is, by the names of the inputs that say it."""
        m = self.mechanism
        return {
            "depth": self.slots if m.depth is None else m.depth,
            "refill": self.slots if m.refill is None else m.refill,
            "banks": self.slots if m.banks is None else min(m.banks, self.slots),
            "unlimited": int(m.refill is None),
            "gate": int(m.gate),
        }

    def signals(self) -> dict[Path, int]:
        """List the signals, and how many bits each has."""
        position, address = bits_below(self.longest) + 2, bits_below(self.slots)
        count = address + 1  # bits that hold 0 to `slots`
        widths = {
            (*TILE, "clock"): 1,
            (*TILE, "positions"): position,
            (*TILE, "depth"): count,
            (*TILE, "refill"): count,
            (*TILE, "banks"): count,
            (*TILE, "unlimited"): 1,
            (*TILE, "gate"): 1,
            (*TILE, "lane_mask"): self.lanes,
            (*TILE, "running"): 1,
            (*TILE, "done"): 1,
            (*TILE, "lockstep"): 1,
            (*TILE, "asks"): self.lanes,
            (*TILE, "consumes"): self.lanes,
            (*TILE, "multiplies"): self.lanes,
            (*TILE, "granted"): self.slots,
            (*TILE, "feed_position"): position,
            (*TILE, "write"): self.slots,
            (*TILE, "fetched"): self.slots,
            (*TILE, "search_from"): position,
            (*TILE, "next_needed"): position,
            (*ARRAY, "base_slot"): address,
            (*ARRAY, "slide"): count,
            (*ARRAY, "open"): self.slots,
            (*ARRAY, "control", "base"): position,
        }
        for lane in range(self.lanes):
            selector = (*ARRAY, f"lane[{lane}]", "selector")
            widths |= {(*selector, name): self.slots for name in ("pending", "request", "remaining")}
            widths |= {(*selector, "slot"): address, (*selector, "consumes"): 1}
        return widths

    def values(self, mask: Bools, schedule: LaneSchedule) -> Iterator[dict[Path, int]]:
        """Walk the cycles of a pass, and one more in which it is done; each gives every signal but the clock.

        Parameters
        ----------
        mask : bool [lanes, positions]
        schedule : LaneSchedule
            Of this pass.
        """
        lanes, positions = mask.shape
        slots, whole, settings = self.slots, (1 << self.slots) - 1, self.settings
        depth, refill, unlimited = settings["depth"], settings["refill"], bool(settings["unlimited"])
        constant: dict[Path, int] = {(*TILE, name): value for name, value in settings.items()}
        constant |= {
            (*TILE, "positions"): positions,
            (*TILE, "lane_mask"): (1 << lanes) - 1,
            (*TILE, "lockstep"): int(depth == 1),
        }
        needed = vector(np.asarray(mask.any(axis=0)))  # by some lane, whether or not it was consumed
        left = [vector(row) for row in mask]  # bit k: the lane still needs position k
        entries = by_cycle(schedule)
        base = lowest(needed, positions) if unlimited else 0
        for cycle in range(schedule.cycles + 1):
            running = cycle < schedule.cycles
            assert running == (base < positions), "the window reaches the end when the schedule does"
            window = whole & ((1 << depth) - 1) if running else 0
            consumed, multiplied = [0] * lanes, 0
            for lane, position in entries.get(cycle, ()):
                multiplied |= 1 << lane
                consumed[lane] |= left[lane] & (1 << position)  # dense: nothing where it multiplies a zero
            search_from = base + slots
            next_needed = lowest(needed >> search_from << search_from, positions)
            found: dict[Path, int] = dict(constant)
            asks = consumes = granted = still = 0
            for lane in range(self.lanes):
                pending = left[lane] >> base & whole if lane < lanes else 0
                wanted = pending & window
                request = wanted & -wanted
                taken = consumed[lane] >> base if lane < lanes else 0
                assert taken in (0, request), "a lane consumes what it asks for"
                asks, consumes = asks | bool(request) << lane, consumes | bool(taken) << lane
                granted, still = granted | taken, still | pending & ~taken
                selector = (*ARRAY, f"lane[{lane}]", "selector")
                found |= {
                    (*selector, "pending"): pending,
                    (*selector, "request"): request,
                    (*selector, "remaining"): pending & ~taken,
                    (*selector, "slot"): (base + max(0, request.bit_length() - 1)) % slots,
                    (*selector, "consumes"): int(bool(taken)),
                }
            first_left = lowest(still, slots)
            feed, slide, next_base = search_from, 0, base
            if running and unlimited and not still:
                feed, slide, next_base = next_needed, slots, next_needed
            elif running:
                slide = min(first_left if unlimited else min(first_left, refill), positions - base)
                next_base = base + slide
            write = vector(np.array([(slot - feed) % slots < slide for slot in range(slots)]))
            fetched = 0
            for position in range(feed, min(feed + slide, positions)):
                fetched |= (not unlimited or needed >> position & 1) << position % slots
            found |= {
                (*TILE, "running"): int(running),
                (*TILE, "done"): int(not running),
                (*TILE, "asks"): asks,
                (*TILE, "consumes"): consumes,
                (*TILE, "multiplies"): multiplied,
                (*TILE, "granted"): granted,
                (*TILE, "feed_position"): feed,
                (*TILE, "write"): write,
                (*TILE, "fetched"): fetched,
                (*TILE, "search_from"): search_from,
                (*TILE, "next_needed"): next_needed,
                (*ARRAY, "base_slot"): base % slots,
                (*ARRAY, "slide"): slide,
                (*ARRAY, "open"): window,
                (*ARRAY, "control", "base"): base,
            }
            yield found
            for lane in range(lanes):
                left[lane] &= ~consumed[lane]
            base = next_base


def as_lookahead(mechanism: object) -> Lookahead | None:
    """Give a mechanism as the one of the lookahead family that it is; None if the hardware is not built for it."""
    if isinstance(mechanism, Dense) and mechanism.positions_per_cycle == 1:
        return Lookahead(depth=1, refill=1, gate=False)
    if isinstance(mechanism, Gated):
        return Lookahead(depth=1, refill=1)
    if isinstance(mechanism, VectorSkip) and mechanism.block == 1:
        return Lookahead(depth=1, refill=None)
    return mechanism if isinstance(mechanism, Lookahead) and mechanism.block == 1 else None
