"""Compiled kernels of schedules and multiply-accumulates.

They are laid out lane by lane, straight from the rules: a second statement beside the kernels that count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled
from simulator.skipping.kernels import UNLIMITED

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@compiled
def multiply_accumulate(lane: Int64s, position: Int64s, skip: Floats, shared: Floats, sums: Floats) -> None:
    """Multiply what a schedule says, in its order, for every column of a column tile.

    Parameters
    ----------
    lane, position : int64 [E]
    skip : float64 [lanes, positions]
    shared : float64 [positions, columns]
    sums : float64 [lanes, columns], added to
        The accumulators.
    """
    for e in range(len(lane)):
        r, k = lane[e], position[e]
        value = skip[r, k]
        for c in range(shared.shape[1]):
            sums[r, c] += value * shared[k, c]


@compiled
def look_ahead(mask: Bools, depth: int, refill: int, banks: int, cycle: Int64s, lane: Int64s, position: Int64s) -> int:
    """Run one pass of the lookahead law (its three rules stand in `simulator.skipping.lookahead`).

    Parameters
    ----------
    mask : bool [lanes, positions]
    depth, refill, banks : int
        At least 1; `UNLIMITED` for no limit.
    cycle, lane, position : int64 [nnz], written
        What is consumed, in order of time.

    Returns
    -------
    int
        Cycles of the pass.
    """
    lanes, positions = mask.shape
    head = np.empty(lanes, np.int64)  # a lane's next unconsumed non-zero; `positions` where it has none
    for r in range(lanes):
        head[r] = _next_nonzero(mask, r, 0)
    smallest = np.empty(min(banks, positions) if banks != UNLIMITED else 0, np.int64)
    base = 0
    if refill == UNLIMITED:
        base = _first(head, positions)
    now = 0
    taken = 0
    while base < positions:
        if banks != UNLIMITED:
            smallest[:] = positions
            for r in range(lanes):
                k = head[r]
                if k < positions and k - base < depth:
                    # With more banks than positions, position k has bank k to itself.
                    smallest[k % banks] = min(smallest[k % banks], k)
        for r in range(lanes):
            k = head[r]
            if k < positions and k - base < depth and (banks == UNLIMITED or smallest[k % banks] == k):
                cycle[taken] = now
                lane[taken] = r
                position[taken] = k
                taken += 1
                head[r] = _next_nonzero(mask, r, k + 1)
        first = _first(head, positions)
        base = first if first - base <= refill else base + refill
        now += 1
    return now


@compiled
def _first(head: Int64s, positions: int) -> int:
    first = positions
    for k in head:
        first = min(first, k)
    return first


@compiled
def _next_nonzero(mask: Bools, r: int, k: int) -> int:
    while k < mask.shape[1] and not mask[r, k]:
        k += 1
    return k


@compiled
def pull_forward(
    mask: Bools, depth: int, order: Int64s, moves: Int64s, cycle: Int64s, row: Int64s, position: Int64s
) -> int:
    """Run one pass of the inner-product law (`simulator.skipping.inner_product`), array row by array row.

    Parameters
    ----------
    mask : bool [array rows, positions]
    depth : int
        Time rows of the window.
    order : int64 [lanes]
        The lanes of a PE, in the order in which they choose.
    moves : int64 [moves, 2]
        Time rows ahead and lanes aside.
    cycle, row, position : int64 [nnz], written
        What is multiplied, in order of time.

    Returns
    -------
    int
        Cycles of the pass.
    """
    rows, positions = mask.shape
    lanes = len(order)
    times = (positions + lanes - 1) // lanes
    pending = np.zeros((rows, times, lanes), np.bool_)
    for r in range(rows):
        for k in range(positions):
            pending[r, k // lanes, k % lanes] = mask[r, k]
    base = 0
    now = 0
    taken = 0
    while base < times:
        stop = min(base + depth, times)
        least = stop - base
        for r in range(rows):
            for lane in order:
                t, source = base, lane
                move = 0
                while not (t < stop and pending[r, t, source]) and move < len(moves):
                    t = base + moves[move, 0]
                    source = (lane + moves[move, 1]) % lanes
                    move += 1
                if t < stop and pending[r, t, source]:
                    pending[r, t, source] = False
                    cycle[taken] = now
                    row[taken] = r
                    position[taken] = t * lanes + source
                    taken += 1
            advance = 1
            while base + advance < stop and not pending[r, base + advance].any():
                advance += 1
            least = min(least, advance)
        base += least
        now += 1
    return now


@compiled
def meet_all_pairs(
    skip: Floats,
    skip_mask: Bools,
    shared: Floats,
    shared_mask: Bools,
    rows: int,
    columns: int,
    sums: Floats,
) -> tuple[int, int]:
    """Multiply all pairs of non-zeros of each position, a block of ``rows`` x ``columns`` pairs a cycle.

    Parameters
    ----------
    skip, skip_mask : float64, bool [R, K]
    shared, shared_mask : float64, bool [K, C]
    rows, columns : int
        Of a block.
    sums : float64 [R, C], added to

    Returns
    -------
    (cycles, MACs)
    """
    cycles = 0
    macs = 0
    left = np.empty(skip.shape[0], np.int64)
    right = np.empty(shared.shape[1], np.int64)
    for k in range(skip.shape[1]):
        a = 0
        for i in range(skip.shape[0]):
            if skip_mask[i, k]:
                left[a] = i
                a += 1
        b = 0
        for j in range(shared.shape[1]):
            if shared_mask[k, j]:
                right[b] = j
                b += 1
        for first_a in range(0, a, rows):
            for first_b in range(0, b, columns):
                cycles += 1
                for i in left[first_a : min(first_a + rows, a)]:
                    for j in right[first_b : min(first_b + columns, b)]:
                        sums[i, j] += skip[i, k] * shared[k, j]
                        macs += 1
    return cycles, macs
