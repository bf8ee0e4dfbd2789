from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore import Point, Space, enumerate_grid
from simulator.explore import evaluate as evaluation
from simulator.explore.order import hardware_digest, sharing_order
from simulator.run import bound_of, dense_twin, replay

AXES: dict[str, list[Any]] = {
    "energy_table": ["cmos_45nm", "cmos_7nm"],
    "skipping.depth": [2, 4, 8],
    "array.rows": [2, 3],
    "clock_mhz": [500, 600],
}


def points_of(folder: Path, axes: dict[str, list[Any]]) -> list[Point]:
    data = {"name": "x", "archs": ["small.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}
    return enumerate_grid(Space.parse(data, folder)).points


@settings(max_examples=24, deadline=None, derandomize=True)
@given(st.permutations(list(AXES)))
def test_whatever_the_order_of_the_axes_what_is_shared_stands_together(folder: Path, names: list[str]) -> None:
    points = points_of(folder, {name: AXES[name] for name in names})
    order, groups = sharing_order(points)
    assert sorted(order) == list(range(len(points)))
    assert order[0] == 0
    assert groups == sorted(groups)
    inside = [points[index] for index in order]
    shared = [(p.recorded, dense_twin(p.machine).replaced("energy_table", "none").digest) for p in inside]
    assert [a == b for a, b in itertools.pairwise(groups)] == [a == b for a, b in itertools.pairwise(shared)]
    replays = [(p.recorded, p.machine.replaced("energy_table", "none").digest) for p in inside]
    for parts in ([p.recorded for p in inside], shared, replays):
        runs = [part for part, _ in itertools.groupby(parts)]
        assert len(runs) == len(set(runs)), "each part stands in one place"


def test_points_that_share_nothing_keep_their_order(folder: Path) -> None:
    points = points_of(folder, {"array.rows": [5, 2, 3], "clock_mhz": [700, 600]})
    assert sharing_order(points)[0] == list(range(len(points)))


def test_a_sweep_replays_each_machine_once_although_prices_change_slowest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.explore import run_sweep

    replayed: list[tuple[str, str]] = []

    def counted(machines: Any, kept: Any, steps: Any) -> Any:
        replayed.extend((hardware_digest(m, ""), kept.trace.sha256) for m in machines)
        return replay(machines, kept, steps)

    monkeypatch.setattr(evaluation, "replay", counted)
    for cache in (evaluation._figures, evaluation._replay, evaluation._steps):
        cache.cache_clear()
    axes = {**AXES, "clock_mhz": [500, 600, 700, 800, 900]}
    data = {"name": "x", "archs": ["small.yaml", "plain.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}
    space = Space.parse(data, folder)
    run_sweep(space, workers=1)
    expected = {
        (hardware_digest(machine, ""), point.recorded.sha256)
        for point in enumerate_grid(space).points
        for machine in (point.machine, dense_twin(point.machine), bound_of(point.machine))
    }
    assert len(expected) == 2 * (3 * 10 + 10 + 10)  # plain.yaml is the dense twin of small.yaml
    assert sorted(replayed) == sorted(expected)
    assert evaluation._steps.cache_info().misses == 2  # each trace was opened once


def test_hardware_is_all_but_names_and_prices(folder: Path) -> None:
    machine = points_of(folder, {})[0].machine
    alike = [machine.replaced(k, v) for k, v in (("name", "x"), ("description", "y"), ("energy_table", "cmos_7nm"))]
    assert {hardware_digest(m, "") for m in alike} == {hardware_digest(machine, "")}
    others = [machine.replaced("clock_mhz", 1), machine.replaced("skipping.depth", 9), machine.replaced("memory", {})]
    assert len({hardware_digest(m, "") for m in (machine, *others)} | {hardware_digest(machine, "files")}) == 5
