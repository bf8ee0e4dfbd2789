"""The store of sweeps: nothing is lost, nothing is there twice, nothing is evaluated twice."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import Mechanism
from simulator.commands.sweep import sweep as command
from simulator.explore import Point, Space, enumerate_grid, run_sweep, sweeping
from simulator.explore import evaluate as evaluation
from simulator.explore import store as storing
from simulator.explore.store import Store, code_digest
from simulator.skipping.lookahead import Lookahead
from traces import InputError

SPACE = """\
name: grid
archs: [small.yaml, plain.yaml]
traces: [a.npz, b.npz]
axes:
  skipping.depth: [4, 8]
  array.rows: [2, 3]
"""
POINTS = 2 * (4 + 2)

KILLED = """\
import os, signal, sys
from simulator.explore import load_space, run_sweep, sweeping
from simulator.explore.evaluate import evaluate
left = int(sys.argv[3])

def dies(point):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return evaluate(point)

sweeping.evaluate = dies
run_sweep(load_space(sys.argv[1]), sys.argv[2], 1)
"""

AT_ONCE = """\
import sys
from simulator.explore import load_space, run_sweep
space = load_space(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
run_sweep(space, sys.argv[2], 1, store=sys.argv[3])
"""

KILLED_WITH_WORKERS = """\
import os, signal, sys
from simulator.explore import load_space, run_sweep

def dies(done, total):
    if done >= 2:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    run_sweep(load_space(sys.argv[1]), sys.argv[2], 2, dies)
"""

CELLS = st.dictionaries(
    st.sampled_from(["status", "cycles_total", "time_us", "error"]),
    st.one_of(st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
)


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    home = shutil.copytree(folder, tmp_path / "space")
    (home / "space.yaml").write_text(SPACE, encoding="utf-8")
    return home / "space.yaml"


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the points that this process evaluates."""
    keys: list[str] = []

    def counted(point: Point) -> dict[str, Any]:
        keys.append(point.key)
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", counted)
    return keys


def keys_in(folder: Path) -> list[str]:
    """The keys of all lines, in their order."""
    (file,) = folder.glob("*.jsonl")
    return [json.loads(line)["key"] for line in file.read_text().splitlines()]


# --- the file ----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), CELLS), max_size=12))
def test_the_first_outcome_of_a_key_is_kept_as_it_was(rows: list[tuple[str, dict[str, Any]]]) -> None:
    plain: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as home:
        one, other = Store(Path(home) / "store", "x"), Store(Path(home) / "store", "x")
        for number, (key, cells) in enumerate(rows):
            plain.setdefault(key, cells)
            (one, other)[number % 2].add(key, cells)
        for store in (one, other, Store(Path(home) / "store", "x")):
            for key in "abcdefgh":
                assert store.find(key) == plain.get(key)
                assert list(store.find(key) or {}) == list(plain.get(key, {})), "columns keep their order"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_wherever_a_kill_cuts_the_file_the_whole_lines_are_kept(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as home:
        whole = Store(home, "x")
        for key in "abcd":
            whole.add(key, {"cycles_total": ord(key)})
        raw = whole.path.read_bytes()
        cut = data.draw(st.integers(0, len(raw)), label="cut")
        whole.path.write_bytes(raw[:cut])
        store = Store(home, "x")
        kept = raw[:cut].count(b"\n")
        assert [store.find(key) is not None for key in "abcd"] == [index < kept for index in range(4)]
        store.add("e", {"cycles_total": 1})
        for key in "abcd":
            store.add(key, {"cycles_total": ord(key)})
        assert sorted(keys_in(Path(home))) == list("abcde")


class SlowStore(Store):
    """Dawdles between reading what others wrote and writing: whoever holds no lock meets another one."""

    def _read_on(self) -> bool:
        half = super()._read_on()
        time.sleep(0.0005)
        return half


def test_many_writers_at_once_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    keys = [str(number) for number in range(120)]

    def write(writer: int) -> None:
        store = SlowStore(tmp_path, "x")  # its own file description, so its own lock
        for key in keys[writer:] + keys[:writer]:
            store.add(key, {"text": key * 50})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(0, 60, 10)))
    assert sorted(keys_in(tmp_path)) == sorted(keys)


def test_a_line_that_is_no_outcome_is_told_with_its_place(tmp_path: Path) -> None:
    store = Store(tmp_path, "x")
    store.add("a", {})
    with store.path.open("a") as file:
        file.write("[1]\n")
    with pytest.raises(InputError, match=r"x\.jsonl:2: found b'\[1\]'; expected an outcome.*remove the line"):
        Store(tmp_path, "x").find("b")
    with pytest.raises(InputError, match=r"x\.jsonl:2"):
        Store(tmp_path, "x").add("b", {})


