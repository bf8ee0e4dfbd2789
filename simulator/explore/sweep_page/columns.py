"""A table of results as columns that a page can draw: which are settings, which are measures, and how each is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.explore.measures import SHARES, more_is_better
from simulator.explore.rows import ResultTable, cell
from simulator.explore.table import IDENTITY, RECORDED
from simulator.report.numbers import plain

Cell = int | float | str | None
DIGEST_DIGITS = 10
FIRST = ("cycles_total", "energy_total_pj", "speedup", "energy_saving", "utilization")
"""Measures that a page shows first, as far as the table has them."""
NOT_SETTINGS = {*IDENTITY, *RECORDED, "error"} - {"arch", "trace", "steps"}


@dataclass(frozen=True)
class PageColumn:
    """A column of the table.

    Attributes
    ----------
    name : str
    role : "setting", "measure" or "text"
        What was set, what came out, and what is neither.
    unit : str
        How values are told: see `unit_of`; ``text`` where they are texts.
    more_is_better : bool
        For measures.
    varied : bool
        Whether not all rows agree.
    values : list
    """

    name: str
    role: str
    unit: str
    more_is_better: bool
    varied: bool
    values: list[Cell]

    def to_dict(self) -> dict[str, Any]:
        """Give the column as plain data; texts are told as `spoken` has them."""
        return {
            "name": plain(self.name),
            "role": self.role,
            "unit": self.unit,
            "more": self.more_is_better,
            "varied": self.varied,
            "values": [spoken(value) if isinstance(value, str) else value for value in self.values],
        }


def page_columns(table: ResultTable) -> list[PageColumn]:
    """Sort the columns of a table by their role.

    A sweep's own tables say which columns were set. In another CSV, columns of numbers are measures, and settings are
    columns of texts that not all rows have different.
    """
    axes = set(table.axes)
    found = []
    for name in table.columns:
        values = [cell(name, row[name]) for row in table.rows]
        numeric = all(isinstance(value, int | float) for value in values if value is not None)
        varied = len(set(values)) > 1
        role = _role(name, values, axes, numeric)
        unit = unit_of(name) if role == "measure" else "text" if not numeric else "number"
        found.append(PageColumn(name, role, unit, more_is_better(name), varied, values))
    return found


def _role(name: str, values: Sequence[Cell], axes: set[str], numeric: bool) -> str:
    if name in axes or (axes and name == "steps"):
        return "setting"
    if name in NOT_SETTINGS or all(value is None for value in values):
        return "text"
    if numeric:
        return "measure"
    return "text" if axes or len(set(values)) == len(values) else "setting"


def unit_of(name: str) -> str:
    """Say how a measure of this name is told, as `simulator.explore.measures.said` tells it: ``pj``, ``share`` ..."""
    for suffix in ("pj", "us", "bytes"):
        if name.endswith(f"_{suffix}"):
            return suffix
    if "speedup" in name:
        return "times"
    return "share" if any(word in name for word in SHARES) else "number"


def spoken(value: str) -> str:
    """Tell a text of a cell: a mapping such as a mechanism without its brackets, the kind first."""
    try:
        data = json.loads(value) if value.startswith("{") else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return plain(value)
    kind = data.pop("mechanism", None)
    parts = [] if kind is None else [str(kind)]
    parts += [f"{key} {_plain_value(item)}" for key, item in data.items()]
    return plain(", ".join(parts))


def _plain_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def varied_settings(columns: Sequence[PageColumn]) -> list[str]:
    """List the settings that vary; of those that tell rows apart alike, such as phase and steps, the first."""
    found: dict[tuple[int, ...], str] = {}
    for column in columns:
        if column.role == "setting" and column.varied:
            place = {value: number for number, value in enumerate(dict.fromkeys(column.values))}
            found.setdefault(tuple(place[value] for value in column.values), column.name)
    return list(found.values())


def measures_first(columns: Sequence[PageColumn]) -> list[str]:
    """Order the measures that vary: those that a page shows first, then as the table has them."""
    names = [column.name for column in columns if column.role == "measure" and column.varied]
    names = names or [column.name for column in columns if column.role == "measure"]
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
