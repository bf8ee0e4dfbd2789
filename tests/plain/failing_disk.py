"""Disks that fill up, may only be read, or belong to somebody else: real ones where this user may mount them."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """Mount a file system of so many KiB; skips the test where this process may not."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size_kib}k,mode=700", "none", str(folder))
    try:
        yield folder
    finally:
        # Lazily: whoever has a file open there, as a sweep's rows have their store, may close it later.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    """Give a small disk room."""
    _mount("-o", "remount,size=64m", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Mount a folder over itself so that nobody, not even root, may write to it; skips where this process may not."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> None:
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"this process may not mount: {done.stderr.strip()}")


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: what is written beyond it raises, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def as_nobody(act: Callable[[], str]) -> str:
    """Do something as a user who owns nothing, where this one is root, who may do everything; gives what it gave."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, act().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        said = pipe.read()
    os.waitpid(pid, 0)
    return said
