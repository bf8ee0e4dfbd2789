"""What stands in a file's place, under whatever name: refused in one message, by every reader and by the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from plain import plain_trace
from plain.cases import machine

from reliability.readers import READERS, refusal
from simulator.cli import skipstone
from traces import Trace

by_reader = pytest.mark.parametrize("reader", READERS)


# --- what stands in a file's place ----------------------------------------------------------------------------


@by_reader
def test_a_pipe_is_refused_and_not_waited_for(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    os.mkfifo(tmp_path / name)
    told = refusal(read, tmp_path / name)
    assert name in told or reader == "corpus"


@by_reader
def test_a_folder_is_refused(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).mkdir()
    refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_behind_a_link_is_refused_and_not_read_without_end(reader: str, device: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).symlink_to(device)
    refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00" * 64, "e\u0301\u202e\u2028".encode()])
def test_a_file_that_is_empty_or_of_something_else_is_refused(reader: str, content: bytes, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).write_bytes(content)
    if reader != "digest of weights" and (reader != "corpus" or content[:1] == b"\xff"):
        refusal(read, tmp_path / name)


@by_reader
def test_a_link_in_a_circle_is_refused(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).symlink_to(tmp_path / name)
    refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("part", ["x" * 300, "nothing/" + "y" * 300])
def test_a_name_that_no_file_can_have_is_refused(reader: str, part: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    refusal(read, tmp_path / f"{part}{Path(name).suffix}")


@by_reader
def test_a_name_with_a_nul_is_refused(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    refusal(read, tmp_path / f"a\0{name}")


def test_a_link_to_a_trace_is_read_as_the_trace(tmp_path: Path) -> None:
    path = plain_trace.save(tmp_path / "run.npz", *plain_trace.small_trace())
    (tmp_path / "link.npz").symlink_to(path)
    with Trace(path) as there, Trace(tmp_path / "link.npz") as here:
        assert (here.sha256, here.header) == (there.sha256, there.header)


# --- command lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["\udcff", "a\udcffb.npz", "\u202ea.npz", "e\u0301.npz", "\x1b[31m.npz", "x" * 300 + ".npz"]
)
def test_a_strange_file_name_is_told_in_one_line_and_exits_with_2(word: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from simulator.cli import main; main()", "inspect", word]
    told = subprocess.run(words, capture_output=True, cwd=tmp_path, check=False)
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert told.stderr.startswith(b"error: ")
    assert b"\x1b" not in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_command_refuses_an_option_that_it_has_not() -> None:
    for name in skipstone.list_commands(click.Context(skipstone)):
        assert CliRunner().invoke(skipstone, [name, "--no-such-option"]).exit_code == 2, name


def test_the_largest_array_replays_a_small_trace(tmp_path: Path) -> None:
    path = plain_trace.save(tmp_path / "run.npz", *plain_trace.small_trace())
    from simulator.run import simulate

    report = simulate(machine(array={"rows": 4096, "columns": 4096}), path)
    assert report.to_dict()["macs"]["executed"] > 0
