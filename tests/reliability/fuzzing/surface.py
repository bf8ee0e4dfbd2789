"""A surface: one thing that is read, what makes near-valid inputs for it, and how it takes them."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from traces.errors import InputError

LONGEST_SECONDS = 20.0
"""Of processor time on one input: more is a hang. Inputs are small, and the machine may be busy."""


class HangError(BaseException):
    """The input took too long. No `Exception`, or what it interrupts might take it for its own."""


@dataclass(frozen=True)
class Surface:
    """One thing that is read.

    Attributes
    ----------
    name : str
        In figures and in names of files.
    make : callable
        Makes an input of a `Random`: hypothesis's, whose choices it can shrink, or Python's, which is quick.
    take : callable
        Reads the input; `InputError` (or what `refusals` names) where it is refused. Where it is accepted, it checks by
        ``assert`` that what was read is what the input says, and reads back the same.
    seeds : callable
        Gives correct inputs, for the engine that mutates.
    guided : sequence of str
        Modules whose branches the coverage-guided engine watches; none: that engine leaves the surface alone.
    mutate : callable or None
        Changes an input without breaking what holds it together (a zip's directory, its sums).
    file : str or None
        The input is a file of this name, whose path `take` gets; None: it gets the bytes.
    inputs : int
        How many the long command tries, beside those of the coverage-guided engine.
    """

    name: str
    make: Callable[[Random], bytes]
    take: Callable[[Any], None]
    seeds: Callable[[], Sequence[bytes]]
    inputs: int
    guided: tuple[str, ...] = ()
    mutate: Callable[[bytes, Random], bytes] | None = None
    file: str | None = None
    refusals: tuple[type[BaseException], ...] = (InputError,)


@dataclass
class Verdict:
    """What became of an input: accepted, refused, or a fault with its kind and how it came about."""

    accepted: bool
    fault: str | None = None
    story: str = ""


class Judge:
    """Gives inputs to a surface and sees that each is accepted or refused, in time, and leaves nothing behind.

    Used as a context manager: it works in a folder of its own, in memory where there is such a file system.
    """

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Judge:
        shared = Path("/dev/shm")
        within = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=within)))
        self.file = str(self.folder / (self.surface.file or "none"))
        self._stack.enter_context(_alarm())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, data: bytes) -> Verdict:
        """Judge one input."""
        surface = self.surface
        given: Any = data
        if surface.file is not None:
            with open(self.file, "wb", buffering=0) as file:  # noqa: PTH123  (a million times)
                file.write(data)
            given = self.file
        accepted = False
        signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
        try:
            surface.take(given)
            accepted = True
        except surface.refusals as error:
            complaint = unclear(error)
            if complaint:
                return self._fault(f"message {complaint}", error)
        except (Exception, HangError, SystemExit, RecursionError) as error:
            return self._fault(type(error).__name__, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        left = set(os.listdir(self.folder)) - {surface.file}  # noqa: PTH208
        if left:
            for name in left:
                path = self.folder / name
                path.unlink() if path.is_file() else None
            return Verdict(accepted, "files left behind", ", ".join(sorted(left)))
        return Verdict(accepted)

    def _fault(self, kind: str, error: BaseException) -> Verdict:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "/simulator/" in f.filename or "/traces/" in f.filename] or frames[-1:]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "nowhere"
        return Verdict(False, f"{kind} in {place}", "".join(traceback.format_exception(error))[-8000:])


def unclear(error: BaseException) -> str:
    """Say what is wrong with a refusal's message: it has lines of printable text, one for each problem."""
    if not isinstance(error, InputError):
        return ""
    if not error.problems:
        return "of no problem"
    if not all(str(problem).isprintable() for problem in error.problems):
        return "that could steer a terminal"
    return ""


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise HangError(f"more than {LONGEST_SECONDS:g} s of processor time")

    before = signal.signal(signal.SIGPROF, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def peak_mib() -> float:
    """The largest resident memory of this process so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clock() -> float:
    """Seconds of processor time of this process."""
    return time.process_time()
