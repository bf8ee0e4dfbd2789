"""In which order points are evaluated: those that share the most next to each other.

Neither a row nor the order of the table depends on it, but how often the same thing is done does. Points of one trace
stand together, for a process keeps the steps of few; among them those that differ in their skipping alone, for they
have one dense twin; and among those the ones that differ in prices or names alone, for they are replayed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from typing import Any

from simulator.arch import Architecture
from simulator.explore.points import Point

NOT_HARDWARE = ("name", "description", "energy_table")


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
    ranks: dict[Hashable, int] = {}

    def rank(part: Hashable) -> int:
        return ranks.setdefault(part, len(ranks))

    keys = []
    for point in points:
        data = _hardware(point.machine)
        trace = (point.recorded, point.files_digest)
        skipping = _text(data.pop("skipping"))
        surroundings = (trace, _text(data))
        keys.append((rank(trace), rank(surroundings), rank((surroundings, skipping))))
    order = sorted(range(len(points)), key=keys.__getitem__)
    return order, [keys[index][1] for index in order]


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
