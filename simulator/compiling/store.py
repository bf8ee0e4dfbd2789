"""Where compiled kernels are kept between processes: a folder of the user's own, one file a kernel.

Machine code is run as it is read. So it is read only from a folder that belongs to this user and that no one else may
write to, and only if its own digest is right.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from simulator.compiling.arguments import Kind
from simulator.compiling.machine_code import MachineCode, cpu

FORMAT = "2"
_VERSION = re.compile("[0-9a-f]{32}")
KEPT_VERSIONS = 8
"""Folders that are kept: one for each version of the sources, of Numba and of the CPU."""


def load(name: str, kinds: tuple[Kind, ...]) -> MachineCode | None:
    """Read what was compiled before; None where there is nothing, or something is wrong with it."""
    folder = _folder()
    if folder is None:
        return None
    try:
        raw = (folder / _file_name(name, kinds)).read_bytes()
    except OSError:
        return None
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        return None
    entry, result, object_code = content.split(b"\0", 2)
    return MachineCode(entry.decode(), result.decode(), object_code)


def save(name: str, kinds: tuple[Kind, ...], code: MachineCode) -> None:
    """Write a compiled kernel, whole or not at all; where that is not possible, nothing happens."""
    folder = _folder()
    if folder is None:
        return
    content = b"\0".join([code.entry.encode(), code.result.encode(), code.object_code])
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(temporary).replace(folder / _file_name(name, kinds))
        except OSError:
            Path(temporary).unlink(missing_ok=True)
    except OSError:
        return


def _file_name(name: str, kinds: tuple[Kind, ...]) -> str:
    told = repr([(k[0], k[1].__qualname__, k[2]) if k[0] == "tuple" else k for k in kinds])
    return f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.o"


@cache
def _folder() -> Path | None:
    """The folder of this version of sources, Numba and CPU; None where there is none that can be trusted."""
    version = _version()
    for home in _homes():
        folder = home / version
        try:
            if all(_ours(path) for path in (home, folder)):
                os.utime(folder)
                _forget_others(home)
                return folder
        except OSError:
            continue
    return None


def _ours(path: Path) -> bool:
    """Make a folder, where there is none; whether it is this user's own, and no one else may write to it.

    A link is not followed: in a folder for all users, anyone may have made it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
        return False
    return not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and os.access(path, os.W_OK)


def _homes() -> Iterator[Path]:
    """``$NUMBA_CACHE_DIR/skipstone``; else where this user's caches are, or in a temporary folder of this user's."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "skipstone"
        return
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        yield Path(chosen) / "skipstone" / "kernels"
    else:
        with suppress(RuntimeError):  # no home
            caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
            yield Path.home() / caches / "skipstone" / "kernels"
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    yield Path(tempfile.gettempdir()) / f"skipstone-kernels-{user}"


def _version() -> str:
    """Digest of all that machine code depends on: our sources, the compiler, Python and the CPU."""
    told = [FORMAT, sys.implementation.cache_tag or sys.version, *cpu()]
    for package in ("numba", "llvmlite"):
        spec = find_spec(package)
        told.append(_state(Path(spec.origin)) if spec and spec.origin else "none")
    told += sorted(_sources(str(Path(__file__).parents[1])))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _sources(folder: str, inside: str = "") -> Iterator[str]:
    """Tell the state of every source file below a folder; a third of the time that paths take."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield f"{inside}{entry.name} {status.st_size} {status.st_mtime_ns}"
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path, f"{inside}{entry.name}/")


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _forget_others(home: Path) -> None:
    """Remove the folders of versions that were used longest ago."""
    folders = sorted(
        (p for p in home.iterdir() if _VERSION.fullmatch(p.name)), key=lambda p: p.stat().st_mtime, reverse=True
    )
    for folder in folders[KEPT_VERSIONS:]:
        shutil.rmtree(folder, ignore_errors=True)
