"""Commands whose disk is full, may not be written to, or is another user's: one message, and nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from plain.failing_disk import as_nobody, enlarge, files_up_to, read_only, small_disk
from plain.small_inputs import write_inputs

from simulator.cli import skipstone
from traces import InputError

TRAINED = "--steps 6 --hidden 8 --layers 1 --sequence 10 --batch 3 --record-every 1 --eval-every 0 --quiet"
FULL = r"No space left on device|File too large"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("inputs")
    write_inputs(home, "{array.rows: [2, 3], array.columns: [4, 8]}")
    return home


COMMANDS = {
    "recording": f"record char-lm --corpus IN/text.txt --out OUT/run.npz {TRAINED}",
    "sweep": "sweep IN/space.yaml --out OUT --workers 1 --quiet",
    "search": "search IN/space.yaml --out OUT --workers 1 --quiet --trials 4 --batch 2 --sampler random",
    "report": "simulate --arch IN/small.yaml --trace IN/a.npz --out OUT --quiet",
    "page": "simulate --arch IN/small.yaml --trace IN/a.npz --html OUT/page.html --quiet",
    "export": "export IN/a.npz --step 10 --layer lstm0 --product dh --quiet --to OUT/mask.npy",
}
AGAIN = {"recording": " --force", "export": " --force"}


def run(command: str, inputs: Path, out: Path, more: str = "") -> Result:
    words = (COMMANDS[command] + more).replace("IN", str(inputs)).replace("OUT", str(out))
    return CliRunner().invoke(skipstone, words.split())


def refused(done: Result, out: Path, found: str) -> None:
    assert isinstance(done.exception, InputError), done.exception
    told = str(done.exception)
    assert re.search(found, told), told
    assert str(out) in told, told
    assert "; expected " in told
    assert "\n" not in told, "one message"


def results(out: Path) -> dict[str, object]:
    """Whatever counts in a folder: bytes by name; of a store, its lines."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        if path.suffix == ".jsonl":
            found["store"] = sorted(json.loads(line)["key"] for line in path.read_text().split("\n")[:-1])
        elif path.is_file() and path.name not in ("journal.log", "search.lock"):
            found[path.name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    found = {}
    for command in COMMANDS:
        out = tmp_path_factory.mktemp("whole")
        done = run(command, inputs, out)
        assert done.exit_code == 0, (command, done.output, done.exception)
        found[command] = results(out)
    return found


def goes_on(command: str, inputs: Path, out: Path, whole: dict[str, dict[str, object]]) -> None:
    done = run(command, inputs, out, AGAIN.get(command, ""))
    assert done.exit_code == 0, (done.output, done.exception)
    assert results(out) == whole[command]


# --- full --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_grow_is_told_and_nothing_is_lost(
    inputs: Path, whole: dict[str, dict[str, object]], tmp_path: Path, command: str, share: float
) -> None:
    largest = max(len(content) for content in whole[command].values() if isinstance(content, bytes))
    with files_up_to(int(share * largest)):
        done = run(command, inputs, tmp_path)
    refused(done, tmp_path, FULL)
    for name, content in results(tmp_path).items():
        if name == "results.csv":  # of what was finished
            assert isinstance(content, bytes)
            assert set(content.splitlines()) <= set(bytes(whole[command][name]).splitlines())
        elif name != "store" and not name.endswith(".npz"):
            assert content == whole[command][name], "whole, or not there"
    goes_on(command, inputs, tmp_path, whole)


@pytest.mark.parametrize("size_kib", [4, 12])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_told_and_nothing_is_lost(
    inputs: Path, whole: dict[str, dict[str, object]], tmp_path: Path, command: str, size_kib: int
) -> None:
    needed = sum(-(-len(content) // 4096) * 4 for content in whole[command].values() if isinstance(content, bytes))
    with small_disk(tmp_path / "disk", size_kib) as out:
        done = run(command, inputs, out)
        if needed > size_kib:
            refused(done, out, FULL)
        enlarge(out)
        goes_on(command, inputs, out, whole)


@pytest.mark.parametrize("command", ["report", "sweep"])
def test_former_results_stay_on_a_full_disk(
    inputs: Path, whole: dict[str, dict[str, object]], tmp_path: Path, command: str
) -> None:
    goes_on(command, inputs, tmp_path, whole)
    for path in tmp_path.rglob("*.jsonl"):
        path.unlink()
    with files_up_to(100):
        refused(run(command, inputs, tmp_path, ""), tmp_path, FULL)
    kept = results(tmp_path)
    kept.pop("store", None)
    assert kept == {name: content for name, content in whole[command].items() if name != "store"}


# --- not to be written to ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_disk_is_told_before_anything_is_done(
    inputs: Path, whole: dict[str, dict[str, object]], tmp_path: Path, command: str
) -> None:
    with read_only(tmp_path) as out:
        refused(run(command, inputs, out), out, r"Read-only file system|right to write")
    goes_on(command, inputs, tmp_path, whole)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_somebody_else_is_told(inputs: Path, whole: dict[str, dict[str, object]], command: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        home = Path(name)
        shutil.copytree(inputs, home / "inputs")
        (home / "out").mkdir()
        for path in (home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if os.geteuid() != 0:
            (home / "out").chmod(0o555)
        told = as_nobody(lambda: str(run(command, home / "inputs", home / "out").exception))
        assert re.fullmatch(rf"{home}/out\S*: found .*(Permission denied|right to write).*; expected .*", told), told
        assert list((home / "out").iterdir()) == []


@pytest.mark.parametrize("file", ["a.npz", "space.yaml", "small.yaml"])
def test_an_input_without_the_right_to_read_it_is_told(
    inputs: Path, whole: dict[str, dict[str, object]], file: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copytree(inputs, home, dirs_exist_ok=True)
        (home / "out").mkdir()
        (home / "out").chmod(0o777)
        home.chmod(0o755)
        (home / file).chmod(0o000)
        told = as_nobody(lambda: str(run("sweep", home, home / "out").exception))
        assert re.search(rf"{file}.*Permission denied.*; expected ", told), told
        assert list((home / "out").iterdir()) == []
