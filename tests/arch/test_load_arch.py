"""From a file and `--set` to a machine, or to every problem with its exact place."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import arch_names, load_arch
from traces.errors import InputError

LEAST = """\
name: my-machine
clock_mhz: 1000
precision: {operand: fp16, accumulator: fp32}
array: {rows: 32, columns: 32, pass_overhead_cycles: 0}
skipping: {mechanism: lookahead, depth: 8, refill: 8, banks: null}
memory: ideal
energy_table: cmos_45nm
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machines")


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def places(path: Path | str, overrides: tuple[str, ...] = ()) -> list[str]:
    """Give the places of all problems, with the file's folder left out."""
    with pytest.raises(InputError) as caught:
        load_arch(path, overrides)
    prefix = f"{path.parent}/" if isinstance(path, Path) else ""
    return [problem.where.removeprefix(prefix) for problem in caught.value.problems]


def test_least_file_loads(folder: Path) -> None:
    path = written(folder, LEAST)
    arch = load_arch(path)
    assert arch.name == "my-machine"
    assert arch.folder == folder
    assert load_arch(str(path)) == arch


def test_every_problem_of_a_file_is_told_with_line_and_column(folder: Path) -> None:
    text = LEAST.replace("memory: ideal", "memory:\n  buffers: {skip: {capacity: 12}}\n  dram: {queue: 1.5}")
    text = text.replace("rows: 32", "rowz: 32").replace("name: my-machine", "name: my-machine\nname: other")
    assert sorted(places(written(folder, text))) == [
        "x.yaml:2:1 name",
        "x.yaml:5:1 array.rows",
        "x.yaml:5:9 array.rowz",
        "x.yaml:8:20 memory.buffers.skip.capacity",
        "x.yaml:9:17 memory.dram.queue",
    ]


def test_tile_that_does_not_fit_is_told_at_its_buffer(folder: Path) -> None:
    text = LEAST.replace("memory: ideal", "memory:\n  buffers:\n    output: {capacity_kib: 4}")
    assert places(written(folder, text)) == ["x.yaml:8:28 memory.buffers.output.capacity_kib"]


def test_refused_value_is_not_also_a_wrong_type(folder: Path) -> None:
    assert places(written(folder, LEAST.replace("1000", ".inf"))) == ["x.yaml:2:12 clock_mhz"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        ("# only a remark\n", "nothing"),
        ("- a\n- b\n", "a list at the top"),
        ("just text", "a single value"),
        ("a: [", "a syntax error"),
        ("\x00\x01", "the character"),
    ],
)
def test_file_that_is_no_machine_is_one_problem(folder: Path, text: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        load_arch(written(folder, text))
    (problem,) = caught.value.problems
    assert problem.found.startswith(found)
    assert "x.yaml:1:" in problem.where


def test_folder_is_one_problem(folder: Path) -> None:
    with pytest.raises(InputError, match="found a folder; expected a YAML file"):
        load_arch(folder)


def test_unknown_name_lists_the_shipped_ones_and_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        load_arch("zero_skp")
    assert all(name in str(caught.value) for name in arch_names())
    assert "did you mean 'zero_skip'?" in str(caught.value)
    with pytest.raises(InputError, match=r"no such file.*is the shipped machine meant, 'dense'"):
        load_arch("somewhere/dens.yaml")


@pytest.mark.parametrize("name", ["", "a\0b", "a\0.yaml", "/", "."])
def test_strange_name_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError):
        load_arch(name)


def test_override_is_applied_before_checking(folder: Path) -> None:
    path = written(folder, LEAST)
    arch = load_arch(path, ["array.rows=64", "name='12'", "memory.dram.queue=4", "memory={}"])
    assert (arch.array.rows, arch.name, arch.system.dram.queue) == (64, "12", 4)
    mended = written(folder, LEAST.replace("1000", "fast"))
    assert load_arch(mended, ["clock_mhz=500"]).clock_mhz == 500


def test_override_has_yaml_1_2_values(folder: Path) -> None:
    path = written(folder, LEAST)
    assert load_arch(path, ["name=on"]).name == "on"
    assert load_arch(path, ["skipping.depth=null", "skipping.refill=null"]).skipping.depth is None  # type: ignore[attr-defined]
    assert load_arch(path, ["memory={dram: {latency_ns: 1e1}}"]).system.dram.latency_ns == 10.0


