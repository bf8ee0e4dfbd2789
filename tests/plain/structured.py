"""The structured law, group by group and lane by lane: slow and plain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def pruned(mask: Bools, n: int, m: int) -> Bools:
    """Keep the first n non-zeros of every m positions of a lane."""
    kept = mask.copy()
    for lane in kept:
        for first in range(0, len(lane), m):
            ones = np.flatnonzero(lane[first : first + m])
            lane[first + ones[n:]] = False
    return kept


def plain_offence(mask: Bools, n: int, m: int) -> tuple[int, int] | None:
    """Find lane and position of the first non-zero without a slot: the first position, there the lowest lane."""
    lanes, positions = mask.shape
    for k in range(positions):
        for lane in range(lanes):
            if mask[lane, k] and mask[lane, k // m * m : k].sum() >= n:
                return lane, k
    return None


def plain_structured(mask: Bools, n: int, m: int) -> dict[str, int]:
    """Count one pass of a bool mask [lanes, positions] that keeps the pattern."""
    lanes, positions = mask.shape
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )
    for first in range(0, positions, m):
        group = range(first, min(first + m, positions))
        stored = [[k for k in group if mask[lane, k]] for lane in range(lanes)]
        for slot in range(min(n, len(group))):
            read = set()
            for lane in range(lanes):
                if slot < len(stored[lane]):
                    read.add(stored[lane][slot])
                    count["executed"] += 1
                else:
                    count["gated"] += 1
            count["cycles"] += 1
            count["reads"] += len(read)
        count["fetches"] += len(group)
    count["skipped"] = mask.size - count["executed"] - count["gated"]
    return count
