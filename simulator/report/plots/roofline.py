"""The roofline of a machine: what its DRAM and its array allow, and where each product stands below it.

The model is that of Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures", CACM 52(4), 2009, with executed MACs in place of floating-point operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.mapping import Count
from simulator.memory import timing_dram
from simulator.report import numbers
from simulator.report.plots.bars import PRODUCTS
from simulator.report.plots.style import (
    GREYS,
    MARKERS,
    PALETTE,
    legend_beside,
    log_ticks,
    name_of,
    own_axes,
    plain_frame,
)
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHOLE = "whole run"
_HEADROOM, _MARGIN = 1.6, 2.0
_WIDEST = 1e4  # more than so many times the ridge is drawn at the right edge: work without DRAM traffic


@dataclass(frozen=True)
class RooflinePoint:
    """What a product, or the whole run, does with what the DRAM brings.

    Attributes
    ----------
    name : str
        The product, or `WHOLE`.
    macs, dram_bytes, cycles : int
        Executed MACs, bytes read and written, and cycles: the array's own and those it stalled before the product.
    """

    name: str
    macs: int
    dram_bytes: int
    cycles: int

    @property
    def intensity(self) -> float:
        """MACs per DRAM byte; infinite where there is no traffic."""
        return self.macs / self.dram_bytes if self.dram_bytes else float("inf")

    @property
    def macs_per_cycle(self) -> float:
        """Executed MACs per cycle."""
        return self.macs / self.cycles if self.cycles else 0.0


def dram_bytes_per_cycle(report: Report) -> float:
    """Give the most that the machine's DRAM can move in a cycle.

    Raises
    ------
    ValueError
        If the machine's memory is ideal, so that nothing is known of a DRAM.
    """
    arch = report.arch
    if arch.ideal_memory:
        raise ValueError("no roofline with memory: ideal, which has no DRAM")
    if arch.system.dram.level == "timing":
        return timing_dram(arch).peak_mb_per_s / arch.clock_mhz
    over, under = arch.dram_bytes_per_cycle
    return over / under


def roofline_points(report: Report) -> list[RooflinePoint]:
    """Sum the run by product, those with MACs, and all of it as the last point."""
    activity = report.activity
    spent = (activity.array_cycles + activity.stalls.sum(axis=1)).tolist()
    moved = (activity.counts[:, Count.DRAM_READ_BYTES] + activity.counts[:, Count.DRAM_WRITE_BYTES]).tolist()
    sums: dict[str, list[int]] = {}
    executed = activity.counts[:, Count.MACS_EXECUTED].tolist()
    for key, *values in zip(activity.keys, executed, moved, spent, strict=True):
        before = sums.get(key.product, [0, 0, 0])
        sums[key.product] = [a + b for a, b in zip(before, values, strict=True)]
    points = [RooflinePoint(name, *values) for name, values in sums.items() if values[0]]
    return [*points, RooflinePoint(WHOLE, sum(executed), sum(moved), report.total_cycles)]


def roofline(report: Report, ax: Axes | None = None) -> Axes:
    """Draw each product at its MACs per DRAM byte and its executed MACs per cycle, below what the machine allows.

    A product's tiles may be loaded while another one is in the array, so a point may lie above the slope; the whole run
    cannot. Skipping moves a point down, for fewer MACs are left, and the gap to the roof says what they still cost.

    Parameters
    ----------
    report : Report
        Of a machine with a memory system.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        Logarithmic. Filled marks are this machine's, hollow ones the dense twin's; the dashed line is the ridge, left
        of which the DRAM is the limit. Products without DRAM traffic stand at the right edge.

    Raises
    ------
    ValueError
        If the machine's memory is ideal.
    """
    bytes_per_cycle, peak = dram_bytes_per_cycle(report), report.arch.multipliers
    ridge = peak / bytes_per_cycle
    ax = own_axes(ax)
    machines = [(roofline_points(report), True)]
    if report.baseline is not None:
        machines.append((roofline_points(report.baseline), False))
    every = [point for points, _ in machines for point in points if point.macs_per_cycle]
    known = [point.intensity for point in every if point.intensity < _WIDEST * ridge]
    left, right = min([*known, ridge]) / _MARGIN, max([*known, ridge]) * 2 * _MARGIN
    low = min([point.macs_per_cycle for point in every] + [peak / 4]) / _MARGIN
    ax.plot([left, ridge, right], [left * bytes_per_cycle, peak, peak], color="black", linewidth=1.4)
    ax.axvline(ridge, color=GREYS[1], linewidth=0.9, linestyle="--")
    for points, here in machines:
        for index, point in enumerate(points):
            if not point.macs_per_cycle:
                continue
            place = PRODUCTS.index(point.name) if point.name in PRODUCTS else len(PRODUCTS) + index
            color = "black" if point.name == WHOLE else PALETTE[place % len(PALETTE)]
            marker = "*" if point.name == WHOLE else MARKERS[place % len(MARKERS)]
            ax.plot(
                min(point.intensity, right / 1.25),
                point.macs_per_cycle,
                marker,
                color=color,
                markerfacecolor=color if here else "none",
                markersize=12 if point.name == WHOLE else 7,
                markeredgewidth=1.3,
                label=point.name if here else "_",
            )
    if report.baseline is not None:
        ax.plot([], [], "o", color=GREYS[1], markerfacecolor="none", label="hollow: dense twin")
    ax.set_xlim(left, right)
    ax.set_ylim(low, peak * _HEADROOM)
    log_ticks(ax, "x")
    log_ticks(ax, "y")
    ax.annotate(
        f"ridge: {ridge:.3g} MACs per byte",
        (ridge, low),
        (5, 5),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=9,
        color=GREYS[0],
    )
    ax.annotate(
        f"{numbers.count(peak)} MACs per cycle",
        (right, peak),
        (0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
    )
    ax.set_xlabel("executed MACs per DRAM byte")
    ax.set_ylabel("executed MACs per cycle")
    ax.set_title(f"{name_of(report.arch.name)}: roofline")
    plain_frame(ax, "both")
    legend_beside(ax)
    return ax
