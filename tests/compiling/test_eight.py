"""Eight words side by side: compiled operations do what the plain ones do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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

Words = npt.NDArray[np.uint64]
quick = settings(max_examples=60, deadline=None, derandomize=True)
EDGES = st.sampled_from([0, 1, 2**31, 2**63, 2**63 - 1, 2**64 - 1])
eights = hnp.arrays(np.uint64, SIDE, elements=st.integers(0, 2**64 - 1) | EDGES)


@compiled
def every_operation(given_words: Words, found: Words) -> int:
    a, b, few = eight_at(given_words, 0), eight_at(given_words, 1), eight_at(given_words, 2)
    put_eight(found, 0, a & b)
    put_eight(found, 1, a | b)
    put_eight(found, 2, a ^ b)
    put_eight(found, 3, a + b)
    put_eight(found, 4, a - b)
    put_eight(found, 5, a << few)
    put_eight(found, 6, a >> few)
    put_eight(found, 7, less(a, b))
    put_eight(found, 8, equal(a, b))
    put_eight(found, 9, least(a, b))
    put_eight(found, 10, ones_in_each(a))
    put_eight(found, 11, lowest_in_each(a))
    put_eight(found, 12, all_eight(7))
    return any_of(equal(a, b))


@compiled
def gather(flat: npt.NDArray[np.uint8], places: Words, found: Words) -> int:
    put_eight(found, 0, bytes_at(flat, eight_at(places, 0), eight_at(places, 1)))
    return 0


@quick
@given(eights, eights, hnp.arrays(np.uint64, SIDE, elements=st.integers(0, 63)), st.integers(0, SIDE))
def test_operations_are_the_plain_ones(a: Words, b: Words, few: Words, alike: int) -> None:
    b[:alike] = a[:alike]
    words = np.stack([a, b, few])
    ours, plain = np.zeros((13, SIDE), np.uint64), np.zeros((13, SIDE), np.uint64)
    assert every_operation(words, ours) == every_operation.function(words, plain) == bool((a == b).any())
    np.testing.assert_array_equal(ours, plain)


@quick
@given(st.data(), st.integers(WORD_BYTES, 40))
def test_bytes_are_read_at_each_place_and_only_where_it_is_said(data: st.DataObject, size: int) -> None:
    flat = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    held = np.array(data.draw(st.lists(st.booleans(), min_size=SIDE, max_size=SIDE)))
    inside = st.integers(0, size - WORD_BYTES)
    places = np.array(data.draw(st.lists(inside, min_size=SIDE, max_size=SIDE)), np.uint64)
    places[~held] = np.uint64(2**60)  # an address that no process has: reading it would end this one
    ours, plain = np.zeros((1, SIDE), np.uint64), np.zeros((1, SIDE), np.uint64)
    asked = np.stack([places, np.where(held, np.uint64(2**64 - 1), np.uint64(0))])
    gather(flat, asked, ours)
    gather.function(flat, asked, plain)
    np.testing.assert_array_equal(ours, plain)
    whole = [int.from_bytes(flat[int(p) : int(p) + WORD_BYTES].tobytes(), "little") for p in places]
    assert ours[0].tolist() == [word if h else 0 for word, h in zip(whole, held, strict=True)]


def test_lowest_and_ones_of_known_words() -> None:
    words = np.array([0, 1, 8, 2**63, 2**64 - 1, 6, 96, 2**40], np.uint64)
    assert lowest_in_each(words).tolist() == [64, 0, 3, 63, 0, 1, 5, 40]
    assert ones_in_each(words).tolist() == [0, 1, 1, 1, 64, 2, 2, 1]
