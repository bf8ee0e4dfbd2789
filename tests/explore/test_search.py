"""A search finds what an exhaustive sweep finds, whatever happens between."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.commands.frontier import frontier as frontier_command
from simulator.commands.search import search as command
from simulator.explore import Outcome, Space, run_sweep, search, sweeping
from simulator.explore import evaluate as evaluation
from simulator.explore.goals import Goals
from traces import InputError

pytest.importorskip("optuna", reason="pip install 'skipstone[search]'")

SPACE = """\
name: small-space
archs: [small.yaml, plain.yaml]
traces: [a.npz]
axes:
  skipping.depth: {from: 1, to: 16, factor: 2}
  skipping.refill: [8, 1, 2, 4]
  array.rows: [2, 3, 4, 6]
"""
COMBINATIONS, DIFFERENT = 160, 84
"""The plain machine has neither depth nor refill: its combinations differ in their rows alone."""


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the space's files, and a store with all its outcomes."""
    path = shutil.copytree(folder, tmp_path_factory.mktemp("search") / "space")
    (path / "space.yaml").write_text(SPACE, encoding="utf-8")
    (path / "ruled.yaml").write_text(f"{SPACE}where: [{{array.rows: {{differs: 3}}}}]\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def space(home: Path) -> Space:
    return sweeping.load_space(home / "space.yaml")


@pytest.fixture(scope="module")
def swept(home: Path, space: Space) -> Outcome:
    return run_sweep(space, None, 1, store=home / "store")


def keys(rows: Any) -> set[Any]:
    return {row["key"] for row in rows}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((path / "results.csv").read_text(encoding="utf-8").splitlines()))


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("objective", ["cycles", "energy", "utilization"])
def test_half_of_the_trials_find_the_optimum_that_a_sweep_confirms(
    home: Path, space: Space, swept: Outcome, objective: str
) -> None:
    assert len(swept.rows) == DIFFERENT
    found = search(space, [objective], DIFFERENT // 2, workers=1, store=home / "store")
    (wanted,) = found.goals.objectives
    values = [row[wanted.column] for row in swept.rows if row["status"] == "ok"]
    best = (min if wanted.direction == "min" else max)(values)
    assert [row[wanted.column] for row in found.best] == [best] * len(found.best) != []
    assert len(found.rows) == DIFFERENT // 2


@pytest.mark.parametrize("seed", [0, 1])
def test_half_of_the_trials_find_the_whole_frontier(home: Path, space: Space, swept: Outcome, seed: int) -> None:
    found = search(space, ["cycles", "energy"], DIFFERENT // 2, workers=1, seed=seed, store=home / "store")
    frontier = Goals.parse(["cycles", "energy"]).best(swept.rows)
    assert len(frontier) > 3
    assert keys(found.best) == keys(frontier)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "qmc"])
def test_no_combination_is_tried_twice_until_none_is_left(
    home: Path, space: Space, swept: Outcome, sampler: str
) -> None:
    found = search(space, ["cycles"], COMBINATIONS, workers=1, sampler=sampler, store=home / "store")
    assert found.exhausted
    assert found.unfinished == 0
    assert len(found.rows) == DIFFERENT
    assert keys(found.rows) == keys(swept.rows)
    for column in ("arch", "skipping.depth", "skipping.refill", "array.rows", "status"):
        assert sorted(str(r.get(column)) for r in found.rows) == sorted(str(r.get(column)) for r in swept.rows)


def test_a_constraint_is_kept_by_the_best_and_told_in_the_table(
    home: Path, space: Space, swept: Outcome, tmp_path: Path
) -> None:
    limit = sorted(float(row.get("utilization") or 0) for row in swept.rows)[-15]
    constraint = f"utilization>={limit!r}"
    found = search(space, ["cycles"], 60, tmp_path, 1, constraints=[constraint], store=home / "store")
    kept = [row for row in swept.rows if float(row.get("utilization") or 0) >= limit]
    least = min(int(row["cycles_total"] or 0) for row in kept)
    assert least > min(int(row["cycles_total"] or 0) for row in swept.rows if row["status"] == "ok")
    assert [row["cycles_total"] for row in found.best] == [least] * len(found.best) != []
    for row in rows_of(tmp_path):
        keeps = row["status"] == "ok" and float(row["utilization"]) >= limit
        assert row["feasible"] == ("yes" if keeps else "no")
    told = CliRunner().invoke(frontier_command, [str(tmp_path / "results.csv"), "--objective", "cycles_total"])
    assert told.exit_code == 0
    assert f"{len(found.best)} of {sum(row['feasible'] == 'yes' for row in rows_of(tmp_path))} rows" in told.output


