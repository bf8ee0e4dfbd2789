"""Figures of a study: how training converges under each threshold, and what quality costs beside what energy saves.

matplotlib is imported when a figure is drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.report.files import write_bytes_atomically
from simulator.report.plots import FIGURE_INCHES, PALETTE
from simulator.study.measuring import MACHINES
from simulator.study.results import Row
from simulator.study.runs import Group
from simulator.study.tables import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
CURVES, QUALITY_ENERGY = "curves.svg", "quality_energy.svg"


def curves(group: Group, rows: Mapping[str, Row], ax: Axes | None = None) -> Axes:
    """Draw validation loss against steps for each condition: mean over seeds, and the range between them as a band."""
    ax = _axes(ax)
    for condition, colour in zip(group.conditions, PALETTE, strict=False):
        found = [rows[run.key]["curve"] for run in condition.runs if rows.get(run.key, {}).get("status") == "ok"]
        if not found:
            continue
        points = min(len(curve["step"]) for curve in found)
        losses = np.array([curve["valid_loss"][:points] for curve in found], dtype=float)
        steps = found[0]["step"][:points]
        ax.plot(steps, losses.mean(axis=0), color=colour, linewidth=1.4, label=condition.label)
        ax.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.set_xlabel("optimiser steps")
    ax.set_ylabel("validation loss (nats per character)")
    ax.legend(frameon=False)
    _plain(ax)
    return ax


def quality_energy(
    groups: Sequence[Group], rows: Mapping[str, Row], machine: str = MACHINES[0], ax: Axes | None = None
) -> Axes:
    """Draw what each condition loses of quality against the energy that it saves on a machine, a mark a table."""
    ax = _axes(ax)
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
        for saved, lost, label in marks:
            ax.annotate(label, (saved, lost), xytext=(4, 3), textcoords="offset points", fontsize=6, color=colour)
    ax.axhline(0, color="#808080", linewidth=0.8)
    ax.axhline(1, color="#808080", linewidth=0.8, linestyle="--")
    ax.set_yscale("symlog", linthresh=2)
    ax.set_xlabel(f"energy saved on {machine}, whole training (%)")
    ax.set_ylabel("loss of the test figure against dense (%)")
    ax.legend(frameon=False, fontsize=7, loc="upper left")
    _plain(ax)
    return ax


def write_figures(groups: Sequence[Group], rows: Mapping[str, Row], folder: Path) -> list[Path]:
    """Draw the figures of a study as SVG files, where there is something to draw."""
    import io

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    by_name = {group.name: group for group in groups}
    thresholds = by_name["thresholds"]
    if not any(run.key in rows for run in thresholds.runs):
        return []
    compared = [by_name[name] for name in ("thresholds", "policies", "structures") if name in by_name]
    written = []
    with rc_context({"svg.hashsalt": "skipstone", "svg.fonttype": "none"}):  # the same figure gives the same bytes
        for name in (CURVES, QUALITY_ENERGY):
            figure = Figure(figsize=(7.6, 5.2), layout="constrained")
            ax = figure.subplots()
            if name == CURVES:
                curves(thresholds, rows, ax)
            else:
                quality_energy(compared, rows, ax=ax)
            content = io.BytesIO()
            figure.savefig(content, format="svg", metadata={"Date": None})
            written.append(write_bytes_atomically(folder / name, content.getvalue()))
    return written


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=FIGURE_INCHES, layout="constrained")[1]


def _plain(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
