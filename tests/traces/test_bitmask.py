from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain import plain_trace

from traces import BitMask

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 20))
MASKS = SHAPES.flatmap(lambda shape: hnp.arrays(np.bool_, shape))


@settings(derandomize=True)
@given(MASKS)
def test_unpack_gives_back_what_was_packed(mask):
    packed = BitMask.pack(mask)
    assert packed.shape == mask.shape
    assert packed.unpack().dtype == np.bool_
    np.testing.assert_array_equal(packed.unpack(), mask)


@settings(derandomize=True)
@given(MASKS)
def test_packed_bytes_equal_the_plain_bit_by_bit_form(mask):
    np.testing.assert_array_equal(BitMask.pack(mask).packed, plain_trace.pack(mask))


@settings(derandomize=True)
@given(MASKS)
def test_count_is_the_number_of_true_elements(mask):
    assert BitMask.pack(mask).count() == mask.sum()


@settings(derandomize=True)
@given(MASKS, st.data())
def test_count_of_a_strided_view_is_that_of_its_elements(mask, data):
    packed = BitMask.pack(mask).packed
    step = data.draw(st.integers(1, 3))
    assert BitMask(packed[::step], mask.shape[2]).count() == mask[::step].sum()


@settings(derandomize=True)
@given(SHAPES)
def test_ones_is_the_packed_form_of_all_true(shape):
    assert BitMask.ones(*shape) == BitMask.pack(np.ones(shape, np.bool_))


@settings(derandomize=True)
@given(MASKS, st.data())
def test_masks_are_equal_only_where_every_bit_is(mask, data):
    index = tuple(data.draw(st.integers(0, length - 1)) for length in mask.shape)
    other = mask.copy()
    other[index] ^= True
    assert BitMask.pack(mask) == BitMask.pack(mask.copy())
    assert BitMask.pack(mask) != BitMask.pack(other)


def test_masks_of_different_lengths_in_the_same_bytes_are_not_equal():
    packed = np.zeros((1, 1, 1), np.uint8)
    assert BitMask(packed, 3) != BitMask(packed, 4)


@pytest.mark.parametrize("bits", [1, 7, 9, 15])
def test_every_set_padding_bit_is_refused(bits):
    for position in range(bits, 8 * ((bits + 7) // 8)):
        packed = np.zeros((2, 2, (bits + 7) // 8), np.uint8)
        packed[1, 0, position // 8] = 1 << (position % 8)
        with pytest.raises(ValueError, match="padding bit"):
            BitMask(packed, bits)


@pytest.mark.parametrize(
    ("packed", "bits"),
    [
        (np.zeros((2, 2, 2), np.uint8), 17),
        (np.zeros((2, 2, 2), np.uint8), 8),
        (np.zeros((2, 2), np.uint8), 16),
        (np.zeros((2, 2, 2), np.int8), 16),
        (np.zeros((2, 2, 0), np.uint8), 0),
    ],
)
def test_an_array_that_does_not_fit_its_bits_is_refused(packed, bits):
    with pytest.raises(ValueError, match=r"."):
        BitMask(packed, bits)


@pytest.mark.parametrize("mask", [np.ones((2, 2, 2), np.uint8), np.ones((2, 2), np.bool_)])
def test_packing_anything_but_bool_of_three_axes_is_refused(mask):
    with pytest.raises(ValueError, match="in place of bool"):
        BitMask.pack(mask)


def test_packed_is_read_only_and_not_a_copy():
    packed = np.zeros((2, 2, 2), np.uint8)
    mask = BitMask(packed, 16)
    assert np.shares_memory(mask.packed, packed)
    with pytest.raises(ValueError, match="read-only"):
        mask.packed[0, 0, 0] = 1
