"""Processes to be killed: command lines from the start, or forked from one that has imported everything.

A command's first second is Python's start and imports, when nothing is written. A forked process is at work at once,
so that random moments fall where something can break; and a kill costs a tenth of the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from reliability import dying
from reliability.promises import ROOT

IMPORTED_BEFORE = (
    "matplotlib.backends.backend_svg",
    "optuna.storages",
    "pandas",
    "pyarrow.parquet",
    "rich.console",
    "simulator.cli",
    "simulator.explore",
    "simulator.report.html",
    "simulator.report.plots",
    "simulator.report.timeline",
    "sqlalchemy.dialects.sqlite",
    "traces.char_lm",
    "vcd",
)


class Process(Protocol):
    """A child of this process."""

    pid: int

    def wait(self) -> int:
        """Wait for its end; give its exit code, or the negative number of the signal that ended it."""


class Forked:
    """A child that is a copy of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def import_all() -> None:
    """Import what commands import, so that forked processes need not."""
    for name in IMPORTED_BEFORE:
        import_module(name)


def started(words: Sequence[str], folder: Path, environment: Mapping[str, str], said: Path) -> Process:
    """Start a command line of `reliability.dying` from the start, in a session of its own; stderr goes to a file."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    settings = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with said.open("wb") as to:
        return subprocess.Popen(
            [sys.executable, "-m", "reliability.dying", *words],
            cwd=folder,
            env={**os.environ, **settings, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=to,
            start_new_session=True,
        )


def forked(words: Sequence[str], folder: Path, environment: Mapping[str, str], said: Path) -> Process:
    """Do the same in a copy of this process."""
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Forked(pid)
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for path, flags, number in ((os.devnull, os.O_RDWR, 0), (os.devnull, os.O_RDWR, 1), (said, os.O_RDWR, 2)):
            file = os.open(path, flags | os.O_CREAT | (os.O_TRUNC if number == 2 else 0))
            os.dup2(file, number)
            os.close(file)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # a test's may be elsewhere
        os.environ.update(environment)
        dying.prepare()
        dying.run(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def of_session(session: int) -> list[int]:
    """List the processes of a session that are not yet dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, *fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == session and state not in "ZX":
                found.append(int(entry.name))
    return found