def test_a_store_that_is_no_folder_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="folder"):
        run_sweep(sweeping.load_space(path), None, 1, store=tmp_path / "file")


def test_an_error_of_a_worker_comes_whole() -> None:
    error = InputError.of("file:1", "x", "y", "z")
    error.add_note("a note")
    there = pickle.loads(pickle.dumps(error))
    assert (there.problems, str(there), there.__notes__) == (error.problems, str(error), ["a note"])


# --- the code ----------------------------------------------------------------------------------------------


def test_other_code_looks_at_no_row_of_this_code(
    path: Path, tmp_path: Path, evaluated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    monkeypatch.setattr(sweeping, "code_digest", lambda mechanisms: "of other code")
    run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    assert len(evaluated) == 2 * POINTS


def test_the_digest_of_the_code_changes_with_a_users_mechanism_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Lookahead):
        mechanism: Any = None  # not registered

    file = tmp_path / "mine.py"
    file.write_text("a = 1\n")
    monkeypatch.setattr(storing.inspect, "getsourcefile", lambda mechanism: str(file))
    ours = code_digest([Lookahead])
    assert ours == code_digest() == code_digest([Lookahead, Lookahead])
    before = code_digest([Mine, Lookahead])
    file.write_text("a = 2\n")
    assert len({ours, before, code_digest([Mine])}) == 3
    assert code_digest([Lookahead]) == ours


def test_a_mechanism_without_source_is_refused() -> None:
    scope: dict[str, Any] = {"Mechanism": Mechanism, "__name__": "typed"}
    exec("class Typed(Mechanism):\n    pass\n", scope)
    with pytest.raises(InputError, match="Typed: found a mechanism without source"):
        code_digest([scope["Typed"]])


# --- sweeps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [0, 1, 7])
def test_a_killed_sweep_goes_on_where_it_was_to_the_same_bytes(
    finished: int, path: Path, tmp_path: Path, evaluated: list[str]
) -> None:
    space = sweeping.load_space(path)
    run_sweep(space, tmp_path / "at_once", 1)
    at_once = list(evaluated)
    assert len(set(at_once)) == POINTS
    evaluated.clear()

    words = [sys.executable, "-c", KILLED, str(path), str(tmp_path / "out"), str(finished)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "results.csv").exists()
    seen: list[tuple[int, int]] = []
    outcome = run_sweep(space, tmp_path / "out", 1, lambda done, total: seen.append((done, total)))
    assert (outcome.kept, outcome.points, outcome.unfinished) == (finished, POINTS, 0)
    assert seen == [(done, POINTS) for done in range(finished, POINTS + 1)]
    kept = keys_in(tmp_path / "out" / "store")
    assert kept[:finished] == at_once[:finished]
    assert kept[finished:] == evaluated
    assert sorted(kept) == sorted(at_once)
    texts = [(tmp_path / out / "results.csv").read_bytes() for out in ("at_once", "out")]
    assert texts[0] == texts[1]


def test_a_sweep_killed_with_its_workers_under_way_goes_on_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # workers import it
    script.write_text(KILLED_WITH_WORKERS)
    words = [sys.executable, str(script), str(path), str(tmp_path / "out")]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    space = sweeping.load_space(path)
    resumed = run_sweep(space, tmp_path / "out", 1)  # the workers may still be about to end
    whole = run_sweep(space, tmp_path / "at_once", 1)
    assert resumed.kept >= 2
    assert sorted(keys_in(tmp_path / "out" / "store")) == sorted(keys_in(tmp_path / "at_once" / "store"))
    texts = [(tmp_path / out / "results.csv").read_bytes() for out in ("at_once", "out")]
    assert texts[0] == texts[1]
    assert len(whole.rows) == POINTS


def test_a_sweep_whose_worker_is_killed_tells_it_and_goes_on_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    space = sweeping.load_space(path)
    whole = run_sweep(space, tmp_path / "at_once", 1)

    def kill(done: int, total: int) -> None:
        if done >= 2:
            for worker in multiprocessing.active_children()[:1]:
                worker.kill()

    with pytest.raises(InputError, match=r"workers: found a process that died or was killed.*goes on where it was"):
        run_sweep(space, tmp_path / "out", 2, kill)
    assert multiprocessing.active_children() == []
    kept = keys_in(tmp_path / "out" / "store")
    finished = (tmp_path / "out" / "results.csv").read_text().count(",ok,")
    assert 2 <= finished <= len(kept) < POINTS, "a row may be in the store that its worker could not tell any more"
    resumed = run_sweep(space, tmp_path / "out", 1)
    assert (resumed.kept, resumed.rows) == (len(kept), whole.rows)
    assert sorted(keys_in(tmp_path / "out" / "store")) == sorted(keys_in(tmp_path / "at_once" / "store"))
    texts = [(tmp_path / out / "results.csv").read_bytes() for out in ("at_once", "out")]
    assert texts[0] == texts[1]


