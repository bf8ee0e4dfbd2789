"""The co-design picture: frontiers, slopes and budgets are those that one can count from made-up rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.study import StudyRun
from simulator.study.codesign import DesignPoint, Trade, best_within, codesign_section, pictures, trades
from simulator.study.codesign_figure import codesign, write_codesign_figures
from simulator.study.measuring import MACHINES
from simulator.study.paper import OFF, fixed, paper_study
from simulator.study.runs import Condition, Group
from simulator.study.tables import Measure

SEEDS = range(2)
FIRST = MACHINES[0]


def point(label: str, loss: float, saved: float, spread: float | None = None) -> DesignPoint:
    return DesignPoint(
        label, 2, Measure(loss, spread), {FIRST: Measure(saved, None)}, {FIRST: Measure(saved / 2, None)}
    )


def energy(one: DesignPoint) -> Measure | None:
    return one.energy.get(FIRST)


def told(points: list[DesignPoint]) -> dict[str, Trade]:
    return {points[i].label: trade for i, trade in sorted(trades(points, energy).items())}


def test_slopes_are_between_neighbours_of_the_frontier() -> None:
    found = told([point("0", 0, 0.1), point("c", 0.03, 0.32), point("b", 0.01, 0.3), point("a", 0.02, 0.2)])
    assert found["0"] == Trade("start")
    assert (found["b"].kind, found["b"].other) == ("buys", 0)
    assert found["b"].slope == pytest.approx(0.2 / 0.01)
    assert (found["c"].slope, found["c"].other) == (pytest.approx(0.02 / 0.02), 2)
    assert found["a"] == Trade("behind", other=2)  # its slope from b would be negative


def test_what_would_be_infinite_zero_or_undefined_is_behind_or_the_same() -> None:
    dearer = told([point("0", 0.01, 0.1), point("more", 0.01, 0.2)])  # no loss, more energy: infinite
    assert dearer == {"0": Trade("behind", other=1), "more": Trade("start")}
    idle = told([point("0", 0.0, 0.1), point("idle", 0.01, 0.1)])  # loss for no energy: 0
    assert idle == {"0": Trade("start"), "idle": Trade("behind", other=0)}
    twice = told([point("0", 0.0, 0.1), point("again", 0.0, 0.1)])  # nothing for nothing
    assert twice == {"0": Trade("start"), "again": Trade("same", other=0)}
    better = told([point("0", 0.0, 0.1), point("gain", -0.01, 0.3)])  # a threshold that helps
    assert better["0"] == Trade("behind", other=1)


def test_a_step_smaller_than_the_spread_is_said() -> None:
    steps = [point("0", 0, 0.1), point("a", 0.01, 0.2, 0.02), point("b", 0.05, 0.3, 0.02)]
    assert [told(steps)[name].within_spread for name in "ab"] == [True, False]


def test_a_point_of_which_a_machine_says_nothing_has_no_trade() -> None:
    unknown = DesignPoint("x", 1, Measure(0.0, None), {}, {})
    assert list(trades([point("0", 0.0, 0.1), unknown], energy)) == [0]
    assert trades([unknown], energy) == {}
    assert best_within([unknown], energy, 1.0) is None


POINTS = st.lists(
    st.tuples(st.integers(-3, 6), st.integers(-3, 6)).map(lambda p: point(str(p), p[0] / 64, p[1] / 64)), max_size=12
)


@settings(max_examples=200, derandomize=True)
@given(points=POINTS)
def test_slopes_are_above_zero_and_add_up_to_the_frontiers_whole_rise(points: list[DesignPoint]) -> None:
    found = trades(points, energy)
    assert set(found) == set(range(len(points)))
    if not points:
        return
    assert [trade.kind for trade in found.values()].count("start") == 1
    on = sorted((points[i] for i, t in found.items() if t.kind != "behind"), key=lambda p: p.loss.mean)
    saved = [p.energy[FIRST].mean for p in on]
    assert saved == sorted(saved)
    assert saved[-1] == max(p.energy[FIRST].mean for p in points)
    assert on[0].loss.mean == min(p.loss.mean for p in points)
    rise = 0.0
    for i, trade in found.items():
        assert (trade.slope is not None) == (trade.kind == "buys")
        if trade.slope is not None:
            assert trade.slope > 0
            rise += trade.slope * (points[i].loss.mean - points[trade.other or 0].loss.mean)
        if trade.kind == "behind":
            other = points[trade.other or 0]
            assert other.loss.mean <= points[i].loss.mean
            assert other.energy[FIRST].mean >= points[i].energy[FIRST].mean
    assert rise == pytest.approx(saved[-1] - saved[0])


@settings(max_examples=100, derandomize=True)
@given(points=POINTS, budget=st.integers(-3, 6))
def test_the_best_within_a_budget_is_the_largest_saving_of_the_points_that_keep_it(
    points: list[DesignPoint], budget: int
) -> None:
    inside = [p.energy[FIRST].mean for p in points if p.loss.mean <= budget / 64]
    found = best_within(points, energy, budget / 64)
    assert (found is None) == (not inside)
    assert found is None or found[1] == max(inside)


# --- from rows ------------------------------------------------------------------------------------------------


def runs(policy: dict[str, Any], seeds: range = SEEDS, **options: Any) -> tuple[StudyRun, ...]:
    return tuple(StudyRun("char-lm", {"hidden": 8, **options}, policy, seed) for seed in seeds)


def row(run: StudyRun, bits: float, saving: float) -> dict[str, Any]:
    cost = {"speedup": 1.25, "energy_saving": saving}
    return {
        "key": run.key,
        "status": "ok",
        "quality": {"test_bits_per_character": bits},
        "machines": {MACHINES[0]: cost, MACHINES[1]: {"speedup": 0.5, "energy_saving": -saving}},
    }


DENSE = runs(OFF)
CONDITIONS = tuple(Condition(f"threshold {t:g}", runs(fixed(t)), DENSE) for t in (1e-7, 1e-6))
NARROW = Condition("4 cells", runs(fixed(1e-6), hidden=4), runs(OFF, hidden=4))
OTHER = Condition("other options than dense", runs(fixed(1e-5), hidden=4), DENSE)
REPEATED = Condition("fewer seeds", runs(fixed(1e-6), range(1)), runs(OFF, range(1)))
GROUPS = [Group("thresholds", "Thresholds", CONDITIONS), Group("rest", "Rest", (NARROW, OTHER, REPEATED))]


def rows_of() -> dict[str, dict[str, Any]]:
    made = [(DENSE, 2.0, 0.0), (CONDITIONS[0].runs, 2.02, 0.1), (CONDITIONS[1].runs, 2.1, 0.3)]
    made += [(NARROW.dense, 2.0, 0.0), *((c.runs, 2.0, 0.1) for c in (NARROW, OTHER))]
    return {run.key: row(run, bits, saving) for group, bits, saving in made for run in group}


def test_a_network_has_its_policies_once_and_those_with_few_are_counted() -> None:
    (picture,), few = pictures(GROUPS, rows_of())
    assert (picture.name, few) == ("char-lm", 1)
    assert [p.label for p in picture.points] == ["no threshold", "threshold 1e-07", "threshold 1e-06"]
    assert [p.runs for p in picture.points] == [2, 2, 2]
    assert [p.loss.mean for p in picture.points] == pytest.approx([0, 0.01, 0.05])
    assert picture.points[2].energy[MACHINES[1]].mean == -0.3
    assert picture.points[2].time[MACHINES[0]].mean == pytest.approx(0.2)
    assert picture.points[2].time[MACHINES[1]].mean == -1
    assert MACHINES[2] not in picture.points[2].energy


def test_the_page_says_what_one_can_count() -> None:
    lines = codesign_section(GROUPS, rows_of())
    tables = [line.strip("| ").split(" | ") for line in lines if line[:1] == "|"]
    assert [cells[0] for cells in tables[2:5]] == ["1", "2", "3"]
    cells = {one[1]: one[2:] for one in tables[2:5]} | {one[0]: one[1:] for one in tables[7:]}
    assert cells["no threshold"] == ["+0.00 ± 0.00 %", "0.0 % / 20.0 % / start", "0.0 % / -100.0 % / start", *NONE, "2"]
    assert cells["threshold 1e-07"][1:3] == ["10.0 % / 20.0 % / 10", "-10.0 % / -100.0 % / behind 1"]
    assert cells["threshold 1e-06"][1] == "30.0 % / 20.0 % / 5"
    assert cells["0 %"] == ["0.0 %, no threshold", "0.0 %, no threshold", "–"]
    assert cells["1 %"][0] == "10.0 % (+10.0), threshold 1e-07"
    assert cells["2 %"][0] == "10.0 % (+0.0), threshold 1e-07"
    assert cells["5 %"][0] == "30.0 % (+20.0), threshold 1e-06"
    page = "\n".join(lines)
    assert f"`{MACHINES[1]}`: no policy saves energy" in page
    assert f"`{MACHINES[0]}`:" not in page.replace(f"`{MACHINES[0]}`: energy", "")
    assert "single threshold, 1 of them" in page
    assert codesign_section(GROUPS, {}) == []


NONE = ["– / – / –"]


def test_a_threshold_that_costs_nothing_is_said_and_runs_that_failed_are_no_points() -> None:
    rows = rows_of()
    for run in CONDITIONS[0].runs:
        rows[run.key]["quality"]["test_bits_per_character"] = 1.9
    page = "\n".join(codesign_section(GROUPS, rows))
    assert f"`{MACHINES[0]}`: threshold 1e-07 loses nothing on average" in page
    rows[CONDITIONS[0].runs[0].key] = {"key": CONDITIONS[0].runs[0].key, "status": "diverged"}
    (picture,), _ = pictures(GROUPS, rows)
    assert [p.runs for p in picture.points] == [1, 2, 2]
    rows[CONDITIONS[0].runs[1].key] = {"key": CONDITIONS[0].runs[1].key, "status": "diverged"}
    assert pictures(GROUPS, rows) == ([], 2)


def test_a_network_is_named_by_what_differs_from_the_applications_main_one() -> None:
    wide = [Condition(str(t), runs(fixed(t), hidden=4), runs(OFF, hidden=4)) for t in (1e-7, 1e-6)]
    third = Condition("third", runs(fixed(1e-5)), DENSE)
    rows = rows_of() | {run.key: row(run, 2.0, 0.1) for c in (*wide, third) for run in (*c.runs, *c.dense)}
    found, few = pictures([*GROUPS, Group("wide", "Wide", (*wide, third))], rows)
    assert [picture.name for picture in found] == ["char-lm", "char-lm, hidden 4"]
    assert len({picture.file_name for picture in found}) == 2
    assert few == 0


def test_figures_stand_where_the_numbers_say_and_are_the_same_bytes_again(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    rows = rows_of()
    (picture,), _ = pictures(GROUPS, rows)
    left, _ = codesign(picture, tuple(Figure().subplots(1, 2)))
    lines = {str(line.get_label()): line for line in left.get_lines()}
    assert list(lines[FIRST].get_xdata()) == pytest.approx([0, 1, 5])
    assert list(lines[FIRST].get_ydata()) == pytest.approx([0, 10, 30])
    assert list(lines[MACHINES[1]].get_ydata()) == [0]
    assert [text.get_text() for text in left.texts] == ["1", "2", "3"]
    (path,) = write_codesign_figures(GROUPS, rows, tmp_path)
    before = path.read_bytes()
    assert write_codesign_figures(GROUPS, rows, tmp_path) == [path]
    assert path.read_bytes() == before
    assert f"![char-lm]({path.name})" in codesign_section(GROUPS, rows, [path.name])
    assert write_codesign_figures(GROUPS, {}, tmp_path) == []


def test_the_studys_applications_each_have_a_picture() -> None:
    groups = paper_study("small")
    every = {run.key: row(run, 2.0 + 0.01 * run.seed, 0.1) for group in groups for run in group.runs}
    found, _ = pictures(groups, every)
    applications = {c.runs[0].application for group in groups for c in group.conditions}
    assert {picture.name.partition(",")[0] for picture in found} == applications
