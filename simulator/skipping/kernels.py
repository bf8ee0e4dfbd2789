"""Compiled kernels of the skipping laws and of the masks.

Each kernel has a plain form under ``tests/plain`` that it equals on every mask.
"""

from __future__ import annotations

import numpy as np

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, lowest_in, ones_in

UNLIMITED = np.iinfo(np.int64).max
"""Stands for an unlimited depth, refill or number of banks inside kernels."""


@compiled
def tally(words: Words, nonzeros: Counts, needed: Counts) -> None:
    """Count, for each pass, the non-zeros and the positions that some lane needs.

    Parameters
    ----------
    words : uint64 [P, K, W]
    nonzeros, needed : int64 [P], written
    """
    for p in range(words.shape[0]):
        ones = 0
        positions = 0
        for k in range(words.shape[1]):
            here = 0
            for w in range(words.shape[2]):
                here += ones_in(words[p, k, w])
            ones += here
            positions += here != 0
        nonzeros[p] = ones
        needed[p] = positions


@compiled
def scan_window(
    words: Words,
    depth: int,
    refill: int,
    banks: int,
    cycles: Counts,
    reads: Counts,
    refused: Counts,
    silent: Counts,
) -> None:
    """Apply the lookahead law cycle by cycle, looking at each position of the window once a cycle.

    A lane's request is its lowest pending bit in the window. The scan ascends, so a lane that was seen at an
    earlier position requests nothing here, and the first request that reaches a bank is the smallest one.
    Takes O(cycles * depth).

    Parameters
    ----------
    words : uint64 [P, K, W]
    depth, refill, banks : int
        At least 1; `UNLIMITED` for no limit.
    cycles, reads, refused, silent : int64 [P], written
        Cycles of the pass, positions granted, requests refused by a bank, cycles without a request.
    """
    passes, positions, width = words.shape
    window = min(depth, positions)
    banked = banks < window
    if width == 1 and not banked:
        _scan_words(words, window, refill, cycles, reads, silent)
        refused[:] = 0
        return
    pending = np.empty((positions, width), np.uint64)
    seen = np.empty(width, np.uint64)
    taken = np.full(banks if banked else 0, -1, np.int64)  # the cycle in which a bank last granted
    now = 0
    for p in range(passes):
        for k in range(positions):
            for w in range(width):
                pending[k, w] = words[p, k, w]
        base = 0
        if refill == UNLIMITED:
            base = _first_needed(pending, 0, positions)
        started, granted, conflicts, quiet = now, 0, 0, 0
        while base < positions:
            stop = min(base + window, positions)
            requests = 0
            for w in range(width):
                seen[w] = 0
            bank = 0  # counted from the base's bank: what matters is which positions share one
            for k in range(base, stop):
                asking = 0
                for w in range(width):
                    asking += ones_in(pending[k, w] & ~seen[w])
                if asking:
                    requests += 1
                    refuse = banked and taken[bank] == now
                    if refuse:
                        conflicts += asking
                    else:
                        granted += 1
                        if banked:
                            taken[bank] = now
                    for w in range(width):
                        word = pending[k, w]
                        if not refuse:
                            pending[k, w] = word & seen[w]
                        seen[w] |= word
                bank += 1
                if bank == banks:
                    bank = 0
            quiet += requests == 0
            now += 1
            reach = positions if refill == UNLIMITED else min(base + refill, positions)
            base = _first_needed(pending, base, reach)
        cycles[p] = now - started
        reads[p] = granted
        refused[p] = conflicts
        silent[p] = quiet


@compiled
def _scan_words(words: Words, window: int, refill: int, cycles: Counts, reads: Counts, silent: Counts) -> None:
    """Do as `scan_window` where up to 64 lanes have no bank limit: everything that is requested is granted.

    The common case. Places are unsigned, so that none is looked at for being negative: it takes half the time.
    """
    passes, positions, _ = words.shape
    one, ahead, end = np.uint64(1), np.uint64(window), np.uint64(positions)
    slide = np.uint64(min(refill, positions))
    pending = np.empty(positions, np.uint64)
    for p in range(passes):
        for position in range(positions):
            pending[position] = words[p, position, 0]
        base = np.uint64(0)
        while refill == UNLIMITED and base < end and pending[base] == 0:
            base += one
        taken, granted, quiet = 0, 0, 0
        while base < end:
            stop = min(base + ahead, end)
            before = np.uint64(0)
            requests = 0
            k = base
            while k < stop:
                word = pending[k]
                pending[k] = word & before
                requests += (word & ~before) != 0
                before |= word
                k += one
            granted += requests
            quiet += requests == 0
            taken += 1
            reach = min(base + slide, end)
            while base < reach and pending[base] == 0:
                base += one
        cycles[p] = taken
        reads[p] = granted
        silent[p] = quiet


@compiled
def _first_needed(pending: Words, base: int, reach: int) -> int:
    """Find the first position from `base` that some lane still needs, at most `reach`."""
    while base < reach:
        for w in range(pending.shape[1]):
            if pending[base, w]:
                return base
        base += 1
    return base


