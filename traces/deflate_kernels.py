"""Deflating large masks: runs and a Huffman code. Importing this loads numba.

Training waits for it, and it takes an eighth of the time of zlib's ``Z_RLE``, a fortieth of its default. The format is
RFC 1951, one dynamic block; section numbers below are its. The only matches are runs (distance 1), as with zlib's
``Z_RLE``: the bits of a mask have no phrases that come again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

END = 256
SYMBOLS = 286
LONGEST_CODE = 15
LONGEST_RUN = 258
LEAST_RUN = 3
COUNT_EVERY = 5
"""Of so many bytes outside runs one is counted, from which the code is made: it is as good for the others within a few
tenths of a per cent. Odd, so that it meets every byte of a row in some row."""

# Section 3.2.5: the symbol of each length of a run, and the bits and base of what follows it.
_EXTRA_BITS = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0], dtype=np.int64)
_BASES = np.append(LEAST_RUN + np.cumsum(np.append(0, 1 << _EXTRA_BITS[:-2])), LONGEST_RUN)
_SYMBOL_OF = np.array(
    [0] * LEAST_RUN + [END + np.searchsorted(_BASES, n, "right") for n in range(LEAST_RUN, LONGEST_RUN + 1)]
)


def deflated(data: Bytes) -> bytes:
    """Deflate bytes: a raw stream that any inflater reads. The same bytes on every machine.

    Parameters
    ----------
    data : uint8 [n], n >= 1
    """
    words = np.require(data[: len(data) // 8 * 8].view(np.uint64), requirements="A")
    runs = np.empty((max(1, len(words)), 2), np.int64)
    runs = runs[: _find_runs(data, words, runs)]
    # Every symbol gets a word, for only a part of the data is counted.
    counts = np.ones(SYMBOLS, np.int64)
    _count(data, runs, counts, _SYMBOL_OF)
    lengths = code_lengths(counts)
    codes = _codes(lengths)
    # Most bits of a byte, and the block's head and end.
    room = len(data) * int(lengths[:END].max()) // 32 + 64
    out = np.empty(room, np.dtype("<u4"))
    end = _write(data, runs, lengths, codes, _SYMBOL_OF, _BASES, _EXTRA_BITS, out)
    return out[: -(-end // 4)].tobytes()[:end]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        kernel: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder for its cache: compile anew in each process
        kernel = numba.njit(nogil=True)(function)
    return kernel


@_compiled
def _find_runs(data: Bytes, words: Words, runs: Integers) -> int:
    """Write where the bytes begin that repeat the one before, and where they end; returns the number of runs.

    A run is looked for only where it fills one of `words`, eight bytes of the data each: a shorter one saves next to
    nothing over its bytes' own code words, and to look for it took more time than everything else.
    """
    found, word = 0, 1
    while word < len(words):
        byte = data[8 * word - 1]
        alike = np.uint64(byte) * np.uint64(0x0101_0101_0101_0101)
        if words[word] != alike:
            word += 1
            continue
        begin = 8 * word
        while begin > 1 and data[begin - 2] == byte:
            begin -= 1
        while word < len(words) and words[word] == alike:
            word += 1
        end = 8 * word
        while end < len(data) and data[end] == byte:
            end += 1
        runs[found, 0], runs[found, 1] = begin, end
        found += 1
        word = (end + 7) // 8
    return found


@_compiled
def _count(data: Bytes, runs: Integers, counts: Integers, symbol_of: Integers) -> None:
    """Count the symbols that `_write` writes."""
    at = 0
    for r in range(len(runs) + 1):
        begin, end = (runs[r, 0], runs[r, 1]) if r < len(runs) else (len(data), len(data))
        for b in range((at + COUNT_EVERY - 1) // COUNT_EVERY * COUNT_EVERY, begin, COUNT_EVERY):
            counts[data[b]] += COUNT_EVERY
        at = begin
        while end - at >= LEAST_RUN:
            length = min(end - at, LONGEST_RUN)
            counts[symbol_of[length]] += 1
            at += length
    counts[END] += 1


@_compiled
def code_lengths(counts: Integers) -> Integers:
    """Make the lengths of a Huffman code of at most 15 bits: int64 [symbols], 0 where a count is 0.

    At least two counts must not be 0.
    """
    order = np.argsort(counts, kind="mergesort")
    order = order[counts[order] > 0]
    leaves = len(order)
    # Leaves by weight, then joints, which come out by weight, too: the two lightest are at the heads of two queues.
    weight = np.empty(2 * leaves - 1, np.int64)
    parent = np.zeros(2 * leaves - 1, np.int64)
    for i in range(leaves):
        weight[i] = counts[order[i]]
    leaf, joint = 0, leaves
    for new in range(leaves, 2 * leaves - 1):
        total = 0
        for _ in range(2):
            if joint >= new or (leaf < leaves and weight[leaf] <= weight[joint]):
                one = leaf
                leaf += 1
            else:
                one = joint
                joint += 1
            total += weight[one]
            parent[one] = new
        weight[new] = total
    depth = np.zeros(2 * leaves - 1, np.int64)
    for node in range(2 * leaves - 3, -1, -1):
        depth[node] = depth[parent[node]] + 1
    of_length = np.zeros(LONGEST_CODE + 1, np.int64)
    taken = 0  # of 2^15 code words of full length
    for i in range(leaves):
        bits = min(depth[i], LONGEST_CODE)
        of_length[bits] += 1
        taken += 1 << (LONGEST_CODE - bits)
    # Where words were cut to 15 bits there are too many. One of them goes beside a shorter word, both a bit longer than
    # that was (as in zlib's gen_bitlen): each time there is one word too many less.
    for _ in range(taken - (1 << LONGEST_CODE)):
        bits = LONGEST_CODE - 1
        while of_length[bits] == 0:
            bits -= 1
        of_length[bits] -= 1
        of_length[bits + 1] += 2
        of_length[LONGEST_CODE] -= 1
    lengths = np.zeros(len(counts), np.int64)
    lightest = 0
    for bits in range(LONGEST_CODE, 0, -1):
        for _ in range(of_length[bits]):
            lengths[order[lightest]] = bits
            lightest += 1
    return lengths


@_compiled
def _codes(lengths: Integers) -> Integers:
    """Number the code words of each length (section 3.2.2), and turn them round: words are sent from the top bit."""
    following = np.zeros(LONGEST_CODE + 2, np.int64)
    for bits in lengths:
        if bits:
            following[bits + 1] += 1
    for bits in range(1, LONGEST_CODE + 2):
        following[bits] = (following[bits - 1] << 1) + (following[bits] << 1)
    codes = np.zeros(len(lengths), np.int64)
    for symbol in range(len(lengths)):
        bits = lengths[symbol]
        word = following[bits]
        following[bits] += 1
        for _ in range(bits):
            codes[symbol] = (codes[symbol] << 1) | (word & 1)
            word >>= 1
    return codes


@_compiled
def _write(
    data: Bytes,
    runs: Integers,
    lengths: Integers,
    codes: Integers,
    symbol_of: Integers,
    bases: Integers,
    extra_bits: Integers,
    out: npt.NDArray[np.uint32],
) -> int:
    """Write the block; returns its bytes."""
    room, filled, end = np.uint64(0), 0, 0

    def put(room: Any, filled: Any, end: Any, value: Any, bits: Any) -> Any:
        room |= np.uint64(value) << np.uint64(filled)
        filled += bits
        # Written whether the word is full or not: what lengths of codes fill it no CPU foresees.
        out[np.uint64(end)] = np.uint32(room)
        full = filled >> 5
        end += full
        room >>= np.uint64(full << 5)
        filled &= 31
        return room, filled, end

    # The last block, dynamic; lengths of all symbols, one distance, 19 lengths of the lengths' code, which come in the
    # order 16, 17, 18, then others (section 3.2.7).
    room, filled, end = put(room, filled, end, 1 | 2 << 1 | (SYMBOLS - 257) << 3 | 0 << 8 | 15 << 13, 17)
    for index in range(19):
        # 16, 17, 18 are not used; each other has four bits, so that a length is written as itself.
        room, filled, end = put(room, filled, end, 0 if index < 3 else 4, 3)
    for symbol in range(len(lengths) + 1):
        # The code of 0 to 15 is the number itself, its top bit first; the one distance has one bit.
        bits = lengths[symbol] if symbol < len(lengths) else 1
        turned = (bits & 1) << 3 | (bits & 2) << 1 | (bits & 4) >> 1 | (bits & 8) >> 3
        room, filled, end = put(room, filled, end, turned, 4)
    at = 0
    for r in range(len(runs) + 1):
        begin, stop = (runs[r, 0], runs[r, 1]) if r < len(runs) else (len(data), len(data))
        for b in range(at, begin - 1, 2):  # two at a time: each waits for the one before
            first, second = data[b], data[b + 1]
            both = codes[first] | codes[second] << lengths[first]
            room, filled, end = put(room, filled, end, both, lengths[first] + lengths[second])
        if (begin - at) % 2:
            room, filled, end = put(room, filled, end, codes[data[begin - 1]], lengths[data[begin - 1]])
        at = begin
        while stop - at >= LEAST_RUN:
            length = min(stop - at, LONGEST_RUN)
            symbol = symbol_of[length]
            kind = symbol - END - 1
            room, filled, end = put(room, filled, end, codes[symbol], lengths[symbol])
            # What the run is longer than the symbol's base, and a bit for the distance.
            room, filled, end = put(room, filled, end, length - bases[kind], extra_bits[kind] + 1)
            at += length
    room, filled, end = put(room, filled, end, codes[END], lengths[END])
    out[end] = np.uint32(room)
    return int(4 * end + (filled + 7) // 8)
