"""Figures of a study: how training converges under each threshold, and what quality costs beside what energy saves.

matplotlib is imported when a figure is drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.report.files import write_bytes_atomically
from simulator.report.plots.export import drawn
from simulator.report.plots.labels import Label, place_labels
from simulator.report.plots.style import GREYS, LINES, MARKERS, PALETTE, own_axes, plain_frame
from simulator.study.measuring import MACHINES
from simulator.study.results import Row
from simulator.study.runs import Group
from simulator.study.tables import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_INCHES = (8.4, 5.6)
LINEAR_PERCENT = 2.0
"""Losses beyond this are drawn on a logarithmic axis: the question is about small ones."""
CURVES, QUALITY_ENERGY = "curves.svg", "quality_energy.svg"


def curves(group: Group, rows: Mapping[str, Row], ax: Axes | None = None) -> Axes:
    """Draw validation loss against steps for each condition: mean over seeds, and the range between them as a band."""
    ax = own_axes(ax, FIGURE_INCHES)
    for number, (condition, colour) in enumerate(zip(group.conditions, PALETTE, strict=False)):
        found = [rows[run.key]["curve"] for run in condition.runs if rows.get(run.key, {}).get("status") == "ok"]
        if not found:
            continue
        points = min(len(curve["step"]) for curve in found)
        losses = np.array([curve["valid_loss"][:points] for curve in found], dtype=float)
        steps = found[0]["step"][:points]
        line = LINES[number % len(LINES)]
        ax.plot(steps, losses.mean(axis=0), line, color=colour, linewidth=1.4, label=condition.label)
        ax.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.set_xlabel("optimiser steps")
    ax.set_ylabel("validation loss (nats per character)")
    ax.legend(frameon=False)
    plain_frame(ax)
    return ax


def quality_energy(
    groups: Sequence[Group], rows: Mapping[str, Row], machine: str = MACHINES[0], ax: Axes | None = None
) -> Axes:
    """Draw what each condition loses of quality against the energy that it saves on a machine, a mark a table."""
    ax = own_axes(ax, FIGURE_INCHES)
    labels: list[Label] = []
    for group, colour, marker in zip(groups, PALETTE, MARKERS, strict=False):
        told = [summary(condition, rows) for condition in group.conditions]
        marks = [
            (100 * one[machine]["energy_saving"].mean, 100 * one["loss"].mean, one["label"])
            for one in told
            if one["loss"] is not None and one[machine]["energy_saving"] is not None
        ]
        if not marks:
            continue
        ax.scatter([m[0] for m in marks], [m[1] for m in marks], color=colour, marker=marker, s=26, label=group.title)
        labels += [Label(saved, lost, label) for saved, lost, label in marks]
    ax.axhline(0, color=GREYS[2], linewidth=0.8, zorder=0.8)
    ax.axhline(1, color=GREYS[2], linewidth=0.8, linestyle="--", zorder=0.8)
    ax.set_yscale("symlog", linthresh=LINEAR_PERCENT)
    ax.set_yticks(*_percent_ticks([label.y for label in labels]))
    ax.set_yticks([], minor=True)
    ax.margins(x=0.08, y=0.06)
    ax.set_xlabel(f"energy saved on {machine}, whole training (%)")
    ax.set_ylabel("loss of the test figure against dense (%)")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    plain_frame(ax, None)
    place_labels(ax, labels)
    return ax


def _percent_ticks(values: Sequence[float]) -> tuple[list[float], list[str]]:
    """Choose round numbers that reach around the values, on either side of 0, and name them."""
    rounds = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    low, high = min([0.0, *values]), max([0.0, *values])
    kept = [-r for r in reversed(rounds) if -r >= 2 * low] + [0.0] + [r for r in rounds if r <= 2 * high]
    return kept, [f"{value:g}" for value in kept]


def write_figures(groups: Sequence[Group], rows: Mapping[str, Row], folder: Path) -> list[Path]:
    """Draw the figures of a study as SVG files, where there is something to draw."""
    by_name = {group.name: group for group in groups}
    thresholds = by_name["thresholds"]
    if not any(run.key in rows for run in thresholds.runs):
        return []
    compared = [by_name[name] for name in ("thresholds", "policies", "structures") if name in by_name]
    plots: dict[str, Callable[[Axes], Axes]] = {
        CURVES: lambda ax: curves(thresholds, rows, ax),
        QUALITY_ENERGY: lambda ax: quality_energy(compared, rows, ax=ax),
    }
    return [write_bytes_atomically(folder / name, drawn(draw, FIGURE_INCHES)) for name, draw in plots.items()]
