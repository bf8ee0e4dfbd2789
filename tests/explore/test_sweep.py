from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator import sweep
from simulator.commands.sweep import sweep as command
from simulator.explore import Point, Space, enumerate_grid, run_sweep, sweeping
from simulator.explore import evaluate as evaluation
from simulator.run import replay, simulate
from traces import InputError, Trace

SPACE = """\
name: grid
archs: [small.yaml, plain.yaml]
traces: [a.npz, b.npz]
axes:
  skipping.refill: [2, 8]
  skipping.depth: [4, 8]
  array.rows: [2, 3]
"""


@pytest.fixture(scope="module")
def path(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = shutil.copytree(folder, tmp_path_factory.mktemp("sweep") / "space")
    (home / "space.yaml").write_text(SPACE, encoding="utf-8")
    return home / "space.yaml"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_row_says_what_the_report_says(path: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["small.yaml", "zero_skip"], "traces": ["a.npz"]}, path.parent)
    for point in enumerate_grid(space).points:
        row = evaluation.evaluate(point)
        with Trace(path.parent / "a.npz") as trace:
            report = simulate(point.machine, trace).to_dict()
        expected = {
            "key": point.key,
            "status": "ok",
            "arch": report["architecture"]["name"],
            "arch_digest": report["architecture"]["digest"],
            "trace": "a.npz",
            "trace_sha256": report["trace"]["sha256"],
            "steps": "10:31",
            "steps_replayed": 3,
            "cycles_total": report["cycles"]["total"],
            "energy_total_pj": report["energy_pj"]["total"],
            "dram_read_bytes": report["dram_bytes"]["read"],
            "dram_write_bytes": report["dram_bytes"]["write"],
            **{f"cycles_{n}": c for by in ("phase", "product") for n, c in report["cycles"][f"by_{by}"].items()},
            **{f"stall_{reason}_cycles": cycles for reason, cycles in report["cycles"]["stalls"].items()},
            "area_mm2": report["area_mm2"]["total"],
            **{f"energy_{name}_pj": pj for name, pj in report["energy_pj"]["by_component"].items()},
            **{name if name.startswith("saving") else f"macs_{name}": n for name, n in report["macs"].items()},
            **{k: report[k] for k in ("time_us", "utilization", "speedup", "energy_saving", "bound_speedup")},
            **{k: report[k] for k in ("sparsity", "energy_delay_js")},
        }
        assert row == expected
        assert row["cycles_total"] == sum(row[f"cycles_{n}"] for n in report["cycles"]["by_product"]) + sum(
            cycles for name, cycles in row.items() if name.startswith("stall_")
        )


def test_a_machine_with_a_part_of_unknown_area_has_no_cell_for_it(path: Path) -> None:
    axes = {"skipping.depth": [4, None]}
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes}, path.parent)
    known, unlimited = (evaluation.evaluate(point)["area_mm2"] for point in enumerate_grid(space).points)
    assert isinstance(known, float)
    assert unlimited is None  # an unlimited window cannot be built


def test_twins_are_replayed_once_for_points_that_share_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed: list[str] = []

    def counted(machines: Any, *rest: Any, **keys: Any) -> Any:
        replayed.extend(machine.digest for machine in machines)
        return replay(machines, *rest, **keys)

    monkeypatch.setattr(evaluation, "replay", counted)
    evaluation._figures.cache_clear()
    evaluation._replay.cache_clear()
    axes = {"skipping.depth": [5, 6, 7, 9]}
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes}, path.parent)
    for point in enumerate_grid(space).points:
        evaluation.evaluate(point)
    assert len(replayed) == len(set(replayed)) == 4 + 2


