"""A plot of what a machine gains against the share of zeros, with its break-even and the recorded steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.report import numbers
from simulator.report.break_even import BreakEven, Crossing, CurvePoint
from simulator.report.plots.style import GREYS, PALETTE, name_of, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_INCHES = (6.4, 5.6)
TIME_COLOR, ENERGY_COLOR, RECORDED_COLOR = PALETTE[0], PALETTE[2], PALETTE[3]
LABELLED_STEPS = 4
"""At most so many recorded steps are named beside their points."""


def gains_by_sparsity(found: BreakEven, axes: tuple[Axes, Axes] | None = None) -> tuple[Axes, Axes]:
    """Draw the speed-up and the energy saving over the share of zeros in dG, one above the other.

    Parameters
    ----------
    found : BreakEven
    axes : two Axes, optional
        Where to draw; by default on a figure of their own.

    Returns
    -------
    (Axes, Axes)
        The speed-up, with a line at 1, and the energy saved in per cent, with a line at 0. A dashed line stands at
        each break-even, and a diamond for each recorded step.
    """
    if axes is None:
        from matplotlib import pyplot

        _, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=FIGURE_INCHES, layout="constrained")
    else:
        upper, lower = axes
    _draw(upper, found, lambda point: point.speedup, found.time, 1.0, TIME_COLOR)
    _draw(lower, found, lambda point: 100 * point.energy_saving, found.energy, 0.0, ENERGY_COLOR)
    upper.set_ylabel("speed-up over the dense twin")
    lower.set_ylabel("energy saved (%)")
    lower.set_xlabel("zeros in dG (%)")
    upper.set_title(f"{name_of(found.machine)}: what zeros in dG are worth")
    return upper, lower


def _draw(
    ax: Axes,
    found: BreakEven,
    value: Callable[[CurvePoint], float],
    crossing: Crossing,
    even: float,
    color: str,
) -> None:
    ax.axhline(even, color=GREYS[1], linewidth=0.8)
    zeros = [100 * point.sparsity for point in found.points]
    ax.plot(zeros, [value(point) for point in found.points], "o-", color=color, markersize=3, label="independent zeros")
    if crossing.sparsity is not None:
        where = numbers.percent(crossing.sparsity)
        ax.axvline(
            100 * crossing.sparsity, color=color, linestyle="--", linewidth=1.2, label=f"break-even: {where} zeros"
        )
    else:
        ax.plot([], [], " ", label=_NO_CROSSING[crossing.kind])
    if found.recorded:
        places = [100 * point.sparsity for _, point in found.recorded]
        ax.plot(
            places,
            [value(point) for _, point in found.recorded],
            "D",
            color=RECORDED_COLOR,
            markersize=6,
            label="recorded",
        )
    if len(found.recorded) <= LABELLED_STEPS:
        # Alternately above and below, so that the names of two points side by side do not lie on each other.
        ordered = sorted(found.recorded, key=lambda recorded: (recorded[1].sparsity, recorded[0]))
        for i, (step, point) in enumerate(ordered):
            place, shift, side = (
                (100 * point.sparsity, value(point)),
                (7 if i % 2 else -7),
                ("bottom" if i % 2 else "top"),
            )
            ax.annotate(f"step {step}", place, (0, shift), textcoords="offset points", ha="center", va=side, fontsize=8)
    ax.set_xlim(-2, 102)
    ax.margins(y=0.12)
    plain_frame(ax)
    ax.legend(loc="upper left", framealpha=0.9, edgecolor="none")


_NO_CROSSING = {
    "always": "never costs more",
    "never": "never saves",
    "mixed": "no single break-even",
}
