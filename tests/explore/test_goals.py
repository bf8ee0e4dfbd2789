from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore.evaluate import Row
from simulator.explore.goals import NO_RESULT, Constraint, Goals
from simulator.explore.quality import Quality
from traces import InputError

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("text", "column", "relation", "limit"),
    [
        ("area_mm2<=4", "area_mm2", "<=", 4.0),
        ("area <= 4.5", "area_mm2", "<=", 4.5),
        (" energy-delay>=1e-9 ", "energy_delay_js", ">=", 1e-9),
        ("quality-loss<=-0.5", "quality_loss", "<=", -0.5),
    ],
)
def test_a_constraint_is_read(text: str, column: str, relation: str, limit: float) -> None:
    read = Constraint.parse(text)
    assert (read.column, read.relation, read.limit) == (column, relation, limit)
    assert Constraint.parse(str(read)) == read


@settings(derandomize=True)
@given(finite, finite, st.sampled_from(["<=", ">="]))
def test_a_constraint_is_violated_exactly_beyond_its_bound(value: float, limit: float, relation: str) -> None:
    kept = value <= limit if relation == "<=" else value >= limit
    assert (Constraint("x", relation, limit).violation(value) <= 0) == kept


def test_objectives_have_short_names_and_directions() -> None:
    goals = Goals.parse(["cycles", "speedup", "energy:max", "quality:max"])
    told = ["cycles_total:min", "speedup:max", "energy_total_pj:max", "quality:max"]
    assert [str(objective) for objective in goals.objectives] == told


@pytest.mark.parametrize("cell", [None, "ok", math.nan, math.inf])
def test_a_row_without_a_number_is_infeasible_and_infinitely_bad(cell: str | float | None) -> None:
    goals = Goals.parse(["cycles", "speedup"], ["area<=1"])
    judged = goals.judge({"cycles_total": cell, "speedup": 2.0, "area_mm2": 0.5})
    assert judged.values == (math.inf, 2.0)
    assert not judged.feasible
    assert sum(violation for violation in judged.violations.values() if violation > 0) == NO_RESULT
    assert goals.judge({"cycles_total": 1, "speedup": cell, "area_mm2": 0.5}).values == (1.0, -math.inf)
    assert not goals.judge({"cycles_total": 1, "speedup": 1.0, "area_mm2": cell}).feasible
    assert goals.judge({"cycles_total": 1, "speedup": 1.0, "area_mm2": 1}).feasible


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_best_are_feasible_and_unbeaten_among_the_feasible(cells: list[tuple[int, int, int]]) -> None:
    rows: list[Row] = [{"cycles_total": a, "speedup": b, "area_mm2": c} for a, b, c in cells]
    goals = Goals.parse(["cycles", "speedup"], ["area<=2"])
    feasible = [cell for cell in cells if cell[2] <= 2]
    plain = [
        (a, b, c) for a, b, c in feasible if not any(x <= a and y >= b and (x < a or y > b) for x, y, _ in feasible)
    ]
    assert [tuple(row.values()) for row in goals.best(rows)] == plain


@pytest.mark.parametrize(
    ("better", "figures", "losses"),
    [("max", (0.8, 0.76, 0.84), (0.0, 0.05, -0.05)), ("min", (50.0, 60.0, 45.0), (0.0, 0.2, -0.1))],
)
def test_a_loss_is_how_much_worse_than_the_first_trace(
    tmp_path: Path, better: str, figures: tuple[float, ...], losses: tuple[float, ...]
) -> None:
    lines = [f"{name},{figure},x" for name, figure in zip("abc", figures, strict=True)]
    (tmp_path / "q.csv").write_text("\n".join(["trace,score,more", *reversed(lines), "other,,x"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"score: found ''; expected a finite number"):
        Quality.read(f"q.csv:score:{better}", ["a", "b", "c"], tmp_path)
    (tmp_path / "q.csv").write_text("\n".join(["trace,score,more", *reversed(lines), "other,1,x"]), encoding="utf-8")
    quality = Quality.read(f"q.csv:score:{better}", ["a", "b", "c"], tmp_path)
    for name, figure, loss in zip("abc", figures, losses, strict=True):
        row = quality.joined({"trace": name})
        assert row == {"trace": name, "quality": figure, "quality_loss": pytest.approx(loss)}


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("q.csv:score:best", "trace,score\na,1\nb,2\n", "expected FILE.csv:COLUMN:min"),
        (":score:min", "trace,score\na,1\nb,2\n", "expected FILE.csv:COLUMN:min"),
        ("q.csv:scor:min", "trace,score\na,1\nb,2\n", "did you mean 'score'"),
        ("q.csv:score:min", "name,score\na,1\nb,2\n", "'trace'; expected a column"),
        ("q.csv:score:min", "trace,score\na,1\n", "0 lines for the trace 'b'; expected one line"),
        ("q.csv:score:min", "trace,score\na,1\nb,1\nb,2\n", "2 lines for the trace 'b'"),
        ("q.csv:score:min", "trace,score\na,0\nb,1\n", "0 for the trace 'a'"),
        ("q.csv:score:min", "trace,score\na,good\nb,1\n", "expected a finite number"),
    ],
)
def test_a_wrong_table_of_quality_is_refused(tmp_path: Path, text: str, content: str, message: str) -> None:
    (tmp_path / "q.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Quality.read(text, ["a", "b"], tmp_path)
    assert message in str(caught.value)
