"""The lookahead law on packed rows: lane by lane, without laying them by position first.

Its plain form and that of `simulator.skipping.kernels.scan_window` are one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts
from simulator.compiling import compiled, lowest_in, ones_in
from simulator.skipping.kernels import UNLIMITED
from simulator.skipping.mask_kernels import bits_from

Bytes = npt.NDArray[np.uint8]

HALF = 32
"""Positions that a lane's word takes in at a time; the window begins in its lower half, and so fits the word."""
DEEPEST = HALF
SIDE_BY_SIDE = 16
"""Lanes are filled up to a multiple of it: as many as the compiler's loop takes at a time."""


@compiled
def scan_rows(
    flat: Bytes,
    octets: int,
    firsts: Counts,
    lanes: Counts,
    start: int,
    positions: int,
    depth: int,
    refill: int,
    cycles: Counts,
    reads: Counts,
    silent: Counts,
    nonzeros: Counts,
    needed: Counts,
) -> None:
    """Apply the lookahead law without bank limits cycle by cycle, looking at each lane's part of the window at once.

    What a lane requests is the lowest set bit of its word within the window, and everything that is requested is
    granted. Takes O(cycles * lanes), some 16 lanes at a time, whatever the depth.

    Parameters
    ----------
    flat : uint8 [rows * octets]
        Packed rows, one after the other.
    octets : int
        Bytes of a row.
    firsts, lanes : int64 [P]
        The row on lane 0 of each pass, and its lanes.
    start, positions : int
        The bit of a row that is position 0, and K.
    depth, refill : int
        Depth at least 1 and at most `DEEPEST`; refill at least 1 and at most depth, or `UNLIMITED`.
    cycles, reads, silent : int64 [P], written
        Cycles of the pass, distinct positions per cycle, cycles without a request.
    nonzeros, needed : int64 [P], written
        Set bits of each pass, and positions with any.
    """
    zero, half = np.uint64(0), np.uint64(HALF)
    window = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - depth)
    room = 0
    for p in range(len(lanes)):
        room = max(room, lanes[p])
    pending = np.empty(room + SIDE_BY_SIDE, np.uint64)
    for p in range(len(lanes)):
        rows = np.uint64(lanes[p])
        wide = np.uint64((lanes[p] + SIDE_BY_SIDE - 1) // SIDE_BY_SIDE * SIDE_BY_SIDE)
        for lane in range(wide):
            pending[lane] = zero
        ones = positions_needed = taken = granted = quiet = 0
        base = loaded = 0
        at = np.uint64(2 * HALF)  # where the base is in a lane's word
        searching = refill == UNLIMITED  # the base goes to the first position that any lane needs
        while base < positions:
            while at >= half:
                keep = zero
                if loaded < positions:
                    keep = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - min(HALF, positions - loaded))
                anyone = zero
                for lane in range(rows):
                    fresh = zero
                    if keep:
                        fresh = bits_from(flat, (firsts[p] + int(lane)) * octets, start + loaded) & keep
                    anyone |= fresh
                    ones += ones_in(fresh)
                    pending[lane] = (pending[lane] >> half) | (fresh << half)
                positions_needed += ones_in(anyone)
                loaded += HALF
                at -= half
            if searching:
                anyone = zero
                for lane in range(wide):
                    anyone |= pending[lane]
                anyone >>= at
                searching = anyone == 0
                slide = 2 * HALF - int(at) if searching else lowest_in(anyone)
                base += slide
                at += np.uint64(slide)
                continue
            here = window << at
            requests = left = zero
            for lane in range(wide):
                word = pending[lane]
                ahead = word & here
                lowest = ahead & (zero - ahead)
                word ^= lowest
                pending[lane] = word
                requests |= lowest
                left |= word
            granted += ones_in(requests)
            quiet += requests == 0
            taken += 1
            if refill == UNLIMITED:
                searching = True
                continue
            slide = min(refill, lowest_in(left >> at))
            base += slide
            at += np.uint64(slide)
        cycles[p], reads[p], silent[p] = taken, granted, quiet
        nonzeros[p], needed[p] = ones, positions_needed
