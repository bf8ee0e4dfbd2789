"""Compiled kernels of the broadcast law."""

from __future__ import annotations

import numpy as np

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, lowest_in


@compiled
def share_out(words: Words, index_bits: int, weights: Counts, padding: Counts) -> None:
    """Deal the columns of the shared operand out to PEs in turn, and count what each has at every position.

    Parameters
    ----------
    words : uint64 [K, V]
        Bit n % 64 of word n // 64 is column n of the shared operand.
    index_bits : int
        Bits of the number of zeros before a non-zero within a PE's share; 0: no limit, so no padding.
    weights, padding : int64 [K, PEs], written
        Non-zeros of columns n with n % PEs == p, and zeros stored between them because too many follow each other.
    """
    positions, pes = weights.shape
    free = np.empty(pes, np.int64)  # the PE's first place after its last non-zero
    for k in range(positions):
        weights[k] = 0
        padding[k] = 0
        free[:] = 0
        for v in range(words.shape[1]):
            word = words[k, v]
            while word:
                n = 64 * v + lowest_in(word)
                word &= word - np.uint64(1)
                pe, place = n % pes, n // pes
                weights[k, pe] += 1
                if index_bits:
                    padding[k, pe] += (place - free[pe]) >> index_bits
                free[pe] = place + 1


@compiled
def broadcast(
    words: Words, weights: Counts, padding: Counts, depth: int, cycles: Counts, executed: Counts, gated: Counts
) -> None:
    """Broadcast the non-zeros of each row of a pass, one row after the other.

    With w[p, j] what PE p has for broadcast j::

        issue[j] = max(issue[j-1] + 1, max over p of finish[p, j-depth])       issue[0] = 0
        finish[p, j] = max(finish[p, j-1], issue[j] + 1) + w[p, j]

    Parameters
    ----------
    words : uint64 [P, K, W]
    weights, padding : int64 [K, PEs]
    depth : int
        Places of a FIFO, at least 1; more than there are positions for no limit.
    cycles, executed, gated : int64 [P], written
        Cycles to the last finish, MACs with weights that are not zero, and with padding.
    """
    passes, positions, width = words.shape
    pes = weights.shape[1]
    work = np.empty((positions, pes), np.int64)
    of_position, padding_of_position = np.zeros(positions, np.int64), np.zeros(positions, np.int64)
    for k in range(positions):
        for e in range(pes):
            work[k, e] = weights[k, e] + padding[k, e]
            of_position[k] += weights[k, e]
            padding_of_position[k] += padding[k, e]
    places = min(depth, max(positions, 1))
    latest = np.zeros(places, np.int64)  # the last finish of the broadcast that a place of the FIFOs held
    finish = np.empty(pes, np.int64)
    for p in range(passes):
        lanes = 0
        for w in range(width):
            used = np.uint64(0)
            for k in range(positions):
                used |= words[p, k, w]
            if used:
                lanes = 64 * w + 64
        now, macs, padded = 0, 0, 0
        for lane in range(lanes):
            w, bit = lane >> 6, np.uint64(1) << np.uint64(lane & 63)
            finish[:] = 0
            latest[:] = 0
            issue, last, place, sent = -1, 0, 0, 0
            for k in range(positions):
                if not words[p, k, w] & bit:
                    continue
                issue += 1
                if sent >= places:
                    issue = max(issue, latest[place])
                last = 0
                for e in range(pes):
                    done = max(finish[e], issue + 1) + work[k, e]
                    finish[e] = done
                    last = max(last, done)
                latest[place] = last
                place = 0 if place + 1 == places else place + 1
                sent += 1
                macs += of_position[k]
                padded += padding_of_position[k]
            now += last
        cycles[p] = now
        executed[p] = macs
        gated[p] = padded
