"""What a sampler is told of a space: its dimensions, and which of them have an order."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.explore.sampling import Numbers
from simulator.explore.space import Space

Parameters = dict[str, int | str]


@dataclass(frozen=True)
class Dimension:
    """A thing that is varied.

    Attributes
    ----------
    name : str
        ``arch``, ``trace``, ``steps``, or an axis's path.
    labels : tuple of str
        Of its levels, each once.
    ascending : tuple of int or None
        The levels by size where all are numbers, so that a place in this order says what is near what; evenly spaced
        places are then what the user spaced evenly, by a step or by a factor. None where they have no order.
    """

    name: str
    labels: tuple[str, ...]
    ascending: tuple[int, ...] | None = None

    def parameter(self, level: int) -> int | str:
        """Give what the sampler knows a level by: its place in the order, or its label."""
        return self.labels[level] if self.ascending is None else self.ascending.index(level)

    def level(self, parameter: int | str) -> int:
        """Give the level of which `parameter` gave this."""
        if self.ascending is None:
            return self.labels.index(str(parameter))
        return self.ascending[int(parameter)]

    def next_to(self, level: int) -> list[int]:
        """List the levels that are a step away: those beside it in the order, or all others."""
        if self.ascending is None:
            return [other for other in range(len(self.labels)) if other != level]
        place = self.ascending.index(level)
        return [self.ascending[p] for p in (place - 1, place + 1) if 0 <= p < len(self.ascending)]


def dimensions(space: Space) -> tuple[Dimension, ...]:
    """List the dimensions of a space in the order of its combinations' numbers."""
    phases = [phase.name or ":".join("" if s is None else str(s) for s in phase.steps) for phase in space.phases]
    return (
        Dimension("arch", _unlike([machine.name for machine in space.machines])),
        Dimension("trace", _unlike([source.name for source in space.traces])),
        Dimension("steps", _unlike(phases)),
        *(Dimension(axis.path, _unlike(list(map(_label, axis.values))), _order(axis.values)) for axis in space.axes),
    )


def parameters(every: Sequence[Dimension], numbers: Numbers) -> Parameters:
    """Give a combination as parameters by name; a dimension of a single level has none."""
    return {d.name: d.parameter(number) for d, number in zip(every, numbers, strict=True) if len(d.labels) > 1}


def numbers_of(every: Sequence[Dimension], found: Mapping[str, int | str]) -> Numbers:
    """Give the combination of which `parameters` gave these."""
    return tuple(d.level(found[d.name]) if len(d.labels) > 1 else 0 for d in every)


def near(
    every: Sequence[Dimension], centres: Sequence[Numbers], steps: int, rng: np.random.Generator
) -> Iterator[Numbers]:
    """Give the combinations that differ from one of some by a step in at most so many dimensions: the nearest first."""
    for count in range(1, steps + 1):
        for centre in rng.permutation(len(centres)).tolist():
            numbers = centres[centre]
            moves = [
                dict(zip(which, levels, strict=True))
                for which in itertools.combinations(range(len(every)), count)
                for levels in itertools.product(*(every[d].next_to(numbers[d]) for d in which))
            ]
            for index in rng.permutation(len(moves)).tolist():
                yield tuple(moves[index].get(d, number) for d, number in enumerate(numbers))


def _label(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _order(values: Sequence[object]) -> tuple[int, ...] | None:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return None
    return tuple(sorted(range(len(numbers)), key=numbers.__getitem__))


def _unlike(labels: Sequence[str]) -> tuple[str, ...]:
    """Number the labels that are there more than once."""
    count = Counter(labels)
    return tuple(label if count[label] == 1 else f"{label} ({i})" for i, label in enumerate(labels))
