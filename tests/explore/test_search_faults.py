"""A search whose process, or whose database, fails at a bad moment: it goes on, and finds what it would have found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.explore import Space, search, study_storage, sweeping, trials
from traces import InputError

optuna = pytest.importorskip("optuna", reason="pip install 'skipstone[search]'")

SPACE = """\
name: small-space
archs: [small.yaml, plain.yaml]
traces: [a.npz]
axes:
  skipping.depth: {from: 1, to: 16, factor: 2}
  array.rows: [2, 3, 4, 6]
"""
TRIALS = 16


@pytest.fixture(scope="module")
def space(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = shutil.copytree(folder, tmp_path_factory.mktemp("faults") / "space")
    (path / "space.yaml").write_text(SPACE, encoding="utf-8")
    return sweeping.load_space(path / "space.yaml")


@pytest.fixture(scope="module", autouse=True)
def _without_syncs() -> Iterator[None]:
    """SQLite does not wait for the disk: no power fails here."""
    sqlalchemy = pytest.importorskip("sqlalchemy")

    def set_off(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", set_off)
    yield
    sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", set_off)


@pytest.fixture(scope="module")
def whole(space: Space, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of an undisturbed search."""
    return searched(space, tmp_path_factory.mktemp("whole") / "out")


@contextmanager
def study_at(url: str) -> Iterator[Any]:
    storage = optuna.storages.RDBStorage(url)
    try:
        yield optuna.load_study(study_name="small-space", storage=storage)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def searched(space: Space, out: Path, **more: Any) -> bytes:
    store = Path(space.source).parent / "store"
    search(space, ["cycles", "energy"], TRIALS, out, 1, batch=4, storage=f"sqlite:///{out}.db", store=store, **more)
    return (out / "results.csv").read_bytes()


@pytest.mark.parametrize("number", [12, pytest.param(15, marks=pytest.mark.slow)])
def test_a_trial_that_a_kill_left_without_a_combination_changes_nothing_in_a_database(
    space: Space, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(trials, "ASKED_WITHIN_SECONDS", 0.0)
    set_user_attr, left = optuna.trial.Trial.set_user_attr, [number]

    class KilledError(BaseException):
        pass

    def deadly(trial: Any, key: str, value: Any) -> None:
        left[0] -= key == trials.ASKED
        if not left[0]:
            raise KilledError
        set_user_attr(trial, key, value)

    monkeypatch.setattr(optuna.trial.Trial, "set_user_attr", deadly)
    with pytest.raises(KilledError):
        searched(space, tmp_path / "parts")
    with study_at(f"sqlite:///{tmp_path}/parts.db") as study:
        running = [trial for trial in study.trials if trial.state.name == "RUNNING"]
        assert [trial.params != {} and trials.ASKED not in trial.user_attrs for trial in running][-1]
    assert searched(space, tmp_path / "parts") == whole


def test_a_trial_that_another_search_took_for_an_abandoned_one_is_asked_again(
    space: Space, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_user_attr, dropped = optuna.trial.Trial.set_user_attr, list[int]()

    def late(trial: Any, key: str, value: Any) -> None:
        if key == trials.ASKED and trial.number in (5, 12):
            dropped.append(trial.number)
            trial.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        set_user_attr(trial, key, value)

    monkeypatch.setattr(optuna.trial.Trial, "set_user_attr", late)
    assert searched(space, tmp_path / "parts") == whole
    assert dropped == [5, 12]


def test_a_database_that_another_process_holds_is_told_and_loses_nothing(
    space: Space, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "parts.db"
    holding = list[sqlite3.Connection]()

    def hold(done: int, total: int) -> None:
        if done >= 8 and not holding:
            holding.append(sqlite3.connect(database))
            holding[0].execute("BEGIN EXCLUSIVE")

    monkeypatch.setattr(study_storage, "UNLOCKED_WITHIN_SECONDS", 1.0)
    told = r"--storage: found 'sqlite.*held by another process for 1 s .*locked.*goes on where it was"
    with pytest.raises(InputError, match=told):
        searched(space, tmp_path / "parts", observer=hold)
    holding[0].rollback()
    holding[0].close()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert searched(space, tmp_path / "parts") == whole
