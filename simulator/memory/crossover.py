"""Stored bits per element against density, by format: counted from random masks, and as a formula beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from simulator.memory.formats import FORMATS, RUN_BITS, SEGMENT, Format, StoredMask, count_bits, place_bits


def bits_per_element(
    packed: npt.NDArray[np.uint8], bits: int, value_bits: int = 16, segment: int = SEGMENT, run_bits: int = RUN_BITS
) -> dict[Format, float]:
    """Count what each format stores of a mask, values and metadata, per element.

    Parameters
    ----------
    packed : uint8 [rows, ceil(bits / 8)]
        Non-zero mask, little bit order.
    bits, value_bits, segment, run_bits : int
        As of `StoredMask`.
    """
    elements = packed.shape[0] * bits
    return {
        fmt: sum(StoredMask(packed, bits, fmt, value_bits, segment, run_bits).whole_bits()) / elements
        for fmt in FORMATS
    }


def bits_by_density(
    densities: Sequence[float],
    value_bits: int = 16,
    segment: int = SEGMENT,
    run_bits: int = RUN_BITS,
    *,
    rows: int = 256,
    bits: int = 1024,
    seed: int = 0,
) -> dict[Format, list[float]]:
    """Count stored bits per element of masks with non-zeros anywhere.

    Parameters
    ----------
    densities : sequence of float
        Shares of non-zeros, from 0 to 1: exactly ``round(density * rows * bits)`` of the elements of each mask.
    value_bits, segment, run_bits : int
        As of `StoredMask`.
    rows, bits : int
        Shape of the masks.
    seed : int
        The same seed gives the same masks.

    Returns
    -------
    dict of list
        For each format one number a density.
    """
    order = np.random.default_rng(seed).permutation(rows * bits)
    found: dict[Format, list[float]] = {fmt: [] for fmt in FORMATS}
    for density in densities:
        mask = np.zeros(rows * bits, np.bool_)
        mask[order[: round(density * rows * bits)]] = True
        packed = np.packbits(mask.reshape(rows, bits), axis=1, bitorder="little")
        for fmt, stored in bits_per_element(packed, bits, value_bits, segment, run_bits).items():
            found[fmt].append(stored)
    return found


def expected_bits(
    fmt: Format, density: float, value_bits: int = 16, segment: int = SEGMENT, run_bits: int = RUN_BITS
) -> float:
    """Give the mean of stored bits per element, where each element is a non-zero with this chance, on its own.

    With v bits a value, segments of n elements, place and count of p and c bits, runs of r bits, and q = 1 - d::

        dense   v
        bitmap  d v + 1
        csc     d (v + p) + c / n
        rle     e (v + r) + c / n,   e = d + d / n * sum of q^(2^r j) over places i < n and j from 1 to i / 2^r

    A non-zero at place i has a j-th padding zero before it where 2^r j zeros or more do; so coordinates take fewer
    bits than a bitmap below ``d = (1 - c / n) / p``.
    """
    if fmt == "dense":
        return float(value_bits)
    if fmt == "bitmap":
        return density * value_bits + 1
    count = count_bits(segment) / segment
    if fmt == "csc":
        return density * (value_bits + place_bits(segment)) + count
    run = 1 << run_bits
    padding = sum((1 - density) ** (run * j) for place in range(segment) for j in range(1, place // run + 1))
    return (density + density / segment * padding) * (value_bits + run_bits) + count


def crossover_density(segment: int = SEGMENT) -> float:
    """Give the density below which coordinates take fewer bits than a bitmap, whatever a value takes.

    A little below one in `place_bits`; 0 where the count alone takes as much as the mask bits.
    """
    return max(0.0, (1 - count_bits(segment) / segment) / place_bits(segment))
