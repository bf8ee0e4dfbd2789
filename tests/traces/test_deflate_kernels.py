"""Our deflated streams: any inflater reads them, and they are as small as a Huffman code of runs can be."""

from __future__ import annotations

import heapq
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from traces.archive import LARGE_BYTES, encode
from traces.deflate_kernels import LONGEST_CODE, LONGEST_RUN, code_lengths, deflated

Bytes = npt.NDArray[np.uint8]


def inflated(stream: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(stream) + inflater.flush()
    assert inflater.eof
    assert not inflater.unused_data
    return data


@given(hnp.arrays(np.uint8, st.integers(1, 600), elements=st.sampled_from([0, 1, 2, 255])))
def test_streams_are_inflated_to_what_they_were(data: Bytes) -> None:
    assert inflated(deflated(data)) == data.tobytes()


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 2 * LONGEST_RUN + 5)), min_size=1, max_size=40))
def test_runs_of_every_length_come_back(runs: list[tuple[int, int]]) -> None:
    data = np.repeat(*np.array(runs, dtype=np.int64).T).astype(np.uint8)
    assert inflated(deflated(data)) == data.tobytes()


@pytest.mark.parametrize("length", [1, 2, 3, 4, *range(10, 14), *range(256, 262)])
def test_a_single_run_comes_back(length: int) -> None:
    data = np.full(length, 7, np.uint8)
    assert inflated(deflated(data)) == data.tobytes()


@pytest.mark.parametrize("density", [0.0, 0.01, 0.2, 0.5, 0.99, 1.0])
def test_masks_take_no_more_than_zlib_makes_of_their_runs(density: float) -> None:
    data = np.packbits(np.random.default_rng(3).random((100, 8000)) < density, axis=1).reshape(-1)
    zlibs = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    theirs = zlibs.compress(data.tobytes()) + zlibs.flush()
    assert len(deflated(data)) <= 1.01 * len(theirs) + 200  # the lengths of the code are written out


def least_bits(counts: list[int]) -> int:
    """Length of a text in the best prefix code without a limit: the sum of all joints' weights (Huffman, 1952)."""
    heap, bits = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joint = heapq.heappop(heap) + heapq.heappop(heap)
        bits += joint
        heapq.heappush(heap, joint)
    return bits


COUNTS = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 10**6)), min_size=2, max_size=286)


@given(COUNTS.filter(lambda counts: sum(count > 0 for count in counts) > 1))
def test_codes_are_complete_and_the_shortest_where_no_word_is_too_long(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts, dtype=np.int64))
    words = lengths[lengths > 0]
    assert (lengths > 0).tolist() == [count > 0 for count in counts]
    assert words.max() <= LONGEST_CODE
    assert sum(1 << (LONGEST_CODE - int(word)) for word in words) == 1 << LONGEST_CODE  # neither more nor fewer words
    bits = int(np.array(counts) @ lengths)
    assert bits >= least_bits(counts)
    if words.max() < LONGEST_CODE:
        assert bits == least_bits(counts)


def test_words_that_would_be_too_long_are_cut_to_15_bits() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(np.array(fibonacci, dtype=np.int64))
    assert lengths.max() == LONGEST_CODE
    assert sum(2 ** (LONGEST_CODE - int(length)) for length in lengths) == 2**LONGEST_CODE
    assert (np.diff(lengths) <= 0).all()  # the more often, the shorter
    data = np.repeat(np.arange(20), fibonacci[:20]).astype(np.uint8)
    data = np.random.default_rng(0).permutation(data)
    assert inflated(deflated(data)) == data.tobytes()


@pytest.mark.parametrize("size", [LARGE_BYTES - 200, LARGE_BYTES + 200])
def test_members_of_either_size_hold_the_array(size: int) -> None:
    array = np.random.default_rng(1).integers(0, 4, size).astype(np.uint8)
    member, packed = encode("a", array, runs_only=True)
    data = inflated(packed)
    assert (len(data), zlib.crc32(data)) == (member.data_bytes, member.crc)
    assert data.endswith(array.tobytes())
