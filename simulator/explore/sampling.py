"""Which combinations of a space are points: all of them, some at random, or a Latin hypercube.

Base machines, traces, phases and axes are dimensions alike; a combination is an index into each of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["grid", "random", "latin_hypercube"]
Numbers = tuple[int, ...]
Wanted = Callable[[Numbers], bool]
"""Says whether a combination may be one of a sample."""

SHUFFLED_WHOLE = 1 << 20
"""Combinations up to which all are shuffled; among more, drawing one twice is rare, and it is drawn again."""
MOST_REFUSED = 1 << 16
"""Combinations that are drawn and not wanted, after which no more are drawn: a minute of looking at them."""


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


def combinations(sizes: Sequence[int], sample: Sample, wanted: Wanted = lambda _: True) -> Iterator[Numbers]:
    """Give the wanted combinations of a sample, each once, the last dimension fastest.

    Of random ones, as many wanted ones are drawn as there are to be points, if there are so many; a Latin hypercube is
    drawn first, and what is not wanted of it left out.

    Parameters
    ----------
    sizes : sequence of int
        How many levels each dimension has.
    sample : Sample
        With more points than there are combinations, all of them are taken.
    wanted : callable
        Asked once for each combination.

    Yields
    ------
    tuple of int
        An index for each dimension.
    """
    if sample.kind == "grid" or (sample.kind == "random" and sample.points >= math.prod(sizes)):
        return filter(wanted, itertools.product(*map(range, sizes)))
    if sample.kind == "random":
        return iter(sorted(random_combinations(sizes, sample.points, sample.seed, wanted)))
    drawn = latin_hypercube(sizes, sample.points, sample.seed)
    return filter(wanted, sorted(set(map(tuple, drawn.tolist()))))


def random_combinations(sizes: Sequence[int], points: int, seed: int, wanted: Wanted = lambda _: True) -> list[Numbers]:
    """Draw different wanted combinations, each as likely as another one.

    More points of the same seed begin with the same ones, so that a store has them. Where few of
    many are wanted, there may be fewer than `points` of them: see `MOST_REFUSED`.

    Parameters
    ----------
    sizes : sequence of int
    points : int
    seed : int
    wanted : callable
    """
    asked = itertools.islice(_shuffled(sizes, seed), points + MOST_REFUSED)
    return list(itertools.islice(filter(wanted, asked), points))


def _shuffled(sizes: Sequence[int], seed: int) -> Iterator[Numbers]:
    """Give different combinations in a random order, without end where they are many."""
    rng, total = np.random.default_rng(seed), math.prod(sizes)
    if total <= SHUFFLED_WHOLE:
        for flat in rng.permutation(total):
            yield tuple(int(index) for index in np.unravel_index(flat, tuple(sizes)))
        return
    drawn: set[Numbers] = set()
    while True:
        one = tuple(rng.integers(sizes).tolist())
        if one not in drawn:
            drawn.add(one)
            yield one


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