def test_a_search_in_which_nothing_is_feasible_says_so(home: Path, tmp_path: Path) -> None:
    words = [home / "space.yaml", "--out", tmp_path, "--trials", 9, "--workers", 1, "--store", home / "store"]
    done = run(*words, "--constraint", "cycles<=1", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "None of 9 trials is feasible.\n", "")
    told = CliRunner().invoke(frontier_command, [str(tmp_path / "results.csv")])
    assert str(told.exception).endswith("found no row that keeps the constraints of the search; expected at least one")


def test_invalid_combinations_are_trials_with_a_reason(home: Path, space: Space, tmp_path: Path) -> None:
    done = run(home / "space.yaml", "--out", tmp_path, "--trials", 40, "--workers", 1, "--sampler", "random",
               "--store", home / "store")  # fmt: skip
    assert done.exit_code == 0
    rows = rows_of(tmp_path)
    invalid = [row for row in rows if row["status"] == "invalid"]
    assert len(rows) == 40
    assert len(invalid) > 3
    assert all("refill" in row["error"] and row["feasible"] == "no" for row in invalid)
    assert [int(row["trial"]) for row in rows] == list(range(40))
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-1]) == ("0/40 trials", f"40 trials in {tmp_path}/results.csv")
    assert sum(line.startswith("invalid: ") for line in lines) == len({row["error"] for row in invalid})
    assert "rows, which no other one beats" in done.stdout


def test_a_point_that_the_machine_cannot_run_is_an_infeasible_trial(
    home: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_at_three_rows(machines: Any, *rest: Any, **keys: Any) -> Any:
        if machines[0].array.rows == 3:
            raise InputError.of("memory.buffers", "no tile that fits", "larger buffers")
        return replay(machines, *rest, **keys)

    replay = evaluation.replay
    evaluation._figures.cache_clear()
    evaluation._replay.cache_clear()
    monkeypatch.setattr(evaluation, "replay", fails_at_three_rows)
    found = search(space, ["cycles"], 40, workers=1)
    failed = [row for row in found.rows if row["array.rows"] == 3]
    assert failed
    assert all(row["status"] == "invalid" and row["feasible"] == "no" for row in failed)
    assert found.best


def test_an_axis_with_a_condition_varies_only_where_it_holds(home: Path) -> None:
    axes = {
        "skipping.depth": [4, 8],
        "array.rows": {"values": [2, 3], "only_if": {"skipping.depth": 8}},
        "array.columns": {"values": [2, 3], "only_if": {"array.rows": 3}},
    }
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes}, home)
    found = search(space, ["cycles"], 50, workers=1)
    assert found.exhausted
    names = ("skipping.depth", "array.rows", "array.columns")
    assert sorted((tuple(row[name] for name in names) for row in found.rows), key=str) == [
        (4, None, None),
        (8, 2, None),
        (8, 3, 2),
        (8, 3, 3),
    ]


