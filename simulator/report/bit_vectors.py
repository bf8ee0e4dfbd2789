"""Vectors of bits as whole numbers, and the sizes that hardware has: for signals of a pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.values import LaneSchedule

Path = tuple[str, ...]
"""Scopes from the outermost in, and the signal's own name."""


def vector(bits: npt.NDArray[np.bool_]) -> int:
    """Give bit i where element i is true."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def lowest(bits: int, none: int) -> int:
    """Give the number of the lowest bit that is set, or `none`."""
    return (bits & -bits).bit_length() - 1 if bits else none


def power_of_two(least: int) -> int:
    """Give the smallest power of two that is not less."""
    return 1 << (least - 1).bit_length()


def bits_below(size: int) -> int:
    """Give the bits that numbers below a power of two have."""
    return size.bit_length() - 1


def by_cycle(schedule: LaneSchedule) -> dict[int, list[tuple[int, int]]]:
    """Sort what a schedule multiplies by cycle: (lane, position)."""
    entries: dict[int, list[tuple[int, int]]] = {}
    for cycle, lane, position in zip(
        schedule.cycle.tolist(), schedule.lane.tolist(), schedule.position.tolist(), strict=True
    ):
        entries.setdefault(cycle, []).append((lane, position))
    return entries
