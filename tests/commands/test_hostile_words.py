"""Words out of files, and of the command line itself, come to the terminal as printable characters alone."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cli import skipstone
from traces import InputError, synthetic_trace
from traces.program import run, say

NAME = "evil\x1b[2J\x1b]0;t\x07\x9b31m\u202e\rname"
SHOWN = "evil?[2J?]0;t??31m?"
MACHINE = r"""
name: "evil\e[2J\e]0;t\a\x9b31m\u202e\rname"
description: "\e[2J"
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 8, refill: 4, banks: 2}
memory: {formats: {skip: bitmap}}
energy_table: cmos_45nm
"""
SPACE = r"""
name: "\e[2J"
archs: [evil.yaml]
traces: [run.npz]
axes: {skipping.depth: [4, 8], array.rows: [0, 4]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    (folder / "evil.yaml").write_text(MACHINE)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "rows.csv").write_text(f'key,arch,cycles_total,energy_total_pj\na1,"{NAME}",1,2\na2,"{NAME}x",2,1\n')
    sizes = {"input_size": 4, "hidden_size": 6, "sequence_length": 3, "batch_size": 2}
    synthetic_trace(folder / "run.npz", steps=[1, 2], **sizes)
    return folder


def called(folder: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Call a command as a terminal that takes colours would get it."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(skipstone, line.split(), color=True)


def is_plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ("simulate --arch evil.yaml --trace run.npz", True),
        ("validate evil.yaml", True),
        ("explain --arch evil.yaml --trace run.npz --step 1", True),
        ("break-even --arch evil.yaml --trace run.npz --points 2", True),
        ("sweep space.yaml --out swept --workers 1", False),
        ("sweep space.yaml --dry-run", False),
        ("frontier rows.csv", False),
        ("compare rows.csv:a1 rows.csv:a2", False),
        ("sensitivity rows.csv --measure cycles_total", False),
    ],
)
def test_a_command_shows_names_as_text(line: str, shows: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = called(folder, line, monkeypatch)
    assert done.exit_code == 0 or isinstance(done.exception, InputError), done.output
    assert is_plain(done.output)
    assert not shows or SHOWN in done.output


def test_a_mistake_in_a_file_is_told_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(MACHINE + '"key\\e[2J": 1\n')

    def fails(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["skipstone", *words])
        with pytest.raises(SystemExit) as raised:
            run(skipstone, "skipstone")
        assert raised.value.code == 2
        return capsys.readouterr().err

    told = fails("validate", str(tmp_path / "bad.yaml"))
    assert r"key\x1b[2J: found unknown key" in told
    assert is_plain(told)
    told = fails("inspect", "no\x1b[2Jfile.npz")
    assert r"no\x1b[2Jfile.npz: found no such file" in told
    assert is_plain(told)


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8")))
def test_whatever_is_said_is_printable(text: str) -> None:
    command = click.Command("say", callback=lambda: say(text))
    said = CliRunner().invoke(command, [], color=True).output
    assert is_plain(said.replace("\r\n", "\n"))
    assert len(said.split("\n")) == len(text.split("\n")) + 1
