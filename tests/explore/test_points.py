from __future__ import annotations

import itertools
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import load_arch
from simulator.explore import Axis, Point, Refusal, Space, enumerate_grid, run_sweep
from traces import InputError


def space_of(folder: Path, axes: dict[str, list[Any]], **keys: Any) -> Space:
    return Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": axes} | keys, folder)


def test_the_grid_is_every_combination_with_the_last_axis_fastest(folder: Path) -> None:
    space = space_of(folder, {"array.rows": [2, 4], "skipping.depth": [4, 8, 16]}, traces=["b.npz", "a.npz"])
    grid = enumerate_grid(space)
    assert [(p.recorded.path.name, *(cell for _, cell in p.settings)) for p in grid.points] == list(
        itertools.product(["b.npz", "a.npz"], [2, 4], [4, 8, 16])
    )
    for point in grid.points:
        chosen = dict(point.settings)
        assert point.machine.array.rows == chosen["array.rows"]
        assert point.machine.to_dict()["skipping"]["depth"] == chosen["skipping.depth"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_points_machine_is_what_set_makes_of_its_base(data: st.DataObject, folder: Path) -> None:
    texts = {  # as a user would write them after --set, and as plain data
        "array.rows": ["1", "7", "64"],
        "array.pass_overhead_cycles": ["0", "3"],
        "skipping.depth": ["2", "4", "16"],
        "skipping.banks": ["null", "2"],
        "clock_mhz": ["800"],
        "memory": ["ideal", "{}"],
    }
    plain = {"null": None, "ideal": "ideal", "{}": {}}
    chosen = {
        path: data.draw(st.lists(st.sampled_from(texts[path]), min_size=1, unique=True), label=path)
        for path in data.draw(st.lists(st.sampled_from(sorted(texts)), unique=True), label="axes")
    }
    axes = {path: [plain.get(t, t) if t in plain else int(t) for t in ts] for path, ts in chosen.items()}
    entries = enumerate_grid(space_of(folder, axes)).entries
    expected = itertools.product(*chosen.values())
    for entry, values in zip(entries, expected, strict=True):
        words = [f"{path}={value}" for path, value in zip(chosen, values, strict=True)]
        try:
            digest = load_arch(folder / "small.yaml", overrides=words).digest
        except InputError:
            assert isinstance(entry, Refusal)
        else:
            assert isinstance(entry, Point)
            assert entry.machine.digest == digest


def test_an_axis_that_a_machine_lacks_is_left_out_for_it(folder: Path) -> None:
    space = space_of(
        folder,
        {"skipping.depth": [4, 8], "array.rows": [2, 4]},
        archs=["small.yaml", "plain.yaml"],
    )
    cells = [(p.machine.name, *(cell for _, cell in p.settings)) for p in enumerate_grid(space).points]
    assert cells == [
        ("small", 4, 2),
        ("small", 4, 4),
        ("small", 8, 2),
        ("small", 8, 4),
        ("plain", None, 2),
        ("plain", None, 4),
    ]


def test_an_axis_over_mechanisms_decides_which_other_axes_apply(folder: Path) -> None:
    axes = {"skipping.depth": [4, 8], "skipping.refill": [4], "skipping.mechanism": ["dense", "lookahead"]}
    points = enumerate_grid(space_of(folder, axes)).points
    assert [tuple(cell for _, cell in p.settings) for p in points] == [
        (None, None, "dense"),
        (4, 4, "lookahead"),
        (8, 4, "lookahead"),
    ]


def test_cells_of_what_is_no_number_or_text_are_told_as_in_a_file(folder: Path) -> None:
    axes = {"skipping": [{"mechanism": "dense"}], "memory.buffers.skip.double": [True, False]}
    points = enumerate_grid(space_of(folder, axes, archs=["zero_skip"])).points
    assert [tuple(cell for _, cell in p.settings) for p in points] == [
        ('{"mechanism":"dense"}', "true"),
        ('{"mechanism":"dense"}', "false"),
    ]
    null = enumerate_grid(space_of(folder, {"skipping.banks": [None, 2]})).points
    assert [p.settings[0][1] for p in null] == ["null", 2]


def test_an_invalid_combination_is_kept_with_its_reason(folder: Path) -> None:
    grid = enumerate_grid(space_of(folder, {"skipping.refill": [2, 8, 4]}))
    assert [type(entry) for entry in grid.entries] == [Point, Refusal, Point]
    (refused,) = grid.refusals
    assert refused.settings == (("skipping.refill", 8),)
    assert refused.reason.startswith("skipping: found refill 8 with depth 4; expected a refill of at most depth")


def test_a_trace_without_a_step_in_the_range_is_kept_with_its_reason(folder: Path) -> None:
    grid = enumerate_grid(space_of(folder, {}, traces=["a.npz", "b.npz"], steps="10:30"))
    assert [p.recorded.steps for p in grid.points] == [(10, 20)]
    (refused,) = grid.refusals
    assert refused.trace == "b.npz"
    assert "no recorded step in that range" in refused.reason


def test_a_space_of_nothing_but_invalid_points_is_refused_with_each_reason_once(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        enumerate_grid(space_of(folder, {"skipping.refill": [8, 16], "array.rows": [2, 4]}))
    assert [problem.found.partition(" with ")[0] for problem in caught.value.problems] == [
        "no valid point: skipping: found refill 8",
        "no valid point: skipping: found refill 16",
    ]


def test_a_damaged_trace_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:200])
    with pytest.raises(InputError, match=r"cut\.npz"):
        enumerate_grid(space_of(folder, {}, traces=["a.npz", str(tmp_path / "cut.npz")]))


