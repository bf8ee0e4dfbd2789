"""Packed masks laid on lanes: equal to numpy indexing of the unpacked mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.masks import plain_passes, plain_words

from simulator.arch.mechanism import PassMasks
from simulator.skipping.masks import bits_on_lanes, from_bools, full, nnz, rows_on_lanes

Bools = npt.NDArray[np.bool_]
quick = settings(max_examples=150, deadline=None, derandomize=True)


def packed_with_dirty_padding(mask: Bools) -> npt.NDArray[np.uint8]:
    """Pack a mask and set the padding bits, which nobody may read."""
    spare = -mask.shape[1] % 8
    dirty = np.concatenate([mask, np.ones((len(mask), spare), np.bool_)], axis=1)
    return np.packbits(dirty, axis=-1, bitorder="little")


@st.composite
def laid(draw: st.DrawFn, most_rows: int, most_bits: int) -> tuple[Bools, int]:
    """Draw a mask [rows, bits] and a number of lanes."""
    rows, bits = draw(st.integers(1, most_rows)), draw(st.integers(1, most_bits))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((rows, bits)) < draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    return mask, draw(st.one_of(st.integers(1, 20), st.sampled_from([32, 63, 64, 65, 128, 130])))


def cut(draw: st.DataObject, length: int) -> tuple[int, int]:
    start = draw.draw(st.integers(0, length))
    return start, draw.draw(st.integers(start, length))


def same(masks: PassMasks, passes: list[Bools], lanes: int) -> None:
    assert masks.words.dtype == np.uint64
    assert masks.lanes.tolist() == [len(one) for one in passes]
    assert np.array_equal(masks.words, np.stack([plain_words(one, lanes) for one in passes]))
    assert nnz(masks).tolist() == [int(one.sum()) for one in passes]


@quick
@given(laid(140, 150), st.data())
def test_rows_on_lanes_equal_indexing(case: tuple[Bools, int], data: st.DataObject) -> None:
    mask, lanes = case
    start, stop = cut(data, mask.shape[1])
    masks = rows_on_lanes(packed_with_dirty_padding(mask), mask.shape[1], lanes, start, stop)
    same(masks, plain_passes(mask[:, start:stop], lanes), lanes)


@quick
@given(laid(12, 80), st.integers(1, 6))
def test_rows_in_groups_never_share_a_pass(case: tuple[Bools, int], groups: int) -> None:
    mask, lanes = case
    rows = np.concatenate([np.roll(mask, g, axis=1) for g in range(groups)])
    masks = rows_on_lanes(packed_with_dirty_padding(rows), rows.shape[1], lanes, group=len(mask))
    same(masks, plain_passes(rows, lanes, len(mask)), lanes)


@quick
@given(laid(60, 300), st.data())
def test_bits_on_lanes_equal_indexing(case: tuple[Bools, int], data: st.DataObject) -> None:
    mask, lanes = case
    start, stop = cut(data, mask.shape[0])
    masks = bits_on_lanes(packed_with_dirty_padding(mask), mask.shape[1], lanes, start, stop)
    same(masks, plain_passes(mask[start:stop].T, lanes), lanes)


@quick
@given(laid(140, 60))
def test_from_bools_equals_indexing(case: tuple[Bools, int]) -> None:
    mask, _ = case
    same(from_bools(mask), [mask], len(mask))
    same(from_bools(np.stack([mask, ~mask])), [mask, ~mask], len(mask))


@pytest.mark.parametrize(("lanes", "rows"), [(1, 1), (5, 12), (64, 64), (64, 129), (65, 66), (130, 390), (130, 3)])
def test_full_masks_are_all_ones(lanes: int, rows: int) -> None:
    same(full(lanes, 7, rows), plain_passes(np.ones((rows, 7), np.bool_), lanes), lanes)
    same(full(lanes, 3), [np.ones((lanes, 3), np.bool_)], lanes)


def test_packed_masks_may_be_read_only_or_strided() -> None:
    mask = np.random.default_rng(0).random((40, 50)) < 0.5
    packed = np.packbits(mask, axis=-1, bitorder="little")
    packed.flags.writeable = False
    for on_lanes in (rows_on_lanes, bits_on_lanes):
        strided = on_lanes(packed[::2], 50, 16)
        assert np.array_equal(strided.words, on_lanes(packed[::2].copy(), 50, 16).words)


@pytest.mark.parametrize(
    ("shape", "dtype", "bits", "lanes", "start", "stop"),
    [
        ((4, 2), np.int8, 16, 4, 0, None),
        ((8,), np.uint8, 8, 4, 0, None),
        ((0, 2), np.uint8, 16, 4, 0, None),
        ((4, 2), np.uint8, 17, 4, 0, None),
        ((4, 2), np.uint8, 8, 4, 0, None),
        ((4, 2), np.uint8, 16, 0, 0, None),
        ((4, 2), np.uint8, 16, 4, -1, None),
        ((4, 2), np.uint8, 16, 4, 3, 2),
        ((4, 2), np.uint8, 16, 4, 0, 17),
    ],
)
def test_wrong_arguments_are_refused(
    shape: tuple[int, ...], dtype: npt.DTypeLike, bits: int, lanes: int, start: int, stop: int | None
) -> None:
    for on_lanes in (rows_on_lanes, bits_on_lanes):
        with pytest.raises(ValueError, match=r"rows|bytes|positions|lanes"):
            on_lanes(np.zeros(shape, dtype), bits, lanes, start, stop)


def test_groups_that_do_not_divide_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="6 rows in groups of 4"):
        rows_on_lanes(np.zeros((6, 1), np.uint8), 8, 2, group=4)


@pytest.mark.parametrize("mask", [np.zeros((2, 3)), np.zeros(3, np.bool_), np.zeros((0, 3), np.bool_)])
def test_arrays_that_are_no_masks_are_refused(mask: npt.NDArray[np.bool_]) -> None:
    with pytest.raises(ValueError, match="in place of bool"):
        from_bools(mask)


def test_full_masks_need_lanes_rows_and_positions() -> None:
    for lanes, positions, rows in ((0, 4, 4), (4, -1, 4), (4, 4, 0)):
        with pytest.raises(ValueError, match="rows on"):
            full(lanes, positions, rows)
