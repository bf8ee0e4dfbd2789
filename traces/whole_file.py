"""Files that are written whole or not at all.

A file is written beside its place under a hidden name, synced, and then renamed. A process that is killed meanwhile
leaves its hidden file, which the next one that writes the same file removes; the lock that each holds on its own, and
that ends with its process, keeps it from taking away one that is still being written.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LONGEST_NAME_BYTES = 255
"""Of a file, on every file system that Linux has in common use (NAME_MAX)."""


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open what is to take a file's place when the context is left; left by an exception, all stays as it was.

    Parameters
    ----------
    path : Path
        In an existing folder. A link is replaced, not followed.

    Raises
    ------
    OSError
        If it cannot be written there.
    """
    with hidden_file(path.parent, path.name) as (file, partial):
        yield file
        file.flush()
        os.fsync(file.fileno())
        partial.replace(path)
    sync_folder(path)


@contextmanager
def hidden_file(folder: Path, name: str) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a file under a hidden name, and remove it in the end unless it was renamed.

    Parameters
    ----------
    folder : Path
    name : str
        What is to become of it: abandoned ones of this name are removed first.

    Raises
    ------
    OSError
        If it cannot be written there.
    """
    before, after = _around_digits(name)
    _remove_abandoned(folder, before, after)
    file, partial = _create(folder, before, after)
    try:
        with file:
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make a rename in the folder of `path` outlive a power cut, where the folder may be read."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _around_digits(name: str) -> tuple[str, str]:
    """Give what stands before and after 32 digits in the hidden names of a file."""
    after = ".partial"
    room = LONGEST_NAME_BYTES - len(after) - 32 - 2
    return f".{os.fsdecode(os.fsencode(name)[:room])}.", after


def _create(folder: Path, before: str, after: str) -> tuple[IO[bytes], Path]:
    while True:
        partial = folder / f"{before}{uuid.uuid4().hex}{after}"
        # With the rights that the user's umask gives to any new file.
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        file = os.fdopen(handle, "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another writer takes it for an abandoned one, and is about to remove it
            file.close()
            continue
        except OSError:  # a file system without locks, where nobody removes any
            return file, partial
        if partial.exists():
            return file, partial
        file.close()  # it was removed before it was locked


def _remove_abandoned(folder: Path, before: str, after: str) -> None:
    """Remove what killed writers of a file left."""
    abandoned = re.compile(f"{re.escape(before)}[0-9a-f]{{32}}{re.escape(after)}")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if abandoned.fullmatch(entry.name):
                with suppress(OSError), open(entry.path, "rb") as file:  # noqa: PTH123 - the path is a text already
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)  # noqa: PTH108
