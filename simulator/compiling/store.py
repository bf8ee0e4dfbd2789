"""Where compiled kernels are kept between processes: a folder of the user's own, one file a kernel.

Machine code is run as it is read. So it is read only from a folder that belongs to this user and that no one else may
write to, and only if its own digest is right.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from simulator.compiling.arguments import Kind
from simulator.compiling.machine_code import MachineCode, cpu

FORMAT = "1"
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
    home = _home()
    if home is None:
        return None
    folder = home / _version()
    try:
        for path in (home, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = path.stat()
            ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
            if not ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
        os.utime(folder)
        _forget_others(home)
    except OSError:
        return None
    return folder


def _home() -> Path | None:
    """``$NUMBA_CACHE_DIR/skipstone``, or ``skipstone/kernels`` where this user's caches are."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen) / "skipstone"
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "skipstone" / "kernels"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "skipstone" / "kernels"


def _version() -> str:
    """Digest of all that machine code depends on: our sources, the compiler, Python and the CPU."""
    told = [FORMAT, sys.implementation.cache_tag or sys.version, *cpu()]
    for package in ("numba", "llvmlite"):
        spec = find_spec(package)
        told.append(_state(Path(spec.origin)) if spec and spec.origin else "none")
    root = Path(__file__).parents[1]
    told += [f"{path.relative_to(root)} {_state(path)}" for path in sorted(root.rglob("*.py"))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _forget_others(home: Path) -> None:
    """Remove the folders of versions that were used longest ago."""
    folders = sorted((p for p in home.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_VERSIONS:]:
        shutil.rmtree(folder, ignore_errors=True)
