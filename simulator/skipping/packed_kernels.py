"""Compiled kernels of the packing law."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Counts, Words
from simulator.compiling import compiled, lowest_in, ones_in

# Columns of the results of `pack_and_stream`.
LOADING, STREAMING, STALLED, PACKINGS, PLACED, EXECUTED, FETCHED = range(7)
RESULTS = 7


@compiled
def pack_and_stream(
    words: Words,
    shared: Words,
    columns: Counts,
    multipliers: int,
    whole_rows: bool,
    distribution: int,
    reduction: int,
    results: npt.NDArray[np.int64],
) -> None:
    """Pack the non-zeros of each tile of rows, and stream each tile of columns through every packing.

    Parameters
    ----------
    words : uint64 [P, K, W]
        The stationary operand, a lane is a row.
    shared : uint64 [Q, K, V]
        The streamed operand, a lane is a column; V = 0: it has no zeros.
    columns : int64 [Q]
    multipliers, distribution, reduction : int
        Values that a packing holds, that reach the multipliers in a cycle, and sums that leave them in a cycle.
    whole_rows : bool
        Whether a row begins a new packing where it does not fit the rest of one.
    results : int64 [P, Q, RESULTS], written
        Cycles loading packings, cycles streaming (one a column and packing), further cycles that the bandwidths cost,
        packings, stationary values placed, MACs with two non-zero operands, streamed values fetched.
    """
    passes, positions, width = words.shape
    held = np.empty(positions, np.int64)  # distinct positions of the packing
    times = np.empty(positions, np.int64)  # how often each is in it
    seen = np.full(positions, -1, np.int64)  # the packing in which a position was last held
    sent = np.empty(64 * shared.shape[2], np.int64)
    useful = np.empty(positions, np.bool_)
    packing = 0
    for q in range(len(columns)):
        for k in range(positions):
            useful[k] = shared.shape[2] == 0
            for v in range(shared.shape[2]):
                useful[k] |= shared[q, k, v] != 0
        n = columns[q]
        for p in range(passes):
            result = results[p, q]
            result[:] = 0
            values, rows, distinct = 0, 0, 0
            for lane in range(64 * width):
                w, bit = lane >> 6, np.uint64(1) << np.uint64(lane & 63)
                if whole_rows and values:
                    own = 0
                    for k in range(positions):
                        own += words[p, k, w] & bit != 0 and useful[k]
                    if own > multipliers - values:
                        _stream(
                            shared[q], held[:distinct], times, values, rows, n, distribution, reduction, sent, result
                        )
                        values, rows, distinct = 0, 0, 0
                        packing += 1
                begun = False
                for k in range(positions):
                    if not words[p, k, w] & bit or not useful[k]:
                        continue
                    if values == multipliers:
                        _stream(
                            shared[q], held[:distinct], times, values, rows, n, distribution, reduction, sent, result
                        )
                        values, rows, distinct, begun = 0, 0, 0, False
                        packing += 1
                    if not begun:
                        rows += 1
                        begun = True
                    if seen[k] != packing:
                        seen[k] = packing
                        times[k] = 0
                        held[distinct] = k
                        distinct += 1
                    times[k] += 1
                    values += 1
            if values:
                _stream(shared[q], held[:distinct], times, values, rows, n, distribution, reduction, sent, result)
            packing += 1


@compiled
def _stream(
    shared: Words,
    held: Counts,
    times: Counts,
    values: int,
    rows: int,
    columns: int,
    distribution: int,
    reduction: int,
    sent: Counts,
    result: Counts,
) -> None:
    """Load a packing and stream all columns through it: add its counts to `result`."""
    leaving = -(-rows // reduction)  # cycles that the sums of a column take to leave
    extra = 0
    if shared.shape[1] == 0:
        extra = columns * (max(-(-len(held) // distribution), leaving, 1) - 1)
        result[EXECUTED] += values * columns
        result[FETCHED] += len(held) * columns
    else:
        counted = len(held) > distribution  # else no column has more values than can be sent in a cycle
        if counted:
            sent[:] = 0
        for k in held:
            ones = 0
            for v in range(shared.shape[1]):
                word = shared[k, v]
                ones += ones_in(word)
                if counted:
                    while word:
                        sent[64 * v + lowest_in(word)] += 1
                        word &= word - np.uint64(1)
            result[EXECUTED] += ones * times[k]
            result[FETCHED] += ones
        if counted:
            for n in range(columns):
                extra += max(-(-sent[n] // distribution), leaving, 1) - 1
        else:
            extra = columns * (max(leaving, 1) - 1)
    result[LOADING] += -(-values // distribution)
    result[STREAMING] += columns
    result[STALLED] += extra
    result[PACKINGS] += 1
    result[PLACED] += values
