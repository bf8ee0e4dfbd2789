"""A plot of the mappings that the planner chose among: modelled cycles against DRAM traffic.

matplotlib is imported when it is first drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.mapping import Choice
from simulator.mapping.tiling import ORDERS
from simulator.report import numbers
from simulator.report.plots.style import CYCLE_UNITS, MARKERS, PALETTE, legend_beside, name_of, own_axes, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = ("chosen", "second")


def price_by_traffic(choice: Choice, ax: Axes | None = None) -> Axes:
    """Draw each candidate of a product at its DRAM bytes and its price; the two best are named.

    Parameters
    ----------
    choice : Choice
        As `simulator.mapping.choices` gives it.
    ax : Axes, optional
        Where to draw; by default on a figure of its own.

    Returns
    -------
    Axes
        DRAM traffic and price in the units of the axes. Colour and marker say the loop order; a hollow marker, that
        partial sums go to DRAM and come back.
    """
    ax = own_axes(ax)
    found = choice.candidates
    bytes_of = numbers.unit_for([c.dram_bytes for c in found], numbers.BYTE_UNITS)
    cycles_of = numbers.unit_for([c.price_cycles for c in found], CYCLE_UNITS)
    for order, colour, marker in zip(ORDERS, PALETTE, MARKERS, strict=False):
        for stay, face in ((True, colour), (False, "none")):
            some = [c for c in found if (c.tiling.order, c.tiling.sums_stay) == (order, stay)]
            if some:
                ax.scatter(
                    [c.dram_bytes / bytes_of.size for c in some],
                    [c.price_cycles / cycles_of.size for c in some],
                    s=42,
                    marker=marker,
                    facecolors=face,
                    edgecolors=colour,
                    linewidths=1.3,
                    label=order if stay else f"{order}, sums to DRAM",
                    zorder=2,
                )
    places: dict[tuple[float, float], list[str]] = {}
    for name, c in zip(NAMED, found, strict=False):
        places.setdefault((c.dram_bytes / bytes_of.size, c.price_cycles / cycles_of.size), []).append(name)
    for place, names in places.items():
        weight = "bold" if NAMED[0] in names else "normal"
        ax.annotate(", ".join(names), place, (8, 0), textcoords="offset points", va="center", weight=weight)
    ax.margins(0.12, 0.14)
    ax.set_xlabel(f"DRAM traffic ({bytes_of.name})")
    ax.set_ylabel(f"price ({f'{cycles_of.name} cycles'.strip()})")
    product = choice.product
    ax.set_title(f"{name_of(product.layer)} {product.name}: {len(found)} mappings")
    plain_frame(ax, "both")
    legend_beside(ax, title="loop order")
    return ax