def test_workers_change_no_byte(home: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        words = ["--out", tmp_path / str(workers), "--trials", 20, "--batch", 10, "--workers", workers, "--quiet"]
        done = run(home / "space.yaml", *words)
        assert (done.exit_code, done.stderr) == (0, "")
    one, two = ((tmp_path / str(n) / "results.csv").read_bytes() for n in (1, 2))
    assert one == two
    run(home / "space.yaml", "--out", tmp_path / "other", "--trials", 20, "--batch", 10, "--workers", 1, "--seed", 1)
    assert (tmp_path / "other" / "results.csv").read_bytes() != one


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "qmc"])
def test_wherever_a_kill_cuts_the_journal_the_same_table_comes_of_it(
    home: Path, swept: Outcome, tmp_path: Path, sampler: str
) -> None:
    space = sweeping.load_space(home / "ruled.yaml")

    def searched(out: Path) -> bytes:
        search(space, ["cycles", "energy"], 24, out, 1, sampler=sampler, batch=4, store=home / "store")
        return (out / "results.csv").read_bytes()

    whole = searched(tmp_path / "whole")
    journal = (tmp_path / "whole" / "journal.log").read_bytes()
    rng = random.Random(3)
    for number in range(5):
        out = tmp_path / str(number)
        out.mkdir()
        shutil.copy(tmp_path / "whole" / "search.lock", out)
        (out / "journal.log").write_bytes(journal[: rng.randrange(len(journal))])
        assert searched(out) == whole


