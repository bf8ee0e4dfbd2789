"""A run that contradicts the model: exit code 1, no number anywhere, and a folder that replays it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator.engine.kernels as kernels
import simulator.run as walk
from simulator.cli import main
from simulator.explore import run_sweep
from simulator.explore.rows import read_table
from simulator.explore.space import Space
from simulator.report import reproducer
from simulator.run import simulate
from traces import InputError, synthetic_trace

MACHINE = """\
name: {name}
clock_mhz: 500
precision: {{operand: fp16, accumulator: fp32}}
array: {{rows: 4, columns: 4}}
skipping: {{mechanism: lookahead, depth: {depth}, refill: 2, banks: null}}
memory: {{}}
energy_table: prices.yaml
"""
TABLE = Path(__file__).parents[2] / "arch_configs" / "energy" / "cmos_45nm.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two machines, their prices and a trace; it is the working folder."""
    for name, depth in (("sound", 4), ("broken", 8)):
        (tmp_path / f"{name}.yaml").write_text(MACHINE.format(name=name, depth=depth), encoding="utf-8")
    (tmp_path / "prices.yaml").write_bytes(TABLE.read_bytes())
    synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=6, input_size=6, sequence_length=3, batch_size=4, steps=[3, 7]
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes the machine `broken` lose a stalled cycle of each step."""

    def begin() -> None:
        plan, charge, broken = walk.plan, kernels.charge_stalls, [False]

        def planned(arch: Any, *arguments: Any) -> Any:
            broken[0] = arch.name == "broken"
            return plan(arch, *arguments)

        def charged(*arguments: Any) -> bool:
            told = bool(charge(*arguments))
            arguments[-1][0, 0] += broken[0]
            return told

        monkeypatch.setattr(walk, "plan", planned)
        monkeypatch.setattr(kernels, "charge_stalls", charged)

    return begin


def call(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Run a command line as a program does; exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["skipstone", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, told.out, told.err


def test_command_tells_what_was_found_and_no_number(
    folder: Path,
    fault: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault()
    words = ["simulate", "--arch", "broken.yaml", "--trace", "t.npz", "--out", "results", "--format", "json", "--quiet"]
    code, out, err = call([*words, "--html", "run.html"], capsys, monkeypatch)
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert "a bug of Skipstone: step 3: " in first
    assert "stalled ones" in first
    assert "cycles_are_work_or_stalls" in first
    (bundle,) = folder.glob("skipstone-bug-*")
    assert str(bundle) in second
    assert not (folder / "results").exists()
    assert not (folder / "run.html").exists()


def test_folder_replays_the_run_to_the_same_violation_and_to_the_same_report_once_it_is_mended(
    folder: Path,
    fault: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = simulate("broken.yaml", "t.npz", steps=(3, 4), baseline=False)
    with monkeypatch.context() as broken:
        fault()
        _, _, err = call(["simulate", "--arch", "broken.yaml", "--trace", "t.npz", "--quiet"], capsys, broken)
        found = err.splitlines()[0]
        (bundle,) = folder.glob("skipstone-bug-*")
        told = json.loads((bundle / "reproducer.json").read_text(encoding="utf-8"))
        assert {"invariant", "found", "command_line", "machine", "trace", "steps", "engine", "versions"} <= set(told)
        assert told["trace"]["sha256"] == right.trace_sha256
        assert {p.name for p in bundle.iterdir()} == {"machine.yaml", "trace.npz", "reproducer.json"}
        words = shlex.split(told["reproduce"].removeprefix("in this folder: "))
        broken.chdir(bundle)
        code, out, err = call([*words, "--quiet"], capsys, broken)
        assert (code, out, err.splitlines()[0]) == (1, "", found)
    monkeypatch.undo()
    monkeypatch.chdir(bundle)
    code, out, _ = call([*words, "--format", "json", "--quiet"], capsys, monkeypatch)
    assert code == 0
    again = json.loads(out)
    assert again["cycles"] == right.to_dict()["cycles"]
    assert again["energy_pj"] == right.to_dict()["energy_pj"]


def test_sweep_goes_on_and_keeps_nothing_of_a_failed_point(
    folder: Path,
    fault: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "name: s\narchs: [sound.yaml, broken.yaml]\ntraces: [t.npz]\naxes: {array.columns: [2, 4]}\n"
    (folder / "space.yaml").write_text(text, encoding="utf-8")
    with monkeypatch.context() as broken:
        fault()
        words = ["sweep", "space.yaml", "--out", "out", "--workers", "1", "--quiet"]
        code, out, err = call(words, capsys, broken)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert (code, out) == (1, "")
    assert err.count("error: ") == 2
    assert err.count("1 point: the model contradicts itself") == 2  # the columns differ, and so do the numbers
    rows = (folder / "out" / "results.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[1] for row in rows] == ["status", "ok", "ok", "failed", "failed"]
    assert [row.split(",")[0] for row in rows[3:]] == ["", ""]
    table = read_table(folder / "out" / "results.csv")
    assert (len(table.rows), table.left_out) == (2, 2)
    assert len(list(folder.glob("skipstone-bug-*"))) == 2
    # What failed is evaluated again, and the table is that of a sweep in which nothing failed.
    again = run_sweep(Space.parse({**SPACE, "archs": ["sound.yaml", "broken.yaml"]}, folder), "out", 1)
    assert (again.kept, again.failed) == (2, {})
    sound = run_sweep(Space.parse({**SPACE, "archs": ["sound.yaml", "broken.yaml"]}, folder), "right", 1)
    assert (folder / "out" / "results.csv").read_bytes() == (folder / "right" / "results.csv").read_bytes()
    assert again.rows == sound.rows


SPACE = {"name": "s", "traces": ["t.npz"], "axes": {"array.columns": [2, 4]}}


def test_only_so_many_folders_are_written(
    folder: Path, fault: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault()
    monkeypatch.setattr(reproducer, "MOST_FOLDERS", 1)
    space = Space.parse({**SPACE, "archs": ["broken.yaml"]}, folder)
    outcome = run_sweep(space, None, 1)
    assert len(outcome.failed) == 2
    assert len(list(folder.glob("skipstone-bug-*"))) == 1


def test_large_trace_is_named_and_not_copied(
    folder: Path, fault: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault()
    monkeypatch.setattr(reproducer, "LARGEST_TRACE_BYTES", 10)
    with pytest.raises(RuntimeError):
        simulate("broken.yaml", "t.npz")
    (bundle,) = folder.glob("skipstone-bug-*")
    told = json.loads((bundle / "reproducer.json").read_text(encoding="utf-8"))
    assert {p.name for p in bundle.iterdir()} == {"machine.yaml", "reproducer.json"}
    assert told["trace"]["file"] == str(folder / "t.npz")
    assert f"--trace {folder / 't.npz'} " in told["reproduce"]


def test_folder_that_cannot_be_written_whole_is_not_there(
    folder: Path, fault: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(elsewhere))
    fault()
    before = set(folder.iterdir())

    def full(path: Path, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reproducer, "_write", full)
    with pytest.raises(RuntimeError, match="cycles_are_work_or_stalls"):
        simulate("broken.yaml", "t.npz")
    assert set(folder.iterdir()) == before
    assert list(elsewhere.iterdir()) == []


def test_price_that_no_float_holds_is_the_tables_fault(folder: Path) -> None:
    text = (folder / "prices.yaml").read_text(encoding="utf-8")
    (folder / "prices.yaml").write_text(re.sub(r"pj: [0-9.e+-]+", "pj: 1.0e+308", text), encoding="utf-8")
    with pytest.raises(InputError, match=r"1\.8e308"):
        simulate("sound.yaml", "t.npz")


def test_search_goes_on_and_tells_no_number_of_a_failed_trial(
    folder: Path,
    fault: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("optuna", reason="needs skipstone[search]")
    text = "name: s\narchs: [sound.yaml, broken.yaml]\ntraces: [t.npz]\n"
    (folder / "space.yaml").write_text(text, encoding="utf-8")
    fault()
    words = ["search", "space.yaml", "--out", "found", "--trials", "2", "--sampler", "random", "--workers", "1"]
    code, out, err = call([*words, "--quiet"], capsys, monkeypatch)
    assert code == 1
    assert err.count("1 point: the model contradicts itself") == 1
    assert "1 left out" in out
    rows = [line.split(",") for line in (folder / "found" / "results.csv").read_text(encoding="utf-8").splitlines()]
    told = {row[4]: (row[1], row[3]) for row in rows[1:]}
    assert told == {"sound": ("yes", "ok"), "broken": ("no", "failed")}
