"""Files written whole or not at all, whatever happens to who writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from traces import whole_file
from traces.whole_file import replacing

OLD, NEW = b"old" * 1000, b"new" * 100_000

KILLED = """
import fcntl, os, signal, sys
from pathlib import Path
from traces import whole_file
from traces.whole_file import replacing

calls = fatal = 0

def deadly(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

for module, name in ((os, "open"), (os, "fsync"), (os, "fdopen"), (fcntl, "flock"), (os, "close"), (Path, "replace"), (Path, "unlink")):
    setattr(module, name, deadly(getattr(module, name)))

for fatal in range(1, int(sys.argv[2]) + 1):
    path = Path(sys.argv[1]) / str(fatal) / "results.csv"
    path.parent.mkdir()
    path.write_bytes(b"old" * 1000)
    if os.fork() == 0:
        with replacing(path) as file:
            file.write(b"new" * 100_000)
        (path.parent / "done").touch()
        os._exit(0)
    os.wait()
"""  # noqa: E501 - a program
MOMENTS = 11
"""Calls of the program that change the disk, and one more, which never comes."""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(MOMENTS)], check=True)
    done = [(tmp_path / str(fatal) / "done").exists() for fatal in range(1, MOMENTS + 1)]
    assert done == [False] * (MOMENTS - 1) + [True]
    left = 0
    for fatal in range(1, MOMENTS):
        path = tmp_path / str(fatal) / "results.csv"
        assert path.read_bytes() in (OLD, NEW)
        hidden = [name for name in names_in(path.parent) if name != "results.csv"]
        assert all(name.startswith(".results.csv.") and name.endswith(".partial") for name in hidden)
        left += len(hidden)
        with replacing(path) as file:
            file.write(NEW)
        assert path.read_bytes() == NEW
        assert names_in(path.parent) == ["results.csv"], "what was abandoned is gone"
    assert left > 0


def test_what_another_writer_is_at_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as slow:
        slow.write(b"slow")
        with replacing(path) as quick:
            quick.write(b"quick")
        assert path.read_bytes() == b"quick"
    assert path.read_bytes() == b"slow"
    assert names_in(tmp_path) == ["a"]


def test_many_writers_at_once_leave_one_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def write(number: int) -> bytes:
        content = bytes([number]) * 10_000
        with replacing(path) as file:
            file.write(content)
        return content

    with ThreadPoolExecutor(6) as threads:
        contents = list(threads.map(write, range(60)))
    assert path.read_bytes() in contents
    assert names_in(tmp_path) == ["a"]


def test_a_file_that_is_taken_away_before_it_is_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock: Callable[[int, int], None] = whole_file.fcntl.flock
    taken: list[str] = []

    def late(file: int, how: int) -> None:
        if not taken:
            taken.extend(names_in(tmp_path))
            (tmp_path / taken[0]).unlink()
        lock(file, how)

    monkeypatch.setattr(whole_file.fcntl, "flock", late)
    with replacing(tmp_path / "a") as file:
        file.write(NEW)
    assert (tmp_path / "a").read_bytes() == NEW
    assert len(taken) == 1


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(whole_file.fcntl, "flock", none)
    abandoned = tmp_path / f".a.{'0' * 32}.partial"
    abandoned.touch()
    with replacing(tmp_path / "a") as file:
        file.write(NEW)
    assert names_in(tmp_path) == [abandoned.name, "a"], "nobody can tell whether it is abandoned"


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "a.b [c]*", ".hidden"])
def test_a_name_may_be_whatever_the_file_system_takes(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as file:
        file.write(NEW)
        assert len(names_in(tmp_path)) == 1
    assert names_in(tmp_path) == [name]


def test_files_that_only_look_like_abandoned_ones_stay(tmp_path: Path) -> None:
    others = [f".b.{'0' * 32}.partial", f".a.b.{'0' * 32}.partial", ".a.npz.partial", f".a.{'0' * 31}.partial"]
    for name in others:
        (tmp_path / name).touch()
    with replacing(tmp_path / "a") as file:
        file.write(NEW)
    assert names_in(tmp_path) == sorted([*others, "a"])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_whatever_is_raised_leaves_all_as_it_was(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a").write_bytes(OLD)

    def begin(path: Path) -> None:
        with replacing(path) as file:
            file.write(NEW)
            raise error

    for name in "ab":
        with pytest.raises(type(error)):
            begin(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == OLD
    assert names_in(tmp_path) == ["a"]


def test_a_folder_that_may_be_written_but_not_read_is_enough(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        tmp_path.chmod(0o300)
    else:  # root may read everything
        os.chmod(tmp_path, 0o333)  # noqa: PTH101
    pid = os.fork()
    if pid == 0:
        ended = 1
        try:
            os.chdir(tmp_path)  # the folders above are root's
            if os.geteuid() == 0:
                os.setuid(65534)
            with replacing(Path("a")) as file:
                file.write(NEW)
            ended = 0
        finally:
            os._exit(ended)
    _, status = os.waitpid(pid, 0)
    tmp_path.chmod(0o700)
    assert (os.waitstatus_to_exitcode(status), (tmp_path / "a").read_bytes()) == (0, NEW)