def test_a_search_that_is_killed_goes_on_and_loses_nothing(home: Path, tmp_path: Path) -> None:
    words = ["search", str(home / "space.yaml"), "--workers", "1", "--trials", "60", "--sampler", "random", "--quiet"]
    script = [sys.executable, "-c", "from simulator.cli import main; main()", *words, "--out", str(tmp_path)]
    with subprocess.Popen(script, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as searching:
        while sum(file.read_bytes().count(b"\n") for file in tmp_path.glob("store/*.jsonl")) < 12:
            assert searching.poll() is None
            time.sleep(0.002)
        searching.kill()
    assert searching.returncode == -signal.SIGKILL
    assert not (tmp_path / "results.csv").exists()
    before = (tmp_path / "journal.log").read_bytes().count(b'"row"')
    done = run(home / "space.yaml", "--workers", 1, "--trials", 60, "--sampler", "random", "--out", tmp_path)
    assert done.stderr.splitlines()[0] == f"{before}/60 trials"
    assert done.stderr.splitlines()[-1] == f"60 trials in {tmp_path}/results.csv, {before} of them from before"
    lines = [line for file in tmp_path.glob("store/*.jsonl") for line in file.read_text().splitlines()]
    assert len(lines) == len({line[:80] for line in lines})  # no point was evaluated twice
    run(home / "space.yaml", "--workers", 1, "--trials", 60, "--sampler", "random", "--out", tmp_path / "whole")
    assert (tmp_path / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_more_trials_go_on_from_those_before(home: Path, space: Space, tmp_path: Path) -> None:
    first = search(space, ["cycles"], 16, tmp_path, 1, store=home / "store")
    more = search(space, ["cycles"], 32, tmp_path, 1, store=home / "store")
    assert (first.kept, more.kept) == (0, 16)
    assert more.rows[:16] == first.rows
    data = more.frame()
    assert list(data.columns) == list(rows_of(tmp_path)[0])
    assert data["cycles_total"].dropna().tolist() == [r["cycles_total"] for r in more.rows if r["status"] == "ok"]
    assert more.rows == search(space, ["cycles"], 32, workers=1, store=home / "store").rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_finished_trials(home: Path, space: Space, tmp_path: Path, number: signal.Signals) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            os.kill(os.getpid(), number)

    found = search(space, ["cycles"], 20, tmp_path, 1, interrupt)
    assert (found.signal_number, found.unfinished, len(found.rows)) == (number, 17, 3)
    assert [row["trial"] for row in rows_of(tmp_path)] == ["0", "1", "2"]
    search(space, ["cycles"], 20, tmp_path, 1)
    assert len(rows_of(tmp_path)) == 20


def test_the_command_tells_an_interruption_and_exits_as_a_shell_says(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(point: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return evaluation.evaluate(point)

    run(home / "space.yaml", "--out", tmp_path, "--trials", 1, "--workers", 1)
    monkeypatch.setattr(sweeping, "evaluate", interrupted)
    done = run(home / "space.yaml", "--out", tmp_path, "--trials", 30, "--workers", 1, "--store", tmp_path / "new")
    assert done.exit_code == 130
    assert "interrupted with " in done.stderr


def test_a_database_is_shared_by_searches_with_folders_of_their_own(home: Path, space: Space, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    first = search(space, ["cycles"], 5, tmp_path / "one", 1, storage=url, store=home / "store")
    second = search(space, ["cycles"], 9, tmp_path / "two", 1, storage=url, store=home / "store")
    assert (first.kept, second.kept, len(keys(second.rows))) == (0, 5, 9)
    assert second.rows[:5] == first.rows
    assert not (tmp_path / "one" / "journal.log").exists()
    other = search(space, ["energy"], 1, workers=1, storage=url, study="another", store=home / "store")
    assert other.kept == 0


def test_quality_makes_the_trace_a_choice(home: Path, tmp_path: Path) -> None:
    (tmp_path / "quality.csv").write_text("trace,accuracy\ndense,0.8\nsparse,0.76\n", encoding="utf-8")
    given = {"name": "x", "archs": [str(home / "small.yaml")], "axes": {"array.rows": [2, 4]}}
    traces = {"dense": str(home / "a.npz"), "sparse": str(home / "b.npz")}
    space = Space.parse(given | {"traces": traces, "quality": "quality.csv:accuracy:max"}, tmp_path)
    found = search(space, ["quality-loss", "cycles"], 9, tmp_path / "out", 1)
    losses = {row["trace"]: row["quality_loss"] for row in found.rows}
    assert losses == {"dense": 0.0, "sparse": pytest.approx(0.05)}
    assert {row["trace"] for row in found.best} == {"dense", "sparse"}
    assert found.no_workload == ()
    bound = search(space, ["cycles"], 9, workers=1, constraints=["quality-loss<=0.04"])
    assert {row["trace"] for row in bound.best} == {"dense"}
    told = CliRunner().invoke(
        frontier_command,
        [str(tmp_path / "out" / "results.csv"), *["--objective", "quality_loss", "--objective", "cycles_total"]],
    )
    assert f"{len(found.best)} of 4 rows, which no other one beats." in told.output
    assert search({**given, "traces": traces}, ["cycles"], 9, workers=1).no_workload == ("traces",)


def test_a_sweep_tells_quality_too(home: Path, tmp_path: Path) -> None:
    (tmp_path / "quality.csv").write_text("trace,perplexity\na.npz,50\nb.npz,55\n", encoding="utf-8")
    given = {"name": "x", "archs": [str(home / "plain.yaml")], "traces": [str(home / "a.npz"), str(home / "b.npz")]}
    outcome = run_sweep(Space.parse(given | {"quality": "quality.csv:perplexity:min"}, tmp_path), tmp_path / "out", 1)
    assert [(row["quality"], row["quality_loss"]) for row in outcome.rows] == [(50.0, 0.0), (55.0, 0.1)]
    assert [row["quality_loss"] for row in rows_of(tmp_path / "out")] == ["0.0", "0.1"]


def test_what_breaks_a_rule_is_no_trial(home: Path, swept: Outcome, tmp_path: Path) -> None:
    found = search(home / "ruled.yaml", ["cycles", "energy"], COMBINATIONS, tmp_path, 1, store=home / "store")
    assert found.exhausted
    assert keys(found.rows) == keys(row for row in swept.rows if row["array.rows"] != 3)
    few = search(home / "ruled.yaml", ["cycles", "energy"], 30, workers=1, store=home / "store")
    assert len(few.rows) == 30
    assert few.rows == found.rows[:30]
    nothing = SPACE + "where: [{array.rows: {equals: 5}}]\n"
    (home / "nothing.yaml").write_text(nothing, encoding="utf-8")
    with pytest.raises(InputError, match="no valid point: where says"):
        search(home / "nothing.yaml", ["cycles"], 30, workers=1)


def test_a_machine_may_be_bound_by_its_area(home: Path, space: Space, swept: Outcome) -> None:
    areas = sorted({float(row["area_mm2"] or 0) for row in swept.rows if row["status"] == "ok"})
    bound = areas[len(areas) // 2]
    found = search(space, ["energy-delay"], 50, workers=1, constraints=[f"area<={bound!r}"], store=home / "store")
    kept = [row for row in swept.rows if row["status"] == "ok" and float(row["area_mm2"] or 0) <= bound]
    assert {row["energy_delay_js"] for row in found.best} == {min(float(row["energy_delay_js"] or 0) for row in kept)}
