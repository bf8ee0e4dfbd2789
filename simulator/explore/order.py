"""In which order points are evaluated: those that share the most next to each other.

Neither a row nor the order of the table depends on it, but how often the same thing is done does. Points of one trace
stand together, for a process keeps the steps of few; among them those that differ in their skipping alone, for they
have one dense twin; and among those the ones that differ in prices or names alone, for they are replayed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from simulator.arch import Architecture
from simulator.explore.points import Point

NOT_HARDWARE = ("name", "description", "energy_table")
Shared = tuple[int, int, int]


def sharing_order(points: Sequence[Point]) -> tuple[list[int], list[int]]:
    """Say in which order to evaluate points, and which of them share most.

    Parameters
    ----------
    points : sequence of Point

    Returns
    -------
    order : list of int
        Every index once. What stands in the grid first comes first, as far as sharing lets it.
    groups : list of int
        For each index of `order` a number, ascending: equal ones share a trace and a dense twin.
    """
    sharing = Sharing()
    return in_order([sharing.of(point) for point in points])


def in_order(shared: Sequence[Shared]) -> tuple[list[int], list[int]]:
    """Do what `sharing_order` does, from what `Sharing` says of the points."""
    order = sorted(range(len(shared)), key=shared.__getitem__)
    return order, [shared[index][1] for index in order]


class Sharing:
    """Says what points share, by numbers that are equal where it is the same, in order of appearance."""

    def __init__(self) -> None:
        self._ranks: dict[bytes, int] = {}

    def of(self, point: Point) -> Shared:
        """Number a point's trace; its dense twin, which is the machine without skipping; and its replay."""
        data = _hardware(point.machine)
        skipping = _text(data.pop("skipping"))
        recorded = point.recorded
        trace = _text([str(recorded.path), recorded.sha256, recorded.steps, point.files_digest])
        twin = trace + _text(data)
        return self._rank("trace", trace), self._rank("twin", twin), self._rank("replay", twin + skipping)

    def _rank(self, kind: str, text: str) -> int:
        digest = hashlib.blake2b(f"{kind} {text}".encode(), digest_size=16).digest()  # of 100,000 points, 2 MB
        return self._ranks.setdefault(digest, len(self._ranks))


def hardware_digest(machine: Architecture, digest_of_files: str) -> str:
    """SHA-256 (hex) of what a machine's counts depend on: all but its name, its description and its prices.

    Parameters
    ----------
    machine : Architecture
    digest_of_files : str
        Of the files that it names, see `simulator.explore.points.files_digest`.
    """
    text = _text([_hardware(machine), digest_of_files])
    return hashlib.sha256(text.encode()).hexdigest()


def _hardware(machine: Architecture) -> dict[str, Any]:
    return {key: value for key, value in machine.told().items() if key not in NOT_HARDWARE}


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
