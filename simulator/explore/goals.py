"""What a search is to find: measures that are to be small or large, and bounds that others must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.explore.evaluate import Row
from simulator.explore.frontier import Objective, pareto
from simulator.explore.points import Cell
from simulator.explore.rows import number
from simulator.explore.table import OF_QUALITY
from traces.errors import InputError, Problem, nearest

SHORT_NAMES = {
    "cycles": "cycles_total",
    "time": "time_us",
    "energy": "energy_total_pj",
    "energy-delay": "energy_delay_js",
    "area": "area_mm2",
    "quality-loss": "quality_loss",
}
"""Of measures, for objectives and constraints."""

BOUND = re.compile(r"\s*([^\s<>=]+)\s*([<>=]+)\s*(\S+)\s*")
VALID = "valid"
NO_RESULT = 1e6
"""Violation of what has no result: further off than a machine can be from a bound, which is told as a share of it."""


@dataclass(frozen=True)
class Constraint:
    """A bound that a measure must keep.

    Attributes
    ----------
    column : str
    relation : "<=" or ">="
    limit : float
    """

    column: str
    relation: str
    limit: float

    @classmethod
    def parse(cls, text: str, where: str = "--constraint") -> Constraint:
        """Read ``COLUMN<=NUMBER`` or ``COLUMN>=NUMBER``; the column may have a short name.

        Raises
        ------
        InputError
            If it is anything else.
        """
        expected = "COLUMN<=NUMBER or COLUMN>=NUMBER"
        parts = BOUND.fullmatch(text)
        if parts is None:
            raise InputError.of(where, repr(text), expected, "write 'area_mm2<=4'")
        column, relation, limit = parts.groups()
        if relation not in ("<=", ">="):
            hint = {"<": "did you mean '<='?", ">": "did you mean '>='?"}.get(relation, "")
            raise InputError.of(where, f"{relation!r} in {text!r}", expected, hint)
        value = number(limit)
        if value is None:
            raise InputError.of(where, f"{limit!r} in {text!r}", "a finite number")
        return cls(SHORT_NAMES.get(column, column), relation, float(value))

    def violation(self, value: float) -> float:
        """Say by how much a value is beyond the bound, as a share of it where it is not 0; at most 0 within."""
        beyond = value - self.limit if self.relation == "<=" else self.limit - value
        return beyond / abs(self.limit) if self.limit else beyond

    def __str__(self) -> str:
        return f"{self.column}{self.relation}{self.limit:.17g}"


@dataclass(frozen=True)
class Judgement:
    """What a row is worth.

    Attributes
    ----------
    values : tuple of float
        Of the objectives; infinitely bad ones where the row lacks one.
    violations : dict of str to float
        By constraint, more than 0 where it is not kept; of `VALID`, `NO_RESULT` where a measure is missing.
    """

    values: tuple[float, ...]
    violations: Mapping[str, float]

    @property
    def feasible(self) -> bool:
        """Whether the row has all measures and keeps all constraints."""
        return all(violation <= 0 for violation in self.violations.values())


@dataclass(frozen=True)
class Goals:
    """What a search is to find.

    Attributes
    ----------
    objectives : tuple of Objective
        At least one, each column once.
    constraints : tuple of Constraint
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def parse(cls, objectives: Sequence[str], constraints: Sequence[str] = ()) -> Goals:
        """Read objectives (``COLUMN[:min|max]``) and constraints, with short names for columns.

        Raises
        ------
        InputError
            If there is no objective, one of them twice, or a text is not as it must be.
        """
        if not objectives:
            raise InputError.of("--objective", "none", "at least one", "write --objective cycles --objective energy")
        wanted = []
        for text in objectives:
            column, colon, direction = text.partition(":")
            if text == "quality":  # its name does not tell whether more is better
                raise InputError.of("--objective", repr(text), "quality:min, quality:max, or quality_loss")
            wanted.append(Objective.parse(f"{SHORT_NAMES.get(column, column)}{colon}{direction}"))
        names = [objective.column for objective in wanted]
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise InputError.of("--objective", f"{twice!r} twice", "each measure once")
        bounds = [Constraint.parse(text) for text in constraints]
        again = next((bound for i, bound in enumerate(bounds) if bound in bounds[:i]), None)
        if again is not None:
            raise InputError.of("--constraint", f"{str(again)!r} twice", "each constraint once")
        return cls(tuple(wanted), tuple(bounds))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a row must have, each once."""
        wanted = [objective.column for objective in self.objectives]
        return tuple(dict.fromkeys([*wanted, *(constraint.column for constraint in self.constraints)]))

    @property
    def about_quality(self) -> bool:
        """Whether a column is about the quality of trainings."""
        return any(name in OF_QUALITY for name in self.columns)

    def missing(self, row: Row) -> list[str]:
        """List the columns in which a row has no number."""
        return [name for name in self.columns if _number(row.get(name)) is None]

    def judge(self, row: Row) -> Judgement:
        """Say what a row is worth."""
        values = tuple(
            (math.inf if one.direction == "min" else -math.inf)
            if (cell := _number(row.get(one.column))) is None
            else cell
            for one in self.objectives
        )
        violations = {VALID: NO_RESULT if self.missing(row) else 0.0}
        for bound in self.constraints:
            cell = _number(row.get(bound.column))
            violations[str(bound)] = NO_RESULT if cell is None else bound.violation(cell)
        return Judgement(values, violations)

    def best(self, rows: Sequence[Row]) -> list[Row]:
        """Give the rows that are feasible and that no other such row beats, in their order."""
        judged = [(row, judgement.values) for row in rows if (judgement := self.judge(row)).feasible]
        signs = [1.0 if objective.direction == "min" else -1.0 for objective in self.objectives]
        costs = np.array([values for _, values in judged]).reshape(-1, len(signs)) * signs
        return [row for (row, _), kept in zip(judged, pareto(costs).tolist(), strict=True) if kept]

    def check_told(self, rows: Sequence[Row]) -> None:
        """Check that each column is a number in one of some rows.

        Raises
        ------
        InputError
            With one problem for each that is not.
        """
        known = {name: None for row in rows for name, cell in row.items() if _number(cell) is not None}
        problems = []
        for name in self.columns:
            if name not in known:
                where = "--objective" if any(one.column == name for one in self.objectives) else "--constraint"
                hint = nearest(name, [*known, *SHORT_NAMES]) or f"such as {', '.join(SHORT_NAMES)}"
                problems.append(Problem(where, f"{name!r}, which no machine of the space tells", "a measure", hint))
        if problems:
            raise InputError(problems)


def _number(cell: Cell) -> float | None:
    """Give a cell as a number; None where it is none, or not finite."""
    if isinstance(cell, str) or cell is None or not math.isfinite(cell):
        return None
    return float(cell)
