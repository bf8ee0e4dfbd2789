"""What is printed reads well in 80 columns, without colour, and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import skipstone
from traces import synthetic_trace

SIMULATE = [sys.executable, "-c", "from simulator.cli import simulate_main; simulate_main()"]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")

SPACE = """\
name: small
archs: [zero_skip]
traces: [run.npz]
axes:
  skipping.depth: [4, 8]
  skipping.refill: [2, 4]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trace, two reports and the results of a sweep."""
    place = tmp_path_factory.mktemp("terminal")
    sizes = {"layers": 2, "input_size": 6, "hidden_size": 8, "sequence_length": 3, "batch_size": 5}
    synthetic_trace(place / "run.npz", steps=[3, 7], sparsity=0.6, **sizes)
    (place / "small.yaml").write_text(SPACE)
    before = Path.cwd()
    os.chdir(place)
    try:
        for line in (
            "simulate --arch edge --trace run.npz --out a",
            "simulate --arch zero_skip --trace run.npz --out b",
            "sweep small.yaml --out results --workers 1",
        ):
            assert CliRunner().invoke(skipstone, line.split(), catch_exceptions=False).exit_code == 0
    finally:
        os.chdir(before)
    return place


@pytest.mark.parametrize(
    "line",
    [
        "simulate --arch zero_skip --trace run.npz --verbose",
        "simulate --arch edge --trace run.npz --break-even",
        "inspect run.npz",
        "explain --arch zero_skip --trace run.npz",
        "break-even --arch edge --trace run.npz --points 3",
        "sweep small.yaml --dry-run",
        "frontier results/results.csv",
        "sensitivity results/results.csv",
        "compare a/report.json b/report.json",
        "study paper --out study --list",
        "archs",
        "mechanisms",
        "policies",
        "validate edge",
        "completion --help",
        "",
    ],
)
def test_a_pipe_gets_plain_text_of_80_columns(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(skipstone, line.split(), catch_exceptions=False)
    assert done.exit_code == 0
    lines = [one for one in done.stdout.splitlines() if "--trace /" not in one]  # where the package lies is not ours
    assert lines
    assert [one for one in lines if len(one) > 80] == []
    assert "\x1b" not in done.stdout


def on_a_terminal(columns: int, folder: Path, **environment: str) -> str:
    """Run `simulate` on a terminal of so many columns; give what it shows."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")}
    with subprocess.Popen(
        [*SIMULATE, "--arch", "zero_skip", "--trace", "run.npz", "--quiet"],
        cwd=folder,
        env={**inherited, "TERM": "xterm-256color", **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's end of a terminal whose program has gone
                break
            if not part:
                break
            shown += part
        assert process.stderr is not None
        assert process.stderr.read() == b""
    os.close(ours)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_gets_colours_and_a_pipe_the_same_text(folder: Path) -> None:
    shown = on_a_terminal(80, folder)
    assert COLOUR.search(shown)
    words = ["--arch", "zero_skip", "--trace", "run.npz", "--quiet"]
    piped = subprocess.run([*SIMULATE, *words], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert [line.rstrip() for line in plain(shown).splitlines()] == piped.splitlines()
    assert max(map(len, piped.splitlines())) <= 80


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_no_color_is_heeded_at_every_width(columns: int, folder: Path) -> None:
    shown = on_a_terminal(columns, folder, NO_COLOR="1")
    assert not COLOUR.search(shown)
    assert max(map(len, plain(shown).splitlines())) <= max(80, min(columns, 110))


def test_columns_of_the_environment_come_before_the_terminals(folder: Path) -> None:
    narrow = plain(on_a_terminal(132, folder, COLUMNS="80"))
    assert max(map(len, narrow.splitlines())) <= 80
    assert narrow == plain(on_a_terminal(80, folder))


def test_a_dumb_terminal_gets_no_escapes(folder: Path) -> None:
    assert not COLOUR.search(on_a_terminal(80, folder, TERM="dumb"))
