"""What stands in a file's place, under whatever name: refused in one message, by every reader and by the program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from plain import plain_trace
from plain.cases import machine

from reliability.fuzzing.files import _report
from reliability.readers import READERS, refusal
from simulator.cli import skipstone
from simulator.report.files import write_text_atomically
from traces import Trace, synthetic_trace
from traces.errors import InputError
from traces.matrix_files import write_mask
from traces.numpy_frontend.state_file import save_state
from traces.remote import fetch

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
    assert refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_behind_a_link_is_refused_and_not_read_without_end(reader: str, device: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).symlink_to(device)
    assert refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00" * 64, "e\u0301\u202e\u2028".encode()])
def test_a_file_that_is_empty_or_of_something_else_is_refused(reader: str, content: bytes, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).write_bytes(content)
    if reader != "digest of weights" and (reader != "corpus" or content[:1] == b"\xff"):
        assert refusal(read, tmp_path / name)


@by_reader
def test_a_link_in_a_circle_is_refused(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    (tmp_path / name).symlink_to(tmp_path / name)
    assert refusal(read, tmp_path / name)


@by_reader
@pytest.mark.parametrize("part", ["x" * 300, "nothing/" + "y" * 300])
def test_a_name_that_no_file_can_have_is_refused(reader: str, part: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    assert refusal(read, tmp_path / f"{part}{Path(name).suffix}")


@by_reader
def test_a_name_with_a_nul_is_refused(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    assert refusal(read, tmp_path / f"a\0{name}")


@pytest.mark.parametrize("protocol", ["file", "local"])
def test_a_url_of_a_pipe_or_a_device_is_refused(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="no regular file"):
            fetch(f"{protocol}://{path}")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_link_to_a_trace_is_read_as_the_trace(tmp_path: Path) -> None:
    path = plain_trace.save(tmp_path / "run.npz", *plain_trace.small_trace())
    (tmp_path / "link.npz").symlink_to(path)
    with Trace(path) as there, Trace(tmp_path / "link.npz") as here:
        assert (here.sha256, here.header) == (there.sha256, there.header)


# --- what is written ------------------------------------------------------------------------------------------


def write_trace(path: Path) -> None:
    synthetic_trace(path, layers=1, hidden_size=3, input_size=2, sequence_length=2, batch_size=2, steps=[1])


WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "trace": ("run.npz", write_trace),
    "matrix": ("m.npy", lambda path: write_mask(path, np.ones((2, 2), bool))),
    "report": ("report.json", lambda path: write_text_atomically(path, "{}")),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_pipe_in_the_place_of_what_is_written_stays_one(writer: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    os.mkfifo(tmp_path / name)
    assert refusal(write, tmp_path / name)
    assert [path.is_fifo() for path in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_device_behind_a_link_stays_one(writer: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    os.mkfifo(tmp_path / "device")  # as good as one, and nobody else's
    (tmp_path / name).symlink_to(tmp_path / "device")
    assert refusal(write, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["device", name])
    assert (tmp_path / "device").is_fifo()


def test_a_link_left_under_a_hidden_name_of_a_recording_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept", encoding="utf-8")
    (tmp_path / ".run.npz.partial").symlink_to(precious)
    assert refusal(write_trace, tmp_path / "run.npz")
    for name in ("run.npz.state.npz.partial", ".run.npz.state.npz.partial"):
        (tmp_path / name).symlink_to(precious)
    save_state(tmp_path / "run.npz.state.npz", {}, {}, {}, {})  # under a name that nobody can foresee
    assert precious.read_text(encoding="utf-8") == "kept"


def test_a_trace_written_to_a_link_leaves_what_it_led_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept", encoding="utf-8")
    (tmp_path / "run.npz").symlink_to(precious)
    write_trace(tmp_path / "run.npz")
    assert precious.read_text(encoding="utf-8") == "kept"
    with Trace(tmp_path / "run.npz") as trace:
        assert trace.steps == (1,)


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


@pytest.mark.parametrize(
    "line",
    ["inspect F", "export F --layer lstm0 --product dh --step 3 --to F.npy", "compare F.json F.json --format json"],
)
def test_a_file_whose_name_is_no_text_is_worked_on_in_every_locale(line: str, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.npz")
    plain_trace.save(tmp_path / name, *plain_trace.small_trace())
    (tmp_path / f"{name}.json").write_text(_report(), encoding="utf-8")
    words = [sys.executable, "-c", "from simulator.cli import main; main()", *line.replace("F", name).split()]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    told = subprocess.run(words, capture_output=True, cwd=tmp_path, env=strict, check=False)
    assert (told.returncode, told.stderr) == (0, b"")


@pytest.mark.parametrize(
    "line", ["validate L", "import inf --out L", "simulate --arch L --trace L", "record char-lm --out L"]
)
def test_an_endless_name_on_a_command_line_exits_with_2(line: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from simulator.cli import main; main()", *line.replace("L", "9" * 5000).split()]
    told = subprocess.run(words, capture_output=True, cwd=tmp_path, check=False)
    assert told.returncode == 2
    assert b"Traceback" not in told.stderr


@pytest.mark.parametrize("option", ["--out", "--plots"])
def test_a_trace_that_turns_out_damaged_leaves_no_folder_for_results(option: str, tmp_path: Path) -> None:
    header, members = plain_trace.small_trace()
    members["steps/000120/lstm0/gate_gradient"][0, 0, -1] |= 1 << 7
    path = plain_trace.save(tmp_path / "run.npz", header, members)
    words = ["simulate", "--arch", "dense", "--trace", str(path), option, str(tmp_path / "new" / "results")]
    assert isinstance(CliRunner().invoke(skipstone, words).exception, InputError)
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "old").mkdir()
    CliRunner().invoke(skipstone, [*words[:-1], str(tmp_path / "old")])
    assert (tmp_path / "old").is_dir()


def test_every_command_refuses_an_option_that_it_has_not() -> None:
    for name in skipstone.list_commands(click.Context(skipstone)):
        assert CliRunner().invoke(skipstone, [name, "--no-such-option"]).exit_code == 2, name


def test_the_largest_array_replays_a_small_trace(tmp_path: Path) -> None:
    path = plain_trace.save(tmp_path / "run.npz", *plain_trace.small_trace())
    from simulator.run import simulate

    report = simulate(machine(array={"rows": 4096, "columns": 4096}), path)
    assert report.to_dict()["macs"]["executed"] > 0
