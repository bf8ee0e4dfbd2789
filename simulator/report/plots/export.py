"""Plots as files for papers: vectors with text in them, and the same bytes for the same plot."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.arch import TileMechanism
from simulator.report.files import PathLike, make_folder, write_bytes_atomically
from simulator.report.plots import activations, lanes, sparsity, speedup
from simulator.report.plots.bars import cycles_by_product, energy_by_component
from simulator.report.plots.roofline import roofline
from simulator.report.plots.slots import slots_by_product
from simulator.report.plots.style import FIGURE_INCHES
from simulator.report.result import Report
from traces import Trace
from traces.errors import InputError, nearest

if TYPE_CHECKING:
    pass

FORMATS = ("svg", "pdf", "png")
DPI = 150
"""Of PNG files."""

_UNDATED: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}
_SETTINGS: Any = {"svg.hashsalt": "skipstone", "svg.fonttype": "none", "pdf.fonttype": 42}  # text stays text


def drawn(
    draw: Callable[..., Any], inches: tuple[float, float], form: str = "svg", grid: tuple[int, int] | None = None
) -> bytes:
    """Draw on a figure of no window, and give it as a file's bytes; the same plot gives the same bytes.

    Parameters
    ----------
    draw : callable
        Called with the axes: one, or with a `grid` an array of Axes [rows, columns].
    inches : (width, height)
    form : str
        One of `FORMATS`.
    grid : (rows, columns), optional
        More than one axes, which share their x axis.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name in another script; who opens it has a font
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots() if grid is None else figure.subplots(*grid, sharex=True, squeeze=False))
        content = io.BytesIO()
        figure.savefig(content, format=form, dpi=DPI, metadata=_UNDATED[form])
    return content.getvalue()


def check_format(form: str, where: str = "format") -> str:
    """Give a format of `FORMATS` back.

    Raises
    ------
    InputError
        If it is another one.
    """
    if form not in FORMATS:
        raise InputError.of(where, repr(form), "one of " + ", ".join(FORMATS), nearest(form, FORMATS))
    return form


@dataclass(frozen=True)
class _Plot:
    """A plot of a report or its trace: the name of its file, and how it is drawn."""

    name: str
    draw: Callable[..., Any]
    inches: tuple[float, float] = FIGURE_INCHES
    grid: tuple[int, int] | None = None


def _plots_of(report: Report, trace: Trace | None) -> list[_Plot]:
    """List the plots that there is something to draw for."""
    found = [
        _Plot("energy", lambda ax: energy_by_component(report, ax)),
        _Plot("cycles", lambda ax: cycles_by_product(report, ax)),
        _Plot("slots", lambda ax: slots_by_product(report, ax)),
    ]
    if not report.arch.ideal_memory:
        found.append(_Plot("roofline", lambda ax: roofline(report, ax)))
    if report.baseline is not None:
        found.append(_Plot("speedup", lambda ax: speedup.speedup_by_sparsity(report, ax), speedup.FIGURE_INCHES))
    if report.break_even is not None:
        found.append(_break_even(report))
    if trace is not None:
        found += _plots_of_trace(report, trace)
    return found


def _break_even(report: Report) -> _Plot:
    from simulator.report import break_even_plot

    def draw(axes: Any) -> None:
        assert report.break_even is not None
        break_even_plot.gains_by_sparsity(report.break_even, (axes[0, 0], axes[1, 0]))

    return _Plot("break_even", draw, break_even_plot.FIGURE_INCHES, (2, 1))


def _plots_of_trace(report: Report, trace: Trace) -> list[_Plot]:
    steps, size = report.steps, sparsity.inches(trace)
    found = [
        _Plot("sparsity_by_step", lambda ax: sparsity.sparsity_by_step(trace, ax, steps), size),
        _Plot("sparsity_by_time", lambda ax: sparsity.sparsity_by_time(trace, ax, steps[-1]), size),
    ]
    if not isinstance(report.arch.skipping, TileMechanism):  # such a mechanism deals out its work in another way
        rows, room = report.arch.array.rows, lanes.inches(trace)
        found.append(_Plot("lane_imbalance", lambda ax: lanes.lane_imbalance(trace, rows, ax, steps[-1]), room))
    grid = activations.grid_of(trace)
    if all(grid):
        draw = lambda axes: activations.gate_activations(trace, axes)  # noqa: E731
        found.append(_Plot("gate_activations", draw, activations.inches(trace), grid))
    return found


def write_plots(report: Report, folder: PathLike, trace: Trace | None = None, form: str = "svg") -> list[Path]:
    """Write every plot that a report, and its trace, have the numbers for; each file whole or not at all.

    Parameters
    ----------
    report : Report
    folder : path
        Made unless it is there; files of other names in it stay.
    trace : Trace, optional
        The one that was replayed, open: its sparsity, lanes and activations are drawn, too.
    form : str
        One of `FORMATS`.

    Returns
    -------
    list of Path
        Named after the plots, such as ``energy.svg``.

    Raises
    ------
    InputError
        If the format is none of these, or a file cannot be written.
    """
    check_format(form)
    place = make_folder(folder)
    return [
        write_bytes_atomically(place / f"{plot.name}.{form}", drawn(plot.draw, plot.inches, form, plot.grid))
        for plot in _plots_of(report, trace)
    ]
