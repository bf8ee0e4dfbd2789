"""No command opens a socket or starts a program: told by the interpreter itself, of workers too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reliability.listening import LISTENS, TOLD
from reliability.promises import ROOT
from traces import synthetic_trace

MACHINE = """\
name: little
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 8, refill: 4, banks: 2}
memory: {formats: {skip: bitmap}}
energy_table: cmos_45nm
"""
SPACE = """\
name: two
archs: [little.yaml]
traces: [run.npz]
axes: {skipping.depth: [4, 8, 16], array.rows: [2, 4]}
"""
RECORD = "record char-lm --corpus text.txt --steps 2 --hidden 8 --batch 2 --sequence 4 --out recorded.npz"


def told_by(folder: Path, *lines: str) -> tuple[int, list[str]]:
    """Run command lines in a folder; how many processes there were, and what they did with sockets and programs."""
    told = folder / "told.txt"
    told.unlink(missing_ok=True)
    words = " --then ".join(lines).split()
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, TOLD: str(told)}
    done = subprocess.run(
        [sys.executable, "-m", "reliability.listening", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    events = told.read_text(encoding="utf-8").splitlines()
    assert "done" in events
    processes = [event for event in events if event.startswith(LISTENS)]
    return len(processes), [event for event in events if event != "done" and event not in processes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    (folder / "little.yaml").write_text(MACHINE)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    synthetic_trace(folder / "run.npz", input_size=4, hidden_size=6, sequence_length=3, batch_size=2, steps=[1, 2])
    return folder


def test_the_hook_tells_sockets_and_programs(tmp_path: Path) -> None:
    code = (
        "import reliability.listening, socket, subprocess, sys\n"
        "with socket.socket() as one:\n    one.bind(('127.0.0.1', 0))\n"
        "subprocess.run([sys.executable, '-c', ''], check=True)\n"
    )
    told = tmp_path / "told.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), TOLD: str(told)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    events = [line.split()[0] for line in told.read_text().splitlines()]
    assert {"socket.__new__", "socket.bind", "subprocess.Popen"} <= set(events)


def test_no_command_talks_to_anybody(folder: Path) -> None:
    processes, found = told_by(
        folder,
        "simulate --arch little.yaml --trace run.npz --quiet --out one --html one.html --timeline one.timeline.json",
        "inspect run.npz --json",
        "sweep space.yaml --out sweep --workers 1 --quiet",
        "search space.yaml --out found --objective cycles_total --trials 3 --workers 1 --quiet",
        "report sweep/results.csv --out sweep.html --quiet",
        "frontier sweep/results.csv",
        "compare one/report.json one/report.json",
        "explain --arch little.yaml --trace run.npz --step 1",
        "validate little.yaml",
        RECORD,
    )
    assert (processes, found) == (1, [])


@pytest.mark.slow
def test_workers_of_a_sweep_talk_to_nobody(folder: Path) -> None:
    processes, found = told_by(folder, "sweep space.yaml --out many --workers 2 --quiet")
    assert processes >= 3
    assert found == []
