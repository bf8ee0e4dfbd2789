"""A lot of points in a worker of a cluster: what runs there, and what it answers.

A worker may be on another machine: with other code, other files, other modules. It says so instead of evaluating
anything, so that no row can differ from what the process at home would have made.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

from simulator.arch import Mechanism
from simulator.explore.store import code_digest
from traces.errors import InputError, Problem
from traces.version import __version__

LOT_SECONDS = 5.0
"""A worker answers with what it has after this time: no more is lost with it, or waited for after Ctrl-C."""

_ONE_AT_A_TIME = threading.Lock()
"""Points share what this process keeps of traces and masks: a worker of several threads uses one of them at a time."""


@dataclass(frozen=True)
class Answer:
    """What a worker made of a lot.

    Attributes
    ----------
    worker : str
        Its address.
    rows : list
        Of the first points of the lot: of all of them where the time was enough.
    problems : tuple of Problem
        Why it cannot evaluate the next point; another worker perhaps can.
    """

    worker: str
    rows: list[Any]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Lots:
    """What all lots of a sweep have in common.

    Attributes
    ----------
    evaluate : callable
        A function of a module. An `InputError` of it means that this worker is at fault, and not the point.
    mechanisms : tuple of type
        Those of the machines, see `simulator.explore.store.code_digest`.
    """

    evaluate: Callable[[Any], Any]
    mechanisms: tuple[type[Mechanism], ...] = ()

    def pack(self, points: Sequence[Any]) -> tuple[str, str, bytes]:
        """Give the arguments of `evaluate_lot`.

        They are pickled here and not by Dask, so that a worker can say what it cannot load.
        """
        return code_here(), self._code, pickle.dumps((self.mechanisms, self.evaluate, list(points)))

    @cached_property
    def _code(self) -> str:
        return code_digest(self.mechanisms) if self.mechanisms else ""


def evaluate_lot(code: str, with_mechanisms: str, packed: bytes) -> Answer:
    """Evaluate a lot in a worker, see `Lots.pack`."""
    worker = str(import_module("distributed").get_worker().address)
    unlike = unlike_code(code)
    if unlike is not None:
        return Answer(worker, [], (unlike,))
    try:
        mechanisms, evaluate, points = pickle.loads(packed)  # noqa: S301 - from the scheduler, whose word runs here anyway
    except Exception as error:  # an import may raise anything
        return Answer(worker, [], (_not_loaded(error),))
    if mechanisms and code_digest(mechanisms) != with_mechanisms:
        names = ", ".join(sorted({f"{m.__module__}.{m.__qualname__}" for m in mechanisms}))
        found = f"other source of the mechanisms {names}"
        return Answer(worker, [], (Problem("its code", found, "the files of the process that sweeps"),))
    rows: list[Any] = []
    with _ONE_AT_A_TIME:
        end = time.monotonic() + LOT_SECONDS
        for point in points:
            try:
                rows.append(evaluate(point))
            except InputError as error:
                return Answer(worker, rows, error.problems)
            if time.monotonic() >= end:
                break
    return Answer(worker, rows)


@lru_cache(maxsize=1)
def code_here() -> str:
    """SHA-256 (hex) of the code that this process runs: read once, for what is edited later is not what runs."""
    return code_digest()


def unlike_code(code: str) -> Problem | None:
    """Say what is wrong where this process runs other code than that of a digest."""
    if code_here() == code:
        return None
    found = f"Skipstone {__version__}, code {code_here()[:16]}"
    hint = "install the same version in both places, and start the worker anew"
    return Problem("its code", found, f"the code of the process that sweeps, {code[:16]}", hint)


def _not_loaded(error: Exception) -> Problem:
    found = f"points that it cannot load ({type(error).__name__}: {error})"
    hint = "a mechanism must be in a module that each worker can import, not in a script or a notebook"
    return Problem("its code", found, "every module that a machine's mechanism is from", hint)
