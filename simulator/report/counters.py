"""Values that change over time, for timelines: what lies in the buffers, and how much the DRAM moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulator.engine import Interval, Window

MOST_BINS = 1_000
"""Values of a counter that is a mean: about as many as a screen has pixels, halved."""
KIB = 1024


@dataclass(frozen=True)
class Counter:
    """A value over time.

    Attributes
    ----------
    name, unit : str
    values : tuple of (cycle, value)
        From this cycle on it has this value, up to the next one; in order of time.
    """

    name: str
    unit: str
    values: tuple[tuple[int, float], ...]


def buffer_counters(tiles: Iterable[Interval], window: Window, capacities_kib: Mapping[str, int]) -> list[Counter]:
    """Say how much room the tiles take of each buffer.

    Parameters
    ----------
    tiles : iterable of Interval
        From when each takes its room in the buffer ``unit`` to when it gives it back.
    window : (first, last)
        In cycles, the last left out.
    capacities_kib : mapping
        By buffer, for the name; may be empty.
    """
    first, last = window
    changes: dict[str, dict[int, int]] = {}
    for tile in tiles:
        of_buffer = changes.setdefault(tile.unit, {})
        # What is there when the window begins is there from its beginning on.
        for cycle, size in ((max(tile.start, first), tile.size_bytes), (tile.end, -tile.size_bytes)):
            if tile.end > first and cycle < last:
                of_buffer[cycle] = of_buffer.get(cycle, 0) + size
    counters = []
    for buffer, of_buffer in changes.items():
        of_buffer.setdefault(first, 0)
        level, values = 0, []
        for cycle, change in sorted(of_buffer.items()):
            level += change
            if change or cycle == first:
                values.append((cycle, level / KIB))
        of = f" (of {capacities_kib[buffer]} KiB)" if buffer in capacities_kib else ""
        counters.append(Counter(buffer + of, "KiB", tuple(values)))
    return counters


def traffic_counters(
    moved: Mapping[str, Sequence[Interval]], window: Window, unit: str, per_byte_of_cycle: float
) -> list[Counter]:
    """Say how fast data moved, on the mean of a number of cycles that suits the window.

    Parameters
    ----------
    moved : mapping
        By name of the counter; the bytes of an interval are spread evenly over it.
    window : (first, last)
        In cycles, the last left out.
    unit : str
    per_byte_of_cycle : float
        What a byte a cycle is in that unit.

    Returns
    -------
    list of Counter
        Each value times its cycles sums to the bytes that moved within the window.
    """
    first, last = window
    size = bin_cycles(last - first)
    counters = []
    for name, intervals in moved.items():
        moved_bytes = [0.0] * -(-(last - first) // size)
        for interval in intervals:
            rate = interval.size_bytes / (interval.end - interval.start)
            now, end = max(interval.start, first), min(interval.end, last)
            while now < end:
                place = (now - first) // size
                until = min(end, first + (place + 1) * size)
                moved_bytes[place] += rate * (until - now)
                now = until
        values: list[tuple[int, float]] = []
        for place, amount in enumerate(moved_bytes):
            begin = first + place * size
            value = amount / (min(begin + size, last) - begin) * per_byte_of_cycle
            if not values or values[-1][1] != value:
                values.append((begin, value))
        what = "exact" if size == 1 else f"mean of {size:,} cycles"
        counters.append(Counter(f"{name} ({what})", unit, (*values, (last, 0.0))))
    return counters


def bin_cycles(cycles: int) -> int:
    """Give the shortest of 1, 2, 5, 10, 20, ... cycles of which at most `MOST_BINS` make so many cycles."""
    decade = 1
    while True:
        for factor in (1, 2, 5):
            if factor * decade * MOST_BINS >= cycles:
                return factor * decade
        decade *= 10
