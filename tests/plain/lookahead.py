"""The lookahead law, lane by lane and cycle by cycle, straight from its three rules: slow and plain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def plain_lookahead(
    mask: Bools,
    depth: int | None,
    refill: int | None,
    banks: int | None = None,
    gate: bool = True,
    block: int = 1,
) -> dict[str, int]:
    """Count one pass of a bool mask [lanes, positions]; the keys are the fields of `PassCounts`."""
    if depth == 1:
        return _lockstep(mask, refill, gate, block)
    lanes, positions = mask.shape
    todo = [[k for k in range(positions) if mask[lane, k]] for lane in range(lanes)]
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )

    def first_needed() -> int:
        return min((queue[0] for queue in todo if queue), default=positions)

    base = first_needed() if refill is None else 0
    while base < positions:
        # 1. Each lane requests its next position if the window holds it.
        requests = {lane: queue[0] for lane, queue in enumerate(todo) if queue and _holds(base, depth, queue[0])}
        # 2. Each bank grants the smallest position requested of it.
        granted: dict[int, int] = {}
        for k in requests.values():
            bank = k if banks is None else k % banks
            granted[bank] = min(granted.get(bank, k), k)
        for lane in range(lanes):
            if lane not in requests:
                count["imbalance" if requests else "refill"] += 1
            elif requests[lane] in granted.values():
                todo[lane].pop(0)
                count["executed"] += 1
            else:
                count["conflict"] += 1
        count["reads"] += len(granted)
        count["cycles"] += 1
        # 3. The window slides.
        base = first_needed() if refill is None else min(first_needed(), base + refill)

    count["skipped"] = int((~mask).sum())
    if depth is None:
        count["fetches"] = count["reads"]
    elif refill is None:
        count["fetches"] = int(mask.any(axis=0).sum())
    else:
        count["fetches"] = positions
    return count


def _holds(base: int, depth: int | None, k: int) -> bool:
    return depth is None or k < base + depth


def _lockstep(mask: Bools, refill: int | None, gate: bool, block: int) -> dict[str, int]:
    """Depth 1: a cycle serves one position to all lanes, and zeros of that position take a slot."""
    positions = mask.shape[1]
    served = []
    for first in range(0, positions, block):
        of_block = range(first, min(first + block, positions))
        if refill is not None or any(mask[:, k].any() for k in of_block):
            served += list(of_block)
    count = dict.fromkeys(("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill"), 0)
    count |= {"fetches": len(served), "reads": 0}
    for k in served:
        count["cycles"] += 1
        for needs in mask[:, k]:
            count["executed" if needs or not gate else "gated"] += 1
        count["reads"] += bool(mask[:, k].any()) or not gate
    count["skipped"] = mask.size - count["executed"] - count["gated"]
    return count
