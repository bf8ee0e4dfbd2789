"""A command line that is killed at a moment of its own choosing: `python -m reliability.dying WORDS`.

The environment variable `PLAN` says which: before its n-th file event in a folder (a file opened for writing, a sync, a
lock, a rename, a removal, a new folder), or in the midst of a write, with the first part of the file on the disk: where
a file is to grow beyond a number of bytes, the kernel writes up to there and then ends the process (``RLIMIT_FSIZE``).
Nothing of Python runs after either. Processes that a pool starts have the same plan.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

PLAN = "SKIPSTONE_DIES"
OF_PATHS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "sqlite3.connect")
"""Audit events whose first argument is a path (docs.python.org/3/library/audit_events.html)."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Death:
    """When a process is to die.

    Attributes
    ----------
    folder : str
        Whose file events count; the whole path.
    event : int
        Before which event; 0: at none.
    largest_bytes : int
        How far a file may grow; 0: as far as it likes.
    tally : str
        A file for the number of events so far; empty: none.
    """

    folder: str
    event: int = 0
    largest_bytes: int = 0
    tally: str = ""

    def environment(self) -> Mapping[str, str]:
        """Give what the process must find in its environment."""
        return {PLAN: json.dumps(asdict(self))}


class _Counting:
    def __init__(self, death: Death) -> None:
        self._death = death
        self._count = 0
        self._told = os.open(death.tally, os.O_WRONLY | os.O_CREAT) if death.tally else None
        self._sync = os.fsync

    def begin(self) -> None:
        sys.addaudithook(self.note)
        os.fsync = self.fsync  # raises no audit event

    def fsync(self, file: Any) -> None:
        self._happen()
        self._sync(file)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "fcntl.flock" or (
            (event in OF_PATHS or (event == "open" and arguments[2] & WRITING)) and self._inside(arguments[0])
        ):
            self._happen()

    def _inside(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):  # a descriptor
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(self._death.folder)  # noqa: PTH100 - a path may be bytes

    def _happen(self) -> None:
        self._count += 1
        if self._told is not None:
            os.pwrite(self._told, str(self._count).encode(), 0)
        if self._count == self._death.event:
            os.kill(os.getpid(), signal.SIGKILL)


def prepare() -> None:
    """Make this process die as the environment has it."""
    death = Death(**json.loads(os.environ[PLAN]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if death.largest_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would ignore it, and raise an OSError
        resource.setrlimit(resource.RLIMIT_FSIZE, (death.largest_bytes, death.largest_bytes))
    if death.event or death.tally:
        _Counting(death).begin()


def run(words: Sequence[str]) -> NoReturn:
    """Run a command line."""
    from simulator.cli import main

    if os.environ.get("SKIPSTONE_CHECKPOINTS") == "every step":
        from traces import char_lm

        char_lm.CHECKPOINT_EVERY_SECONDS = 0.0
    sys.argv = ["skipstone", *words]
    main()


if __name__ in ("__main__", "__mp_main__"):  # the latter: in a pool's processes
    prepare()

if __name__ == "__main__":
    run(sys.argv[1:])
