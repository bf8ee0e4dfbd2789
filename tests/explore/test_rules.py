"""Rules leave out what a plain enumeration with Python's own comparisons leaves out, in grids and in samples."""

from __future__ import annotations

import itertools
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.sweep import sweep as command
from simulator.explore import Point, Refusal, Space, enumerate_grid, forecast, load_space, run_sweep, sampling
from simulator.explore.grid import Combinations
from simulator.explore.rules import Rule, parse_rules
from simulator.explore.sampling import Sample, combinations, random_combinations
from traces import InputError

AXES: dict[str, list[Any]] = {
    "array.rows": [2, 4, 8],
    "array.columns": [2, 4, 8],
    "skipping.depth": [2, 4, 8],
    "skipping.refill": [2, 4, 8],
    "skipping.banks": [None, 4],
}
ARRAY = ("array.rows", "array.columns")
PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "at_most": lambda a, b: a <= b,
    "at_least": lambda a, b: a >= b,
    "equals": lambda a, b: a == b,
    "differs": lambda a, b: a != b,
    "one_of": lambda a, b: a in b,
}

KEYS = st.sampled_from(sorted(AXES))
FACTORS = st.lists(st.one_of(KEYS, st.sampled_from([2, 0.5, 3])), min_size=2, max_size=3).filter(
    lambda factors: any(isinstance(factor, str) for factor in factors)
)
PRODUCTS = st.builds(lambda factors: {"times": factors}, FACTORS)
RIGHTS = st.one_of(KEYS, st.sampled_from([2, 4, 4.0, 6, 16]), PRODUCTS)


@st.composite
def described_rules(draw: st.DrawFn) -> dict[str, Any]:
    comparisons = {}
    for word in draw(st.lists(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=2, unique=True)):
        values = st.lists(st.sampled_from([None, 2, 4, 8]), min_size=1, max_size=3, unique=True)
        nothing = [st.none()] if word in ("equals", "differs") else []
        comparisons[word] = draw(values if word == "one_of" else st.one_of(RIGHTS, *nothing))
    left = draw(st.one_of(KEYS, PRODUCTS))
    return {left: comparisons} if isinstance(left, str) else {**left, **comparisons}


def plain_value(side: Any, machine: dict[str, Any]) -> Any:
    """What a side of a comparison is for a machine; "nothing" where it is nothing."""
    if isinstance(side, str):
        return machine.get(side, "nothing")
    if isinstance(side, dict):
        factors = [plain_value(factor, machine) for factor in side["times"]]
        return math.prod(factors) if all(isinstance(factor, int | float) for factor in factors) else "nothing"
    return side


def plainly_said(described: dict[str, Any], machine: dict[str, Any]) -> list[bool | None]:
    """What each comparison of an entry of ``where`` says of a machine; None where it says nothing."""
    if "times" in described:
        sides = [({"times": described["times"]}, word, right) for word, right in described.items() if word != "times"]
    else:
        sides = [(path, word, right) for path, words in described.items() for word, right in words.items()]
    said: list[bool | None] = []
    for left, word, right in sides:
        values = plain_value(left, machine), plain_value(right, machine)
        unordered = word in ("at_most", "at_least") and None in values
        said.append(None if unordered or "nothing" in values else PLAIN[word](*values))
    return said


