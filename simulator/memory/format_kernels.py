"""Compiled kernel of the storage formats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled, lowest_in, ones_in
from simulator.memory.formats import NO_PADDING


@compiled
def _count_ones(packed: npt.NDArray[np.uint8], bits: int, segment: int, entries: npt.NDArray[np.int64]) -> None:
    """Count the non-zeros of segments of whole bytes: `count_entries` without padding."""
    rows = packed.shape[0]
    whole, rest = bits // 8, np.uint64((1 << (bits % 8)) - 1)
    apiece = segment // 8
    for row in range(rows):
        for number in range(entries.shape[1]):
            ones = 0
            for octet in range(number * apiece, min((number + 1) * apiece, whole)):
                ones += ones_in(np.uint64(packed[row, octet]))
            entries[row, number] = ones
        if rest:
            entries[row, whole // apiece] += ones_in(np.uint64(packed[row, whole]) & rest)


@compiled
def count_entries(
    packed: npt.NDArray[np.uint8], bits: int, segment: int, run_bits: int, entries: npt.NDArray[np.int64]
) -> None:
    """Count what each segment of each row stores: its non-zeros and, before them, padding zeros.

    A run of z zeros before a non-zero, counted within the segment, takes ``z >> run_bits`` padding zeros: each of
    them stands for ``2**run_bits`` zeros, itself the last. Zeros after the last non-zero take nothing.

    Parameters
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Little bit order; bits at or above `bits` are not read.
    bits, segment : int
    run_bits : int
        At most `NO_PADDING`, which means that there is none.
    entries : int64 [rows, ceil(bits / segment)], written
    """
    rows, octets = packed.shape
    if run_bits == NO_PADDING and segment % 8 == 0:
        _count_ones(packed, bits, segment, entries)
        return
    for row in range(rows):
        number, end = 0, segment
        before = -1  # the last non-zero of the segment, or what lies before its first element
        stored = 0
        for octet in range(octets):
            word = np.uint64(packed[row, octet])
            while word:
                place = 8 * octet + lowest_in(word)
                word &= word - np.uint64(1)
                if place >= bits:
                    break
                while place >= end:
                    entries[row, number] = stored
                    stored = 0
                    number += 1
                    before = end - 1
                    end += segment
                stored += 1 + ((place - before - 1) >> run_bits)
                before = place
        entries[row, number] = stored
        for rest in range(number + 1, entries.shape[1]):
            entries[row, rest] = 0
