"""Files that go away, change or break while a sweep or a search replays them: told, not kept, and made good later."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.cli import skipstone
from simulator.explore import Point, load_space, run_sweep, search, sweeping
from simulator.explore import evaluate as evaluation
from traces import InputError, synthetic_trace

SPACE = """\
name: lost
archs: [small.yaml]
traces: [a.npz, b.npz]
axes:
  skipping.depth: [4, 8]
  array.rows: [2, 3]
  energy_table: [prices.yaml]
"""
POINTS = 8
PRICES = Path(__file__).parents[2] / "arch_configs" / "energy" / "cmos_45nm.yaml"
CACHES = (evaluation._figures, evaluation._replay, evaluation._steps, evaluation._table, evaluation._check_files)


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Path:
    path = shutil.copytree(folder, tmp_path / "space")
    shutil.copytree(PRICES.parent, path, dirs_exist_ok=True)
    shutil.copy(PRICES, path / "prices.yaml")
    (path / "space.yaml").write_text(SPACE, encoding="utf-8")
    _forget()
    return path


def _forget() -> None:
    for cache in CACHES:
        cache.cache_clear()


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def write_over(path: Path) -> None:
    content = path.read_bytes()
    with path.open("r+b") as file:  # the same file, so that who has it open reads the other bytes
        file.write(bytes(byte ^ 0x55 for byte in content[: len(content) // 2]))


def replace(path: Path) -> None:
    other = path.with_name("new")
    other.write_bytes(path.with_name("a.npz" if path.suffix == ".npz" else "cmos_7nm.yaml").read_bytes())
    other.replace(path)


def lock_up(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.mkdir()


def at_point(monkeypatch: pytest.MonkeyPatch, number: int, happen: Callable[[], None]) -> None:
    """Let something happen before the n-th point is evaluated, in the middle of its trace's or before its first."""
    left = [number]

    def late(point: Point) -> dict[str, Any]:
        if not left[0]:
            happen()
        left[0] -= 1
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", late)


def run(*words: object) -> Result:
    return CliRunner().invoke(skipstone, [str(word) for word in words])


def keys_in(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for file in folder.glob("*") for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("happen", "number", "file", "lost", "told"),
    [
        (remove, 4, "b.npz", 4, r"b\.npz: found no such file; expected a trace file"),
        (replace, 4, "b.npz", 4, r"b\.npz: found a file that changed during the sweep"),
        (cut, 4, "b.npz", 4, r"b\.npz: found a truncated or damaged \.npz file"),
        (lock_up, 4, "b.npz", 4, r"b\.npz: found a directory; expected a trace file"),
        (cut, 1, "a.npz", 3, r"a\.npz: .*found a damaged member"),
        (write_over, 1, "a.npz", 3, r"a\.npz: .*found a damaged member"),
        (remove, 1, "a.npz", 0, ""),
        (replace, 1, "a.npz", 0, ""),
        (remove, 0, "prices.yaml", 8, r"prices\.yaml"),
        (replace, 0, "prices.yaml", 8, r"an energy table that changed during the sweep"),
        (cut, 0, "prices.yaml", 8, r"prices\.yaml"),
    ],
)
def test_points_of_a_file_that_goes_or_changes_are_told_and_evaluated_once_it_is_back(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happen: Callable[[Path], None],
    number: int,
    file: str,
    lost: int,
    told: str,
) -> None:
    if happen in (cut, write_over) and number == 1:  # more than a reader has in its buffer
        shape = {
            "layers": 1,
            "hidden_size": 96,
            "input_size": 5,
            "sequence_length": 12,
            "batch_size": 16,
            "sparsity": 0.5,
        }
        synthetic_trace(home / file, steps=[1, 2, 3, 4], **shape)
    run_sweep(load_space(home / "space.yaml"), tmp_path / "whole", 1)
    content = (home / file).read_bytes()
    monkeypatch.setattr(evaluation, "KEPT_STEP_BYTES", 0)  # each point reads its steps from the file
    _forget()
    at_point(monkeypatch, number, lambda: happen(home / file))
    words = ["sweep", home / "space.yaml", "--out", tmp_path / "out", "--workers", 1, "--quiet"]
    done = run(*words)
    monkeypatch.undo()
    if lost:
        assert isinstance(done.exception, InputError)
        count = f"{lost} points" if lost > 1 else "a point"
        with pytest.raises(InputError, match=rf"{count} that could not be evaluated: .*{told}.*the same command"):
            raise done.exception
        rows = (tmp_path / "out" / "results.csv").read_text()
        assert (rows.count(",ok,"), rows.count(",invalid,")) == (POINTS - lost, lost)
    else:  # this process had it open, and what it read is what was meant
        assert done.exit_code == 0, done.output
    assert len(keys_in(tmp_path / "out" / "store")) == POINTS - lost

    if happen is lock_up:
        (home / file).rmdir()
    (home / file).write_bytes(content)
    _forget()
    again = run(*words)
    assert (again.exit_code, again.output) == (0, "")
    assert (tmp_path / "out" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()
    assert sorted(keys_in(tmp_path / "out" / "store")) == sorted(keys_in(tmp_path / "whole" / "store"))
    assert len(set(keys_in(tmp_path / "out" / "store"))) == POINTS


def test_a_damaged_step_is_no_change_and_stays_an_invalid_row(home: Path, tmp_path: Path) -> None:
    raw = bytearray((home / "b.npz").read_bytes())
    raw[120] ^= 0xFF  # of the first member's data, which is not looked at when the file is opened
    (home / "b.npz").write_bytes(raw)
    space = load_space(home / "space.yaml")
    outcome = run_sweep(space, tmp_path / "out", 1)
    assert (outcome.changed, len(outcome.invalid)) == ((), 1)
    assert len(keys_in(tmp_path / "out" / "store")) == POINTS


def test_a_search_ends_where_a_trace_goes_and_goes_on_to_the_same_table(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="pip install 'skipstone[search]'")
    space = load_space(home / "space.yaml")
    search(space, ["cycles"], 7, tmp_path / "whole", 1, batch=3)
    content = (home / "b.npz").read_bytes()
    _forget()
    happened = list[bool]()

    def late(point: Point) -> dict[str, Any]:
        if point.recorded.name == "b.npz" and not happened:
            remove(home / "b.npz")
            happened.append(True)
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", late)
    with pytest.raises(InputError, match=r"could not be evaluated: .*b\.npz: found no such file"):
        search(space, ["cycles"], 7, tmp_path / "out", 1, batch=3)
    assert happened
    (home / "b.npz").write_bytes(content)
    found = search(space, ["cycles"], 7, tmp_path / "out", 1, batch=3)
    assert found.kept < 7
    assert (tmp_path / "out" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()
    assert sorted(keys_in(tmp_path / "out" / "store")) == sorted(keys_in(tmp_path / "whole" / "store"))
