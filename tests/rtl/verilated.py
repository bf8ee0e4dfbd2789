"""SystemVerilog to a shared library: Verilator makes C++ of it, the C++ compiler a library, ctypes calls it."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "sv"
CLOCKED = HERE / "clocked.h"
"""What all wrappers include."""
INSTALL = "Debian and Ubuntu: apt-get install verilator g++; elsewhere: https://verilator.org"
# Loops stay loops: unrolled, the C++ takes minutes to compile. Warnings are for `test_sources.py`.
VERILATE = ("-Wno-lint", "-Wno-fatal", "-O3", "--unroll-count", "8", "--x-assign", "fast", "--x-initial", "fast")
COMPILE = ("-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-w")


def missing_tool() -> str:
    """Say which tool is missing and how to get it; nothing if all are here."""
    missing = [name for name in ("verilator", "g++") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not found; {INSTALL}" if missing else ""


@dataclass(frozen=True)
class Design:
    """A top module, its parameters, and the C++ that drives it.

    Attributes
    ----------
    top : name of the top module, of its file in ``sv/`` and of the wrapper beside this file without ``_tile``
    parameters : parameters of the top module; the wrapper gets them as macros
    fault : one piece of text of a source and what stands in its place, for tests that must fail
    """

    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    fault: tuple[str, str, str] | None = None

    @property
    def wrapper(self) -> Path:
        return HERE / f"{self.top.removesuffix('_tile')}.cpp"

    def sources(self) -> dict[str, str]:
        """Read the sources by file name, the fault put in."""
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.sv"))}
        if self.fault:
            name, right, wrong = self.fault
            if texts[name].count(right) != 1:
                raise ValueError(f"{name} has {right!r} {texts[name].count(right)} times")
            texts[name] = texts[name].replace(right, wrong)
        return texts

    def digest(self) -> str:
        """Name everything that the library depends on."""
        parts = [self.top, repr(sorted(self.parameters.items())), tool_version(), repr(VERILATE + COMPILE)]
        parts += [path.read_text(encoding="utf-8") for path in (CLOCKED, self.wrapper)]
        parts += [repr(sorted(self.sources().items()))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def library(design: Design) -> ctypes.CDLL:
    """Build the design, or take it from the cache folder, and load it."""
    folder = cache_folder() / f"{design.top}-{design.digest()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test workers: one builds, the other waits for it
        if not (folder / "model.so").exists():
            build(design, folder)
    return ctypes.CDLL(str(folder / "model.so"))


def build(design: Design, folder: Path) -> None:
    """Verilate and compile into a folder: by hand, as one file compiles faster than twenty and needs no make."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in design.sources().items():
        (folder / name).write_text(text, encoding="utf-8")
    settings = [f"-G{name}={value}" for name, value in design.parameters.items()]
    names = sorted(design.sources())
    run(["verilator", "--cc", *VERILATE, "--top-module", design.top, "--Mdir", "cpp", *settings, *names], folder)
    macros = [f"-D{name}={value}" for name, value in design.parameters.items()]
    # One file that includes all: Verilator's headers are read once, not twenty times.
    names = [*sorted((folder / "cpp").glob("*.cpp")), design.wrapper]
    whole = folder / "whole.cpp"
    whole.write_text("".join(f'#include "{name}"\n' for name in names), encoding="utf-8")
    made = folder / "made.so"
    includes = [f"-I{folder / 'cpp'}", *include_flags()]
    run(["g++", *COMPILE, *macros, *includes, str(whole), str(runtime()), "-o", str(made)], folder)
    shutil.rmtree(folder / "cpp")  # megabytes that nobody needs any more
    made.replace(folder / "model.so")


def runtime() -> Path:
    """Compile Verilator's own runtime, once for all designs."""
    made = cache_folder() / f"runtime-{hashlib.sha256((tool_version() + repr(COMPILE)).encode()).hexdigest()[:16]}.so"
    with (cache_folder() / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            sources = [include_folder() / name for name in ("verilated.cpp", "verilated_threads.cpp")]
            unfinished = made.with_suffix(".unfinished")
            run(["g++", *COMPILE, *include_flags(), *map(str, sources), "-o", str(unfinished)], cache_folder())
            unfinished.replace(made)
    return made


def include_flags() -> list[str]:
    return [f"-I{include_folder()}", f"-I{include_folder() / 'vltstd'}"]


@functools.cache
def include_folder() -> Path:
    return Path(run(["verilator", "--getenv", "VERILATOR_ROOT"], HERE).strip()) / "include"


def run(command: list[str], folder: Path) -> str:
    """Run a tool; what it printed goes into the error where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} ...: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def tool_version() -> str:
    return subprocess.run(["verilator", "--version"], capture_output=True, text=True, check=True).stdout


def cache_folder() -> Path:
    """The user's cache folder, as the XDG base directories have it."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "skipstone" / "rtl"
