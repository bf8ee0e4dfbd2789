"""A table of one published design: our number, theirs, and the error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One number that was published, or follows from an identity, and ours.

    Attributes
    ----------
    what : str
        What the number is of.
    ours, theirs : float
        In `unit`.
    unit : str
    tolerance : float
        Greatest relative error that is accepted; 0 where the two must be equal.
    deviation : str
        For a row outside the tolerance that one would wish: the reason, as DEVIATIONS.md tells it, and its number
        there. Its error is told but no pass or fail.
    """

    what: str
    ours: float
    theirs: float
    unit: str
    tolerance: float
    deviation: str = ""

    @property
    def error(self) -> float:
        """Ours over theirs, minus 1."""
        return self.ours / self.theirs - 1

    @property
    def within(self) -> bool:
        """Whether the error is within the tolerance."""
        return abs(self.error) <= self.tolerance


@dataclass(frozen=True)
class Table:
    """All rows of a design.

    Attributes
    ----------
    design : str
    mechanism : str
        The mechanism and the parameters that stand for it.
    source : str
        Where the published numbers come from, and how they were read.
    rows : tuple of Row
    kind : "published", "statistics" or "identity"
        A number of a paper or of its authors' tool; of a Monte Carlo; or one that must hold exactly. Only published
        rows count in the mean error of all tables.
    """

    design: str
    mechanism: str
    source: str
    rows: tuple[Row, ...]
    kind: Literal["published", "statistics", "identity"] = "published"

    @property
    def mean_error(self) -> float:
        """Mean of the absolute relative errors of all rows, the deviating ones too."""
        return sum(abs(row.error) for row in self.rows) / len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Give the table as plain data."""
        return {
            "design": self.design,
            "mechanism": self.mechanism,
            "source": self.source,
            "kind": self.kind,
            "mean_error": self.mean_error,
            "rows": [
                {
                    "what": row.what,
                    "ours": row.ours,
                    "theirs": row.theirs,
                    "unit": row.unit,
                    "error": row.error,
                    "tolerance": row.tolerance,
                    "deviation": row.deviation,
                }
                for row in self.rows
            ],
        }


def mean_error(tables: Sequence[Table]) -> float:
    """Mean of the absolute relative errors over the rows of all tables of published designs."""
    errors = [abs(row.error) for table in tables if table.kind == "published" for row in table.rows]
    return sum(errors) / len(errors)
