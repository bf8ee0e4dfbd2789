"""Which of many rows are worth a look: those that no other one beats in every objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from simulator.explore.measures import more_is_better
from simulator.explore.rows import ResultTable, TextRow
from traces.errors import InputError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
DIRECTIONS = ("min", "max")


@dataclass(frozen=True)
class Objective:
    """What is to be small, or large.

    Attributes
    ----------
    column : str
    direction : "min" or "max"
    """

    column: str
    direction: Literal["min", "max"]

    @classmethod
    def parse(cls, text: str, where: str = "--objective") -> Objective:
        """Read ``COLUMN`` or ``COLUMN:min`` or ``COLUMN:max``; by default a gain is to be large and a cost small.

        Raises
        ------
        InputError
            If the direction is another one.
        """
        column, colon, direction = text.rpartition(":")
        if not colon:
            return cls(text, "max" if more_is_better(text) else "min")
        if direction not in DIRECTIONS or not column:
            raise InputError.of(where, repr(text), "COLUMN, COLUMN:min or COLUMN:max")
        return cls(column, "max" if direction == "max" else "min")

    def __str__(self) -> str:
        return f"{self.column}:{self.direction}"


@dataclass(frozen=True)
class Frontier:
    """The rows of a table that nothing beats.

    Attributes
    ----------
    objectives : tuple of Objective
    tolerance : float
    per : tuple of str
        Columns whose rows were compared only where they agree.
    kept : tuple of dict
        By `per` in order of appearance, then best first by the first objective, the second ...
    considered : tuple of dict
        Rows that have all objectives, in the order of the table; the kept ones among them.
    without : int
        Valid rows that lack an objective or, in the table of a search, do not keep its constraints, and were left out.
    """

    objectives: tuple[Objective, ...]
    tolerance: float
    per: tuple[str, ...]
    kept: tuple[TextRow, ...]
    considered: tuple[TextRow, ...]
    without: int


def frontier(
    table: ResultTable, objectives: Sequence[Objective], tolerance: float = 0.0, per: Sequence[str] = ()
) -> Frontier:
    """Find the Pareto set of a table; see `pareto` for ties and the tolerance.

    Parameters
    ----------
    table : ResultTable
    objectives : sequence of Objective
        At least one, each column once.
    tolerance : float
        Relative, at least 0 and below 1.
    per : sequence of str
        Columns, such as ``trace``: rows that differ there are not compared, and each value has its own set.

    Raises
    ------
    InputError
        If an argument is out of range, a column is missing, a cell is no number, or no row has all objectives.
    """
    names = [objective.column for objective in objectives]
    if not names:
        raise InputError.of("objectives", "none", "at least one column")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError.of("--objective", f"{twice!r} twice", "each column once")
    if not 0 <= tolerance < 1:
        raise InputError.of("--tolerance", f"{tolerance:g}", "a share of at least 0 and less than 1")
    table.require(names, "--objective")
    table.require(per, "--per")
    having = _feasible(table).having(names)
    signs = [1.0 if objective.direction == "min" else -1.0 for objective in objectives]
    costs = np.column_stack([having.numbers(name) for name in names]) * signs
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(having.rows):
        groups.setdefault(tuple(row[name] for name in per), []).append(index)
    kept: list[int] = []
    for members in groups.values():
        places = np.array(members)
        best = places[pareto(costs[places], tolerance)]
        kept += best[np.lexsort(costs[best].T[::-1])].tolist()
    return Frontier(
        tuple(objectives),
        tolerance,
        tuple(per),
        tuple(having.rows[i] for i in kept),
        having.rows,
        len(table.rows) - len(having.rows),
    )


def _feasible(table: ResultTable) -> ResultTable:
    """Leave out what a search found not to keep its constraints."""
    kept = [i for i, row in enumerate(table.rows) if row.get("feasible") != "no"]
    if not kept:
        raise InputError.of(table.source, "no row that keeps the constraints of the search", "at least one")
    return replace(table, rows=tuple(table.rows[i] for i in kept), places=tuple(table.places[i] for i in kept))


def pareto(costs: Floats, tolerance: float = 0.0) -> Bools:
    """Say which rows are in the Pareto set.

    A row a *beats* a row b if it is nowhere worse, ``a_j <= b_j`` for all j, and somewhere better by more than the
    tolerance, ``a_j < b_j - tolerance * |b_j|`` for some j. The set is all rows that none beats. So rows that are equal
    (ties) are all kept, and with a tolerance rows just behind the frontier are kept, too: it says which differences
    mean nothing, and never thins the set. Beating is transitive, so a row that is not in the set is beaten by one that
    is.

    Parameters
    ----------
    costs : float64 [R, J]
        Finite; small is good.
    tolerance : float
        At least 0 and below 1; 0 is the usual definition.

    Returns
    -------
    bool [R]
        Takes O(R log R) for one or two objectives, O(R K J) for more, where K rows are kept.
    """
    if not len(costs):
        return np.zeros(0, dtype=bool)
    bars = costs - tolerance * np.abs(costs)  # b is beaten by what is below its bar, if nowhere worse
    if costs.shape[1] == 1:
        alone: Bools = bars[:, 0] <= costs.min()
        return alone
    if costs.shape[1] == 2:
        return _of_two(costs, bars)
    return _of_many(costs, bars)


def _of_two(costs: Floats, bars: Floats) -> Bools:
    """Ask the least second cost among the rows whose first one is small enough: a prefix minimum after sorting.

    Bars are never above costs, so what is below a bar is nowhere worse there.
    """
    order = np.argsort(costs[:, 0], kind="stable")
    first = costs[order, 0]
    least = np.concatenate([[np.inf], np.minimum.accumulate(costs[order, 1])])  # of the first n in the order
    no_worse = least[np.searchsorted(first, costs[:, 0], side="right")]
    better = least[np.searchsorted(first, bars[:, 0], side="left")]
    beaten: Bools = (no_worse < bars[:, 1]) | (better <= costs[:, 1])
    return ~beaten


def _of_many(costs: Floats, bars: Floats) -> Bools:
    """Compare each row with the kept ones before it in lexical order, where all that beat it stand."""
    kept = np.empty_like(costs)
    count = 0
    found = np.zeros(len(costs), dtype=bool)
    for row in np.lexsort(costs.T[::-1]).tolist():
        before = kept[:count]
        beats = (before <= costs[row]).all(axis=1) & (before < bars[row]).any(axis=1)
        if not beats.any():
            found[row] = True
            kept[count] = costs[row]
            count += 1
    return found
