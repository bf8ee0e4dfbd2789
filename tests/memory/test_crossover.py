"""Format against density: counted bits meet the formula, and curves cross where they must."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.memory.crossover import bits_by_density, bits_per_element, crossover_density, expected_bits
from simulator.memory.formats import FORMATS, Format, StoredMask, place_bits

DENSITIES = [0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 0.9, 0.95, 1.0]


@pytest.mark.parametrize("value_bits", [8, 16, 32])
@pytest.mark.parametrize(("segment", "run_bits"), [(32, 4), (16, 2), (64, 4), (256, 5)])
def test_counted_bits_meet_the_formula(value_bits: int, segment: int, run_bits: int) -> None:
    found = bits_by_density(DENSITIES, value_bits, segment, run_bits)
    for fmt in FORMATS:
        expected = [expected_bits(fmt, d, value_bits, segment, run_bits) for d in DENSITIES]
        # Shares of non-zeros are exact; only padding depends on where they are, and at 1 % there are 2600 of them.
        assert found[fmt] == pytest.approx(expected, rel=2e-2 if fmt == "rle" else 1e-3), fmt


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("run_bits", [1, 2, 3])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.6, 1.0])
def test_the_formula_is_the_mean_over_all_masks_of_a_segment(fmt: Format, run_bits: int, density: float) -> None:
    every = np.arange(1 << 10, dtype="<u2")[:, None].view(np.uint8)  # all masks of ten elements
    ones = np.bitwise_count(every).sum(axis=1, dtype=np.int64)
    chance = density**ones * (1 - density) ** (10 - ones)
    stored = StoredMask(every, 10, fmt, 16, segment=10, run_bits=run_bits)
    values, metadata = stored.grid_bits(np.arange(len(every) + 1), np.array([0, 10]))
    mean = float(((values + metadata)[:, 0] * chance).sum()) / 10
    assert mean == pytest.approx(expected_bits(fmt, density, 16, 10, run_bits), rel=1e-12)


@pytest.mark.parametrize("segment", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("value_bits", [8, 16, 32])
def test_coordinates_beat_a_bitmap_only_at_low_density(segment: int, value_bits: int) -> None:
    crossover = crossover_density(segment)
    assert 0.5 / place_bits(segment) < crossover < 1 / place_bits(segment)
    densities = [crossover * f for f in (0.0, 0.2, 0.5, 0.9, 0.98, 1.02, 1.1, 2.0)]
    found = bits_by_density(densities, value_bits, segment)
    wins = [csc < bitmap for csc, bitmap in zip(found["csc"], found["bitmap"], strict=True)]
    assert wins == [True] * 5 + [False] * 3


def test_runs_lie_between_coordinates_and_a_bitmap_away_from_their_crossing() -> None:
    found = bits_by_density([0.005, 0.02, 0.05, 0.25, 0.4, 0.6, 1.0])
    for csc, rle, bitmap in list(zip(found["csc"], found["rle"], found["bitmap"], strict=True))[:3]:
        assert csc < rle < bitmap
    for csc, rle, bitmap in list(zip(found["csc"], found["rle"], found["bitmap"], strict=True))[3:]:
        assert csc > rle > bitmap


@pytest.mark.parametrize("value_bits", [8, 16, 32])
def test_dense_is_best_near_density_one_and_worst_at_low_density(value_bits: int) -> None:
    # A bitmap pays one bit an element, which zeros of a share 1 / value_bits make up for.
    high, low = 1 - 0.9 / value_bits, 1 - 1.1 / value_bits
    found = bits_by_density([0.05, low, high, 1.0], value_bits)
    best = [min(FORMATS, key=lambda fmt: found[fmt][i]) for i in range(4)]
    assert best[2:] == ["dense", "dense"]
    assert best[1] == "bitmap"
    assert found["dense"][0] == max(found[fmt][0] for fmt in FORMATS)


def test_whole_columns_of_zeros_and_no_zeros_are_counted_as_they_lie() -> None:
    columns = np.zeros((8, 64), np.bool_)
    columns[:, :32] = True  # one segment of each row is full, the other one empty
    found = bits_per_element(np.packbits(columns, axis=1, bitorder="little"), 64)
    assert found == {"dense": 16, "bitmap": 9, "rle": 8 + 2 + 6 / 32, "csc": 8 + 2.5 + 6 / 32}


def test_the_same_seed_gives_the_same_bits() -> None:
    assert bits_by_density([0.1], seed=3) == bits_by_density([0.1], seed=3)
    assert bits_by_density([0.1], seed=3)["rle"] != bits_by_density([0.1], seed=4)["rle"]
