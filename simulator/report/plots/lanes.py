"""How evenly the non-zeros of a step lie on the lanes of an array: where lanes wait, the fullest one decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simulator.report import numbers
from simulator.report.plots.bars import PRODUCTS
from simulator.report.plots.style import GREYS, PALETTE, name_of, own_axes, plain_frame
from simulator.workload import OperandMask, lower
from traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

WHISKERS = (5, 25, 50, 75, 95)
"""Percentiles at which a box's whiskers end, its sides stand and its middle line."""


@dataclass(frozen=True)
class LaneLoads:
    """How full the fullest lane of each pass of a product is.

    Attributes
    ----------
    layer, product : str
    ratios : float64 [passes]
        Non-zeros of the fullest lane over those of the mean lane; passes without a non-zero are left out.
    """

    layer: str
    product: str
    ratios: Floats


def lane_loads(trace: Trace, lanes: int, step: int | None = None) -> list[LaneLoads]:
    """Deal the rows of each product with recorded zeros to lanes, in order, and see how full the lanes are.

    Parameters
    ----------
    trace : Trace
        Open; a step of it is read.
    lanes : int
        Of the array.
    step : int, optional
        A recorded step; default: the last.

    Returns
    -------
    list of LaneLoads
        One for each layer and product of the backward phase, the passes of a serial product's time steps together.
    """
    workload = lower(trace, trace.step(trace.steps[-1] if step is None else step))
    found: dict[tuple[str, str], list[Floats]] = {}
    for product in workload.products:
        if product.k and product.mask is not None and product.phase == "backward":
            loads = found.setdefault((product.layer, product.name), [])
            loads.append(_ratios(_nonzeros(product.mask), lanes))
    return [LaneLoads(layer, name, np.concatenate(ratios)) for (layer, name), ratios in found.items()]


def lane_imbalance(trace: Trace, lanes: int, ax: Axes | None = None, step: int | None = None) -> Axes:
    """Draw how much fuller than the mean the fullest lane of each pass is, by product and layer.

    Parameters
    ----------
    trace : Trace
        Open; a step of it is read.
    lanes : int
        Of the array, such as ``arch.array.rows``.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    step : int, optional
        A recorded step; default: the last.

    Returns
    -------
    Axes
        A box for each product with recorded zeros: median, quartiles and whiskers to the 5th and 95th percentile of its
        passes. At 1 all lanes have equal work; an array whose lanes wait at the end of a pass takes that many times as
        long as one that spreads its non-zeros evenly.
    """
    number = trace.steps[-1] if step is None else step
    loads = [one for one in lane_loads(trace, lanes, number) if len(one.ratios)]
    order = [layer.name for layer in trace.layers]
    loads.sort(key=lambda one: (_place(one.product), one.product, order.index(one.layer)))
    ax = own_axes(ax, inches(trace))
    for place, one in enumerate(loads):
        low, first, median, third, high = np.percentile(one.ratios, WHISKERS)
        color = PALETTE[_place(one.product) % len(PALETTE)]
        ax.plot([low, high], [place, place], color="black", linewidth=1, marker="|", zorder=1.5)
        ax.barh(place, third - first, 0.6, first, color=color, edgecolor="black", zorder=2)
        ax.plot([median, median], [place - 0.3, place + 0.3], color="black", linewidth=1.8, zorder=3)
    ax.axvline(1, color=GREYS[1], linewidth=0.8)
    ax.set_yticks(range(len(loads)), [f"{name_of(one.layer)} {one.product}" for one in loads])
    ax.set_ylim(max(len(loads), 1) - 0.4, -0.6)
    ax.set_xlim(left=min(0.95, ax.get_xlim()[0]))
    ax.set_xlabel("non-zeros of the fullest lane over those of the mean lane")
    ax.set_title(f"Lane imbalance: {lanes} lanes, step {numbers.count(number)}")
    plain_frame(ax, "x")
    return ax


def inches(trace: Trace) -> tuple[float, float]:
    """Give the figure room for each layer's products."""
    return 6.4, max(2.6, 1.2 + 0.26 * 4 * len(trace.layers))


def _nonzeros(mask: OperandMask) -> npt.NDArray[np.int64]:
    """Count the non-zeros of each row of a skip operand [M, K]: int64 [M]."""
    bits = np.unpackbits(mask.packed, axis=1, count=mask.bits, bitorder="little")
    rows: npt.NDArray[np.int64] = bits.sum(axis=1 if mask.lanes_hold == "rows" else 0, dtype=np.int64)
    return rows


def _ratios(rows: npt.NDArray[np.int64], lanes: int) -> Floats:
    """Give the fullest lane over the mean one of each pass; the last pass may be short."""
    starts = np.arange(0, len(rows), lanes)
    sums = np.add.reduceat(rows, starts)
    sizes = np.minimum(len(rows) - starts, lanes)
    busy = sums > 0
    ratios: Floats = (np.maximum.reduceat(rows, starts) * sizes)[busy] / sums[busy]
    return ratios


def _place(product: str) -> int:
    return PRODUCTS.index(product) if product in PRODUCTS else len(PRODUCTS)
