"""Checks of a policy's values; every message begins with its place, ``policy <key> <key>``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from traces.errors import InputError, Problem, nearest

WHERE = "policy"


@contextmanager
def inside(place: str) -> Iterator[None]:
    """Say in the errors of a policy at which place of another one it stands."""
    try:
        yield
    except InputError as error:
        raise InputError(
            [
                Problem(f"{WHERE} {place}{p.where.removeprefix(WHERE)}", p.found, p.expected, p.hint)
                for p in error.problems
            ]
        ) from None


def size(name: str, found: Any) -> float:
    """Check a finite number of at least 0."""
    if not _is_number(found) or found < 0:
        raise InputError.of(f"{WHERE} {name}", repr(found), "a finite number of at least 0")
    return float(found)


def positive(name: str, found: Any, most: float = math.inf) -> float:
    """Check a finite number above 0, and of at most ``most``."""
    if not _is_number(found) or not 0 < found <= most:
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise InputError.of(f"{WHERE} {name}", repr(found), f"a finite number above 0{limit}")
    return float(found)


def share(name: str, found: Any) -> float:
    """Check a share of zeros, from 0 to below 1."""
    if not _is_number(found) or not 0 <= found < 1:
        raise InputError.of(f"{WHERE} {name}", repr(found), "a share from 0 to below 1")
    return float(found)


def whole(name: str, found: Any, least: int, most: int | None = None) -> int:
    """Check an integer of at least ``least`` and at most ``most``."""
    if isinstance(found, bool) or not isinstance(found, int) or found < least or (most is not None and found > most):
        expected = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"
        raise InputError.of(f"{WHERE} {name}", repr(found), expected)
    return found


def choice(name: str, found: Any, known: Sequence[str]) -> str:
    """Check a word."""
    if not isinstance(found, str) or found not in known:
        hint = nearest(found, known) if isinstance(found, str) else ""
        raise InputError.of(f"{WHERE} {name}", repr(found), f"one of {', '.join(known)}", hint)
    return found


def exactly_one(**given: Any) -> None:
    """Check that one of several values is given and the others are None."""
    present = [name for name, value in given.items() if value is not None]
    if len(present) != 1:
        found = " and ".join(present) or "neither"
        raise InputError.of(f"{WHERE} {' or '.join(given)}", found, "exactly one of them")


def _is_number(found: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    try:
        return math.isfinite(found)
    except OverflowError:  # an integer beyond every float
        return False
