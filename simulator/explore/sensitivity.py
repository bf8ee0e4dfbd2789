"""Which axis of a space moves a measure, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum
from typing import Any

from simulator.explore.rows import ResultTable
from traces.errors import InputError


@dataclass(frozen=True)
class Step:
    """The largest move of a measure when an axis alone changes.

    Attributes
    ----------
    worse, better : str
        Levels of the axis: of the larger and the smaller value of the measure.
    larger, smaller : float
        The measure there.
    """

    worse: str
    better: str
    larger: float
    smaller: float


@dataclass(frozen=True)
class Sensitivity:
    """What an axis does to a measure.

    Attributes
    ----------
    axis, measure : str
    levels : int
        Values that the axis has in the rows.
    pairs : int
        Pairs of rows that differ in this axis and in no other.
    mean_change, largest_change : float or None
        Relative change over these pairs, see `sensitivities`; None without a pair.
    largest : Step or None
        Where the largest one is, the first of them in the order of the table.
    share : float or None
        Of the measure's variance that the axis explains by itself, see `sensitivities`; None where the measure is the
        same in all rows.
    """

    axis: str
    measure: str
    levels: int
    pairs: int
    mean_change: float | None
    largest_change: float | None
    largest: Step | None
    share: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        where = self.largest
        return {
            "axis": self.axis,
            "measure": self.measure,
            "levels": self.levels,
            "pairs": self.pairs,
            "mean_change": self.mean_change,
            "largest_change": self.largest_change,
            "largest": None
            if where is None
            else {"from": where.worse, "to": where.better, "larger": where.larger, "smaller": where.smaller},
            "share_of_variance": self.share,
        }


def sensitivities(table: ResultTable, measures: Sequence[str], axes: Sequence[str] | None = None) -> list[Sensitivity]:
    """Say for each measure what each axis does to it.

    *Change.* For two rows that agree in all axes but one, the relative change of a measure y is
    ``|y1 - y2| / max(|y1|, |y2|)``: what going from the larger to the smaller value saves, so at 0.75 a quarter is
    left; 0 where both are 0, and up to 2 where the signs differ. In a complete space each axis has such pairs, and the
    change is the axis's own, whatever the others are.

    *Share.* Main effects, for spaces that were sampled and have few pairs or none: with n_l rows at level l, whose mean
    is m_l, and the mean m of all rows, ``sum_l n_l (m_l - m)^2 / sum_i (y_i - m)^2``. In a complete space the shares of
    all axes sum to at most 1, and what lacks is their interplay. In a sampled one an axis also gets what others do that
    were sampled together with it, so that shares may sum to more; an axis with nearly as many levels as there are rows
    explains everything and says nothing.

    Parameters
    ----------
    table : ResultTable
    measures : sequence of str
        Columns of numbers. Rows that lack one are left out for it.
    axes : sequence of str, optional
        Columns that were set; default: those that `skipstone sweep` writes. All others are taken for results.

    Returns
    -------
    list of Sensitivity
        By measure in the given order; the axis with the largest mean change first, those without pairs last, by their
        share.

    Raises
    ------
    InputError
        If a column is missing or no number, or there is no axis with two levels.
    """
    table.require(measures, "--measure")
    table.require(axes or (), "--axis")
    every = tuple(table.axes if axes is None else axes)
    both = [name for name in measures if name in every]
    if both:
        raise InputError.of("--measure", repr(both[0]), "a result, not an axis")
    found: list[Sensitivity] = []
    for measure in measures:
        having = table.having([measure])
        values = having.numbers(measure)
        varied = [name for name in every if len({row[name] for row in having.rows}) > 1]
        if not varied:
            found_axes = f"no axis with two levels among {', '.join(every)}" if every else "no axes"
            raise InputError.of(table.source, found_axes, "rows that differ in an axis", "name its axes with --axis")
        of_measure = [_of_axis(having, values, measure, axis, varied) for axis in varied]
        found += sorted(of_measure, key=lambda s: (s.mean_change is None, -(s.mean_change or 0), -(s.share or 0)))
    return found


def relative_change(one: float, other: float) -> float:
    """Difference over the larger magnitude; 0 where both are 0."""
    largest = max(abs(one), abs(other))
    return abs(one - other) / largest if largest else 0.0


def _of_axis(table: ResultTable, values: Sequence[float], measure: str, axis: str, axes: Sequence[str]) -> Sensitivity:
    others = [name for name in axes if name != axis]
    groups: dict[tuple[str, ...], list[int]] = {}
    levels: dict[str, list[float]] = {}
    for index, row in enumerate(table.rows):
        groups.setdefault(tuple(row[name] for name in others), []).append(index)
        levels.setdefault(row[axis], []).append(values[index])
    changes: list[float] = []
    largest: tuple[int, int] | None = None
    for members in groups.values():
        for one, other in combinations(members, 2):
            if table.rows[one][axis] == table.rows[other][axis]:
                continue
            changes.append(relative_change(values[one], values[other]))
            if largest is None or changes[-1] > relative_change(values[largest[0]], values[largest[1]]):
                largest = one, other
    step = None
    if largest is not None:
        worse, better = sorted(largest, key=lambda i: -values[i])
        step = Step(table.rows[worse][axis], table.rows[better][axis], values[worse], values[better])
    return Sensitivity(
        axis,
        measure,
        len(levels),
        len(changes),
        fsum(changes) / len(changes) if changes else None,
        max(changes, default=None),
        step,
        _share(levels, values),
    )


def _share(levels: dict[str, list[float]], values: Sequence[float]) -> float | None:
    """Give the share of the variance between levels; None where there is no variance."""
    mean = fsum(values) / len(values)
    total = fsum((value - mean) ** 2 for value in values)
    if not total or min(values) == max(values):  # a mean is rounded: equal values may lie beside theirs
        return None
    between = fsum(len(level) * (fsum(level) / len(level) - mean) ** 2 for level in levels.values())
    return min(1.0, between / total)
