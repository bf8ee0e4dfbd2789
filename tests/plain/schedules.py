"""Schedules of a pass as plain lists of (cycle, lane, position), entry by entry from the rules: slow and plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from plain.inner_product import plain_lane_order

Bools = npt.NDArray[np.bool_]
Entries = list[tuple[int, int, int]]


def plain_schedule(skipping: dict[str, Any], mask: Bools) -> tuple[int, Entries]:
    """Give cycles and entries of one pass of a recorded mask [lanes, positions], for a machine file's `skipping`."""
    own = {key: value for key, value in skipping.items() if key != "mechanism"}
    match skipping["mechanism"]:
        case "dense":
            return _dense(mask, **own)
        case "gated":
            return _served(mask, list(range(mask.shape[1])))
        case "vector_skip":
            return _served(mask, _kept(mask, own.get("block", 1)))
        case "lookahead":
            return _lookahead(mask, **own)
        case "ideal":
            return _ideal(mask, **own)
        case "inner_product":
            return _inner_product(mask, **own)
        case "structured":
            return _structured(mask, **own)
    raise AssertionError(skipping)


def _served(multiplied: Bools, positions: list[int]) -> tuple[int, Entries]:
    entries = []
    for cycle, k in enumerate(positions):
        for lane in range(len(multiplied)):
            if multiplied[lane, k]:
                entries.append((cycle, lane, k))
    return len(positions), entries


def _kept(mask: Bools, block: int) -> list[int]:
    blocks = [range(first, min(first + block, mask.shape[1])) for first in range(0, mask.shape[1], block)]
    return [k for of_block in blocks for k in of_block if mask[:, of_block].any()]


def _lookahead(
    mask: Bools,
    depth: int | None,
    refill: int | None,
    banks: int | None = None,
    gate: bool = True,
    block: int = 1,
) -> tuple[int, Entries]:
    lanes, positions = mask.shape
    if depth == 1:
        served = list(range(positions)) if refill else _kept(mask, block)
        return _served(mask if gate else np.ones_like(mask), served)
    left = [[k for k in range(positions) if mask[lane, k]] for lane in range(lanes)]
    depth, banks = depth or positions, banks or positions

    def first_needed() -> int:
        return min((queue[0] for queue in left if queue), default=positions)

    entries: Entries = []
    cycle = 0
    base = first_needed() if refill is None else 0
    while base < positions:
        requests = [(lane, queue[0]) for lane, queue in enumerate(left) if queue and queue[0] < base + depth]
        for lane, k in requests:
            if all(k <= other for _, other in requests if other % banks == k % banks):
                entries.append((cycle, lane, k))
                left[lane].remove(k)
        base = first_needed() if refill is None else min(first_needed(), base + refill)
        cycle += 1
    return cycle, entries


def _ideal(mask: Bools, positions_per_cycle: int = 1) -> tuple[int, Entries]:
    slots = len(mask) * positions_per_cycle
    places = [(lane, k) for k in range(mask.shape[1]) for lane in range(len(mask)) if mask[lane, k]]
    return -(-len(places) // slots), [(i // slots, lane, k) for i, (lane, k) in enumerate(places)]


def _dense(mask: Bools, positions_per_cycle: int = 1) -> tuple[int, Entries]:
    lanes, positions = mask.shape
    entries = []
    firsts = range(0, positions, positions_per_cycle)
    for cycle, first in enumerate(firsts):
        for lane in range(lanes):
            entries += [(cycle, lane, k) for k in range(first, min(first + positions_per_cycle, positions))]
    return len(firsts), entries


def _inner_product(mask: Bools, lanes: int, depth: int, moves: list[list[int]]) -> tuple[int, Entries]:
    rows, positions = mask.shape
    pending = [set(np.flatnonzero(row).tolist()) for row in mask]
    times = -(-positions // lanes)
    entries: Entries = []
    cycle = base = 0
    while base < times:
        stop = min(base + depth, times)
        for row in range(rows):
            for lane in plain_lane_order(lanes):
                for ahead, aside in [(0, 0), *moves]:
                    k = (base + ahead) * lanes + (lane + aside) % lanes
                    if base + ahead < stop and k in pending[row]:
                        pending[row].remove(k)
                        entries.append((cycle, row, k))
                        break
        base = min([stop, *(k // lanes for of_row in pending for k in of_row)])
        cycle += 1
    return cycle, entries


def _structured(mask: Bools, n: int, m: int) -> tuple[int, Entries]:
    lanes, positions = mask.shape
    entries: Entries = []
    cycle = 0
    for first in range(0, positions, m):
        group = range(first, min(first + m, positions))
        for slot in range(min(n, len(group))):
            for lane in range(lanes):
                ones = [k for k in group if mask[lane, k]]
                if slot < len(ones):
                    entries.append((cycle, lane, ones[slot]))
            cycle += 1
    return cycle, entries