@compiled
def finish_times(words: Words, depth: int, refill: int, cycles: Counts, reads: Counts, silent: Counts) -> None:
    """Apply the lookahead law without bank limits, and without stepping cycles. Takes O(K + non-zeros).

    Let B[k] be the first cycle at whose start the base is at k or beyond, B[k] = 0 for k <= 0. A lane that
    needs k consumes it in the first cycle after its previous one in which k < base + depth, that is
    base >= k - depth + 1::

        G(k) = max(G_previous + 1, B[k - depth + 1])

    The base is beyond k at the end of a cycle where everything up to k is consumed and, with limited refill,
    it was at k + 1 - refill or beyond at the cycle's start::

        B[k + 1] = max(B[k], B[k + 1 - refill] + 1, 1 + max over the lanes that need k of G(k))

    Parameters
    ----------
    words : uint64 [P, K, W]
    depth, refill : int
        At least 1; `UNLIMITED` for no limit.
    cycles, reads, silent : int64 [P], written
        Cycles of the pass, distinct positions per cycle, cycles without a request.
    """
    passes, positions, width = words.shape
    reached = np.zeros(positions + 1, np.int64)  # B
    free = np.empty(64 * width, np.int64)  # G of the lane's previous non-zero, plus 1
    reader = np.empty(positions, np.int64)  # the position last granted in each cycle; a pass takes at most K
    for p in range(passes):
        free[:] = 0
        reader[:] = -1
        granted = 0
        for k in range(positions):
            opened = reached[max(k - depth + 1, 0)]
            passed = reached[k]
            if refill != UNLIMITED:
                passed = max(passed, reached[max(k + 1 - refill, 0)] + 1)
            for w in range(width):
                word = words[p, k, w]
                while word:
                    lane = 64 * w + lowest_in(word)
                    word &= word - np.uint64(1)
                    at = max(free[lane], opened)
                    free[lane] = at + 1
                    passed = max(passed, at + 1)
                    granted += reader[at] != k
                    reader[at] = k
            reached[k + 1] = passed
        cycles[p] = reached[positions]
        reads[p] = granted
        active = 0
        for at in range(reached[positions]):
            active += reader[at] >= 0
        silent[p] = reached[positions] - active


@compiled
def step_lanes(
    words: Words,
    depth: int,
    refill: int,
    banks: int,
    cycles: Counts,
    reads: Counts,
    refused: Counts,
    silent: Counts,
) -> None:
    """Apply the lookahead law cycle by cycle, looking at each lane once a cycle.

    Parameters and results as `scan_window`; takes O(cycles * lanes + non-zeros) whatever the depth, so it
    serves deep windows with limited banks.
    """
    passes, positions, width = words.shape
    window = min(depth, positions)
    banks = min(banks, max(positions, 1))
    lanes = 64 * width
    upcoming = np.empty((lanes, positions + 1), np.int32)  # each lane's positions, K after the last
    length = np.empty(lanes, np.int64)
    place = np.empty(lanes, np.int64)
    head = np.empty(lanes, np.int64)  # next unconsumed position of each lane, and its bank
    bank_of = np.empty(lanes, np.int64)
    taken = np.full(banks, -1, np.int64)
    smallest = np.empty(banks, np.int64)
    now = 0
    for p in range(passes):
        length[:] = 0
        for k in range(positions):
            for w in range(width):
                word = words[p, k, w]
                while word:
                    lane = 64 * w + lowest_in(word)
                    word &= word - np.uint64(1)
                    upcoming[lane, length[lane]] = k
                    length[lane] += 1
        busy = 0
        for lane in range(lanes):
            upcoming[lane, length[lane]] = positions
            place[lane] = 0
            head[lane] = upcoming[lane, 0]
            bank_of[lane] = head[lane] % banks
            if length[lane]:
                busy = lane + 1  # lanes above it have nothing to do
        base = 0
        if refill == UNLIMITED:
            base = positions
            for lane in range(busy):
                base = min(base, head[lane])
        started, granted, conflicts, quiet = now, 0, 0, 0
        while base < positions:
            stop = min(base + window, positions)
            requests = 0
            for lane in range(busy):
                k = int(head[lane])
                if k < stop:
                    requests += 1
                    bank = bank_of[lane]
                    if taken[bank] != now:
                        taken[bank] = now
                        smallest[bank] = k
                        granted += 1
                    elif k < smallest[bank]:
                        smallest[bank] = k
            needed = positions
            for lane in range(busy):
                k = int(head[lane])
                if k < stop:
                    if smallest[bank_of[lane]] == k:
                        place[lane] += 1
                        k = int(upcoming[lane, place[lane]])
                        head[lane] = k
                        bank_of[lane] = k % banks
                    else:
                        conflicts += 1
                needed = min(needed, k)
            quiet += requests == 0
            now += 1
            base = needed if refill == UNLIMITED else min(needed, base + refill)
        cycles[p] = now - started
        reads[p] = granted
        refused[p] = conflicts
        silent[p] = quiet