def test_points_that_differ_in_prices_alone_are_replayed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replays: list[int] = []

    def counted(machines: Any, *rest: Any, **keys: Any) -> Any:
        replays.append(1)
        return replay(machines, *rest, **keys)

    monkeypatch.setattr(evaluation, "replay", counted)
    evaluation._figures.cache_clear()
    evaluation._replay.cache_clear()
    axes = {"energy_table": ["cmos_45nm", "cmos_14nm", "cmos_7nm"]}
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes}, path.parent)
    rows = [evaluation.evaluate(point) for point in enumerate_grid(space).points]
    assert len(replays) == 3  # the machine, its dense twin and its bound
    energies = [simulate(p.machine, path.parent / "b.npz").energy.total_pj for p in enumerate_grid(space).points]
    assert [row["energy_total_pj"] for row in rows] == energies
    assert len(set(energies)) == 3


def test_serial_and_parallel_sweeps_write_the_same_bytes(path: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        words = [str(path), "--out", str(tmp_path / str(workers)), "--workers", str(workers), "--quiet"]
        done = CliRunner().invoke(command, words, catch_exceptions=False)
        assert (done.exit_code, done.output) == (0, "")
    serial, parallel = ((tmp_path / str(n) / "results.csv").read_bytes() for n in (1, 2))
    assert serial == parallel
    assert sorted(file.name for file in (tmp_path / "2").iterdir()) == ["results.csv", "store"]
    rows = rows_of(serial.decode())
    assert len(rows) == 2 * (8 + 2)
    order = ("arch", "trace", "skipping.refill", "skipping.depth", "array.rows")
    assert [tuple(row[name] for name in order) for row in rows[:3]] == [
        ("small", "a.npz", "2", "4", "2"),
        ("small", "a.npz", "2", "4", "3"),
        ("small", "a.npz", "2", "8", "2"),
    ]
    assert [row["status"] for row in rows].count("invalid") == 4
    for row in rows:
        assert (row["error"] == "") == (row["status"] == "ok") == (row["cycles_total"] != "")
        if row["status"] == "ok":
            kinds = ("executed", "gated", "skipped")
            assert sum(int(row[f"macs_{kind}"]) for kind in kinds) == int(row["macs_dense"])


def test_progress_and_invalid_points_are_told_on_stderr(path: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "new" / "out"), "--workers", "1"])
    assert done.exit_code == 0
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-3]) == ("0/16 points", "16/16 points")
    assert lines[-2].startswith("invalid: 4 points: skipping: found refill 8 with depth 4; expected")
    assert lines[-1] == f"20 rows in {tmp_path}/new/out/results.csv"


def test_sweep_gives_a_frame_of_the_same_cells(path: Path, tmp_path: Path) -> None:
    data = sweep(path, out=tmp_path, workers=1)
    text = (tmp_path / "results.csv").read_text(encoding="utf-8")
    rows = rows_of(text)
    assert list(data.columns) == text.splitlines()[0].split(",")
    assert data["key"].dropna().tolist() == [row["key"] for row in rows if row["key"]]
    valid = data[data["status"] == "ok"]
    assert valid["cycles_total"].tolist() == [int(r["cycles_total"]) for r in rows if r["status"] == "ok"]
    assert valid["energy_total_pj"].tolist() == [float(r["energy_total_pj"]) for r in rows if r["cycles_total"]]


def test_sweep_takes_a_mapping_relative_to_the_current_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    data = sweep({"name": "x", "archs": ["plain.yaml"], "traces": ["b.npz"]}, workers=1)
    assert data["speedup"].tolist() == [1.0]


def test_a_point_that_the_machine_cannot_run_is_a_row_with_the_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails_at_three_rows(machines: Any, *rest: Any, **keys: Any) -> Any:
        if machines[0].array.rows == 3:
            raise InputError.of("memory.buffers", "no tile that fits", "larger buffers")
        return replay(machines, *rest, **keys)

    evaluation._figures.cache_clear()
    evaluation._replay.cache_clear()
    monkeypatch.setattr(evaluation, "replay", fails_at_three_rows)
    outcome = run_sweep(sweeping.load_space(path), tmp_path, 1)
    assert outcome.invalid["memory.buffers: found no tile that fits; expected larger buffers"] == 8
    failed = [row for row in outcome.rows if row.get("array.rows") == 3 and row.get("skipping.refill") == 2]
    assert all(row["status"] == "invalid" and len(str(row["key"])) == 64 for row in failed)


