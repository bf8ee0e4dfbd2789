"""Frontiers: the quick forms keep what the quadratic definition keeps, and the command tells it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.frontier import frontier as command
from simulator.explore.frontier import Objective, frontier, pareto
from simulator.explore.rows import cell, read_table
from traces import InputError

# Few values, so that ties and differences within the tolerance are common; negative ones, for savings may be losses.
VALUES = st.one_of(st.sampled_from([-2.0, -1.0, -0.99, 0.0, 1.0, 1.005, 1.01, 1.02, 2.0]), st.floats(-1e6, 1e6))
COSTS = st.integers(1, 4).flatmap(
    lambda columns: st.lists(st.lists(VALUES, min_size=columns, max_size=columns), min_size=1, max_size=25)
)
TOLERANCES = st.sampled_from([0.0, 0.01, 0.25])


def beats(a: list[float], b: list[float], tolerance: float) -> bool:
    """Say the definition word for word."""
    nowhere_worse = all(x <= y for x, y in zip(a, b, strict=True))
    return nowhere_worse and any(x < y - tolerance * abs(y) for x, y in zip(a, b, strict=True))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(costs=COSTS, tolerance=TOLERANCES)
def test_the_set_is_what_the_quadratic_definition_keeps(costs: list[list[float]], tolerance: float) -> None:
    expected = [not any(beats(a, b, tolerance) for a in costs) for b in costs]
    assert pareto(np.array(costs), tolerance).tolist() == expected


@settings(max_examples=300, derandomize=True, deadline=None)
@given(costs=COSTS, tolerance=TOLERANCES)
def test_no_kept_row_is_beaten_and_each_dropped_one_is_by_a_kept_one(
    costs: list[list[float]], tolerance: float
) -> None:
    kept = pareto(np.array(costs), tolerance).tolist()
    stay = [row for row, keep in zip(costs, kept, strict=True) if keep]
    assert stay
    for row, keep in zip(costs, kept, strict=True):
        assert any(beats(other, row, tolerance) for other in stay) is not keep


@settings(max_examples=100, derandomize=True, deadline=None)
@given(costs=COSTS, tolerance=TOLERANCES, seed=st.integers(0, 99))
def test_order_and_scale_do_not_matter_and_a_tolerance_only_adds(
    costs: list[list[float]], tolerance: float, seed: int
) -> None:
    rows = np.array(costs)
    kept = pareto(rows, tolerance)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert (pareto(rows[order], tolerance) == kept[order]).all()
    assert (pareto(4.0 * rows, tolerance) == kept).all()  # a power of two, so that nothing is rounded
    assert (kept | ~pareto(rows)).all()


def test_two_objectives_and_the_same_with_an_idle_third_are_one_set() -> None:
    rows = np.random.default_rng(1).integers(1, 60, (500, 2)).astype(float)
    kept = pareto(rows, 0.02)
    assert 0 < kept.sum() < 500
    assert (pareto(np.column_stack([rows, np.ones(500)]), 0.02) == kept).all()


def test_ties_are_kept_and_a_row_just_behind_is_within_a_tolerance() -> None:
    rows = np.array([[1.0, 4.0], [1.0, 4.0], [2.0, 2.0], [2.01, 2.01], [2.0, 2.5]])
    assert pareto(rows).tolist() == [True, True, True, False, False]
    assert pareto(rows, 0.01).tolist() == [True, True, True, True, False]
    assert pareto(np.empty((0, 2))).tolist() == []


# --- tables --------------------------------------------------------------------------------------------------

TABLE = """\
key,status,arch,arch_digest,array.rows,trace,trace_sha256,steps,cycles_total,energy_total_pj,speedup,error
a1,ok,m,d1,4,one.npz,s1,0:9,100,50.0,1.5,
a2,ok,m,d2,8,one.npz,s1,0:9,60,80.0,2.5,
a3,ok,m,d3,16,one.npz,s1,0:9,60,90.0,2.5,
b1,ok,m,d1,4,two.npz,s2,0:9,10,5.0,1.0,
b2,ok,m,d2,8,two.npz,s2,0:9,9,4.0,,
,invalid,m,,32,two.npz,,,,,,"no tile, that fits"
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frontier") / "results.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def keys(text: str) -> list[str]:
    return [row["key"] for row in csv.DictReader(text.splitlines())]


