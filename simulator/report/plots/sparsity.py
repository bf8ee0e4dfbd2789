"""Heat maps of the zeros in the gate gradients: by layer and gate, over the training and along the sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator.report import numbers
from simulator.report.plots.style import SHARES_MAP, name_of, own_axes
from traces import Trace, statistics
from traces.inspection import even_selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shares = npt.NDArray[np.float64]

WRITTEN_CELLS = 12
"""With at most so many columns each cell says its share."""
MOST_TICKS = 12
NOTHING_COLOR = "#FFFFFF"
_DARK = 0.6  # of the colour map: text on a darker cell is white


def sparsity_by_step(trace: Trace, ax: Axes | None = None, steps: Sequence[int] | None = None) -> Axes:
    """Draw the share of zeros of each layer and gate at each recorded step: how training changes it.

    Parameters
    ----------
    trace : Trace
        Open; its masks are read.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    steps : sequence of int, optional
        Recorded steps; default: all.

    Returns
    -------
    Axes
        A row for each layer and gate, a column for each step, evenly spaced whatever lies between them.
    """
    chosen = list(trace.steps if steps is None else steps)
    rows = [row for number in chosen for row in statistics.step_rows(trace.step(number), trace.layers)]
    shares = np.full((_height(trace), len(chosen)), np.nan)
    place = {key: index for index, key in enumerate(_gates(trace))}
    for row in rows:
        if row["elements"]:
            shares[place[row["layer"], row["gate"]], chosen.index(row["step"])] = row["sparsity"]
    ax = own_axes(ax, inches(trace))
    ticks = {place: numbers.count(chosen[place]) for place in even_selection(len(chosen), MOST_TICKS)}
    _heat_map(ax, trace, shares, ticks)
    ax.set_xlabel("optimiser step (recorded ones)")
    ax.set_title("Zeros in dG over the training")
    return ax


def sparsity_by_time(trace: Trace, ax: Axes | None = None, step: int | None = None) -> Axes:
    """Draw the share of zeros of each layer and gate at each time step of the sequence, at one recorded step.

    Parameters
    ----------
    trace : Trace
        Open; its masks are read.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    step : int, optional
        A recorded step; default: the last.

    Returns
    -------
    Axes
        A row for each layer and gate, a column for each time step that some sequence reaches in some layer; white where
        the layer has none.
    """
    number = trace.steps[-1] if step is None else step
    rows = [row for row in statistics.time_rows(trace.step(number), trace.layers) if row["elements"]]
    length = 1 + max((row["time"] for row in rows), default=0)
    shares = np.full((_height(trace), length), np.nan)
    place = {key: index for index, key in enumerate(_gates(trace))}
    for row in rows:
        shares[place[row["layer"], row["gate"]], row["time"]] = row["sparsity"]
    ax = own_axes(ax, inches(trace))
    stride = next(s for s in _strides() if length <= s * MOST_TICKS)
    _heat_map(ax, trace, shares, {time: str(time) for time in range(0, length, stride)})
    ax.set_xlabel("time step of the sequence")
    ax.set_title(f"Zeros in dG along the sequence, step {numbers.count(number)}")
    return ax


def inches(trace: Trace) -> tuple[float, float]:
    """Give a heat map's figure room for each layer and gate."""
    return 7.2, max(2.4, 1.3 + 0.24 * _height(trace))


def _gates(trace: Trace) -> list[tuple[str, str]]:
    return [(layer.name, gate) for layer in trace.layers for gate in layer.gate_order]


def _height(trace: Trace) -> int:
    return sum(layer.gates for layer in trace.layers)


def _strides() -> Iterator[int]:
    """Give 1, 2, 5, 10, 20, ..."""
    decade = 1
    while True:
        yield from (decade, 2 * decade, 5 * decade)
        decade *= 10


def _heat_map(ax: Axes, trace: Trace, shares: Shares, ticks: Mapping[int, str]) -> None:
    """Draw shares [gates of all layers, columns] with a bar that says the colours, and lines between layers."""
    from matplotlib import colormaps

    colors = colormaps[SHARES_MAP].with_extremes(bad=NOTHING_COLOR)
    image = ax.imshow(100 * shares, aspect="auto", interpolation="nearest", cmap=colors, vmin=0, vmax=100)
    height, width = shares.shape
    if width <= WRITTEN_CELLS:
        for row, column in np.argwhere(np.isfinite(shares)):
            share = float(shares[row, column])
            ink = "white" if share < _DARK else "black"
            ax.annotate(f"{100 * share:.0f}", (column, row), ha="center", va="center", fontsize=8, color=ink)
    ax.set_xticks(list(ticks), list(ticks.values()))
    labels, below = [], 0
    for layer in trace.layers:
        name = name_of(layer.name)
        # A layer says its name once, beside its first gate.
        gates = [name_of(gate) for gate in layer.gate_order]
        labels += [f"{name}  {gates[0]}", *gates[1:]]
        below += layer.gates
        if below < height:
            ax.axhline(below - 0.5, color="white", linewidth=2)
    ax.set_yticks(range(height), labels)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar: Any = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label("zeros (%)")
    bar.outline.set_visible(False)
