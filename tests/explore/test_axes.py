"""Axes: ranges say what a list would, and conditions decide what a filter over the whole grid would."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import load_arch
from simulator.explore import Axis, Point, Space, enumerate_grid
from simulator.explore.axes import Condition, in_order, parse_axis
from traces import InputError


def values_of(data: Any) -> tuple[Any, ...]:
    return parse_axis("array.rows", data, lambda loc, is_key: ".".join(map(str, ("axis", *loc)))).values


def space_of(folder: Path, axes: dict[str, Any], **keys: Any) -> Space:
    return Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes} | keys, folder)


# --- ranges ------------------------------------------------------------------------------------------------


@given(st.integers(-50, 50), st.integers(0, 200), st.integers(1, 20))
def test_a_range_of_whole_numbers_is_pythons_with_its_end(first: int, length: int, step: int) -> None:
    values = values_of({"from": first, "to": first + length, "step": step})
    assert values == tuple(range(first, first + length + 1, step))
    assert {type(value) for value in values} == {int}


@given(st.integers(1, 9), st.integers(1, 2000), st.integers(2, 5))
def test_a_range_by_a_factor_has_every_power_up_to_its_end(first: int, last: int, factor: int) -> None:
    if last < first:
        first, last = last, first
    values = values_of({"from": first, "to": last, "factor": factor})
    assert values == tuple(first * factor**n for n in range(20) if first * factor**n <= last)
    assert {type(value) for value in values} == {int}


def test_decimal_steps_meet_their_end() -> None:
    assert values_of({"from": 0.1, "to": 0.7, "step": 0.1}) == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert values_of({"from": 1e-6, "to": 1e-3, "factor": 10}) == (1e-6, 1e-5, 1e-4, 1e-3)
    assert values_of({"from": 1, "to": 2.5, "step": 0.5}) == (1.0, 1.5, 2.0, 2.5)


def test_a_range_is_one_value_where_it_ends_as_it_begins() -> None:
    assert values_of({"from": 3, "to": 3, "step": 9}) == values_of({"values": [3]}) == values_of([3]) == (3,)


def test_ranges_and_lists_make_the_same_points(folder: Path) -> None:
    listed = space_of(folder, {"array.rows": [2, 4, 6], "array.columns": [2, 4, 8]})
    ranged = space_of(
        folder, {"array.rows": {"from": 2, "to": 7, "step": 2}, "array.columns": {"from": 2, "to": 8, "factor": 2}}
    )
    assert enumerate_grid(listed) == enumerate_grid(ranged)


# --- conditions --------------------------------------------------------------------------------------------

LEVELS: dict[str, list[Any]] = {
    "skipping.mechanism": ["dense", "lookahead"],
    "array.rows": [2, 3],
    "skipping.depth": [8, 16],
    "skipping.refill": [2, 8],
    "clock_mhz": [400, 500],
}


def plainly(chosen: dict[str, Any], axis: str, about: str, allowed: list[Any]) -> dict[str, Any]:
    """What of a combination is set on ``small.yaml``, which has a lookahead."""
    applied = dict(chosen)
    if axis == "skipping.mechanism" and chosen[about] not in allowed:
        del applied[axis]
    if applied.get("skipping.mechanism") == "dense":
        applied = {path: value for path, value in applied.items() if path not in ("skipping.depth", "skipping.refill")}
    if applied.get(about) not in allowed:
        applied.pop(axis, None)
    return applied


def digest_or_refusal(folder: Path, applied: dict[str, Any]) -> str:
    try:
        return load_arch(folder / "small.yaml", [f"{path}={value}" for path, value in applied.items()]).digest
    except InputError:
        return "refused"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_condition_leaves_out_what_a_filter_leaves_out(data: st.DataObject, folder: Path) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(LEVELS)), min_size=2, max_size=4, unique=True), label="axes")
    axis, about = data.draw(st.permutations(names), label="conditional, about")[:2]
    allowed = data.draw(st.lists(st.sampled_from(LEVELS[about]), min_size=1, unique=True), label="allowed")
    only_if = {about: allowed if len(allowed) > 1 else allowed[0]}
    axes = {name: LEVELS[name] if name != axis else {"values": LEVELS[axis], "only_if": only_if} for name in names}
    if axis == "skipping.mechanism" and about.startswith("skipping"):
        with pytest.raises(InputError, match="in a circle"):
            space_of(folder, axes)
        return
    expected: dict[tuple[Any, ...], str] = {}
    for values in itertools.product(*(LEVELS[name] for name in names)):
        applied = plainly(dict(zip(names, values, strict=True)), axis, about, allowed)
        expected[tuple(applied.get(name) for name in names)] = digest_or_refusal(folder, applied)
    unmet = any(all(cells[number] is None for cells in expected) for number in range(len(names)))
    if unmet or set(expected.values()) == {"refused"}:
        with pytest.raises(InputError, match=r"never holds|no valid point"):
            enumerate_grid(space_of(folder, axes))
        return
    entries = enumerate_grid(space_of(folder, axes)).entries
    found = {
        tuple(dict(entry.settings)[name] for name in names): (
            entry.machine.digest if isinstance(entry, Point) else "refused"
        )
        for entry in entries
    }
    assert len(found) == len(entries)
    assert list(found.items()) == list(expected.items())


def test_a_condition_sees_defaults_and_whole_mappings(folder: Path) -> None:
    axes = {
        "array.rows": {"values": [2, 3], "only_if": {"skipping.gate": False}},
        "skipping": [{"mechanism": "dense"}, {"mechanism": "lookahead", "depth": 2, "refill": 2, "banks": None}],
        "clock_mhz": {"values": [400], "only_if": {"skipping": {"mechanism": "dense"}}},
    }
    with pytest.raises(InputError, match=r"array\.rows', whose only_if never holds"):
        enumerate_grid(space_of(folder, axes))
    axes["array.rows"] = {"values": [2, 3], "only_if": {"skipping.gate": True}}
    cells = [
        (dict(p.settings)["array.rows"], dict(p.settings)["clock_mhz"])
        for p in enumerate_grid(space_of(folder, axes)).points
    ]
    assert cells == [(None, 400), (2, None), (3, None)]


def test_a_condition_on_the_machines_name_picks_bases(folder: Path) -> None:
    axes = {"array.rows": {"values": [2, 3], "only_if": {"name": "plain"}}}
    points = enumerate_grid(space_of(folder, axes, archs=["small.yaml", "plain.yaml"])).points
    assert [(p.machine.name, p.machine.array.rows) for p in points] == [("small", 4), ("plain", 2), ("plain", 3)]


def test_true_is_not_one(folder: Path) -> None:
    axes = {"clock_mhz": [400], "array.rows": {"values": [2], "only_if": {"array.pass_overhead_cycles": [False]}}}
    with pytest.raises(InputError, match="never holds"):
        enumerate_grid(space_of(folder, axes))
    assert enumerate_grid(space_of(folder, axes | {"array.rows": {"values": [2], "only_if": {"clock_mhz": 400.0}}}))


@given(st.permutations(["skipping", "skipping.mechanism", "skipping.depth", "memory", "memory.dram", "array.rows"]))
def test_wholes_are_set_before_parts_and_conditions_after_what_they_are_about(paths: list[str]) -> None:
    conditions = {"memory": "skipping.depth", "array.rows": "memory.dram"}
    axes = [Axis(p, (1,), "", (Condition(conditions[p], (1,)),) if p in conditions else ()) for p in paths]
    order = [axis.path for axis in in_order(axes)]
    assert order == ["skipping", "skipping.mechanism", "skipping.depth", "memory", "memory.dram", "array.rows"]
