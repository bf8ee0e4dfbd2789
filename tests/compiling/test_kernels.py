"""Compiled kernels: what they take and give, and how later processes find them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from simulator.compiling import Kernel, compiled
from simulator.compiling.arguments import kind_of, words_of
from simulator.compiling.machine_code import KernelError

KERNELS = '''
import sys
from typing import NamedTuple

import numpy as np

from simulator.compiling import compiled, lowest_in, ones_in, told_of_compiling


class Pair(NamedTuple):
    table: np.ndarray
    factor: int


@compiled
def inner(values, at):
    return values[at] * 2


@compiled
def weighed(values, pair, offset, none):
    """An array of its own, another kernel, a named tuple, None, and bit counts."""
    scratch = np.empty(len(values), np.int64)
    total = 0
    for i in range(len(values)):
        scratch[i] = inner(values, i) * pair.factor + pair.table[0, i] + offset
        total += scratch[i] + ones_in(np.uint64(values[i])) + 100 * lowest_in(np.uint64(values[i] + 1))
    if none is None:
        values[0] = -1
    return total, len(values)


@compiled
def refuses(values):
    if values[0] > 2:
        raise ValueError("too large")
    return values[0] == 2


def plain():
    values = np.array([3, 4, 7], np.int64)
    total = sum(2 * v * 5 + t + 9 + int(v).bit_count() + 100 * ((v + 1) & -(v + 1)).bit_length() - 100
                for v, t in zip([3, 4, 7], [10, 20, 30]))
    return total, 3


if __name__ == "__main__":
    values = np.array([3, 4, 7], np.int64)
    with told_of_compiling(lambda: print("compiling")):
        found = weighed(values, Pair(np.array([[10, 20, 30]], np.int64), 5), 9, None)
    assert found == plain(), (found, plain())
    assert values.tolist() == [-1, 4, 7]
    print("numba" if "numba" in sys.modules else "without numba")
'''


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of two kernels, with a cache of its own."""
    path = tmp_path / "kernels_of_a_test.py"
    path.write_text(KERNELS, encoding="utf-8")
    return path


def said(program: Path, home: Path, **environment: str) -> list[str]:
    """Run the program with a folder for compiled kernels, and give its lines."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    settings |= {"NUMBA_CACHE_DIR": str(home), "PYTHONPATH": str(Path(__file__).parents[2])} | environment
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, env=settings, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def kept(home: Path) -> list[Path]:
    return sorted(home.rglob("*.o"))


def test_a_kernel_is_compiled_once_and_then_loaded_without_numba(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "cache"
    assert said(program, home) == ["compiling", "numba"]
    (first,) = kept(home)
    before = first.read_bytes()
    assert said(program, home) == ["without numba"]
    assert first.read_bytes() == before


def test_a_damaged_kernel_is_compiled_again(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "cache"
    said(program, home)
    (path,) = kept(home)
    whole = path.read_bytes()
    for damaged in (whole[:-1], b"", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        path.write_bytes(damaged)
        assert said(program, home) == ["compiling", "numba"]
        assert path.read_bytes() == whole


def test_a_folder_that_others_may_write_to_is_not_trusted(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "cache"
    said(program, home)
    (home / "skipstone").chmod(0o777)
    assert said(program, home) == ["compiling", "numba"]


def test_a_folder_behind_a_link_is_not_trusted(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "cache"
    home.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (home / "skipstone").symlink_to(tmp_path / "elsewhere")
    assert said(program, home) == ["compiling", "numba"]
    assert kept(tmp_path / "elsewhere") == []


def test_without_a_folder_of_the_user_a_temporary_one_serves(program: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "temporary").mkdir()
    for expected in (["compiling", "numba"], ["without numba"]):
        found = said(
            program,
            Path(),
            NUMBA_CACHE_DIR="",
            XDG_CACHE_HOME=str(tmp_path / "file"),
            TMPDIR=str(tmp_path / "temporary"),
        )
        assert found == expected


def test_only_folders_of_versions_are_ever_removed(program: Path, tmp_path: Path) -> None:
    home = tmp_path / "cache" / "skipstone"
    for name in [*(f"{n:032x}" for n in range(12)), "a folder of the user's"]:
        (home / name).mkdir(parents=True)
    home.chmod(0o700)
    os.utime(home / f"{7:032x}", (1, 1))
    said(program, home.parent)
    left = {path.name for path in home.iterdir()}
    assert "a folder of the user's" in left
    assert f"{7:032x}" not in left
    assert len(left) == 8 + 1


@pytest.mark.parametrize("setting", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_debugging_forms_of_a_kernel_give_the_same(program: Path, tmp_path: Path, setting: str) -> None:
    lines = said(program, tmp_path / "cache", **{setting: "1"})
    assert lines == (["without numba"] if setting == "NUMBA_DISABLE_JIT" else ["numba"])
    assert kept(tmp_path / "cache") == []


@compiled
def doubled(values: np.ndarray, times: int) -> int:
    """Double what stands first, so many times."""
    for _ in range(times):
        values[0] *= 2
    return int(values[0])


@compiled
def refuses(values: np.ndarray) -> bool:
    """Raise where the first value is above 2."""
    if values[0] > 2:
        raise ValueError("too large")
    return values[0] == 2


def test_a_kernel_that_raises_is_an_error() -> None:
    assert refuses(np.array([2]))
    assert not refuses(np.array([1]))
    with pytest.raises(KernelError, match="refuses raised"):
        refuses(np.array([3]))


def test_kernels_take_arrays_of_other_kinds_apart() -> None:
    assert doubled(np.array([3], np.int64), 2) == 12
    assert doubled(np.array([[3]], np.int64)[0], 7) == 3 * 128
    assert isinstance(doubled, Kernel)


def test_a_result_that_object_files_cannot_give_is_compiled_in_each_process_with_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match="uint8: it is compiled anew in each process"):
        assert doubled(np.array([3], np.uint8), 7) == 3 * 128 % 256


@pytest.mark.parametrize("argument", [np.zeros((4, 4))[:, ::2], [1], "a", 1.5, (1, 2)])
def test_what_a_kernel_cannot_take_is_refused(argument: object) -> None:
    with pytest.raises(TypeError):
        doubled(argument, 1)  # type: ignore[arg-type]


def test_arguments_are_taken_by_place_alone() -> None:
    with pytest.raises(TypeError, match="by place"):
        doubled(values=np.array([1]), times=1)


def test_words_hold_addresses_shapes_and_integers_in_order() -> None:
    class Two(NamedTuple):
        first: np.ndarray
        second: int

    array = np.zeros((2, 3), np.uint16)
    arguments = (array, True, None, Two(array, 7))
    address = array.ctypes.data
    assert words_of(arguments, []) == [address, 2, 3, 1, address, 2, 3, 7]
    assert [kind_of(a)[0] for a in arguments] == ["array", "integer", "none", "tuple"]
    assert kind_of(array) == ("array", "<u2", 2)