def test_a_sweep_in_which_no_point_can_run_is_refused_and_writes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def invalid(point: Point) -> dict[str, str]:
        return {"status": "invalid", "error": "no tile fits"}

    monkeypatch.setattr(sweeping, "evaluate", invalid)
    with pytest.raises(InputError, match="no valid point: no tile fits"):
        run_sweep(sweeping.load_space(path), tmp_path, 1)
    assert [file.name for file in tmp_path.iterdir()] in ([], ["store"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_finished_rows_whole(path: Path, tmp_path: Path, number: signal.Signals) -> None:
    space = sweeping.load_space(path)
    run_sweep(space, tmp_path / "all", 1)

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            os.kill(os.getpid(), number)

    outcome = run_sweep(space, tmp_path / "some", 1, interrupt)
    assert (outcome.signal_number, outcome.unfinished, outcome.points) == (number, 13, 16)
    every = (tmp_path / "all" / "results.csv").read_text().splitlines()
    some = (tmp_path / "some" / "results.csv").read_text().splitlines()
    assert sum(",ok," in line for line in some) == 3
    assert some == [line for line in every if line in some]  # in the order of the grid
    assert set(some) <= set(every)


def test_ctrl_c_with_workers_keeps_what_came_and_exits_as_a_shell_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled = sweeping.run_points

    def interrupted(*arguments: Any) -> Iterator[tuple[int, Any]]:
        for number, row in pooled(*arguments):
            yield number, row
            os.kill(os.getpid(), signal.SIGINT)
            return

    monkeypatch.setattr(sweeping, "run_points", interrupted)
    done = CliRunner().invoke(command, [str(path), "--out", str(tmp_path), "--workers", "2"])
    assert done.exit_code == 130
    assert "interrupted with 15 of 16 points to go; 5 rows in " in done.stderr
    rows = rows_of((tmp_path / "results.csv").read_text())
    assert [row["status"] for row in rows].count("ok") == 1
    monkeypatch.setattr(sweeping, "run_points", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(path, workers=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_ends_workers_that_have_hardly_begun(
    path: Path, tmp_path: Path, number: signal.Signals
) -> None:
    words = [sys.executable, "-c", "from simulator.cli import main; main()", "sweep", str(path)]
    words += ["--workers", "2", "--out", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as sweeping_process:
        assert sweeping_process.stderr is not None
        assert sweeping_process.stderr.readline() == "0/16 points\n"
        os.killpg(sweeping_process.pid, number)
        said = sweeping_process.stderr.read()
    assert "Traceback" not in said
    assert "interrupted with " in said
    assert sweeping_process.returncode == 128 + number


def test_a_fault_of_ours_keeps_the_finished_rows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def breaks(point: Point) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count == 3:
            raise ZeroDivisionError
        return evaluation.evaluate(point)

    monkeypatch.setattr(sweeping, "evaluate", breaks)
    with pytest.raises(ZeroDivisionError):
        run_sweep(sweeping.load_space(path), tmp_path, 1)
    rows = rows_of((tmp_path / "results.csv").read_text())
    assert [row["status"] for row in rows].count("ok") == 2


def test_former_results_stay_where_a_sweep_cannot_begin(path: Path, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("former\n")
    space = Space.parse(
        {"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": {"array.rows": [0]}}, path.parent
    )
    with pytest.raises(InputError):
        run_sweep(space, tmp_path, 1)
    assert (tmp_path / "results.csv").read_text() == "former\n"


def test_an_out_that_is_a_file_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="folder"):
        run_sweep(sweeping.load_space(path), tmp_path / "file", 1)


@pytest.mark.parametrize("workers", [0, -3])
def test_workers_are_at_least_one(path: Path, workers: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        sweep(path, workers=workers)
