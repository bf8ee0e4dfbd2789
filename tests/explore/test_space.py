from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simulator.explore import Axis, Space, enumerate_grid, load_space, space_names
from simulator.explore.space import Phase, Source
from simulator.explore.trace_files import sample_names
from traces import InputError

GOOD = """\
name: try
archs: [small.yaml, dense]
traces: [a.npz]
steps: "10:25"
axes:
  skipping.depth: [4, null]
  array.rows: [2, 4]
"""


def write(folder: Path, tmp_path: Path, text: str) -> Path:
    for file in folder.iterdir():
        shutil.copy(file, tmp_path)
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        enumerate_grid(load_space(path))
    return str(caught.value).replace(f"{path.parent}/", "")


def test_a_space_file_is_read_with_its_references_resolved(folder: Path, tmp_path: Path) -> None:
    space = load_space(write(folder, tmp_path, GOOD))
    assert space.name == "try"
    assert [machine.name for machine in space.machines] == ["small", "dense"]
    assert space.machines[0].folder == tmp_path
    assert [trace.path for trace in space.traces] == [tmp_path / "a.npz"]
    assert space.phases == (Phase((10, 25)),)
    assert [(axis.path, axis.values) for axis in space.axes] == [
        ("skipping.depth", (4, None)),
        ("array.rows", (2, 4)),
    ]


def test_a_space_without_axes_or_steps_is_one_point_each(folder: Path, tmp_path: Path) -> None:
    space = load_space(write(folder, tmp_path, "name: x\narchs: [small.yaml, plain.yaml]\ntraces: [b.npz]\n"))
    assert (space.phases, space.axes) == ((Phase(),), ())
    assert len(enumerate_grid(space).points) == 2


def test_a_pattern_means_its_files_sorted_and_each_once(folder: Path, tmp_path: Path) -> None:
    path = write(folder, tmp_path, GOOD.replace("[a.npz]", '["b.npz", "*.npz"]'))
    assert [trace.name for trace in load_space(path).traces] == ["b.npz", "a.npz"]


