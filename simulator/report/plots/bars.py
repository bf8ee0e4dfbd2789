"""Bars of a machine beside its dense twin: where energy and cycles go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.report import numbers, summary
from simulator.report.plots.style import (
    CYCLE_UNITS,
    legend_beside,
    look,
    name_of,
    own_axes,
    plain_frame,
    stall_look,
)
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Components and products always have the same look, so that two plots can be compared.
COMPONENTS = (
    "mac",
    "dram_read",
    "shared_buffer",
    "skip_logic",
    "skip_buffer",
    "output_buffer",
    "accumulators",
    "gated",
    "dram_write",
    "metadata",
    "staging",
    "vector_unit",
    "leakage",
)
PRODUCTS = ("gates_x", "gates_h", "dh", "dx", "dW", "dU", "y")
BAR_WIDTH = 0.6


def energy_by_component(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the energy of this machine and of its dense twin, each a bar stacked by component.

    Parameters
    ----------
    report : Report
        Without a baseline there is one bar.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        Heights are in the unit of the y axis, pJ to J; components without any energy are left out.
    """
    totals = [one.energy.total_pj for one in _machines(report)]
    unit = numbers.unit_for(totals, numbers.ENERGY_UNITS)
    series = [
        (row.name, [row.here] + ([] if row.twin is None else [row.twin]), look(row.name, COMPONENTS))
        for row in summary.energies(report)
    ]
    tops = [numbers.energy(total) for total in totals]
    axes = _stacked(report, series, tops, unit.size, ax)
    axes.set_ylabel(f"energy ({unit.name})")
    axes.set_title("Energy by component")
    return axes


def cycles_by_product(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the cycles of this machine and of its dense twin: the array's by product, then stalls by reason.

    Parameters
    ----------
    report : Report
        Without a baseline there is one bar.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        Heights are in the unit of the y axis; products and stalls without any cycles are left out.
    """
    machines = _machines(report)
    totals = [one.total_cycles for one in machines]
    unit = numbers.unit_for(totals, CYCLE_UNITS)
    products = [one.cycles_by("product") for one in machines]
    stalls = [one.stalls for one in machines]
    series = [
        (name, [cycles.get(name, 0) for cycles in products], look(name, PRODUCTS))
        for name in dict.fromkeys(name for cycles in products for name in cycles)
    ]
    for index, reason in enumerate(stalls[0]):
        series.append((f"stall: {reason}", [cycles[reason] for cycles in stalls], stall_look(index)))
    series = [one for one in series if any(one[1])]
    axes = _stacked(report, series, [numbers.count(total) for total in totals], unit.size, ax)
    axes.set_ylabel(f"{unit.name} cycles".strip())
    axes.set_title("Cycles by product, and stalls")
    return axes


Series = tuple[str, Sequence[float], Mapping[str, Any]]


def _machines(report: Report) -> list[Report]:
    return [report] if report.baseline is None else [report, report.baseline]


def _stacked(report: Report, series: Sequence[Series], tops: Sequence[str], unit: float, ax: Axes | None) -> Axes:
    """Stack the series on one bar a machine, the total on top and the legend beside, in stacking order."""
    ax = own_axes(ax)
    labels = [name_of(report.arch.name), "dense twin"][: len(tops)]
    places = range(len(labels))
    heights = [0.0] * len(labels)
    for name, values, looks in series:
        parts = [value / unit for value in values]
        ax.bar(places, parts, BAR_WIDTH, heights, label=name, edgecolor="white", linewidth=0.5, **looks)
        heights = [below + part for below, part in zip(heights, parts, strict=True)]
    for place, height, top in zip(places, heights, tops, strict=True):
        ax.annotate(top, (place, height), (0, 3), textcoords="offset points", ha="center", va="bottom", weight="bold")
    ax.set_xticks(list(places), labels)
    ax.set_xlim(-0.6, 1.6) if len(labels) > 1 else ax.set_xlim(-1.1, 1.1)
    ax.set_ylim(0, 1.1 * max(heights, default=0.0) or 1.0)
    plain_frame(ax)
    legend_beside(ax, stacked=True)
    return ax
