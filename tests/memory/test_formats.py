"""Bits of stored masks: equal to those of an encoder that writes every bit, and whose strings decode back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.formats import decode, encode, plain_tile_bits

from simulator.memory import FORMATS, StoredMask, bytes_of_bits
from simulator.memory.formats import count_bits, place_bits

Bools = npt.NDArray[np.bool_]
CODED = [fmt for fmt in FORMATS if fmt != "dense"]


@st.composite
def masks(draw: st.DrawFn, most_rows: int = 6, most_bits: int = 150) -> Bools:
    rows, bits = draw(st.integers(1, most_rows)), draw(st.integers(1, most_bits))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((rows, bits)) < draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    if draw(st.booleans()):  # long runs, which random zeros hardly ever have
        mask[:, : draw(st.integers(0, bits))] = False
    return mask


def packed_with_dirty_padding(mask: Bools) -> npt.NDArray[np.uint8]:
    """Pack a mask and set the padding bits, which nobody may read."""
    dirty = np.concatenate([mask, np.ones((len(mask), -mask.shape[1] % 8), np.bool_)], axis=1)
    return np.packbits(dirty, axis=-1, bitorder="little")


def stored(mask: Bools, fmt: str, value_bits: int = 16, segment: int = 32, run_bits: int = 4) -> StoredMask:
    return StoredMask(packed_with_dirty_padding(mask), mask.shape[1], fmt, value_bits, segment, run_bits)  # type: ignore[arg-type]


def values_of(mask: Bools, value_bits: int) -> list[list[int]]:
    """Some value other than zero wherever the mask is set."""
    numbers = np.arange(mask.size).reshape(mask.shape) % (2**value_bits - 1) + 1
    return np.where(mask, numbers, 0).tolist()


def cut(draw: st.DataObject, length: int) -> tuple[int, int]:
    start = draw.draw(st.integers(0, length))
    return start, draw.draw(st.integers(start, length))


LAYOUTS = st.tuples(st.sampled_from(FORMATS), st.integers(1, 16), st.integers(1, 70), st.integers(1, 6))


@settings(max_examples=300)
@given(masks(), LAYOUTS)
def test_what_the_plain_encoder_writes_decodes_back(mask: Bools, layout: tuple[str, int, int, int]) -> None:
    fmt, value_bits, segment, run_bits = layout
    for row in values_of(mask, value_bits):
        for start in range(0, len(row), segment):
            piece = row[start : start + segment]
            strings = encode(piece, fmt, value_bits, segment, run_bits)
            assert decode(strings, len(piece), fmt, value_bits, segment, run_bits) == piece


@settings(max_examples=300)
@given(st.data(), masks(), LAYOUTS)
def test_bits_of_any_tile_are_those_that_the_encoder_writes(
    data: st.DataObject, mask: Bools, layout: tuple[str, int, int, int]
) -> None:
    rows, elements = cut(data, mask.shape[0]), cut(data, mask.shape[1])
    found = stored(mask, *layout).tile_bits(slice(*rows), slice(*elements))
    assert found == plain_tile_bits(values_of(mask, layout[1]), rows, elements, *layout)


@given(masks(), st.integers(1, 40), st.integers(1, 6))
def test_dense_fetches_exactly_its_elements_and_nothing_beside(mask: Bools, value_bits: int, rows: int) -> None:
    dense = stored(mask, "dense", value_bits)
    assert dense.whole_bits() == (mask.size * value_bits, 0)
    last = min(rows, len(mask))
    assert dense.tile_bits(slice(0, last), slice(0, 1)) == (last * value_bits, 0)


def test_the_column_of_eie_takes_four_values_one_of_them_a_padding_zero() -> None:
    # EIE, section III: [0,0,1,2, eighteen zeros, 3] becomes v = [1,2,0,3], z = [2,0,15,2], of four bits each. A count
    # is here the difference of EIE's two column pointers, which includes the padded zeros as well.
    column = [0, 0, 1, 2, *[0] * 18, 3]
    text, metadata = encode(column, "rle", 4, 23, 4)
    assert [int(text[i : i + 4], 2) for i in range(0, 16, 4)] == [1, 2, 0, 3]
    assert [int(metadata[i : i + 4], 2) for i in range(5, 21, 4)] == [2, 0, 15, 2]
    found = stored(np.array([column], dtype=bool), "rle", 4, 23, 4).whole_bits()
    assert found == (4 * 4, 5 + 4 * 4)


@pytest.mark.parametrize(("zeros", "padding"), [(15, 0), (16, 1), (31, 1), (32, 2)])
def test_a_run_of_zeros_is_broken_where_its_bits_end(zeros: int, padding: int) -> None:
    mask = np.zeros((1, zeros + 3), dtype=bool)
    mask[0, zeros] = True  # and two zeros after it, which take nothing
    assert stored(mask, "rle", 16, 64, 4).whole_bits() == (16 * (1 + padding), 7 + 4 * (1 + padding))


@pytest.mark.parametrize(("segment", "place", "count"), [(1, 1, 1), (2, 1, 2), (32, 5, 6), (33, 6, 6), (64, 6, 7)])
def test_a_place_and_a_count_take_the_bits_that_they_need(segment: int, place: int, count: int) -> None:
    assert (place_bits(segment), count_bits(segment)) == (place, count)


@settings(max_examples=200)
@given(st.data(), masks(), LAYOUTS)
def test_tiles_that_are_aligned_to_segments_sum_to_the_whole(
    data: st.DataObject, mask: Bools, layout: tuple[str, int, int, int]
) -> None:
    one = stored(mask, *layout)
    rows, bits = mask.shape
    row_edges = sorted({0, rows, *data.draw(st.lists(st.integers(0, rows), max_size=3))})
    segments = st.integers(0, bits // layout[2]).map(lambda s: s * layout[2])
    edges = sorted({0, bits, *data.draw(st.lists(segments, max_size=3))})
    grid = one.grid_bits(np.array(row_edges), np.array(edges))
    assert tuple(int(part.sum()) for part in grid) == one.whole_bits()
    for i in range(len(row_edges) - 1):
        for j in range(len(edges) - 1):
            tile = one.tile_bits(slice(*row_edges[i : i + 2]), slice(*edges[j : j + 2]))
            assert (int(grid[0][i, j]), int(grid[1][i, j])) == tile


@settings(max_examples=200)
@given(st.data(), masks(), LAYOUTS)
def test_every_segment_is_written_by_one_tile_however_the_tensor_is_cut(
    data: st.DataObject, mask: Bools, layout: tuple[str, int, int, int]
) -> None:
    one = stored(mask, *layout)
    rows, bits = mask.shape
    row_edges = sorted({0, rows, *data.draw(st.lists(st.integers(0, rows), max_size=3))})
    edges = sorted({0, bits, *data.draw(st.lists(st.integers(0, bits), max_size=5))})
    tiles = [
        (one.owned_bits(slice(r, s), slice(a, b)), one.tile_bits(slice(r, s), slice(a, b)))
        for r, s in pairwise(row_edges)
        for a, b in pairwise(edges)
    ]
    assert tuple(sum(written[part] for written, _ in tiles) for part in range(2)) == one.whole_bits()
    for written, fetched in tiles:
        assert written[0] <= fetched[0]
        assert written[1] <= fetched[1]
    # The last tile writes something: engines rely on it.
    assert sum(tiles[-1][0]) > 0


@settings(max_examples=200)
@given(st.data(), masks(), LAYOUTS)
def test_tiles_of_a_grid_own_what_each_owns_by_itself(
    data: st.DataObject, mask: Bools, layout: tuple[str, int, int, int]
) -> None:
    one = stored(mask, *layout)
    rows, bits = mask.shape
    row_edges = sorted(data.draw(st.lists(st.integers(0, rows), min_size=1, max_size=4)))
    tiles = data.draw(st.integers(0, 3))
    ends = st.lists(st.integers(0, bits), min_size=tiles + 1, max_size=tiles + 1).map(sorted)
    parts = data.draw(st.lists(ends, min_size=1, max_size=3))
    grid = one.owned_grid_bits(np.array(row_edges), np.array(parts))
    for i, (r, s) in enumerate(pairwise(row_edges)):
        for j in range(tiles):
            pieces = [one.owned_bits(slice(r, s), slice(*part[j : j + 2])) for part in parts]
            assert (int(grid[0][i, j]), int(grid[1][i, j])) == tuple(map(sum, zip(*pieces, strict=True)))
    assert grid[0].shape == grid[1].shape == (len(row_edges) - 1, tiles)


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_empty_tile_has_no_bits(fmt: str) -> None:
    one = stored(np.ones((3, 70), dtype=bool), fmt)
    for rows, elements in ((slice(1, 1), slice(0, 70)), (slice(0, 3), slice(33, 33)), (slice(0, 3), slice(70, 70))):
        assert one.tile_bits(rows, elements) == one.owned_bits(rows, elements) == (0, 0)


@pytest.mark.parametrize("fmt", CODED)
def test_a_mask_without_non_zeros_stores_no_value(fmt: str) -> None:
    values, metadata = stored(np.zeros((4, 70), dtype=bool), fmt).whole_bits()
    assert values == 0
    assert metadata == (4 * 70 if fmt == "bitmap" else 4 * 3 * 6)


@pytest.mark.parametrize(
    "change",
    [
        {"packed": np.zeros((2, 9), np.int8)}, {"packed": np.zeros(9, np.uint8)}, {"bits": 73}, {"bits": 64},
        {"fmt": "csr"}, {"value_bits": 0}, {"segment": 0}, {"run_bits": 0}, {"run_bits": 62},
    ],
)  # fmt: skip
def test_what_is_not_as_stated_is_refused(change: dict[str, object]) -> None:
    right: dict[str, object] = {"packed": np.zeros((2, 9), np.uint8), "bits": 70, "fmt": "rle", "value_bits": 16}
    StoredMask(**right)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"in place of|is not one of|in segments of"):
        StoredMask(**{**right, **change})  # type: ignore[arg-type]


def test_runs_of_bits_are_rounded_to_bytes_one_by_one() -> None:
    assert bytes_of_bits(1, 9, 16) == 1 + 2 + 2
