"""What became of the array's MAC slots: executed, gated, or idle because lanes waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.report import numbers, summary
from simulator.report.plots.style import (
    BLUE,
    GREEN,
    GREYS,
    HATCHES,
    ORANGE,
    SKY,
    VERMILLION,
    legend_beside,
    name_of,
    own_axes,
    plain_frame,
)
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# In the order of `summary.slot_uses`: what is worth its slot, then what is not.
_LOOKS = (
    {"facecolor": BLUE, "hatch": HATCHES[0]},
    {"facecolor": SKY, "hatch": HATCHES[3]},
    {"facecolor": ORANGE, "hatch": HATCHES[0]},
    {"facecolor": VERMILLION, "hatch": HATCHES[1]},
    {"facecolor": GREEN, "hatch": HATCHES[2]},
    {"facecolor": GREYS[5], "hatch": HATCHES[0]},
)
BAR_HEIGHT = 0.7
LEAST_LABEL = 0.12
"""A smaller share of a bar is not written into it."""


def slots_by_product(report: Report, ax: Axes | None = None) -> Axes:
    """Draw for each product what its MAC slots were used for while the array worked on it: the imbalance of its lanes.

    Parameters
    ----------
    report : Report
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        A bar a product, and one for the run, in per cent of their slots; the parts are those of `summary.slot_uses`.
        Products on which the array spent no cycle are left out.
    """
    ax = own_axes(ax)
    names = [name for name, cycles in report.cycles_by("product").items() if cycles]
    rows = [(name, summary.slot_uses(report, name)) for name in names]
    rows.append(("whole run", summary.slot_uses(report)))
    parts = [one.name for one in rows[-1][1]]
    starts = [0.0] * len(rows)
    for index, part in enumerate(parts):
        shares = [_percent(uses, index) for _, uses in rows]
        if any(shares):
            ax.barh(
                range(len(rows)),
                shares,
                BAR_HEIGHT,
                starts,
                label=part,
                edgecolor="white",
                linewidth=0.5,
                **_LOOKS[index],  # type: ignore[arg-type]
            )
            starts = [start + share for start, share in zip(starts, shares, strict=True)]
    for place, (_, uses) in enumerate(rows):
        executed = _percent(uses, 0)
        if executed >= 100 * LEAST_LABEL:
            text = numbers.percent(executed / 100)
            ax.annotate(text, (executed / 2, place), ha="center", va="center", fontsize=8, color="white", weight="bold")
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 100)
    ax.set_xlabel("MAC slots of the array's own cycles (%)")
    ax.set_title(f"{name_of(report.arch.name)}: what the lanes did")
    plain_frame(ax, None)
    ax.tick_params(axis="y", length=0)
    legend_beside(ax)
    return ax


def _percent(uses: list[summary.SlotUse], index: int) -> float:
    every = sum(use.slots for use in uses)
    return 100 * uses[index].slots / every if every else 0.0