def test_a_second_run_evaluates_nothing_and_processes_write_what_one_does(
    path: Path, tmp_path: Path, evaluated: list[str]
) -> None:
    space = sweeping.load_space(path)
    first = run_sweep(space, tmp_path / "pooled", 2)
    assert evaluated == []  # not in this process
    assert sorted(keys_in(tmp_path / "pooled" / "store")) == sorted(str(row["key"]) for row in first.rows)
    again = run_sweep(space, tmp_path / "pooled", 2)
    assert (again.rows, again.kept, evaluated) == (first.rows, POINTS, [])
    assert run_sweep(space, None, 1).rows == first.rows


def test_a_changed_axis_evaluates_only_what_is_new(path: Path, tmp_path: Path, evaluated: list[str]) -> None:
    run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    before = set(evaluated)
    evaluated.clear()
    path.write_text(SPACE.replace("[4, 8]", "[2, 8, 16]").replace("name: grid", "name: other"))
    outcome = run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    assert len(evaluated) == 2 * 2 * 2  # depths 2 and 16, two sizes, two traces
    assert not before & set(evaluated)
    assert outcome.kept == 2 * (2 + 2)
    assert list(outcome.rows) == [
        evaluation.evaluate(point) for point in enumerate_grid(sweeping.load_space(path)).points
    ]


def test_names_come_from_the_space_and_not_from_the_store(path: Path, tmp_path: Path, evaluated: list[str]) -> None:
    run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    evaluated.clear()
    (path.parent / "a.npz").rename(path.parent / "renamed.npz")
    axes = {"clock_mhz": [500]}
    data = {"name": "x", "archs": ["small.yaml"], "traces": ["renamed.npz"], "axes": axes}
    run_sweep(Space.parse(data, path.parent), None, 1, store=tmp_path / "out" / "store")
    assert len(evaluated) == 1  # four rows: another machine
    data["axes"] = {"skipping.depth": [8], "array.rows": [3]}
    outcome = run_sweep(Space.parse(data, path.parent), None, 1, store=tmp_path / "out" / "store")
    assert (len(evaluated), outcome.kept) == (1, 1)
    assert outcome.rows[0]["trace"] == "renamed.npz"


def test_two_sweeps_at_once_on_one_store_lose_nothing_and_write_nothing_twice(path: Path, tmp_path: Path) -> None:
    other = path.with_name("other.yaml")
    other.write_text(SPACE.replace("[4, 8]", "[16, 8, 4]"), encoding="utf-8")
    store = tmp_path / "shared"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(file), str(tmp_path / file.stem), str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in (path, other)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n")
        assert process.returncode == 0
    expected: dict[str, str] = {}
    for file in (path, other):
        outcome = run_sweep(sweeping.load_space(file), tmp_path / "alone", 1)
        expected |= {str(row["key"]): "" for row in outcome.rows}
        alone, at_once = (tmp_path / name / "results.csv" for name in ("alone", file.stem))
        assert alone.read_bytes() == at_once.read_bytes()
    assert sorted(keys_in(store)) == sorted(expected)


def test_a_row_of_a_file_that_changed_meanwhile_is_not_kept(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(point: Point) -> dict[str, Any]:
        (path.parent / "a.npz").write_bytes((path.parent / "b.npz").read_bytes())
        evaluation._steps.cache_clear()
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", late)
    for cache in (evaluation._figures, evaluation._replay):
        cache.cache_clear()
    outcome = run_sweep(sweeping.load_space(path), tmp_path / "out", 1)
    changed = [row for row in outcome.rows if row["status"] == "invalid"]
    assert len(changed) == POINTS // 2
    assert all(row["key"] is None and "changed during the sweep" in str(row["error"]) for row in changed)
    assert len(keys_in(tmp_path / "out" / "store")) == POINTS // 2


def test_the_command_shares_a_store(path: Path, tmp_path: Path) -> None:
    words = [str(path), "--store", str(tmp_path / "shared"), "--workers", "1", "--out"]
    first, second = (CliRunner().invoke(command, [*words, str(tmp_path / out)]) for out in ("one", "two"))
    assert f"{POINTS} rows in {tmp_path}/one/results.csv\n" in first.stderr
    assert f"{POINTS} rows in {tmp_path}/two/results.csv, {POINTS} of them from the store\n" in second.stderr
    assert [file.name for file in (tmp_path / "two").iterdir()] == ["results.csv"]
