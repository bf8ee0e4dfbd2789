"""A dry run tells what the sweep then does, and writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator.commands.sweep import sweep as command
from simulator.explore import Forecast, forecast, load_space, planning, run_sweep
from simulator.explore.evaluate import evaluate
from traces import InputError

SPACE = """\
name: grid
archs: [small.yaml, plain.yaml]
traces: [a.npz, b.npz]
axes:
  skipping.refill: [2, 8]
  skipping.depth: [4, 8]
  array.rows: [2, 3]
"""


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    home = shutil.copytree(folder, tmp_path / "space")
    (home / "space.yaml").write_text(SPACE, encoding="utf-8")
    return home / "space.yaml"


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    points: list[Any] = []

    def counted(point: Any) -> Any:
        points.append(point)
        return evaluate(point)

    monkeypatch.setattr(planning, "evaluate", counted)
    return points


def test_a_forecast_is_what_the_sweep_then_does_and_writes_nothing(
    path: Path, tmp_path: Path, evaluated: list[Any]
) -> None:
    space = load_space(path)
    ahead = forecast(space, tmp_path / "out", 2)
    assert not (tmp_path / "out").exists()
    assert (ahead.points, ahead.kept, ahead.left, ahead.workers) == (16, 0, 16, 2)
    assert len(ahead.measured_seconds) == 3
    assert len(evaluated) == len({point.key for point in evaluated}) == 4  # one of them before the clock runs
    outcome = run_sweep(space, tmp_path / "out", 1)
    assert (outcome.points, outcome.invalid) == (ahead.points, ahead.invalid)


@pytest.mark.parametrize(("left", "measured"), [(0, 0), (1, 1), (3, 3), (4, 3)])
def test_only_what_the_store_lacks_is_measured(
    left: int, measured: int, path: Path, tmp_path: Path, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = load_space(path)
    run_sweep(space, None, 1, store=tmp_path / "store")
    (file,) = (tmp_path / "store").glob("*.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[: len(lines) - left]))
    ahead = forecast(space, None, 1, store=tmp_path / "store")
    assert (ahead.left, len(ahead.measured_seconds)) == (left, measured)
    assert all(point.key in "".join(lines[len(lines) - left :]) for point in evaluated)


def test_the_estimate_is_the_mean_times_the_points_that_each_process_has_left() -> None:
    assert Forecast(102, 2, {}, 4, (1.0, 2.0, 3.0)).seconds == 50.0
    assert Forecast(3, 2, {}, 4, (2.0,)).seconds == 2.0
    assert Forecast(3, 3, {}, 4, ()).seconds == 0.0


def test_the_command_tells_it_on_stdout_without_a_folder(path: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(path), "--dry-run", "--workers", "2"], catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    first, reason, estimate = done.stdout.splitlines()
    assert first == "16 points to replay; 4 points invalid"
    assert reason.startswith("invalid: 4 points: skipping: found refill 8 with depth 4")
    assert estimate.startswith("about 0:00:0")
    assert "at most on 2 processes: some points took " in estimate

    run_sweep(load_space(path), tmp_path / "out", 1)
    done = CliRunner().invoke(command, [str(path), "--dry-run", "--out", str(tmp_path / "out")])
    assert done.stdout.splitlines()[0] == "16 points to replay, 16 of them in the store; 4 points invalid"
    assert len(done.stdout.splitlines()) == 2


def test_a_sweep_needs_a_folder(path: Path) -> None:
    done = CliRunner().invoke(command, [str(path)])
    assert done.exit_code == 2
    assert "Missing option '--out'" in done.stderr


def test_workers_are_at_least_one(path: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        forecast(load_space(path), workers=0)
