from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore import Space
from simulator.explore.dimensions import Dimension, dimensions, near, numbers_of, parameters


def test_numbers_have_an_order_and_other_values_have_none(folder: Path) -> None:
    axes = {
        "skipping.depth": [8, 2, 4],
        "skipping.refill": [2, None, 4],
        "clock_mhz": {"from": 100, "to": 400, "factor": 2},
        "energy_table": ["cmos_45nm", "cmos_7nm"],
    }
    replayed = {"traces": {"one": "a.npz", "two": "b.npz"}, "steps": ["10:11", ":20"]}
    space = Space.parse({"name": "x", "archs": ["small.yaml", "plain.yaml"], **replayed, "axes": axes}, folder)
    found = dimensions(space)
    assert [(d.name, d.labels, d.ascending) for d in found] == [
        ("arch", ("small", "plain"), None),
        ("trace", ("one", "two"), None),
        ("steps", ("10:11", ":20"), None),
        ("skipping.depth", ("8", "2", "4"), (1, 2, 0)),
        ("skipping.refill", ("2", "null", "4"), None),
        ("clock_mhz", ("100", "200", "400"), (0, 1, 2)),
        ("energy_table", ("cmos_45nm", "cmos_7nm"), None),
    ]


def test_equal_labels_are_told_apart(folder: Path) -> None:
    found = dimensions(
        Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": {"a.b": ["4", 4]}}, folder)
    )
    assert len(set(found[-1].labels)) == 2


dimension = st.permutations(range(4)).map(lambda order: Dimension("ordered", ("a", "b", "c", "d"), tuple(order)))
some = st.lists(
    dimension | st.just(Dimension("loose", ("x", "y", "z"))) | st.just(Dimension("one", ("x",))), max_size=4
)


@settings(derandomize=True, max_examples=60)
@given(some, st.data())
def test_parameters_and_neighbours_name_combinations(found: list[Dimension], data: st.DataObject) -> None:
    every = [Dimension(f"{d.name}{i}", d.labels, d.ascending) for i, d in enumerate(found)]
    numbers = tuple(data.draw(st.integers(0, len(d.labels) - 1)) for d in every)
    assert numbers_of(every, parameters(every, numbers)) == numbers
    moves = list(near(every, [numbers], 2, np.random.default_rng(0)))
    assert len(moves) == len(set(moves))
    distances = []
    for move in moves:
        differing = [d for d, (a, b) in enumerate(zip(numbers, move, strict=True)) if a != b]
        for d in differing:
            order = every[d].ascending
            assert order is None or abs(order.index(move[d]) - order.index(numbers[d])) == 1
        distances.append(len(differing))
    assert distances == sorted(distances)
    assert set(distances) <= {1, 2}
    assert sum(distance == 1 for distance in distances) == sum(
        len(d.next_to(number)) for d, number in zip(every, numbers, strict=True)
    )
