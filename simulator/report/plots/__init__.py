"""Plots of reports and traces: each a function that takes one, and axes, and gives the axes back.

matplotlib is imported when a plot is first drawn. Nothing is shown and no backend is chosen here: a notebook or the
caller does that. `style` says how all of them look, and `export` writes them as files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.report.plots.activations import gate_activations
from simulator.report.plots.bars import COMPONENTS, PRODUCTS, cycles_by_product, energy_by_component
from simulator.report.plots.export import write_plots
from simulator.report.plots.lanes import lane_imbalance
from simulator.report.plots.roofline import roofline
from simulator.report.plots.slots import slots_by_product
from simulator.report.plots.sparsity import sparsity_by_step, sparsity_by_time
from simulator.report.plots.speedup import speedup_by_sparsity
from simulator.report.plots.style import CYCLE_UNITS, FIGURE_INCHES, GREYS, HATCHES, LONGEST_NAME, PALETTE
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COMPONENTS",
    "CYCLE_UNITS",
    "FIGURE_INCHES",
    "GREYS",
    "HATCHES",
    "LONGEST_NAME",
    "PALETTE",
    "PRODUCTS",
    "ReportPlots",
    "cycles_by_product",
    "energy_by_component",
    "gate_activations",
    "lane_imbalance",
    "roofline",
    "slots_by_product",
    "sparsity_by_step",
    "sparsity_by_time",
    "speedup_by_sparsity",
    "write_plots",
]


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

    def roofline(self, ax: Axes | None = None) -> Axes:
        """Draw `roofline`."""
        return roofline(self._report, ax)

    def slots(self, ax: Axes | None = None) -> Axes:
        """Draw `slots_by_product`."""
        return slots_by_product(self._report, ax)

    def speedup(self, ax: Axes | None = None) -> Axes:
        """Draw `speedup_by_sparsity`."""
        return speedup_by_sparsity(self._report, ax)

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
