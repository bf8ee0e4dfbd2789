"""`skipstone` alone: five things that people do, and each of them works as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.commands.welcome import examples, welcome

ROOT = Path(__file__).resolve().parents[2]
MAINS = {"skipstone": "main", "simulate": "simulate_main"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both programs, of the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("bin")
    for name, function in MAINS.items():
        program = folder / name
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} -c "from simulator.cli import {function}; {function}()" "$@"\n'
        )
        program.chmod(0o755)
    return folder


def shell(script: str, programs: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_five_things_are_shown_on_stdout_and_the_exit_code_is_0(programs: Path, tmp_path: Path) -> None:
    done = shell("skipstone", programs, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:2] for line in done.stdout.splitlines() if line[:1].isdigit()] == ["1.", "2.", "3.", "4.", "5."]
    for _, commands in examples():
        for command in commands:
            assert command.partition(" --trace")[0] in done.stdout


@pytest.mark.slow
def test_every_command_line_works_when_pasted_into_an_empty_folder(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pasted = "\n".join(line[4:] for line in welcome().splitlines() if line.startswith("    "))
    assert pasted == "\n".join(command for _, commands in examples() for command in commands)
    done = shell(pasted, programs, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run.npz", "run.npz.state.npz", "report", "results"}
    assert done.stdout.count("over the dense twin") == 3
    assert "which no other one beats" in done.stdout


def test_lines_fit_a_terminal_where_the_sample_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert max(map(len, welcome().splitlines())) <= 80
    assert "--trace traces/samples/" in welcome()
