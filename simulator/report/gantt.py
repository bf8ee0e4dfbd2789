"""A Gantt chart of what each unit did when: a few time steps of a run, to look at.

A whole run is for `simulator.report.timeline`, which viewers can walk through. matplotlib is imported when a chart is
first drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simulator.engine import Interval
from simulator.report.plots.bars import PRODUCTS
from simulator.report.plots.style import GRID_COLOR, OTHERS_HATCH, PALETTE, own_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = {"array": "array", "vector_unit": "vector unit", "dram": "DRAM"}
"""Units from the top down, and what their rows are called; others come below by their own names."""

GREYS = {"read": "#4D4D4D", "write": "#B3B3B3", "transfers": "#808080"}
BAR_HEIGHT = 0.7
LABEL_POINTS = 7
CHARACTER_INCHES = 0.62 * LABEL_POINTS / 72  # about the width of a character of a label
FIGURE_INCHES = (8.0, 2.6)


def kind_of(interval: Interval) -> str:
    """Say what colours an interval: ``read``, ``write`` or ``transfers`` of the DRAM, else the product's name."""
    words = _words(interval)
    if interval.unit == "dram":
        return words[0] if words[0] in GREYS else "transfers"
    return words[-2] if len(words) > 1 and words[-1].startswith("t=") else words[-1]


def gantt(
    intervals: Iterable[Interval],
    ax: Axes | None = None,
    first_cycle: int = 0,
    last_cycle: int | None = None,
) -> Axes:
    """Draw what each unit did from one cycle to another; a gap in the array's row is a stall.

    Parameters
    ----------
    intervals : iterable of Interval
        Of a run with ``record_intervals=True``. One that lies across an end of the window is cut there.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    first_cycle, last_cycle : int
        The window, its last cycle left out; by default to the end of the last interval.

    Returns
    -------
    Axes
        A row for each unit, colours by `kind_of`, with the time step written into bars that have room for it.

    Raises
    ------
    ValueError
        If no cycle lies in the window.
    """
    every = list(intervals)
    if last_cycle is None:
        last_cycle = max((interval.end for interval in every), default=first_cycle)
    if last_cycle <= first_cycle:
        raise ValueError(f"no cycle from {first_cycle} up to {last_cycle}")
    ax = own_axes(ax, FIGURE_INCHES)
    seen = [i for i in every if i.start < last_cycle and i.end > first_cycle]
    units = [*ROWS, *dict.fromkeys(i.unit for i in every if i.unit not in ROWS)]
    row = {unit: number for number, unit in enumerate(units)}
    inches_per_cycle = ax.get_window_extent().width / ax.figure.dpi / (last_cycle - first_cycle)
    kinds = sorted({kind_of(i) for i in seen}, key=_place)
    for kind in kinds:
        for unit in units:
            spans = [
                (max(i.start, first_cycle), min(i.end, last_cycle))
                for i in seen
                if (i.unit, kind_of(i)) == (unit, kind)
            ]
            if spans:
                bars = [(start, end - start) for start, end in spans]
                low = row[unit] - BAR_HEIGHT / 2
                look = _look(kind)
                ax.broken_barh(bars, (low, BAR_HEIGHT), edgecolor="white", linewidth=0.3, label=kind, **look)
    for i in seen:
        start, end, time = max(i.start, first_cycle), min(i.end, last_cycle), _words(i)[-1]
        if time.startswith("t=") and (len(time) + 1) * CHARACTER_INCHES <= (end - start) * inches_per_cycle:
            ax.annotate(
                time.removeprefix("t="),
                ((start + end) / 2, row[i.unit]),
                ha="center",
                va="center",
                fontsize=LABEL_POINTS,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )
    ax.set_yticks(range(len(units)), [ROWS.get(unit, unit) for unit in units])
    ax.set_ylim(len(units) - 0.5, -0.5)
    ax.set_xlim(first_cycle, last_cycle)
    ax.set_xlabel("cycle")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(axis="x", color=GRID_COLOR, linewidth=0.6)
    handles, names = ax.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    if once:
        ax.legend(once.values(), once.keys(), loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax


def _words(interval: Interval) -> list[str]:
    """Split an interval's name, such as ``lstm0 dh t=3 (job 7)``, without its job."""
    return (interval.name.partition(" (job ")[0] or interval.name).split() or [interval.unit]


def _place(kind: str) -> tuple[int, str]:
    known = (*PRODUCTS, *GREYS)
    return (known.index(kind) if kind in known else len(known), kind)


def _look(kind: str) -> dict[str, Any]:
    """Give a kind its colour and hatch: products have those of `simulator.report.plots`, the DRAM greys."""
    if kind in GREYS:
        return {"facecolor": GREYS[kind]}
    if kind in PRODUCTS:
        return {"facecolor": PALETTE[PRODUCTS.index(kind)]}
    return {"facecolor": PALETTE[sum(kind.encode()) % len(PALETTE)], "hatch": OTHERS_HATCH}
