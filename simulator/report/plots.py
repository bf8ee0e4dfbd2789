"""Plots of a report: where energy and cycles go, beside the dense twin.

matplotlib is imported when a plot is first drawn. Nothing is shown and no backend is chosen here: a notebook
or the caller does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.report import numbers, summary
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design" (2008): told apart with every common colour vision. Black, which
# is for text, is left out. What comes after the seventh series gets the same colours again, hatched.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442")
HATCHES = ("", "///", "...", "xxx")
GREYS = ("#4D4D4D", "#666666", "#808080", "#999999", "#B3B3B3", "#CCCCCC", "#E6E6E6")

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

CYCLE_UNITS = (
    numbers.Unit("", 1),
    numbers.Unit("thousand", 1e3),
    numbers.Unit("million", 1e6),
    numbers.Unit("billion", 1e9),
)
BAR_WIDTH = 0.6
LONGEST_NAME = 24
FIGURE_INCHES = (6.4, 4.4)


class ReportPlots:
    """The plots of one report.

    Parameters
    ----------
    report : Report
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def energy(self, ax: Axes | None = None) -> Axes:
        """Draw `energy_by_component`."""
        return energy_by_component(self._report, ax)

    def cycles(self, ax: Axes | None = None) -> Axes:
        """Draw `cycles_by_product`."""
        return cycles_by_product(self._report, ax)

    def break_even(self) -> tuple[Axes, Axes]:
        """Draw `simulator.report.break_even_plot.gains_by_sparsity`, if the report has a break-even.

        Raises
        ------
        ValueError
            If it has none.
        """
        from simulator.report.break_even_plot import gains_by_sparsity

        if self._report.break_even is None:
            raise ValueError("no break-even in this report: see simulator.explore.find_break_even")
        return gains_by_sparsity(self._report.break_even)


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
        (row.name, [row.here] + ([] if row.twin is None else [row.twin]), _look(row.name, COMPONENTS))
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
        (name, [cycles.get(name, 0) for cycles in products], _look(name, PRODUCTS))
        for name in dict.fromkeys(name for cycles in products for name in cycles)
    ]
    for index, reason in enumerate(stalls[0]):
        look = {"facecolor": GREYS[index % len(GREYS)], "hatch": "\\\\" if index % 2 else ""}
        series.append((f"stall: {reason}", [cycles[reason] for cycles in stalls], look))
    series = [one for one in series if any(one[1])]
    axes = _stacked(report, series, [numbers.count(total) for total in totals], unit.size, ax)
    axes.set_ylabel(f"{unit.name} cycles".strip())
    axes.set_title("Cycles by product, and stalls")
    return axes


Series = tuple[str, Sequence[float], Mapping[str, Any]]


def _machines(report: Report) -> list[Report]:
    return [report] if report.baseline is None else [report, report.baseline]


def _look(name: str, known: Sequence[str]) -> dict[str, str]:
    """Give a series its colour and hatch; a name of nobody's list comes after the listed ones."""
    index = known.index(name) if name in known else len(known) + sum(name.encode()) % len(PALETTE)
    return {
        "facecolor": PALETTE[index % len(PALETTE)],
        "hatch": HATCHES[index // len(PALETTE) % len(HATCHES)],
    }


def _stacked(report: Report, series: Sequence[Series], tops: Sequence[str], unit: float, ax: Axes | None) -> Axes:
    """Stack the series on one bar a machine, the total on top and the legend beside, in stacking order."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=FIGURE_INCHES, layout="constrained")
    labels = [numbers.shortened(report.arch.name, LONGEST_NAME), "dense twin"][: len(tops)]
    places = range(len(labels))
    heights = [0.0] * len(labels)
    for name, values, look in series:
        parts = [value / unit for value in values]
        ax.bar(places, parts, BAR_WIDTH, heights, label=name, edgecolor="white", linewidth=0.5, **look)
        heights = [below + part for below, part in zip(heights, parts, strict=True)]
    for place, height, top in zip(places, heights, tops, strict=True):
        ax.annotate(top, (place, height), (0, 3), textcoords="offset points", ha="center", va="bottom", weight="bold")
    ax.set_xticks(list(places), labels)
    ax.set_xlim(-0.6, 1.6) if len(labels) > 1 else ax.set_xlim(-1.1, 1.1)
    ax.set_ylim(0, 1.1 * max(heights, default=0.0) or 1.0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    handles, names = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax
