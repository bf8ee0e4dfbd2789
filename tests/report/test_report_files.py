"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.report.files import check_writable, make_folder, write_bytes_atomically, write_text_atomically
from traces import InputError


def test_text_is_written_as_utf8_with_plain_line_breaks(tmp_path: Path) -> None:
    path = write_text_atomically(tmp_path / "a.txt", ["dé", "jà\n"])
    assert path.read_bytes() == "déjà\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    content = bytes(range(256)) + b"\r\n"
    assert write_bytes_atomically(tmp_path / "a.png", content).read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(InputError, match="no folder"):
        write_bytes_atomically(tmp_path / "missing" / "a.png", content)


def test_a_failure_midway_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write_text_atomically(tmp_path / "a.txt", "old")

    def failing() -> Iterator[str]:
        yield "new" * 100_000
        assert path.read_text() == "old"
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_text_atomically(path, failing())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    path = write_text_atomically(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").touch()
    assert path.stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real" / "a.txt")
    write_text_atomically(link, "x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("check", [lambda path: write_text_atomically(path, "x"), check_writable])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        (".", "a folder"),
        ("missing/a.txt", "no folder"),
        ("file/a.txt", "no folder"),
        ("fifo", "a device or a pipe"),
        ("a\0b", "null"),
        ("n" * 300, "name too long"),
    ],
)
def test_what_cannot_be_a_file_is_told(tmp_path: Path, name: str, found: str, check: object) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    assert callable(check)
    with pytest.raises(InputError, match=f"(?i){found}"):
        check(tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} == {"file", "fifo"}


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(InputError, match="a device or a pipe"):
        write_text_atomically("/dev/null", "x")


def test_folders_are_made_with_their_parents_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("name", ["file", "file/b", "a\0b", "n" * 300])
def test_what_cannot_be_a_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        make_folder(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
