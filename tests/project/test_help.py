"""Asking for help is quick: it loads nothing heavy. And a wrong command line exits as it should."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simulator.cli import COMMANDS
from traces.cli import record

HEAVY = ("pandas", "matplotlib", "numba", "torch", "optuna", "distributed", "dask", "fsspec")

ASK = f"""
import sys
from simulator.cli import main, simulate_main
program, *sys.argv[1:] = sys.argv[1:]
try:
    (main if program == "skipstone" else simulate_main)()
except SystemExit as ended:
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    print("exit", ended.code, *heavy, file=sys.stderr)
"""


def ask(*words: str) -> tuple[int, str, list[str]]:
    """Run a command line in a new process: its exit code, its stdout, and the heavy packages it loaded."""
    done = subprocess.run([sys.executable, "-c", ASK, *words], capture_output=True, text=True, check=True)
    _, code, *heavy = done.stderr.splitlines()[-1].split()
    return int(code), done.stdout, heavy


@pytest.mark.parametrize(
    "words",
    [
        ("simulate",),
        ("skipstone",),
        *(("skipstone", name) for name in COMMANDS),
        *(("skipstone", "record", name) for name in record.commands),
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code, text, heavy = ask(*words, "--help")
    assert (code, heavy) == (0, [])
    assert text.startswith("Usage: ")


def test_the_check_sees_a_heavy_package() -> None:
    script = ASK.replace("import sys", "import sys, pandas", 1)
    done = subprocess.run(
        [sys.executable, "-c", script, "skipstone", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["exit", "0", "pandas"]


def test_help_names_every_command() -> None:
    _, text, _ = ask("skipstone", "--help")
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []


def test_version_is_the_distributions() -> None:
    from traces.version import __version__

    assert ask("skipstone", "--version")[1].split()[-1] == __version__


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    script = "from simulator.cli import main; main()"
    return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)


@pytest.mark.parametrize("words", [("simulat",), ("simulate", "--no-such-option"), ("sweep",)], ids=" ".join)
def test_a_wrong_command_line_exits_with_2_and_a_message(words: tuple[str, ...]) -> None:
    done = _run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
