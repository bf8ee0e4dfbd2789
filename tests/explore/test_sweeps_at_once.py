"""Many sweeps at one time on one store: each point once, whoever dies or dawdles."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.explore import Point, Space, enumerate_grid, run_sweep, sweeping
from simulator.explore import evaluate as evaluation
from simulator.explore import store as storing
from simulator.explore.store import Store

HOLDS = """\
import sys
from simulator.explore.store import Store
with Store(sys.argv[1], sys.argv[2]).claimed(sys.argv[3]) as ours:
    print(ours, flush=True)
    sys.stdin.readline()
"""

SWEEPS = """\
import json, sys
from simulator.explore import Space, run_sweep, sweeping
from simulator.explore.evaluate import evaluate
evaluated = []

def counted(point):
    evaluated.append(point.key)
    return evaluate(point)

sweeping.evaluate = counted
space = Space.parse(json.loads(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
run_sweep(space, sys.argv[3], 1, store=sys.argv[4])
print(json.dumps(evaluated))
"""


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the points that this process evaluates, in their order."""
    keys: list[str] = []

    def counted(point: Point) -> dict[str, Any]:
        keys.append(point.key)
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", counted)
    return keys


@contextmanager
def held(store: Store, key: str) -> Iterator[subprocess.Popen[str]]:
    """Hold the claim of a point in another process."""
    words = [sys.executable, "-c", HOLDS, str(store.folder), store.code, key]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def space_of(folder: Path, rows: list[int]) -> dict[str, Any]:
    axes = {"array.rows": rows, "skipping.depth": [4, 8]}
    return {"name": "at once", "archs": [str(folder / "small.yaml")], "traces": [str(folder / "a.npz")], "axes": axes}


def test_a_claim_is_one_process_s_and_ends_with_it(tmp_path: Path) -> None:
    store, key = Store(tmp_path, "x"), "0123456789abcdef" * 4
    with held(store, key) as process:
        with store.claimed(key) as ours:
            assert not ours
        with store.claimed("f" * 64) as ours:
            assert ours
        process.kill()
        process.wait()
        with store.claimed(key) as ours:
            assert ours
    assert store.path.with_suffix(".claims").read_bytes() == b""


def test_where_there_are_no_locks_every_point_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(storing.fcntl, "lockf", no_locks)
    with Store(tmp_path, "x").claimed("0" * 64) as ours:
        assert ours


def test_a_point_that_another_sweep_is_at_comes_last_and_is_not_evaluated(
    folder: Path, tmp_path: Path, evaluated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space.parse(space_of(folder, [2, 3]), folder)
    points = enumerate_grid(space).points
    evaluate = sweeping.evaluator(Store(tmp_path, "x"))
    assert isinstance(evaluate, sweeping._Keeping)
    outcome = {"status": "ok", "cycles_total": 7}
    with held(Store(tmp_path, "x"), points[0].key):
        rows = evaluate.in_turn(points)
        found = [next(rows) for _ in points[1:]]
        Store(tmp_path, "x").add(points[0].key, outcome)  # as the other one does when it comes to it
        found += rows
    assert [place for place, _ in found] == [1, 2, 3, 0]
    assert evaluated == [point.key for point in points[1:]]
    assert outcome.items() <= found[-1][1].items()


def test_a_sweep_that_dawdles_is_not_waited_for_for_ever(
    folder: Path, tmp_path: Path, evaluated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PATIENCE_SECONDS", 0.1)
    space = Space.parse(space_of(folder, [2]), folder)
    points = enumerate_grid(space).points
    store = sweeping.open_store([type(point.machine.skipping) for point in points], tmp_path, None)
    assert store is not None
    with held(store, points[0].key):
        outcome = run_sweep(space, tmp_path, 1)
    assert sorted(evaluated) == sorted(point.key for point in points)
    assert list(outcome.rows) == [evaluation.evaluate(point) for point in points]


@pytest.mark.slow
def test_eight_sweeps_at_once_evaluate_each_point_once_and_write_what_each_writes_alone(
    folder: Path, tmp_path: Path
) -> None:
    spaces = [space_of(folder, [2 + number, 3 + number, 4 + number]) for number in range(8)]
    processes = []
    for number, space in enumerate(spaces):
        words = [sys.executable, "-c", SWEEPS, json.dumps(space), str(folder), str(tmp_path / str(number))]
        words.append(str(tmp_path / "store"))
        processes.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    evaluated = [key for process in processes for key in json.loads(process.communicate()[0])]
    assert all(process.returncode == 0 for process in processes)
    (file,) = (tmp_path / "store").glob("*.jsonl")
    kept = [json.loads(line)["key"] for line in file.read_text().splitlines()]
    assert sorted(kept) == sorted(set(kept)) == sorted(evaluated)
    assert len(kept) == 2 * (8 + 2)
    for number, data in enumerate(spaces):
        alone = run_sweep(Space.parse(data, folder), tmp_path / "alone", 1, store=tmp_path / f"store{number}")
        assert alone.path is not None
        assert alone.path.read_bytes() == (tmp_path / str(number) / "results.csv").read_bytes()
