from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore import Space, enumerate_grid
from simulator.explore import sampling as module
from simulator.explore.sampling import Sample, combinations, latin_hypercube, random_combinations

SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=5)
SEEDS = st.integers(0, 2**32)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 60), SEEDS)
def test_a_latin_hypercube_has_each_level_of_each_dimension_equally_often(
    sizes: list[int], points: int, seed: int
) -> None:
    drawn = latin_hypercube(sizes, points, seed)
    assert drawn.shape == (points, len(sizes))
    for size, column in zip(sizes, drawn.T, strict=True):
        counts = np.bincount(column, minlength=size)
        assert len(counts) == size
        assert counts.max() - counts.min() <= 1
        if points % size == 0:
            assert set(counts.tolist()) == {points // size}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 60), SEEDS)
def test_a_random_sample_has_as_many_different_combinations_as_it_is_asked_for(
    sizes: list[int], points: int, seed: int
) -> None:
    drawn = list(combinations(sizes, Sample("random", points, seed)))
    assert len(drawn) == len(set(drawn)) == min(points, math.prod(sizes))
    assert drawn == sorted(drawn)
    assert all(0 <= index < size for row in drawn for index, size in zip(row, sizes, strict=True))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SIZES, SEEDS, st.sampled_from(["grid", "random", "latin_hypercube"]))
def test_every_sample_is_within_the_grid_and_in_its_order(sizes: list[int], seed: int, kind: Any) -> None:
    grid = list(combinations(sizes, Sample()))
    drawn = list(combinations(sizes, Sample(kind, 0 if kind == "grid" else 9, seed)))
    assert len(grid) == math.prod(sizes)
    assert [row for row in grid if row in set(drawn)] == drawn


@pytest.mark.parametrize("whole", [True, False])
def test_more_random_points_begin_with_the_same_ones(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHUFFLED_WHOLE", 1000 if whole else 0)
    few, many = (random_combinations([5, 6, 7], points, 3) for points in (20, 150))
    assert many[:20] == few
    assert len(set(many)) == 150
    assert random_combinations([5, 6, 7], 20, 4) != few


def test_random_combinations_are_equally_likely() -> None:
    counts = Counter(row for seed in range(3000) for row in random_combinations([2, 3], 1, seed))
    assert len(counts) == 6
    assert all(abs(count - 500) < 5 * math.sqrt(500 * 5 / 6) for count in counts.values())  # five sigma


def test_a_space_larger_than_any_memory_is_sampled() -> None:
    drawn = list(combinations([1000] * 8, Sample("random", 50, 1)))
    assert len(set(drawn)) == 50
    assert len(list(combinations([1000] * 8, Sample("latin_hypercube", 50, 1)))) == 50


def test_fewer_points_than_levels_take_levels_at_even_distances() -> None:
    assert sorted(latin_hypercube([9], 3, 0)[:, 0].tolist()) == [1, 4, 7]


def space_of(folder: Path, **sample: Any) -> Space:
    axes = {"array.rows": [1, 2, 3, 4], "skipping.depth": {"from": 2, "to": 16, "factor": 2}, "skipping.refill": [2]}
    data = {"name": "x", "archs": ["small.yaml", "plain.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}
    return Space.parse(data | {"sample": sample}, folder)


@pytest.mark.parametrize("kind", ["random", "latin_hypercube"])
def test_a_sample_of_a_space_is_some_of_its_rows_in_their_order(kind: str, folder: Path) -> None:
    whole = enumerate_grid(space_of(folder)).entries
    some = enumerate_grid(space_of(folder, kind=kind, points=16, seed=2)).entries
    assert 8 < len(some) <= 16  # of a machine without skipping, some combinations are one
    assert [entry for entry in whole if entry in some] == list(some)
    assert enumerate_grid(space_of(folder, kind=kind, points=16, seed=2)).entries == some
    assert enumerate_grid(space_of(folder, kind=kind, points=16, seed=3)).entries != some


def test_a_sample_need_not_meet_every_axis(folder: Path) -> None:
    axes = {"skipping.mechanism": ["dense", "lookahead"], "skipping.depth": [4], "skipping.refill": [2]}
    data = {"name": "x", "archs": ["plain.yaml"], "traces": ["b.npz"], "axes": axes}
    met = []
    for seed in range(8):
        space = Space.parse(data | {"sample": {"kind": "random", "points": 1, "seed": seed}}, folder)
        met += [dict(entry.settings)["skipping.depth"] for entry in enumerate_grid(space).entries]
    assert set(met) == {None, 4}
