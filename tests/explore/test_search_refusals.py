"""What a search refuses, each with one clear message, and before anything is written or evaluated."""

from __future__ import annotations

import fcntl
import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.explore import Space, search, study_storage, trials
from simulator.explore import evaluate as evaluation
from traces import InputError

pytest.importorskip("optuna", reason="pip install 'skipstone[search]'")


def space_of(folder: Path, **more: Any) -> Space:
    given = {"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": {"array.rows": [2, 3, 4]}}
    return Space.parse({**given, **more}, folder)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no_objective": ({"objectives": []}, "--objective: found none; expected at least one"),
    "a_direction": ({"objectives": ["cycles:low"]}, "expected COLUMN, COLUMN:min or COLUMN:max"),
    "an_objective_twice": ({"objectives": ["cycles", "cycles_total:max"]}, "'cycles_total' twice"),
    "an_unknown_measure": ({"objectives": ["cycle_total"]}, "'cycle_total', which no machine of the space tells"),
    "a_text": ({"objectives": ["arch"]}, "'arch', which no machine of the space tells"),
    "quality_of_nothing": ({"objectives": ["quality-loss"]}, "'quality_loss', which no machine of the space tells"),
    "quality_without_direction": ({"objectives": ["quality"]}, "expected quality:min, quality:max, or quality_loss"),
    "an_equation": ({"constraints": ["cycles_total==4"]}, "found '==' in 'cycles_total==4'; expected COLUMN<=NUMBER"),
    "less_than": ({"constraints": ["cycles_total<4"]}, "did you mean '<='?"),
    "no_relation": ({"constraints": ["cycles_total"]}, "expected COLUMN<=NUMBER or COLUMN>=NUMBER"),
    "no_number": ({"constraints": ["cycles_total<=many"]}, "'many' in 'cycles_total<=many'; expected a finite"),
    "an_infinite_bound": ({"constraints": ["cycles<=inf"]}, "expected a finite number"),
    "an_expression": ({"constraints": ["cycles<=2*3"]}, "expected a finite number"),
    "two_bounds_in_one": ({"constraints": ["1<=cycles<=3"]}, "found 'cycles<=3'"),
    "a_constraint_twice": ({"constraints": ["cycles<=3", "cycles_total<=3.0"]}, "each constraint once"),
    "a_bound_of_an_unknown_measure": ({"constraints": ["cyclestotal<=3"]}, "--constraint: found 'cyclestotal'"),
    "a_sampler": ({"sampler": "tpee"}, "expected one of tpe, nsga2, random, qmc (hint: did you mean 'tpe'?)"),
    "no_trials": ({"trials": 0}, "trials: found 0; expected a whole number of at least 1"),
    "no_batch": ({"batch": 0}, "batch: found 0"),
    "a_negative_seed": ({"seed": -1}, "seed: found -1"),
    "no_workers": ({"workers": 0}, "at least 1"),
    "a_format": ({"file_format": "xlsx"}, "csv or parquet"),
    "no_url": ({"storage": "study.db"}, "--storage: found 'study.db': Could not parse"),
    "no_such_folder": ({"storage": "sqlite:////no/such/folder/study.db"}, "unable to open database file; expected"),
    "no_driver": ({"storage": "postgresql://me:secret@host/x"}, "'postgresql://...', for which no driver is"),
    "no_such_quality_file": ({"quality": "no/such.csv:bleu:max"}, "no/such.csv"),
    "quality_without_a_direction": ({"quality": "q.csv:bleu"}, "expected FILE.csv:COLUMN:min, or :max"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_refused(case: str, folder: Path, tmp_path: Path) -> None:
    arguments, message = WRONG[case]
    with pytest.raises(InputError) as caught:
        search(space_of(folder), **{"out": tmp_path, "workers": 1, "trials": 3} | arguments)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "results.csv").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"objectives": ["energy"]}, "objectives"),
        ({"objectives": ["cycles:max"]}, "objectives"),
        ({"objectives": ["cycles", "energy"]}, "objectives"),
        ({"constraints": ["energy<=1e9"]}, "constraints"),
        ({"axes": {"array.rows": [2, 3]}}, "axes"),
        ({"archs": ["plain.yaml"]}, "axes and machines"),
        ({"traces": ["a.npz"]}, "axes and traces"),
        ({"steps": "5:6", "traces": ["a.npz", "b.npz"]}, "axes and traces"),
    ],
)
def test_a_search_goes_on_only_as_what_it_was(folder: Path, tmp_path: Path, change: dict[str, Any], named: str) -> None:
    search(space_of(folder), ["cycles"], 2, tmp_path, 1)
    before = (tmp_path / "results.csv").read_bytes()
    of_space = {key: value for key, value in change.items() if key in ("axes", "archs", "traces", "steps")}
    others = {"objectives": ["cycles"]} | {key: value for key, value in change.items() if key not in of_space}
    with pytest.raises(InputError, match=f"'x', begun with other {named}; .* begin anew in another --out folder"):
        search(space_of(folder, **of_space), trials=3, out=tmp_path, workers=1, **others)
    assert (tmp_path / "results.csv").read_bytes() == before