def test_each_trace_has_a_set_of_its_own_unless_told_otherwise(results: Path) -> None:
    assert keys(call(str(results), "--format", "csv").stdout) == ["a2", "a1", "b2"]
    assert keys(call(str(results), "--format", "csv", "--per", "arch").stdout) == ["b2"]


def test_a_gain_is_to_be_large_and_a_row_without_it_is_left_out(results: Path) -> None:
    words = [str(results), "--objective", "speedup", "--objective", "energy_total_pj", "--per", "arch"]
    assert keys(call(*words, "--format", "csv").stdout) == ["a2", "a1", "b1"]
    data = json.loads(call(*words, "--format", "json").stdout)
    assert data["objectives"][0] == {"column": "speedup", "direction": "max"}
    assert (data["considered"], data["left_out"]) == (4, 2)
    assert data["rows"][0]["cycles_total"] == 60
    assert data["rows"][0]["error"] is None
    smallest = [str(results), "--objective", "speedup:min", "--per", "arch", "--format", "csv"]
    assert keys(call(*smallest).stdout) == ["b1"]


def test_csv_and_table_tell_the_rows_as_they_are(results: Path) -> None:
    lines = TABLE.splitlines()
    assert call(str(results), "--format", "csv").stdout.splitlines() == [lines[i] for i in (0, 2, 1, 5)]
    text = call(str(results)).stdout
    assert [line.split()[0] for line in text.splitlines()[3:6]] == ["a2", "a1", "b2"]
    assert "80 pJ" in text
    assert "3 of 5 rows" in text
    assert "1 left out" in text


def test_a_plot_is_written_and_the_same_bytes_again(results: Path, tmp_path: Path) -> None:
    words = [str(results), "--plot", str(tmp_path / "f.svg")]
    assert call(*words).stderr == f"wrote {tmp_path / 'f.svg'}\n"
    before = (tmp_path / "f.svg").read_bytes()
    assert b"cycles_total (less is better)" in before
    assert b"energy_total (pJ; less is better)" in before
    assert call(*words, "--quiet").stderr == ""
    assert (tmp_path / "f.svg").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objective", "cycles_totl"], "did you mean 'cycles_total'?"),
        (["--objective", "cycles_total:most"], "COLUMN:max"),
        (["--objective", "arch"], "results.csv:2 arch: found 'm'; expected a finite number"),
        (["--objective", "speedup", "--objective", "speedup:min"], "each column once"),
        (["--objective", "error"], "none of them with a cell in error"),
        (["--per", "tracee"], "did you mean 'trace'?"),
        (["--tolerance", "1"], "less than 1"),
        (["--tolerance", "nan"], "less than 1"),
        (["--plot", "x.txt"], ".svg"),
        (["--plot", "x.svg", "--objective", "speedup"], "two or more"),
    ],
)
def test_what_is_wrong_is_said(results: Path, words: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        call(str(results), *words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"a,b\n", "0 rows"),
        (b"a,a\n1,2\n", "twice"),
        (b"a,\n1,2\n", "without a name"),
        (b"a,b\n1\n", ":2: found 1 cells"),
        (b"a,b\n\xff,1\n", "expected a CSV file"),
        (b'a,b\n"1,2\n', "expected a CSV file"),
        (b"status,b\ninvalid,1\n", "none of them valid"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.csv")
    assert said in str(caught.value)


def test_a_missing_file_exits_with_2_and_one_line(tmp_path: Path) -> None:
    script = "from simulator.cli import main; main()"
    words = ["frontier", str(tmp_path / "no.csv")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")


def test_python_finds_the_same_and_cells_are_numbers_where_they_are(results: Path) -> None:
    table = read_table(results)
    found = frontier(table, [Objective("cycles_total", "min")], per=["trace"])
    assert [row["key"] for row in found.kept] == ["a2", "a3", "b2"]
    assert table.varied_axes == ("array.rows", "trace")
    assert [cell("key", "12"), cell("array.rows", "12"), cell("x", "0.5"), cell("x", "1_0"), cell("x", "")] == [
        "12", 12, 0.5, "1_0", None,
    ]  # fmt: skip
    with pytest.raises(InputError, match="at least one column"):
        frontier(table, [])
