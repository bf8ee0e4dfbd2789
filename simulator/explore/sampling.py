"""Which combinations of a space are points: all of them, some at random, or a Latin hypercube.

Base machines, traces, phases and axes are dimensions alike; a combination is an index into each of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["grid", "random", "latin_hypercube"]
Numbers = tuple[int, ...]

SHUFFLED_WHOLE = 1 << 20
"""Combinations up to which all are shuffled; among more, drawing one twice is rare, and it is drawn again."""


@dataclass(frozen=True)
class Sample:
    """Which combinations to take.

    Attributes
    ----------
    kind : {"grid", "random", "latin_hypercube"}
    points : int
        How many; not for a grid.
    seed : int
    """

    kind: Kind = "grid"
    points: int = 0
    seed: int = 0


EVERY_COMBINATION = Sample()


def combinations(sizes: Sequence[int], sample: Sample) -> Iterator[Numbers]:
    """Give the combinations of a sample, each once, the last dimension fastest.

    Parameters
    ----------
    sizes : sequence of int
        How many levels each dimension has.
    sample : Sample
        With more points than there are combinations, all of them are taken.

    Yields
    ------
    tuple of int
        An index for each dimension.
    """
    if sample.kind == "grid" or (sample.kind == "random" and sample.points >= math.prod(sizes)):
        return itertools.product(*map(range, sizes))
    if sample.kind == "random":
        return iter(sorted(random_combinations(sizes, sample.points, sample.seed)))
    drawn = latin_hypercube(sizes, sample.points, sample.seed)
    return iter(sorted(set(map(tuple, drawn.tolist()))))


def random_combinations(sizes: Sequence[int], points: int, seed: int) -> list[Numbers]:
    """Draw different combinations, each as likely as another one.

    More points of the same seed begin with the same ones, so that a store has them.

    Parameters
    ----------
    sizes : sequence of int
    points : int
        At most the number of combinations.
    seed : int
    """
    rng, total = np.random.default_rng(seed), math.prod(sizes)
    if total <= SHUFFLED_WHOLE:
        flat = rng.permutation(total)[:points]
        return list(zip(*(index.tolist() for index in np.unravel_index(flat, tuple(sizes))), strict=True))
    drawn: dict[Numbers, None] = {}
    while len(drawn) < points:
        drawn[tuple(rng.integers(sizes).tolist())] = None
    return list(drawn)


def latin_hypercube(sizes: Sequence[int], points: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw combinations in which every level of every dimension is as frequent as the others, or once more.

    McKay, Beckman and Conover (Technometrics 21, 1979), on levels instead of intervals. Where there are more levels
    than points, as many of them are taken as there are points, at even distances.

    Parameters
    ----------
    sizes : sequence of int
    points : int
    seed : int

    Returns
    -------
    int64 [points, dimensions]
        Of few levels, a combination may be there twice.
    """
    rng = np.random.default_rng(seed)
    middles = 2 * np.arange(points) + 1  # of `points` equal intervals, in halves of one
    columns = [rng.permutation(middles * size // (2 * points)) for size in sizes]
    return np.stack(columns, axis=1).astype(np.int64)
