"""Sequences of different lengths in batches: like with like, so that little is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from traces.corpora.vocabulary import PAD

POOL_BATCHES = 20
"""Batches that are sorted by length together: enough for little padding, few enough to stay well mixed."""

Integers = npt.NDArray[np.int64]


def shuffled_batches(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> Iterator[Integers]:
    """Draw the batches of one epoch: items of similar length together, the batches in random order.

    Parameters
    ----------
    lengths : sequence of int
        Length of each item, by which it finds its like.
    batch : int
        Items of a batch. A rest that fills no batch is left out; it is another one in every epoch.
    seed, epoch : int
        The same two give the same batches.

    Yields
    ------
    int64 [batch]
        Indices of items.
    """
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    order = generator.permutation(len(lengths))
    order = order[: len(order) // batch * batch]
    sizes = np.asarray(lengths)
    batches: list[Integers] = []
    for start in range(0, len(order), POOL_BATCHES * batch):
        pool = order[start : start + POOL_BATCHES * batch]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        batches += [pool[i : i + batch] for i in range(0, len(pool), batch)]
    for index in generator.permutation(len(batches)):
        yield batches[index]


def ordered_batches(lengths: Sequence[int], batch: int, most: int = 0) -> Iterator[Integers]:
    """Go through items once, from the shortest to the longest; the last batch may be smaller.

    Parameters
    ----------
    lengths : sequence of int
    batch : int
    most : int
        Take so many batches at most, evenly from short to long; 0 takes all.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    if most and most < len(batches):
        batches = [batches[(2 * index + 1) * len(batches) // (2 * most)] for index in range(most)]
    yield from batches


def pad(sequences: Sequence[Integers]) -> tuple[Integers, Integers]:
    """Put sequences side by side, `PAD` behind the shorter ones.

    Returns
    -------
    padded : int64 [T, B]
    lengths : int64 [B]
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    padded = np.full((int(lengths.max()), len(sequences)), PAD, np.int64)
    for column, sequence in enumerate(sequences):
        padded[: len(sequence), column] = sequence
    return padded, lengths
