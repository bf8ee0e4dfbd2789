"""The lookahead law on packed rows equals the law on words by position, which equals its plain form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simulator.arch import PassCounts, PassMasks
from simulator.skipping import row_kernels
from simulator.skipping.lookahead import Lookahead
from simulator.skipping.masks import LaidLater, bits_on_lanes, rows_on_lanes, tallied
from simulator.skipping.row_kernels import DEEPEST

Bools = npt.NDArray[np.bool_]


def assert_same(mask: Bools, lanes: int, group: int | None, cut: tuple[int, int], law: Lookahead) -> None:
    packed = np.packbits(mask, axis=1, bitorder="little")
    rows = rows_on_lanes(packed, mask.shape[1], lanes, *cut, group=group)
    laid = PassMasks(rows_on_lanes(packed, mask.shape[1], lanes, *cut, group=group).words, rows.lanes)
    by_row, by_position = law.count(rows), law.count(laid)
    for field in fields(PassCounts):
        name = field.name
        np.testing.assert_array_equal(getattr(by_row, name), getattr(by_position, name), err_msg=name)
    np.testing.assert_array_equal(tallied(rows), tallied(laid))


@st.composite
def laws(draw: st.DrawFn) -> Lookahead:
    depth = draw(st.integers(2, DEEPEST + 2))
    refill = draw(st.none() | st.integers(1, depth))
    return Lookahead(depth=depth, refill=refill)


@pytest.mark.parametrize("bits", [1, 63, 64, 512, 513, 1100])
def test_a_mask_is_turned_as_numpy_turns_it(bits: int) -> None:
    mask = np.random.default_rng(bits).random((80, bits)) < 0.4
    packed = np.packbits(mask, axis=1, bitorder="little")
    turned = np.full((bits, 2), -1, np.int64).view(np.uint64)
    row_kernels.turn(np.append(packed, np.zeros(8, np.uint8)), packed.shape[1], 5, 70, bits, turned)
    expected = np.packbits(mask[5:75].T, axis=1, bitorder="little")
    np.testing.assert_array_equal(turned.astype("<u8").view(np.uint8)[:, : expected.shape[1]], expected)


@given(st.data())
def test_rows_count_as_words_do(data: st.DataObject) -> None:
    group = data.draw(st.integers(1, 40))
    rows, bits = group * data.draw(st.integers(1, 3)), data.draw(st.integers(1, 150))
    density = data.draw(st.sampled_from([0.02, 0.2, 0.5, 0.9]))
    seed = data.draw(st.integers(0, 2**32 - 1))
    mask = np.random.default_rng(seed).random((rows, bits)) < density
    start = data.draw(st.integers(0, bits - 1))
    stop = data.draw(st.integers(start, bits))
    lanes = data.draw(st.sampled_from([1, 3, 16, 17, 32, 33, 64, 70]))
    assert_same(mask, lanes, data.draw(st.sampled_from([group, None])), (start, stop), data.draw(laws()))


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 70))), laws())
def test_rows_of_any_form_count_as_words_do(mask: Bools, law: Lookahead) -> None:
    assert_same(mask, 4, None, (0, mask.shape[1]), law)


@pytest.mark.parametrize("refill", [1, 7, DEEPEST, None])
@pytest.mark.parametrize("first", [0, 31, 32, 63, 64, 129])
def test_a_single_value_far_away_is_found(first: int, refill: int | None) -> None:
    mask = np.zeros((2, 200), dtype=np.bool_)
    mask[1, first] = True
    assert_same(mask, 2, None, (0, 200), Lookahead(depth=DEEPEST, refill=refill))


@given(st.data())
def test_bits_count_as_words_do(data: st.DataObject) -> None:
    rows, bits = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 600))
    density, seed = data.draw(st.sampled_from([0.02, 0.2, 0.9])), data.draw(st.integers(0, 2**32 - 1))
    packed = np.packbits(np.random.default_rng(seed).random((rows, bits)) < density, axis=1, bitorder="little")
    start = data.draw(st.integers(0, rows - 1))
    cut = (start, data.draw(st.integers(start, rows)))
    lanes, law = data.draw(st.sampled_from([1, 3, 16, 32, 33, 70])), data.draw(laws())
    turned, laid = bits_on_lanes(packed, bits, lanes, *cut), bits_on_lanes(packed, bits, lanes, *cut)
    by_row, by_position = law.count(turned), law.count(PassMasks(laid.words, laid.lanes))
    for field in fields(PassCounts):
        np.testing.assert_array_equal(getattr(by_row, field.name), getattr(by_position, field.name), err_msg=field.name)
    np.testing.assert_array_equal(tallied(turned), tallied(laid))


@pytest.mark.parametrize("lay", [rows_on_lanes, bits_on_lanes])
@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_the_plain_form_of_the_kernel_counts_alike(lay: Callable[..., LaidLater], depth: int) -> None:
    packed = np.packbits(np.random.default_rng(depth).random((21, 90)) < 0.1, axis=1, bitorder="little")
    law = Lookahead(depth=depth, refill=5)
    ours = law.count(lay(packed, 90, 4))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("scan_rows", "turn"):
            patch.setattr(row_kernels, name, getattr(row_kernels, name).function)
        plain = law.count(lay(packed, 90, 4))
    for field in fields(PassCounts):
        np.testing.assert_array_equal(getattr(ours, field.name), getattr(plain, field.name), err_msg=field.name)


@pytest.mark.parametrize("lay", [rows_on_lanes, bits_on_lanes])
def test_masks_are_not_laid_by_position_for_a_window(lay: Callable[..., LaidLater]) -> None:
    mask = np.random.default_rng(1).random((40, 90)) < 0.2
    masks = lay(np.packbits(mask, axis=1, bitorder="little"), 90, 32)
    counts = Lookahead(depth=16, refill=16).count(masks)
    assert counts.executed.sum() == mask.sum()
    assert "words" not in vars(masks)
    assert masks.words.shape == (len(masks.lanes), masks.positions, 1)
