"""A plot of a frontier: every row a mark, those that nothing beats joined.

matplotlib is imported when it is drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.explore.frontier import Frontier
from simulator.explore.rows import TextRow
from simulator.report import numbers
from simulator.report.plots.style import GREYS, MARKERS, PALETTE, legend_beside, name_of, own_axes, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_INCHES = (7.6, 4.6)
LONGEST_COLUMN = 60


def frontier_of_two(found: Frontier, ax: Axes | None = None) -> Axes:
    """Draw the first two objectives of a frontier against each other; with more, their set is drawn as marks alone.

    Parameters
    ----------
    found : Frontier
        With at least two objectives.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        Grey marks are the rows that were considered; a colour is a value of `Frontier.per`.
    """
    if len(found.objectives) < 2:
        raise ValueError("a frontier of one objective is a point")
    ax = own_axes(ax, FIGURE_INCHES)
    x, y = (objective.column for objective in found.objectives[:2])
    x_unit, y_unit = (_unit(column, found) for column in (x, y))

    def marks(rows: list[TextRow]) -> tuple[list[float], list[float]]:
        return [float(row[x]) / x_unit.size for row in rows], [float(row[y]) / y_unit.size for row in rows]

    ax.plot(*marks(list(found.considered)), "o", color=GREYS[5], markersize=3, label="beaten")
    sets: dict[tuple[str, ...], list[TextRow]] = {}
    for row in found.kept:
        sets.setdefault(tuple(row[name] for name in found.per), []).append(row)
    joined = "-" if len(found.objectives) == 2 and not found.tolerance else ""
    for number, (values, rows) in enumerate(sets.items()):
        label = name_of(", ".join(values)) if len(sets) > 1 else "not beaten"
        colour = PALETTE[number % len(PALETTE)]
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(*marks(rows), marker + joined, color=colour, markersize=5, linewidth=1.2, label=label)
    ax.set_xlabel(_axis(x, x_unit, found.objectives[0].direction))
    ax.set_ylabel(_axis(y, y_unit, found.objectives[1].direction))
    plain_frame(ax, "both")
    legend_beside(ax)
    return ax


_UNITS = {"_pj": numbers.ENERGY_UNITS, "_us": numbers.TIME_UNITS, "_bytes": numbers.BYTE_UNITS}
"""By the end of a column's name."""


def _unit(column: str, found: Frontier) -> numbers.Unit:
    """Pick the unit in which a column is drawn, if its name has one."""
    for suffix, units in _UNITS.items():
        if column.endswith(suffix):
            return numbers.unit_for((float(row[column]) for row in found.considered), units)
    return numbers.Unit("", 1)


def _axis(column: str, unit: numbers.Unit, direction: str) -> str:
    better = f"{'less' if direction == 'min' else 'more'} is better"
    if not unit.name:
        return f"{name_of(column, LONGEST_COLUMN)} ({better})"
    quantity = column[: -len(next(suffix for suffix in _UNITS if column.endswith(suffix)))]
    return f"{name_of(quantity, LONGEST_COLUMN)} ({unit.name}; {better})"