def test_later_override_of_the_same_key_holds(folder: Path) -> None:
    assert load_arch(written(folder, LEAST), ["array.rows=64", "array.rows=16"]).array.rows == 16


@pytest.mark.parametrize("order", [1, -1])
def test_mechanism_is_set_before_its_parameters(folder: Path, order: int) -> None:
    overrides = ["skipping.mechanism=vector_skip", "skipping.block=4"][::order]
    got = load_arch(written(folder, LEAST), overrides).skipping.model_dump()
    assert got == {"mechanism": "vector_skip", "block": 4}


def test_same_mechanism_keeps_its_parameters(folder: Path) -> None:
    path = written(folder, LEAST)
    got = load_arch(path, ["skipping.mechanism=lookahead", "skipping.depth=16"])
    assert got.skipping == load_arch(path, ["skipping.depth=16"]).skipping
    assert got.skipping.model_dump()["refill"] == 8


def test_whole_mechanism_may_be_set(folder: Path) -> None:
    path = written(folder, LEAST)
    assert load_arch(path, ["skipping={mechanism: dense}"]).skipping.mechanism == "dense"
    assert load_arch(path, ["skipping.mechanism=dense"]).skipping.mechanism == "dense"


@pytest.mark.parametrize(
    ("override", "where", "hint"),
    [
        ("array.rowz=3", "--set array.rowz=3", "did you mean 'rows'?"),
        ("aray.rows=3", "--set aray.rows=3", "did you mean 'array'?"),
        ("array.rows=0", "--set array.rows=0", ""),
        ("array.rows=", "--set array.rows=", ""),
        ("array={rows: 3}", "--set array={rows: 3} columns", ""),
        ("array.rows.x=3", "--set array.rows.x=3", ""),
        ("memory.dram.queue=4", "--set memory.dram.queue=4", "--set memory='{}' gives"),
        ("skipping.mechanism=dens", "--set skipping.mechanism=dens", "did you mean 'dense'?"),
        ("skipping.dept=4", "--set skipping.dept=4", "did you mean 'depth'?"),
        ("skipping=dense", "--set skipping=dense", "write {mechanism: dense}"),
        ("array", "--set array", "write array=VALUE"),
        ("=3", "--set =3", ""),
        ("array..rows=3", "--set array..rows=3", ""),
        ("array.rows={", "--set array.rows={:1:2", ""),
        ("array.rows=&a 3", "--set array.rows=&a 3", ""),
        ("array={rows: 1, rows: 2}", "--set array={rows: 1, rows: 2}", "it stands at"),
    ],
)
def test_wrong_override_is_named_with_a_hint(folder: Path, override: str, where: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        load_arch(written(folder, LEAST), [override])
    (problem,) = caught.value.problems
    assert problem.where == where
    assert problem.hint.startswith(hint)
    assert bool(problem.hint) == bool(hint)


def test_problems_of_file_and_overrides_are_told_together(folder: Path) -> None:
    path = written(folder, LEAST.replace("1000", "fast"))
    assert sorted(places(path, ("array.rows=0", "nix", "memory.x=1"))) == [
        "--set array.rows=0",
        "--set memory.x=1",
        "--set nix",
        "x.yaml:2:12 clock_mhz",
    ]


NAMES = st.sampled_from(
    [
        "name",
        "clock_mhz",
        "precision",
        "array",
        "skipping",
        "memory",
        "energy_table",
        "mechanism",
        "depth",
        "rows",
        "columns",
        "operand",
        "buffers",
        "skip",
        "dram",
        "mapping",
        "tile_k",
        "capacity_kib",
        "accumulator",
        "x",
    ]
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["ideal", "dense", "lookahead", "auto", "fp16"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, JUNK, max_size=9) | JUNK)
def test_junk_is_never_more_than_an_input_error(folder: Path, junk: object) -> None:
    path = written(folder, "")
    path.write_bytes(yaml.safe_dump(junk, allow_unicode=True).encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        load_arch(path)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=30)
    | st.tuples(NAMES, NAMES, st.text("{}[]:, 0a&*", max_size=6)).map(lambda t: f"{t[0]}.{t[1]}={t[2]}")
)
def test_junk_override_loads_or_is_an_input_error(override: str) -> None:
    with contextlib.suppress(InputError):
        assert load_arch("zero_skip", [override]).digest
