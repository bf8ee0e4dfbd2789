"""Figures of the co-design picture: energy and time saved against the loss of quality, a colour a machine.

matplotlib is imported when a figure is drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.report.files import write_bytes_atomically
from simulator.report.plots.export import drawn
from simulator.report.plots.style import GREYS, MARKERS, PALETTE, plain_frame
from simulator.study.codesign import DesignPoint, Picture, pictures, trades
from simulator.study.measuring import MACHINES
from simulator.study.results import Row
from simulator.study.runs import Group
from simulator.study.tables import Measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_INCHES = (9.6, 4.4)
LINEAR_PERCENT = 2.0
"""Losses beyond this are drawn on a logarithmic axis: the question is about small ones."""


def codesign(picture: Picture, axes: tuple[Axes, Axes], machines: Sequence[str] = MACHINES) -> tuple[Axes, Axes]:
    """Draw a network's policies: filled and joined where they are on a machine's frontier, hollow behind it.

    Parameters
    ----------
    picture : Picture
    axes : two Axes
        For energy and for time, each with a frontier of its own.
    machines : sequence of str

    Returns
    -------
    (Axes, Axes)
        Loss of quality and cost saved, in per cent. The first machine's frontier has its numbers, see `Picture`.
    """
    energy, time = axes
    for number, machine in enumerate(machines):
        _draw(energy, picture, lambda point, m=machine: point.energy.get(m), machine, number)  # type: ignore[misc]
        _draw(time, picture, lambda point, m=machine: point.time.get(m), machine, number)  # type: ignore[misc]
    for ax, what in ((energy, "energy"), (time, "time")):
        ax.axhline(0, color=GREYS[3], linewidth=0.8)
        ax.axvline(0, color=GREYS[3], linewidth=0.8)
        ax.set_xscale("symlog", linthresh=LINEAR_PERCENT)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("loss of the test figure against dense (%)")
        ax.set_ylabel(f"{what} saved, whole training (%)")
        plain_frame(ax, "both")
    energy.set_title(picture.name, loc="left", fontsize=10)
    energy.legend(frameon=False, fontsize=8)
    return axes


def _draw(
    ax: Axes, picture: Picture, saved: Callable[[DesignPoint], Measure | None], machine: str, number: int
) -> None:
    found = trades(picture.points, saved)
    places = {
        i: (100 * picture.points[i].loss.mean, 100 * measure.mean)
        for i in found
        if (measure := saved(picture.points[i])) is not None
    }
    colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
    frontier = sorted((i for i in found if found[i].kind != "behind"), key=lambda i: places[i])
    behind = [i for i in found if found[i].kind == "behind"]
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5}
    ax.plot([places[i][0] for i in frontier], [places[i][1] for i in frontier], linewidth=1.2, label=machine, **style)
    style |= {"markerfacecolor": "none", "linestyle": "none"}
    ax.plot([places[i][0] for i in behind], [places[i][1] for i in behind], **style)
    for i in frontier if number == 0 else ():
        ax.annotate(str(i + 1), places[i], (0, 5), textcoords="offset points", ha="center", fontsize=7, color=colour)


def write_codesign_figures(groups: Sequence[Group], rows: Mapping[str, Row], folder: Path) -> list[Path]:
    """Draw each network's figure as an SVG file, named as `codesign_section` links them."""
    written = []
    for picture in pictures(groups, rows)[0]:
        draw = functools.partial(_panels, picture)
        content = drawn(draw, FIGURE_INCHES, grid=(1, 2))
        written.append(write_bytes_atomically(folder / picture.file_name, content))
    return written


def _panels(picture: Picture, axes: Any) -> None:
    codesign(picture, (axes[0, 0], axes[0, 1]))