def test_references_start_from_the_spaces_folder(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(folder, tmp_path, GOOD.replace("small.yaml", "../small.yaml").replace("a.npz", "'../[ab].npz'"))
    space = load_space(path.rename(inner / "space.yaml"))
    assert [trace.path.resolve() for trace in space.traces] == [tmp_path / "a.npz", tmp_path / "b.npz"]


@pytest.mark.parametrize("prefix", ["", "sample:"])
def test_samples_are_found_by_name(folder: Path, tmp_path: Path, prefix: str) -> None:
    name = sample_names()[0]
    space = load_space(write(folder, tmp_path, GOOD.replace("a.npz", f"'{prefix}{name}'")))
    assert [trace.name for trace in space.traces] == [f"{name}.npz"]
    assert space.traces[0].path.is_file()


def test_a_mapping_is_a_space_relative_to_a_folder(folder: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"]}, folder)
    assert space.traces == (Source(folder / "a.npz", "a.npz"),)


@pytest.mark.parametrize("name", space_names())
def test_a_shipped_space_is_found_by_name_and_has_points(name: str) -> None:
    grid = enumerate_grid(load_space(name))
    assert len(grid.points) > 1
    assert all(entry.reason.startswith("skipping") for entry in grid.refusals)


BAD = {
    "unknown_key": (
        ("steps:", "step:"),
        "space.yaml:4:1 step: found unknown key 'step'",
        "did you mean 'steps'?",
    ),
    "missing_key": (("archs: [small.yaml, dense]\n", ""), "space.yaml:1:1 archs: found no key 'archs'", ""),
    "twice": (("traces:", "name: x\ntraces:"), "space.yaml:3:1 name: found the key 'name' again", "line 1"),
    "no_list": (
        ("[4, null]", "4"),
        "space.yaml:6:19 axes.skipping.depth: found 4; expected a list",
        "write [4]",
    ),
    "empty": (("[4, null]", "[]"), "space.yaml:6:19 axes.skipping.depth: found an empty list", ""),
    "list_in_mapping": (
        ("[4, null]", "{values: 4}"),
        "space.yaml:6:28 axes.skipping.depth.values: found 4; expected a list",
        "write [4]",
    ),
    "values_and_range": (
        ("[4, null]", "{values: [4], from: 1}"),
        "space.yaml:6:33 axes.skipping.depth.from: found 'from' beside 'values'",
        "",
    ),
    "range_key": (
        ("[4, null]", "{from: 1, to: 9, stpe: 2}"),
        "space.yaml:6:36 axes.skipping.depth.stpe: found unknown key 'stpe'",
        "did you mean 'step'?",
    ),
    "a_value_that_is_a_mapping": (
        ("skipping.depth: [4, null]", "skipping: {mechanism: dense}"),
        "space.yaml:6:14 axes.skipping.mechanism: found unknown key 'mechanism'",
        "a part is an axis of its own, skipping.mechanism; a mapping as a value stands in a list",
    ),
    "no_end": (
        ("[4, null]", "{from: 1, step: 2}"),
        "space.yaml:6:3 axes.skipping.depth: found no key 'to'",
        "",
    ),
    "no_step": (
        ("[4, null]", "{from: 1, to: 2}"),
        "space.yaml:6:3 axes.skipping.depth: found no key 'step'; expected values: [...], from/to/step, or",
        "",
    ),
    "step_and_factor": (
        ("[4, null]", "{from: 1, to: 9, step: 2, factor: 2}"),
        "space.yaml:6:45 axes.skipping.depth.factor: found 'factor' beside 'step'",
        "",
    ),
    "no_number": (
        ("[4, null]", "{from: 1, to: true, step: 2}"),
        "space.yaml:6:33 axes.skipping.depth.to: found true; expected a number",
        "",
    ),
    "backwards": (
        ("[4, null]", "{from: 9, to: 1, step: 2}"),
        "space.yaml:6:33 axes.skipping.depth.to: found 1; expected at least 9",
        "",
    ),
    "no_stride": (("[4, null]", "{from: 1, to: 9, step: 0}"), "space.yaml:6:42 axes.skipping.depth.step: found 0", ""),
    "factor_of_one": (
        ("[4, null]", "{from: 1, to: 9, factor: 1}"),
        "space.yaml:6:44 axes.skipping.depth.factor: found 1; expected more than 1",
        "",
    ),
    "factor_from_zero": (
        ("[4, null]", "{from: 0, to: 9, factor: 2}"),
        "space.yaml:6:26 axes.skipping.depth.from: found 0; expected more than 0",
        "",
    ),
    "endless": (
        ("[4, null]", "{from: 0, to: 9, step: 1e-6}"),
        "space.yaml:6:19 axes.skipping.depth: found more than 10000 values",
        "a larger step",
    ),
    "condition_kind": (
        ("[4, null]", "{values: [4], only_if: dense}"),
        'space.yaml:6:42 axes.skipping.depth.only_if: found "dense"',
        "{skipping.mechanism: lookahead}",
    ),
    "condition_empty": (
        ("[4, null]", "{values: [4], only_if: {array.rows: []}}"),
        "space.yaml:6:55 axes.skipping.depth.only_if.array.rows: found an empty list",
        "",
    ),
    "condition_key": (
        ("[4, null]", "{values: [4], only_if: {array.row: 2}}"),
        "space.yaml:6:43 axes.skipping.depth.only_if.array.row: found 'array.row', which no machine has",
        "did you mean 'array.rows'?",
    ),
    "condition_never": (
        ("[4, null]", "{values: [4], only_if: {array.rows: 5}}"),
        "space.yaml:6:3 axes.skipping.depth: found 'skipping.depth', whose only_if never holds",
        "",
    ),
    "circle": (
        ("[2, 4]", "{values: [2], only_if: {skipping.depth: 4}}\n  skipping: {values: [1], only_if: {array: 1}}"),
        "space.yaml:6:3 axes.skipping.depth: found conditions in a circle: skipping.depth and array.rows and skipping",
        "",
    ),
    "sample_kind": (
        ("axes:", "sample: {kind: latin, points: 3}\naxes:"),
        'space.yaml:5:16 sample.kind: found "latin"; expected one of grid, random, latin_hypercube',
        "did you mean 'latin_hypercube'?",
    ),
    "sample_points": (
        ("axes:", "sample: {kind: random}\naxes:"),
        "space.yaml:5:9 sample: found random without points",
        "",
    ),
    "sample_of_a_grid": (
        ("axes:", "sample: {points: 3}\naxes:"),
        "space.yaml:5:9 sample: found a grid with points",
        "",
    ),
    "sample_seed": (
        ("axes:", "sample: {kind: random, points: 3, seed: -1}\naxes:"),
        "space.yaml:5:41 sample.seed: found -1; expected at least 0",
        "",
    ),
    "steps_listed": (('"10:25"', '["10:25", "9"]'), "space.yaml:4:18 steps.1: found '9'; expected A:B", ""),
    "steps_named": (('"10:25"', '{early: "10"}'), "space.yaml:4:16 steps.early: found '10'; expected A:B", ""),
    "trace_no_text": (("[a.npz]", "[a.npz, 1]"), "space.yaml:3:17 traces.1: found 1; expected a text", ""),
    "named_no_text": (("[a.npz]", "{one: 1}"), "space.yaml:3:15 traces.one: found 1; expected a text", ""),
    "steps_no_text": (('"10:25"', "[1]"), "space.yaml:4:9 steps.0: found 1; expected a text", ""),
    "named_trace": (
        ("[a.npz]", "{one: aa.npz}"),
        "space.yaml:3:15 traces.one: found 'aa.npz', no such file",
        "'a.npz'",
    ),
    "named_pattern": (("[a.npz]", '{one: "*.npz"}'), "space.yaml:3:15 traces.one: found a pattern of 2 files", ""),
    "named_twice": (
        ("[a.npz]", "{one: a.npz, two: a.npz}"),
        "space.yaml:3:27 traces.two: found the file of 'one' again",
        "",
    ),
    "value_twice": (("[4, null]", "[4, 8, 4]"), "space.yaml:6:19 axes.skipping.depth: found 4 twice", ""),
    "machine_name": (("dense]", "dens]"), "space.yaml:2:21 archs.1: found 'dens'", "did you mean 'dense'?"),
    "machine_file": (("small.y", "smal.y"), "space.yaml:2:9 archs.0: found 'smal.yaml', no such file", ""),
    "trace_file": (("a.npz", "aa.npz"), "space.yaml:3:10 traces.0: found 'aa.npz', no such file", "'a.npz'"),
    "trace_pattern": (("a.npz", "'c*.npz'"), "space.yaml:3:10 traces.0: found 'c*.npz', which no file", ""),
    "sample": (("a.npz", "sample:none"), "space.yaml:3:10 traces.0: found 'none', no sample", ""),
    "steps": (("10:25", "10-25"), "space.yaml:4:8 steps: found '10-25'; expected A:B", "100:500"),
    "steps_kind": (('"10:25"', "10"), "space.yaml:4:8 steps: found 10; expected a text", ""),
    "no_such_key": (
        ("array.rows", "array.row"),
        "space.yaml:7:3 axes.array.row",
        "did you mean 'array.rows'?",
    ),
    "key_elsewhere": (("array.rows", "rows"), "space.yaml:7:3 axes.rows", "did you mean 'array.rows'?"),
    "a_machines_own_fault": (("small.yaml", "bad.yaml"), "bad.yaml:4:15 array.rows: found -4", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_space_is_refused_with_its_place(case: str, folder: Path, tmp_path: Path) -> None:
    (old, new), start, hint = BAD[case]
    assert old in GOOD
    path = write(folder, tmp_path, GOOD.replace(old, new))
    (tmp_path / "bad.yaml").write_text((folder / "small.yaml").read_text().replace("rows: 4", "rows: -4"))
    message = refusal(path)
    assert message.startswith(start)
    assert hint in message
    assert len(message.splitlines()) == 1


def test_every_problem_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    path = write(folder, tmp_path, GOOD.replace("dense", "dens").replace("a.npz", "c.npz").replace("10:", "x:"))
    assert [line.split()[0] for line in refusal(path).splitlines()] == [
        "space.yaml:2:21",
        "space.yaml:3:10",
        "space.yaml:4:8",
    ]


@pytest.mark.parametrize(("text", "found"), [("- a\n", "a list at the top"), ("", "nothing")])
def test_a_file_that_is_no_space_is_refused(text: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(text)
    assert f"found {found}" in refusal(tmp_path / "space.yaml")


def test_an_unknown_space_names_the_shipped_ones() -> None:
    with pytest.raises(InputError, match="did you mean 'depth_refill'"):
        load_space("depth_refil")


def test_plain_data_only_is_a_space(folder: Path) -> None:
    with pytest.raises(InputError, match="plain data"):
        Space.parse({"name": "x", "archs": ["dense"], "traces": [folder / "a.npz"]})


def test_axes_made_in_python_tell_their_path(folder: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"]}, folder)
    wrong = Space("x", space.machines, space.traces, axes=(Axis("array.depht", (1,)),))
    with pytest.raises(InputError, match=r"the space axes\.array\.depht: found 'array\.depht'"):
        enumerate_grid(wrong)
