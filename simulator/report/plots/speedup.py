"""Speed-up against sparsity: recorded steps on a machine, ideal skipping, and what the saved MACs alone would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.mapping import Count
from simulator.report.break_even import CurvePoint, recorded_points
from simulator.report.plots.style import (
    GREYS,
    LINES,
    MARKERS,
    PALETTE,
    legend_beside,
    name_of,
    own_axes,
    plain_frame,
)
from simulator.report.result import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_INCHES = (7.2, 4.4)
_CURVE_POINTS = 101


@dataclass(frozen=True)
class MacCeiling:
    """What a training step would gain if time were executed MACs and nothing else.

    Attributes
    ----------
    dense : int
        MACs without skipping.
    elsewhere : int
        MACs that stay whatever the share of zeros in dG: those executed of the products that do not read it.
    by_gradient : int
        Dense MACs of the products that read dG.
    """

    dense: int
    elsewhere: int
    by_gradient: int

    @classmethod
    def of(cls, report: Report) -> MacCeiling:
        """Sum up the bound's MACs, or this machine's where the bound was not replayed."""
        activity = (report if report.bound is None else report.bound).activity
        reads_gradient = activity.where(recorded=True, phase="backward")
        dense = activity.counts[:, Count.MACS_DENSE]
        executed = activity.counts[:, Count.MACS_EXECUTED]
        return cls(int(dense.sum()), int(executed[~reads_gradient].sum()), int(dense[reads_gradient].sum()))

    def at(self, sparsity: float) -> float:
        """Dense MACs over those that a share of zeros in dG leaves; infinite where it leaves none."""
        left = self.elsewhere + (1 - sparsity) * self.by_gradient
        return self.dense / left if left else float("inf")


def speedup_by_sparsity(
    reports: Report | Sequence[Report] | Mapping[str, Report],
    ax: Axes | None = None,
    ideal: Sequence[CurvePoint] = (),
) -> Axes:
    """Draw the speed-up of recorded steps over the share of zeros in dG, with ideal skipping and the ceiling of MACs.

    Parameters
    ----------
    reports : Report, sequence of Report, or mapping of str to Report
        With their dense twins; several machines on one trace, or several traces, stand beside each other. The keys of a
        mapping are their names.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    ideal : sequence of CurvePoint, optional
        What ideal skipping gains from independent zeros, as `find_break_even` says of `simulator.run.bound_of` a
        machine: a dashed line.

    Returns
    -------
    Axes
        A colour and a mark for each report: filled its recorded steps, hollow the same steps under ideal skipping on
        the same machine. The grey line of each trace is `MacCeiling`. Where a report has its break-even, a line says
        what independent zeros would give.

    Raises
    ------
    ValueError
        If a report has no dense twin.
    """
    if isinstance(reports, Mapping):
        chosen, names = list(reports.values()), [name_of(name) for name in reports]
    else:
        chosen = [reports] if isinstance(reports, Report) else list(reports)
        names = _names(chosen)
    if any(report.baseline is None for report in chosen):
        raise ValueError("no dense twin in this report: simulate it with its baseline")
    ax = own_axes(ax, FIGURE_INCHES)
    ceilings = {report.trace_sha256: MacCeiling.of(report) for report in chosen}
    shares = [i / (_CURVE_POINTS - 1) for i in range(_CURVE_POINTS)]
    for index, ceiling in enumerate(dict.fromkeys(ceilings.values())):
        gains = [(100 * share, ceiling.at(share)) for share in shares if ceiling.at(share) < float("inf")]
        ax.plot(
            [x for x, _ in gains],
            [y for _, y in gains],
            LINES[index % len(LINES)],
            color=GREYS[2],
            linewidth=1.4,
            label="if MACs were all" if not index else "_",
        )
    if ideal:
        zeros = [100 * point.sparsity for point in ideal]
        gained = [point.speedup for point in ideal]
        ax.plot(zeros, gained, "--", color="black", linewidth=1.2, label="ideal skipping, independent zeros")
    for index, (report, name) in enumerate(zip(chosen, names, strict=True)):
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        if report.break_even is not None:
            points = report.break_even.points
            ax.plot(
                [100 * point.sparsity for point in points],
                [point.speedup for point in points],
                color=color,
                linewidth=1.2,
                label=f"independent zeros: {name}",
            )
        if report.bound is not None and report.baseline is not None:
            _marks(
                ax, report.bound.beside(report.baseline, report.bound), color, marker, f"ideal skipping: {name}", False
            )
        _marks(ax, report, color, marker, f"recorded: {name}", True)
    ax.axhline(1, color=GREYS[1], linewidth=0.8)
    ax.set_xlim(-2, 102)
    ax.set_xlabel("zeros in dG (%)")
    ax.set_ylabel("speed-up over the dense twin")
    ax.set_title("Speed-up against sparsity")
    plain_frame(ax, "both")
    legend_beside(ax)
    return ax


def _marks(ax: Axes, report: Report, color: str, marker: str, label: str, filled: bool) -> None:
    points = [point for _, point in recorded_points(report)]
    ax.plot(
        [100 * point.sparsity for point in points],
        [point.speedup for point in points],
        marker,
        color=color,
        markerfacecolor=color if filled else "none",
        markersize=6 if filled else 9,
        markeredgewidth=1.3,
        label=label,
        zorder=3,
    )


def _names(reports: Sequence[Report]) -> list[str]:
    """Name each report by its machine, and by its trace too where one machine has several."""
    machines = [name_of(report.arch.name) for report in reports]
    several = len({report.trace_sha256 for report in reports}) > 1 and len(set(machines)) < len(machines)
    if not several:
        return machines
    return [f"{name}, trace {report.trace_sha256[:6]}" for name, report in zip(machines, reports, strict=True)]
