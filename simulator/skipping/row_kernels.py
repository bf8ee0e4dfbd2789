"""The lookahead law on packed rows: eight passes side by side, lane after lane, without laying them by position first.

Its plain form and that of `simulator.skipping.kernels.scan_window` are one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled
from simulator.compiling.eight import (
    SIDE,
    WORD_BYTES,
    all_eight,
    any_of,
    bytes_at,
    eight_at,
    equal,
    least,
    less,
    lowest_in_each,
    ones_in_each,
    put_eight,
)
from simulator.skipping.kernels import UNLIMITED

Bytes = npt.NDArray[np.uint8]

WORD = 64
FRESH = 56
"""Positions that a lane's word takes in at a time, at most: as many as eight bytes hold wherever the first bit lies."""
DEEPEST = FRESH
"""A deeper window would not fit a word that has just been filled up."""
RESULTS = 5


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
    granted. Takes O(cycles * lanes), eight passes at a time, whatever the depth.

    Parameters
    ----------
    flat : uint8 [rows * octets]
        Packed rows, one after the other; at least `WORD_BYTES`.
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
    zero, one, three, whole = all_eight(0), all_eight(1), all_eight(3), all_eight(WORD)
    window = all_eight(0xFFFF_FFFF_FFFF_FFFF >> (WORD - depth))
    fits = all_eight(WORD - depth)  # the last bit of a word at which a window may begin
    stop, origin, width = all_eight(positions), all_eight(start), all_eight(octets)
    last_bytes = all_eight(flat.size - WORD_BYTES)
    farthest = all_eight(min(refill, WORD))
    room = 0
    for p in range(len(lanes)):
        room = max(room, lanes[p])
    pending = np.empty((room, SIDE), np.uint64)  # of each lane: what is left of the positions from `loaded` - 64 on
    side = np.empty((RESULTS, SIDE), np.uint64)
    for begin in range(0, len(lanes), SIDE):
        beside, most = min(SIDE, len(lanes) - begin), 0
        for s in range(SIDE):
            side[0, s] = side[1, s] = 0
        for s in range(beside):
            side[0, s], side[1, s] = firsts[begin + s] * octets, lanes[begin + s]
            most = max(most, lanes[begin + s])
        first, size = eight_at(side, 0), eight_at(side, 1)
        for lane in range(most):
            put_eight(pending, lane, zero)
        taken, granted, quiet, ones, positions_needed = zero, zero, zero, zero, zero
        base, loaded, at = zero, zero, whole  # `at` is where the base is in a lane's word
        running = less(zero, size) & less(zero, stop)
        searching = running if refill == UNLIMITED else zero  # the base goes to the first position that any lane needs
        while any_of(running):
            while any_of(less(fits, at)):
                by = least(at, all_eight(FRESH))
                ahead = least(stop, loaded + by) - least(stop, loaded)  # positions that there still are
                keep = (one << ahead) - one
                bit = origin + loaded
                shift, place, above = bit & all_eight(7), first + (bit >> three), whole - by
                anyone, inside = zero, less(zero, ahead)
                for lane in range(most):
                    there = inside & less(all_eight(lane), size)
                    byte = place & there
                    low = least(byte, last_bytes)  # no byte beyond the array's end
                    fresh = (bytes_at(flat, low, there) >> (shift + ((byte - low) << three))) & keep
                    ones = ones + ones_in_each(fresh)
                    anyone = anyone | fresh
                    put_eight(pending, lane, eight_at(pending, lane) >> (by - one) >> one | fresh << above)
                    place = place + width
                positions_needed = positions_needed + ones_in_each(anyone)
                loaded = loaded + by
                at = at - by
            if refill == UNLIMITED and any_of(searching):
                anyone = zero
                for lane in range(most):
                    anyone = anyone | eight_at(pending, lane)
                anyone = anyone >> at
                slide = least(lowest_in_each(anyone), whole - at) & searching
                base = base + slide
                at = at + slide
                running = running & less(base, stop)
                searching = searching & (equal(anyone, zero) & running)
                if any_of(searching | (less(fits, at) & running)):
                    continue
            here = window << at & running
            requests, left = zero, zero
            for lane in range(most):
                word = eight_at(pending, lane)
                within = word & here
                lowest = within & (zero - within)
                word = word ^ lowest
                put_eight(pending, lane, word)
                requests = requests | lowest
                left = left | word
            granted = granted + ones_in_each(requests)
            quiet = quiet + (equal(requests, zero) & running & one)
            taken = taken + (running & one)
            if refill == UNLIMITED:
                searching = running
            else:
                slide = least(lowest_in_each(left >> at), farthest) & running
                base = base + slide
                at = at + slide
                running = running & less(base, stop)
        put_eight(side, 0, taken)
        put_eight(side, 1, granted)
        put_eight(side, 2, quiet)
        put_eight(side, 3, ones)
        put_eight(side, 4, positions_needed)
        for s in range(beside):
            p = begin + s
            cycles[p], reads[p], silent[p] = side[0, s], side[1, s], side[2, s]
            nonzeros[p], needed[p] = side[3, s], side[4, s]


@compiled
def turn(flat: Bytes, octets: int, start: int, positions: int, bits: int, words: Words) -> None:
    """Make rows of columns: bit i of word [b, w] is bit b of row ``start + 64 w + i``, or 0 from row `positions` on.

    Squares of 64 x 64 bits, eight side by side, are transposed by exchanging ever smaller quarters (Hacker's Delight,
    section 7-3).

    Parameters
    ----------
    flat : uint8 [rows * octets]
        Packed rows, one after the other; at least `WORD_BYTES`.
    octets : int
        Bytes of a row.
    start, positions : int
        The first row, and how many.
    bits : int
        Bits of a row.
    words : uint64 [bits, ceil(positions / 64)], written
    """
    block, bytes_on = np.empty((WORD, SIDE), np.uint64), np.empty((1, SIDE), np.uint64)
    for s in range(SIDE):
        bytes_on[0, s] = WORD_BYTES * s
    squares, width = eight_at(bytes_on, 0), all_eight(octets)
    last_bytes = all_eight(flat.size - WORD_BYTES)
    for w in range(words.shape[1]):
        rows = min(WORD, positions - WORD * w)
        for bit in range(0, bits, WORD * SIDE):
            place = all_eight((start + WORD * w) * octets + (bit >> 3)) + squares
            inside = less(squares, all_eight(octets - (bit >> 3)))
            for i in range(rows):
                byte = place & inside
                low = least(byte, last_bytes)
                put_eight(block, i, bytes_at(flat, low, inside) >> (byte - low << all_eight(3)))
                place = place + width
            for i in range(rows, WORD):
                put_eight(block, i, all_eight(0))
            step, mask = 32, np.uint64(0x0000_0000_FFFF_FFFF)
            while step:
                shift, low_half = all_eight(step), all_eight(mask)
                for corner in range(0, WORD, 2 * step):
                    for i in range(corner, corner + step):
                        a, b = eight_at(block, i), eight_at(block, i + step)
                        swap = (a >> shift ^ b) & low_half
                        put_eight(block, i, a ^ swap << shift)
                        put_eight(block, i + step, b ^ swap)
                step >>= 1
                mask ^= mask << np.uint64(step)
            for n in range(min(WORD * SIDE, bits - bit)):
                words[bit + n, w] = block[n & (WORD - 1), n >> 6]
