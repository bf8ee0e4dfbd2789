"""Histograms of the gates' activations early and late in training: the paper's view of why gradients vanish.

A gate whose activation is at an end of its range has a derivative of nearly zero, and its gradient with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.report import numbers
from simulator.report.plots.style import BLUE, GREYS, LINES, ORANGE, VERMILLION, name_of, plain_frame
from traces import Layer, Trace
from traces.histograms import ACTIVATION_BINS, noted_activations

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = (0.005, 0.1, 1.0)
"""Of the training: gates are skewed already at the first and steady after the second (Zhu et al., 2016)."""
LONGEST_LAYER = 16
_LOOKS = ((GREYS[3], LINES[0]), (ORANGE, LINES[1]), (BLUE, LINES[0]), (VERMILLION, LINES[2]))
_PANEL_INCHES = (1.75, 1.35)


def recorded_layers(trace: Trace) -> list[Layer]:
    """List the layers of which some recorded step has histograms of activations."""
    known = {name for number in trace.steps for name in noted_activations(trace.entry(number))}
    return [layer for layer in trace.layers if layer.name in known]


def grid_of(trace: Trace) -> tuple[int, int]:
    """Give the rows and columns of axes that `gate_activations` draws on: layers by gates; (0, 0) if none are known."""
    layers = recorded_layers(trace)
    return len(layers), max((layer.gates for layer in layers), default=0)


def inches(trace: Trace) -> tuple[float, float]:
    """Give the figure room for each layer and gate."""
    rows, columns = grid_of(trace)
    return 0.9 + _PANEL_INCHES[0] * columns, 1.1 + _PANEL_INCHES[1] * rows


def gate_activations(trace: Trace, axes: Sequence[Sequence[Axes]] | None = None) -> list[list[Axes]]:
    """Draw how the activations of each layer's gates are spread, at three recorded steps.

    Parameters
    ----------
    trace : Trace
    axes : Axes [rows][columns], optional
        As many as `grid_of` says; by default on a figure of their own.

    Returns
    -------
    list of list of Axes
        A row a layer, a column a gate. Heights are shares of a gate's activations in bins of a tenth from -1 to 1; the
        steps are those nearest to `SHARES` of the recorded training.

    Raises
    ------
    ValueError
        If no step of the trace has histograms.
    """
    layers, (rows, columns) = recorded_layers(trace), grid_of(trace)
    if not layers:
        raise ValueError("no histograms of activations in this trace: only some recorders note them")
    if axes is None:
        from matplotlib import pyplot

        _, drawn = pyplot.subplots(
            rows, columns, sharex=True, squeeze=False, figsize=inches(trace), layout="constrained"
        )
        axes = drawn.tolist()
    noted = {number: found for number in trace.steps if (found := noted_activations(trace.entry(number)))}
    chosen = _nearest(list(noted), trace.steps[-1])
    edges = np.linspace(-1, 1, ACTIVATION_BINS + 1)
    for layer, panels in zip(layers, axes, strict=True):
        for gate, ax in zip(layer.gate_order, panels, strict=False):
            for number, (color, line) in zip(chosen, _LOOKS, strict=False):
                counts = noted[number].get(layer.name, {}).get(gate)
                if counts is not None:
                    shares = 100 * np.array(counts) / sum(counts)
                    ax.stairs(shares, edges, color=color, linestyle=line, linewidth=1.4, label=_step(number))
            if layer is layers[0] or layer.gate_order != layers[0].gate_order:
                ax.set_title(name_of(gate), fontsize=10)
            ax.set_xlim(-1, 1)
            ax.set_ylim(bottom=0)
            ax.set_xticks([-1, 0, 1])
            ax.tick_params(labelsize=8)
            plain_frame(ax)
        for ax in panels[layer.gates :]:
            ax.set_axis_off()
        panels[0].set_ylabel(f"{name_of(layer.name, LONGEST_LAYER)}\nactivations (%)", fontsize=8)
    whole: Any = axes[0][0].figure
    whole.supxlabel("activation of the gate", fontsize=9)
    lines: dict[str, Any] = {}
    for ax in (ax for row in axes for ax in row):
        lines |= {text: line for line, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    names = [name for name in (_step(number) for number in chosen) if name in lines]
    handles = [lines[name] for name in names]
    whole.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, fontsize=9)
    return [list(row) for row in axes]


def _step(number: int) -> str:
    return f"step {numbers.count(number)}"


def _nearest(steps: Sequence[int], last: int) -> list[int]:
    """Choose the step nearest to each share of the training, each once."""
    return list(dict.fromkeys(min(steps, key=lambda step: abs(step - share * last)) for share in SHARES))
