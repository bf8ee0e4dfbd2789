"""The inner-product law, one array row, lane and move at a time, on sets of pending positions: slow and plain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
MOVES = ((1, -1), (1, 0), (1, 1), (1, 3), (2, -2), (2, 0), (2, 2))


def plain_lane_order(lanes: int) -> list[int]:
    """List the lanes as DNNsim's constructor does: sets of lanes that lie 5 apart, from the lowest free one."""
    free = set(range(lanes))
    order = []
    while free:
        first = at = min(free)
        while at == first or (at < lanes - 5 + first and at < lanes):
            order.append(at)
            free.remove(at)
            at += 5
    return order


def plain_inner_product(
    mask: Bools, lanes: int = 16, depth: int = 3, moves: Sequence[tuple[int, int]] = MOVES
) -> dict[str, int]:
    """Count one pass of a bool mask [array rows, positions]; the keys are the fields of `PassCounts`."""
    rows, positions = mask.shape
    times = -(-positions // lanes)
    # pending[row] holds (time row, lane) of every non-zero that was not multiplied yet.
    pending = [{(k // lanes, k % lanes) for k in range(positions) if mask[row, k]} for row in range(rows)]
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )
    base = 0
    while base < times:
        window = range(base, min(base + depth, times))
        handed: set[tuple[int, int]] = set()
        advances = []
        idle = 0
        for row in range(rows):
            for lane in plain_lane_order(lanes):
                places = [(base, lane)] + [(base + h, (lane + d) % lanes) for h, d in moves]
                found = [place for place in places if place in pending[row] and place[0] in window]
                if found:
                    pending[row].remove(found[0])
                    handed.add(found[0])
                    count["executed"] += 1
                else:
                    idle += 1
            assert not any(t == base for t, _ in pending[row])
            advance = 1
            while advance < depth and not any(t == base + advance for t, _ in pending[row]):
                advance += 1
            advances.append(advance)
        count["cycles"] += 1
        count["reads"] += len(handed)
        count["imbalance" if handed else "refill"] += idle
        base += min(advances)
    count["skipped"] = int((~mask).sum())
    count["fetches"] = positions
    return count
