"""How every plot looks: colours, hatches and marks that are told apart in grey too, and a plain frame.

matplotlib is imported when a plot is first drawn. Nothing is shown and no backend is chosen here: a notebook or the
caller does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from simulator.report import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design" (2008): told apart with every common colour vision. Black, which
# is for text, is left out.
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW = PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#F0E442",
)
HATCHES = ("", "///", "...", "xxx", "---", "|||")
STALL_HATCHES, OTHERS_HATCH = ("\\\\\\", "ooo"), "++"
GREYS = ("#4D4D4D", "#666666", "#808080", "#999999", "#B3B3B3", "#CCCCCC", "#E6E6E6")
GRID_COLOR = "#DDDDDD"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", "-.", ":")
SHARES_MAP = "cividis"
"""For shares: its lightness grows with the value, so that a copy in grey says the same."""

LOOKS = (
    (BLUE, HATCHES[0]),
    (ORANGE, HATCHES[0]),
    (GREEN, HATCHES[0]),
    (VERMILLION, HATCHES[1]),
    (SKY, HATCHES[1]),
    (PURPLE, HATCHES[2]),
    (YELLOW, HATCHES[0]),
    (BLUE, HATCHES[3]),
    (ORANGE, HATCHES[3]),
    (GREEN, HATCHES[3]),
    (VERMILLION, HATCHES[4]),
    (SKY, HATCHES[4]),
    (PURPLE, HATCHES[5]),
    (YELLOW, HATCHES[3]),
)
"""Colour and hatch of the first series, the second ...: those of one hatch differ in lightness."""

NEAR = 2000
"""Below this ratio of its ends a logarithmic axis names more than its decades."""

CYCLE_UNITS = (
    numbers.Unit("", 1),
    numbers.Unit("thousand", 1e3),
    numbers.Unit("million", 1e6),
    numbers.Unit("billion", 1e9),
)
LONGEST_NAME = 24
FIGURE_INCHES = (6.4, 4.4)


def name_of(text: str, longest: int = LONGEST_NAME) -> str:
    """Make a name of the user's a label: printable, never taken for a formula, and short, with both of its ends.

    Names of layers differ at their ends, such as ``encoder.layers.0.self_attn.q`` and ``... .k``.
    """
    said = numbers.plain(text)
    if len(said) > longest:
        before = (longest - 3) // 2
        said = f"{said[:before]}...{said[before + 3 - longest :]}"
    return said.replace("$", r"\$")


def look(name: str, known: Sequence[str]) -> dict[str, str]:
    """Give a series its colour and hatch; names of nobody's list have a hatch of their own."""
    if name in known:
        color, hatch = LOOKS[known.index(name) % len(LOOKS)]
    else:
        color, hatch = PALETTE[sum(name.encode()) % len(PALETTE)], OTHERS_HATCH
    return {"facecolor": color, "hatch": hatch}


def stall_look(index: int) -> dict[str, str]:
    """Give the stall of a reason its grey; the hatches are those of stalls alone."""
    return {"facecolor": GREYS[index % len(GREYS)], "hatch": STALL_HATCHES[index // len(GREYS) % len(STALL_HATCHES)]}


def own_axes(ax: Axes | None, inches: tuple[float, float] = FIGURE_INCHES) -> Axes:
    """Give the axes that were handed in, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=inches, layout="constrained")[1]


def plain_frame(ax: Axes, grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Leave two sides of the frame, and thin lines behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    if grid is not None:
        ax.grid(axis=grid, color=GRID_COLOR, linewidth=0.6)


def log_ticks(ax: Axes, axis: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 of each decade; far ranges name the decades alone."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_xlim() if axis == "x" else ax.get_ylim()
    (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
    (ax.set_xlim if axis == "x" else ax.set_ylim)(low, high)
    of_axis = ax.xaxis if axis == "x" else ax.yaxis
    near = high / low < NEAR
    of_axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if near else (1.0,), numticks=15))
    of_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    of_axis.set_minor_formatter(NullFormatter())


def legend_beside(ax: Axes, *, stacked: bool = False, **settings: Any) -> None:
    """Put the legend to the right of the axes; of stacked bars, from the top down.

    Parameters
    ----------
    ax : Axes
    stacked : bool
    **settings
        Of `Axes.legend`, such as ``title``.
    """
    handles, names = ax.get_legend_handles_labels()
    if handles:
        way = -1 if stacked else 1
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False}
        ax.legend(handles[::way], names[::way], **place, alignment="left", **settings)