def machines(names: list[str]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Levels of the axes of each combination on ``small`` and on ``plain``, which has no window, and its keys."""
    found = []
    for values in itertools.product(*(AXES[name] for name in names)):
        small = {"array.rows": 4, "array.columns": 4, "skipping.depth": 4, "skipping.refill": 2, "skipping.banks": None}
        found.append((values, small | dict(zip(names, values, strict=True))))
    for values in itertools.product(*(AXES[name] for name in names)):
        set_there = {name: value for name, value in zip(names, values, strict=True) if name in ARRAY}
        found.append((tuple(set_there.get(name) for name in names), {"array.rows": 4, "array.columns": 4} | set_there))
    return found


def written(value: Any) -> Any:
    """As the settings of a point have it."""
    return "null" if value is None else value


def space_of(folder: Path, axes: dict[str, Any], where: list[Any], **keys: Any) -> Space:
    data = {"name": "x", "archs": ["small.yaml", "plain.yaml"], "traces": ["b.npz"], "axes": axes, "where": where}
    return Space.parse(data | keys, folder)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_rules_leave_out_what_a_plain_enumeration_leaves_out(data: st.DataObject, folder: Path) -> None:
    names = data.draw(st.lists(KEYS, min_size=1, max_size=3, unique=True), label="axes")
    where = data.draw(st.lists(described_rules(), min_size=1, max_size=2), label="where")
    expected: dict[tuple[Any, ...], bool] = {}
    said: list[list[bool | None]] = []
    valid = 0
    for number, (levels, machine) in enumerate(machines(names)):
        cells = tuple(
            None if level is None and (name not in machine) else written(level)
            for name, level in zip(names, levels, strict=True)
        )
        of_base = "small" if number < len(machines(names)) // 2 else "plain"
        said.append([each for one in where for each in plainly_said(one, machine)])
        expected[of_base, *cells] = holds = False not in said[-1]
        valid += holds and machine.get("skipping.refill", 0) <= machine.get("skipping.depth", 0)
    space = space_of(folder, {name: AXES[name] for name in names}, where)
    silent = any(set(of_rule) == {None} for of_rule in zip(*said, strict=True))
    if silent or not valid:
        with pytest.raises(InputError, match="says nothing of any combination" if silent else "no valid point"):
            enumerate_grid(space)
        return
    grid = enumerate_grid(space)
    found = [
        (entry.machine if isinstance(entry.machine, str) else entry.machine.name, *(cell for _, cell in entry.settings))
        for entry in grid.entries
    ]
    assert found == [cells for cells, holds in expected.items() if holds]
    assert sum(grid.left_out.values()) == sum(not holds for holds in expected.values())


def test_a_rule_removes_the_invalid_rows_that_it_describes(folder: Path) -> None:
    axes = {"skipping.depth": [2, 4, 8], "skipping.refill": [2, 4, 8]}
    plain = enumerate_grid(space_of(folder, axes, []))
    ruled = enumerate_grid(space_of(folder, axes, [{"skipping.refill": {"at_most": "skipping.depth"}}]))
    assert ruled.points == plain.points
    assert (len(plain.refusals), ruled.refusals) == (3, [])
    assert ruled.left_out == {"skipping.refill at most skipping.depth": 3}


def test_a_combination_that_is_left_out_can_be_looked_at_alone(folder: Path) -> None:
    where = [{"array.rows": {"at_most": 4}}]
    every = Combinations(space_of(folder, {"array.rows": [2, 8]}, where))
    assert every.sizes == (2, 1, 1, 2)
    assert [every.broken_rule((1, 0, 0, level)) is None for level in (0, 1)] == [True, False]
    entries = [every.entry((1, 0, 0, level)) for level in (0, 1)]
    assert isinstance(entries[0], Point)
    assert entries[1] == Refusal("plain", "b.npz", (("array.rows", 8),), "where says array.rows at most 4")


def test_a_rule_sees_defaults_conditions_and_whole_mappings(folder: Path) -> None:
    axes = {
        "skipping": [{"mechanism": "dense"}, {"mechanism": "lookahead", "depth": 2, "refill": 2, "banks": None}],
        "array.rows": {"values": [2, 8], "only_if": {"skipping.mechanism": "lookahead"}},
    }
    where: list[Any] = [{"skipping.gate": {"equals": True}}, {"array.rows": {"at_most": 4}}]
    grid = enumerate_grid(space_of(folder, axes, where, archs=["small.yaml"]))
    # The dense array has no key `gate` and keeps its 4 rows; with a lookahead, 8 rows are too many.
    assert [dict(point.settings)["array.rows"] for point in grid.points] == [None, 2]
    assert grid.left_out == {"array.rows at most 4": 1}
    where[0] = {"skipping.gate": {"equals": 1}}  # true is not one
    grid = enumerate_grid(space_of(folder, axes, where, archs=["small.yaml"]))
    assert [dict(point.settings)["array.rows"] for point in grid.points] == [None]


def test_combinations_that_are_one_are_left_out_once_for_each_trace_and_phase(folder: Path) -> None:
    axes = {"skipping.depth": [2, 4, 8], "array.rows": [2, 8]}
    where = [{"array.rows": {"at_most": "array.columns"}}]
    more = {"traces": ["a.npz", "b.npz"], "steps": {"early": "0:9", "all": "0:99"}}
    grid = enumerate_grid(space_of(folder, axes, where, **more))
    # Three windows on `small` and none on `plain`, for two traces and two phases; the early one has no step of a.
    assert (len(grid.entries), len(grid.refusals)) == (16, 4)
    assert grid.left_out == {"array.rows at most array.columns": 16}


@pytest.mark.parametrize(("left", "times"), [(0.3, [0.1, 3]), (1e-6, [1e-3, 1e-3]), (0.7, [7, 0.1])])
def test_decimals_are_multiplied_as_they_are_written(left: float, times: list[float]) -> None:
    (rule,) = parse_rules([{"x": {"equals": {"times": times}}}], lambda loc, is_key: "")
    assert rule.holds(lambda path: (True, left))
    assert times[0] * times[1] != left or times == [1e-3, 1e-3]


# --- samples --------------------------------------------------------------------------------------------------

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def even(one: tuple[int, ...]) -> bool:
    return sum(one) % 2 == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 60), st.integers(0, 2**32))
def test_a_random_sample_has_as_many_wanted_combinations_as_it_is_asked_for(
    sizes: list[int], points: int, seed: int
) -> None:
    drawn = list(combinations(sizes, Sample("random", points, seed), even))
    every = [one for one in itertools.product(*map(range, sizes)) if even(one)]
    assert len(drawn) == min(points, len(every))
    assert [one for one in every if one in set(drawn)] == drawn
    if points < math.prod(sizes):
        more = random_combinations(sizes, points + 5, seed, even)
        assert more[: len(drawn)] == random_combinations(sizes, points, seed, even)


def test_wanted_random_combinations_are_equally_likely() -> None:
    counts = Counter(one for seed in range(2500) for one in random_combinations([2, 5], 1, seed, even))
    assert len(counts) == 5
    assert all(abs(count - 500) < 5 * math.sqrt(500 * 4 / 5) for count in counts.values())  # five sigma


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 60), st.integers(0, 2**32))
def test_a_latin_hypercube_loses_what_is_not_wanted(sizes: list[int], points: int, seed: int) -> None:
    sample = Sample("latin_hypercube", points, seed)
    assert list(combinations(sizes, sample, even)) == [one for one in combinations(sizes, sample) if even(one)]


def test_drawing_from_many_combinations_of_which_none_is_wanted_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MOST_REFUSED", 1000)
    asked = []
    assert random_combinations([1000] * 8, 5, 1, lambda one: bool(asked.append(one))) == []
    assert len(asked) == len(set(asked)) == 1005


@pytest.mark.parametrize("kind", ["random", "latin_hypercube"])
def test_a_sample_is_of_the_ruled_grid(kind: str, folder: Path) -> None:
    axes = {name: AXES[name] for name in ("array.rows", "array.columns", "skipping.depth", "skipping.refill")}
    where = [{"skipping.refill": {"at_most": "skipping.depth"}}, {"times": [*ARRAY], "at_most": 16}]
    whole = enumerate_grid(space_of(folder, axes, where, archs=["small.yaml"]))
    sample = {"kind": kind, "points": 20, "seed": 3}
    some = enumerate_grid(space_of(folder, axes, where, archs=["small.yaml"], sample=sample))
    assert [entry for entry in whole.entries if entry in some.entries] == list(some.entries)
    left_out = sum(some.left_out.values())
    assert left_out > 0
    if kind == "random":
        assert len(some.entries) == 20
    else:
        drawn = enumerate_grid(space_of(folder, axes, [], archs=["small.yaml"], sample=sample))
        assert len(some.entries) + left_out == len(drawn.entries)
    assert set(some.left_out) <= set(whole.left_out)


# --- what a user reads ----------------------------------------------------------------------------------------

SPACE = """\
name: ruled
archs: [small.yaml]
traces: [b.npz]
axes: {array.rows: [2, 4], array.columns: [2, 4], skipping.depth: [2, 4]}
where: %s
"""


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "space")


def test_the_command_tells_what_is_left_out_before_and_after(home: Path, tmp_path: Path) -> None:
    path = home / "space.yaml"
    path.write_text(SPACE % "[array.rows: {equals: array.columns}, skipping.depth: {differs: 2}]", encoding="utf-8")
    rules = ["array.rows equals array.columns", "skipping.depth differs 2"]
    counts = dict(zip(rules, (4, 2), strict=True))
    told = [f"left out: {count} combinations: {rule} does not hold" for rule, count in counts.items()]
    done = CliRunner().invoke(command, [str(path), "--dry-run"], catch_exceptions=False)
    first, *others = done.stdout.splitlines()
    assert first == "2 points to replay; 0 points invalid; 6 combinations left out"
    assert others[:2] == told
    done = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert done.exit_code == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("left out")] == told
    assert done.stderr.splitlines()[-1].startswith("2 rows in ")
    space = load_space(path)
    assert forecast(space, workers=1).left_out == run_sweep(space, workers=1).left_out == counts


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("{array.rows: {at_most: 3}}", '5:8 where: found {"array.rows": {"at_most": 3}}; expected a list of rules'),
        ("[array.rows]", '5:9 where.0: found "array.rows"; expected a key of the machine and what must hold'),
        ("[{}]", "5:9 where.0: found {}; expected a key"),
        ("[array.rows: 3]", "5:21 where.0.array.rows: found 3; expected one of at_most, at_least"),
        ("[array.rows: {at_mst: 3}]", "5:22 where.0.array.rows.at_mst: found unknown comparison 'at_mst'"),
        ("[array.rows: {at_most: null}]", "found null; expected a number, a key of the machine, or {times: [...]}"),
        ("[array.rows: {at_most: true}]", "found true; expected a number"),
        ("[array.rows: {equals: [2, 4]}]", "(hint: values stand in one_of: [...])"),
        ("[array.rows: {one_of: 4}]", "found 4; expected a list (hint: write [4])"),
        ("[array.rows: {one_of: [4, 4]}]", "found 4 twice; expected each value once"),
        ("[at_most: 3]", "5:9 where.0.at_most: found 'at_most' of nothing; expected a key, or times: [...]"),
        ("[{times: [array.rows], at_most: 3}]", "expected a list of at least two keys or numbers"),
        ("[{times: [array.rows, true], at_most: 3}]", "expected a list of at least two keys or numbers"),
        ("[{times: [array.rows, 2]}]", "5:9 where.0: found {}; expected one of at_most"),
        ("[array.rows: {at_most: {times: 3, by: 2}}]", 'found {"times": 3, "by": 2}; expected a number, a key'),
        ("[array.rows: {at_most: array.colums}]", "5:22 where.0.array.rows.at_most: found 'array.colums', which no"),
        ("[array.row: {at_most: 3}]", "did you mean 'array.rows'?"),
        ("[energy_table: {equals: cmos_7nm}]", "(hint: texts that are values stand in one_of: [...])"),
        ("[energy_table: {at_most: 7}]", "'energy_table at most 7', which says nothing of any combination"),
        ("[skipping.banks: {at_least: 1}]", "'skipping.banks at least 1', which says nothing of any combination"),
        ("[array.rows: {at_least: 5}]", "no valid point: where says array.rows at least 5"),
    ],
)
def test_what_is_no_rule_is_refused_at_its_place(home: Path, where: str, said: str) -> None:
    path = home / "space.yaml"
    path.write_text(SPACE % where, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        enumerate_grid(load_space(path))
    assert said in str(caught.value)


def test_every_wrong_rule_is_told_at_once(home: Path) -> None:
    path = home / "space.yaml"
    path.write_text(SPACE % "[array.rows: 3, array.columns: {most: 3}]", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_space(path)
    assert len(caught.value.problems) == 2


def test_a_rule_says_its_keys_each_once() -> None:
    described = [{"times": ["array.rows", 2, "array.columns"], "at_most": "array.rows"}]
    (rule,) = parse_rules(described, lambda loc, is_key: "")
    assert isinstance(rule, Rule)
    assert rule.paths == ("array.rows", "array.columns")
    assert str(rule) == "array.rows times 2 times array.columns at most array.rows"
