"""A plot of what each storage format takes against density, and where one beats another.

matplotlib is imported when it is first drawn; nothing is shown and no backend is chosen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.crossover import bits_by_density as counted_bits
from simulator.memory.crossover import crossover_density, expected_bits
from simulator.memory.formats import FORMATS, RUN_BITS, SEGMENT, Format
from simulator.report.plots.style import GREYS, MARKERS, PALETTE, legend_beside, own_axes, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Both axes are logarithmic: what happens at low density is the question.
DENSITIES = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
NAMES: dict[Format, str] = {
    "dense": "dense",
    "bitmap": "bitmap + values",
    "rle": "run length",
    "csc": "coordinates (CSC)",
}


def bits_by_density(
    ax: Axes | None = None, value_bits: int = 16, segment: int = SEGMENT, run_bits: int = RUN_BITS, seed: int = 0
) -> Axes:
    """Draw stored bits per element, metadata included, against density.

    Points are counted from random masks, 256 rows of 1024 elements each; lines are `expected_bits`. Coordinates beat a
    bitmap left of the dashed line, at any precision. The order of the curves is that of published comparisons of
    formats, which say that the most compact one changes with density (for instance Qin et al., "Extending Sparse Tensor
    Accelerators to Support Multiple Compression Formats", IPDPS 2021, arXiv:2103.10452, whose abstract was read).

    Parameters
    ----------
    ax : Axes, optional
        Where to draw; by default on a figure of its own.
    value_bits, segment, run_bits : int
        Bits of a value; elements of a segment; bits of a run of zeros.
    seed : int
        Of the masks.

    Returns
    -------
    Axes
        Density and bits per element, on logarithmic axes.
    """
    ax = own_axes(ax)
    counted = counted_bits(DENSITIES, value_bits, segment, run_bits, seed=seed)
    fine = [DENSITIES[0] ** (1 - i / 200) for i in range(201)]
    for fmt, colour, marker in zip(FORMATS, PALETTE, MARKERS, strict=False):
        ax.plot(fine, [expected_bits(fmt, d, value_bits, segment, run_bits) for d in fine], color=colour, linewidth=1.2)
        ax.plot(DENSITIES, counted[fmt], marker, color=colour, markersize=5, label=NAMES[fmt])
    lowest = 0.8 * min(min(bits) for bits in counted.values())
    highest = 1.25 * max(max(bits) for bits in counted.values())
    crossover = crossover_density(segment)
    if crossover > DENSITIES[0]:
        ax.axvline(crossover, color=GREYS[0], linewidth=0.9, linestyle="--")
        ax.annotate(
            f"coordinates beat\na bitmap below {crossover:.2f}",
            (crossover, lowest),
            (6, 6),
            textcoords="offset points",
            ha="left",
            va="bottom",
        )
    ax.set_xscale("log")
    ax.set_xlim(0.9 * DENSITIES[0], 1.12)
    ax.set_xticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
    ax.set_yscale("log")
    ax.set_ylim(lowest, highest)
    ticks = [bits for bits in (0.5, 1, 2, 4, 8, 16, 32) if lowest <= bits <= highest]
    ax.set_yticks(ticks, [f"{bits:g}" for bits in ticks])
    ax.set_yticks([], minor=True)
    ax.set_xlabel("density (share of non-zeros)")
    ax.set_ylabel("stored bits per element")
    ax.set_title(f"Storage formats: {value_bits}-bit values, segments of {segment}")
    plain_frame(ax)
    legend_beside(ax)
    return ax
