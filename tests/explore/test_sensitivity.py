"""Sensitivity: changes and shares are those that the definition gives, on spaces that one can count."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.sensitivity import sensitivity as command
from simulator.explore.rows import ResultTable
from simulator.explore.sensitivity import relative_change, sensitivities
from traces import InputError

AXES = ("a", "b", "c")
HEAD = "key,status,arch,arch_digest,rows,depth,trace,trace_sha256,steps,cycles_total,energy_total_pj\n"


def table(rows: list[dict[str, str]]) -> ResultTable:
    return ResultTable("t.csv", (*AXES, "y"), tuple(rows), places=tuple(range(2, 2 + len(rows))))


VALUE = st.one_of(st.sampled_from([0.0, -1.0, 1.0]), st.floats(-1e3, 1e3))
SAMPLED = st.dictionaries(
    st.tuples(*[st.integers(0, 2)] * 3), VALUE, min_size=2, max_size=20
)  # a complete space is the case of all 27


@settings(max_examples=150, derandomize=True, deadline=None)
@given(values=SAMPLED)
def test_changes_are_over_all_pairs_that_differ_in_one_axis_alone(values: dict[tuple[int, ...], float]) -> None:
    rows = [dict(zip((*AXES, "y"), [*map(str, place), repr(y)], strict=True)) for place, y in values.items()]
    found = {one.axis: one for one in sensitivities(table(rows), ["y"], AXES)}
    for number, axis in enumerate(AXES):
        changes = [
            relative_change(values[p], values[q])
            for p, q in itertools.combinations(values, 2)
            if [i for i in range(3) if p[i] != q[i]] == [number]
        ]
        levels = {place[number] for place in values}
        assert (axis in found) == (len(levels) > 1)
        if axis not in found:
            continue
        one = found[axis]
        assert (one.levels, one.pairs) == (len(levels), len(changes))
        if not changes:
            assert (one.mean_change, one.largest_change, one.largest) == (None, None, None)
            continue
        assert one.mean_change == pytest.approx(sum(changes) / len(changes))
        assert one.largest_change == max(changes)
        assert one.largest is not None
        assert relative_change(one.largest.larger, one.largest.smaller) == max(changes)
        assert one.largest.larger >= one.largest.smaller


@settings(max_examples=80, derandomize=True, deadline=None)
@given(values=st.lists(st.integers(-50, 50), min_size=12, max_size=12).filter(lambda v: len(set(v)) > 1))
def test_shares_of_a_complete_space_sum_to_at_most_one(values: list[int]) -> None:
    places = itertools.product("01", "012", "01")
    rows = [dict(zip((*AXES, "y"), [*place, str(y)], strict=True)) for place, y in zip(places, values, strict=True)]
    shares = [one.share for one in sensitivities(table(rows), ["y"], AXES)]
    assert all(share is not None and 0 <= share <= 1 for share in shares)
    assert sum(share or 0 for share in shares) <= 1 + 1e-9


def test_an_additive_space_is_told_by_its_axes_alone() -> None:
    # y = 10 a + b over a in 0, 1 and b in 0, 1, 2: variances 25 and 2/3 of 25 2/3.
    rows = [{"a": str(a), "b": str(b), "c": "-", "y": str(10 * a + b)} for a in (0, 1) for b in (0, 1, 2)]
    first, second = sensitivities(table(rows), ["y"], AXES)
    assert (first.axis, second.axis) == ("a", "b")
    assert (first.pairs, second.pairs) == (3, 6)
    assert first.share == pytest.approx(25 / (25 + 2 / 3))
    assert second.share == pytest.approx((2 / 3) / (25 + 2 / 3))
    assert first.mean_change == pytest.approx((1 + 10 / 11 + 10 / 12) / 3)


def test_one_measure_that_nothing_moves_has_no_share() -> None:
    rows = [{"a": str(a), "b": "0", "c": "0", "y": "0.1"} for a in range(3)]
    (one,) = sensitivities(table(rows), ["y"], AXES)
    assert (one.mean_change, one.largest_change, one.share) == (0, 0, None)


# --- the command ----------------------------------------------------------------------------------------------

LINES = [
    "k1,ok,m,d,4,2,one.npz,s,0:9,100,8.0",
    "k2,ok,m,d,8,2,one.npz,s,0:9,25,8.0",
    "k3,ok,m,d,4,4,one.npz,s,0:9,80,10.0",
    "k4,ok,m,d,8,4,one.npz,s,0:9,20,10.0",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sensitivity") / "results.csv"
    path.write_text(HEAD + "\n".join(LINES) + "\n", encoding="utf-8")
    return path


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def test_json_says_what_one_can_count(results: Path) -> None:
    data = json.loads(call(str(results), "--format", "json").stdout)
    told = {(one["measure"], one["axis"]): one for one in data["axes"]}
    assert list(told) == [
        ("cycles_total", "rows"), ("cycles_total", "depth"), ("energy_total_pj", "depth"), ("energy_total_pj", "rows"),
    ]  # fmt: skip
    rows = told["cycles_total", "rows"]
    assert (rows["levels"], rows["pairs"], rows["mean_change"], rows["largest_change"]) == (2, 2, 0.75, 0.75)
    assert rows["largest"] == {"from": "4", "to": "8", "larger": 100, "smaller": 25}
    assert told["cycles_total", "depth"]["mean_change"] == pytest.approx(0.2)
    assert told["energy_total_pj", "rows"]["mean_change"] == 0
    assert told["energy_total_pj", "depth"]["share_of_variance"] == 1


def test_the_table_tells_the_same(results: Path) -> None:
    text = call(str(results)).stdout
    assert re.search(r"^rows +2 +2 +75.0 % +75.0 % +\d+.\d %$", text, re.M)
    assert "\nlargest: rows 4 to 8: 100 to 25\n" in text
    assert call(str(results), "--measure", "energy_total_pj").stdout.count("levels") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--measure", "cycles"], "did you mean"),
        (["--measure", "arch"], "a result, not an axis"),
        (["--measure", "status"], "finite number"),
        (["--axis", "arch"], "no axis with two levels among arch"),
        (["--axis", "dept"], "did you mean 'depth'?"),
    ],
)
def test_what_is_wrong_is_said(results: Path, words: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        call(str(results), *words)
    assert said in str(caught.value)


def moved_by(home: Path, lines: list[str], head: str = HEAD) -> dict[str, tuple[int, int, float]]:
    """Levels, pairs and mean change of ``cycles_total`` by axis."""
    (home / "r.csv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    data = json.loads(call(str(home / "r.csv"), "--measure", "cycles_total", "--format", "json").stdout)
    return {one["axis"]: (one["levels"], one["pairs"], one["mean_change"]) for one in data["axes"]}


def test_traces_and_their_steps_are_axes_of_their_own(tmp_path: Path) -> None:
    cycles = {("4", "one", "0:9"): 400, ("4", "one", "9:20"): 200, ("4", "two", "0:9"): 100, ("4", "two", "9:20"): 50}
    cycles |= {("8", *where): n // 8 for (_, *where), n in cycles.items()}
    lines = [f"k,ok,m,d,{rows},2,{trace},{trace},{steps},{n},1" for (rows, trace, steps), n in cycles.items()]
    assert moved_by(tmp_path, lines) == {
        "rows": (2, 4, pytest.approx(7 / 8, rel=0.01)),
        "trace": (2, 4, pytest.approx(3 / 4, rel=0.05)),
        "steps": (2, 4, pytest.approx(1 / 2, rel=0.05)),
    }


def test_steps_that_the_trace_or_the_phase_says_are_no_axis(tmp_path: Path) -> None:
    lines = ["k1,ok,m,d,4,2,one,s,0:9,100,1", "k2,ok,m,d,4,2,two,t,0:5,25,1"]
    assert moved_by(tmp_path, lines) == {"trace": (2, 1, 0.75)}
    head = HEAD.replace("arch_digest,", "arch_digest,phase,")
    lines = [f"k,ok,m,d,{phase},4,2,{trace},s,{n}:9,{n},1" for n, phase, trace in [
        (100, "early", "one"), (50, "late", "one"), (40, "early", "two"), (20, "late", "two"),
    ]]  # fmt: skip
    assert moved_by(tmp_path, lines, head) == {"trace": (2, 2, 0.6), "phase": (2, 2, 0.5)}


def test_a_csv_without_known_axes_wants_them_named(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("size,seconds\n1,4\n2,1\n", encoding="utf-8")
    words = [str(tmp_path / "own.csv"), "--measure", "seconds"]
    with pytest.raises(InputError, match="--axis"):
        call(*words)
    assert "75.0 %" in call(*words, "--axis", "size").stdout