def keys_of(space: Space) -> list[str]:
    return [point.key for point in enumerate_grid(space).points]


def test_a_key_says_what_a_row_is_made_of_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    space = space_of(folder, {"array.rows": [2, 4], "clock_mhz": [500]})
    same = space_of(folder, {"clock_mhz": [500], "array.rows": [2, 4]}, name="another", steps="0:99")
    elsewhere = shutil.copytree(folder, tmp_path / "copy")
    (elsewhere / "a.npz").rename(elsewhere / "renamed.npz")
    moved = space_of(elsewhere, {"array.rows": [2, 4]}, traces=["renamed.npz"])
    assert keys_of(space) == keys_of(same) == keys_of(moved)
    others = [
        space_of(folder, {"array.rows": [2, 4]}, traces=["b.npz"]),
        space_of(folder, {"array.rows": [2, 4]}, steps="10:30"),
        space_of(folder, {"array.rows": [2, 4], "clock_mhz": [501]}),
        space_of(folder, {"array.rows": [2, 4], "energy_table": ["cmos_7nm"]}),
    ]
    keys = [key for one in (space, *others) for key in keys_of(one)]
    assert len(set(keys)) == len(keys) == 10


def test_a_key_changes_with_the_content_of_a_users_energy_table(folder: Path, tmp_path: Path) -> None:
    from simulator.arch import config_root

    home = shutil.copytree(folder, tmp_path / "copy")
    table = home / "mine.yaml"
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    space = space_of(home, {"energy_table": ["mine.yaml"]})
    keys = []
    for content in (text, text.replace("name: cmos_45nm", "name: mine"), text + "# said\n"):
        table.write_text(content, encoding="utf-8")
        keys += keys_of(space)
    assert keys[0] == keys[2] != keys[1]


def test_a_point_travels_to_another_process_as_it_is(folder: Path) -> None:
    (point,) = enumerate_grid(space_of(folder, {})).points
    there = pickle.loads(pickle.dumps(point))
    assert there == point
    assert (there.key, there.machine.folder) == (point.key, folder)


def test_a_space_is_not_changed_by_its_enumeration(folder: Path) -> None:
    space = replace(space_of(folder, {}), axes=(Axis("skipping", ({"mechanism": "dense"},)), Axis("array.rows", (1,))))
    assert keys_of(space) == keys_of(space)
    assert space.axes[0].values == ({"mechanism": "dense"},)


def test_named_phases_and_traces_are_what_the_table_calls_them(folder: Path) -> None:
    keys: dict[str, Any] = {
        "traces": {"first": "a.npz", "second": "b.npz"},
        "steps": {"early": ":15", "late": "15:"},
    }
    space = space_of(folder, {"array.rows": [2, 4]}, **keys)
    assert space.columns == ("phase", "array.rows")
    entries = enumerate_grid(space).entries
    cells = [
        (e.recorded.name, e.recorded.steps, *(v for _, v in e.settings))
        if isinstance(e, Point)
        else (e.trace, (), *(v for _, v in e.settings))
        for e in entries
    ]
    assert cells == [
        ("first", (10,), "early", 2),
        ("first", (10,), "early", 4),
        ("first", (20, 30), "late", 2),
        ("first", (20, 30), "late", 4),
        ("second", (5,), "early", 2),
        ("second", (5,), "early", 4),
        ("second", (), "late", 2),
        ("second", (), "late", 4),
    ]
    rows = run_sweep(space, workers=1).rows
    assert [(row["trace"], row["phase"], row.get("steps")) for row in rows[::2]] == [
        ("first", "early", "10:11"),
        ("first", "late", "20:31"),
        ("second", "early", "5:6"),
        ("second", "late", None),
    ]


def test_several_stretches_without_names_are_told_by_their_steps_and_the_same_steps_are_one(folder: Path) -> None:
    space = space_of(folder, {"array.rows": [2]}, steps=[":15", "5:12", ":99"])
    assert space.columns == ("array.rows",)
    assert [point.recorded.steps for point in enumerate_grid(space).points] == [(10,), (10, 20, 30)]


def test_names_are_no_part_of_a_key(folder: Path) -> None:
    named = space_of(folder, {}, traces={"x": "a.npz"}, steps={"all": ":"})
    assert keys_of(named) == keys_of(space_of(folder, {}))