def test_a_search_does_not_go_on_with_other_files(folder: Path, tmp_path: Path) -> None:
    home = shutil.copytree(folder, tmp_path / "space")
    table = (Path(evaluation.__file__).parents[2] / "arch_configs" / "energy" / "cmos_45nm.yaml").read_text()
    (home / "prices.yaml").write_text(table, encoding="utf-8")
    machine = (home / "small.yaml").read_text().replace("cmos_45nm", "prices.yaml")
    (home / "small.yaml").write_text(machine, encoding="utf-8")
    search(space_of(home), ["energy"], 2, tmp_path / "out", 1)
    (home / "prices.yaml").write_text(table.replace("name: ", "name: other_", 1), encoding="utf-8")
    with pytest.raises(InputError, match="begun with other files"):
        search(space_of(home), ["energy"], 3, tmp_path / "out", 1)


def test_a_folder_is_for_one_search_at_a_time(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "search.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another search at work there; expected a folder of its own"):
            search(space_of(folder), ["cycles"], 2, tmp_path, 1)
    assert len(search(space_of(folder), ["cycles"], 2, tmp_path, 1).rows) == 2


@pytest.mark.parametrize("line", ["no journal\n", "{}\n", "[]\n", '{"op_code": 99, "worker_id": "x"}\n'])
def test_a_damaged_journal_is_refused_and_left_as_it_is(folder: Path, tmp_path: Path, line: str) -> None:
    search(space_of(folder), ["cycles"], 2, tmp_path, 1)
    path = tmp_path / "journal.log"
    path.write_text(line + path.read_text(), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"journal\.log: found a damaged journal"):
        search(space_of(folder), ["cycles"], 3, tmp_path, 1)
    assert path.read_bytes() == before


def test_a_study_of_other_origin_is_left_alone(folder: Path, tmp_path: Path) -> None:
    optuna = importlib.import_module("optuna")
    url = f"sqlite:///{tmp_path}/study.db"
    with trials.silence():
        storage = optuna.storages.RDBStorage(url)
        study = optuna.create_study(storage=storage, study_name="x")
        study.tell(study.ask(), 1.0)
        storage.remove_session()
        storage.engine.dispose()
    with pytest.raises(InputError, match="'x', which is not of a search of skipstone"):
        search(space_of(folder), ["cycles"], 2, tmp_path, 1, storage=url)


def test_an_axis_that_no_machine_has_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"'array\.row', which no machine has"):
        search(space_of(folder, axes={"array.row": [2]}), ["cycles"], 2, workers=1)


def test_a_space_without_a_valid_point_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no valid point: array"):
        search(space_of(folder, axes={"array.rows": [0, -1]}), ["cycles"], 5, tmp_path, 1)


@pytest.mark.parametrize("version", [None, "4.9.0"])
def test_a_missing_optuna_is_told_with_the_line_that_installs_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version is None:
        monkeypatch.setitem(sys.modules, "optuna", None)
    else:
        monkeypatch.setattr(importlib.import_module("optuna"), "__version__", version)
    with pytest.raises(InputError) as caught:
        search(space_of(folder), ["cycles"], 2, tmp_path / "out", 1)
    assert "pip install 'skipstone[search]'" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_optuna_is_loaded_by_a_search_alone_and_says_nothing(folder: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from simulator.explore import Space, search
assert not [name for name in ("optuna", "sqlalchemy", "scipy") if name in sys.modules]
space = Space.parse({{"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"]}}, {str(folder)!r})
print(len(search(space, ["cycles"], 4, {str(tmp_path)!r}, 1).rows))
import optuna
assert optuna.logging.get_verbosity() == optuna.logging.INFO
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_database_that_another_search_makes_at_the_same_moment_is_opened_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optuna = importlib.import_module("optuna")
    errors = importlib.import_module("sqlalchemy.exc")
    made, crossed = optuna.storages.RDBStorage.__init__, [False, True]

    def crossing(storage: Any, url: str, **settings: Any) -> None:
        if crossed.pop():
            raise errors.IntegrityError("INSERT", {}, ValueError("UNIQUE constraint failed"))
        made(storage, url, **settings)

    monkeypatch.setattr(study_storage, "ATTEMPT_AGAIN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", crossing)
    assert len(search(space_of(folder), ["cycles"], 1, workers=1, storage=f"sqlite:///{tmp_path}/study.db").rows) == 1
    assert crossed == []


def test_a_database_that_stops_answering_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = importlib.import_module("optuna").exceptions

    def stopped(*_: Any, **__: Any) -> Any:
        raise errors.StorageInternalError("the server closed the connection")

    monkeypatch.setattr(trials.Trials, "tell", stopped)
    with pytest.raises(InputError, match=r"sqlite:.*the server closed the connection; expected an answer"):
        search(space_of(folder), ["cycles"], 1, workers=1, storage=f"sqlite:///{tmp_path}/study.db")


@pytest.mark.parametrize("url", ["a\\", "", "nosuch://x", "http://[::1", "postgresql://u:p@h:port/n"])
def test_what_names_no_database_is_told_before_anything_is_written(folder: Path, tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"--storage: found"):
        search(space_of(folder), ["cycles"], 2, tmp_path / "new", 1, storage=url)
    assert not (tmp_path / "new").exists()
