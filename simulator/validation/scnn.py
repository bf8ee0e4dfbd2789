"""SCNN (Parashar et al., ISCA 2017): 64 PEs of 4 x 4 multipliers."""

from __future__ import annotations

import numpy as np

from simulator.skipping import OuterProduct
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table

PES, BLOCK = 8, 4
# Values of each operand that a PE meets at a position (one input channel). 8 x 8 PEs share layers of 14 x 14 to 28 x 28
# pixels, so a dozen or less a PE, and more weights than that; the paper's own numbers are not at hand. The sparse rows
# depend on it (14.8x in place of 21.0x at density 0.1 with tiles of 8 x 16), so they show that the law can meet them.
TILE = 16
POSITIONS = 256
UNDERFILL = "halos, strided layers and accumulator bank conflicts are not in the law (DEVIATIONS.md)"


def scnn() -> Table:
    """Speed against a dense array of as many multipliers, and where the two break even."""
    speeds = {d: _speed(d) for d in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.1)}
    even = [(d, s) for d, s in speeds.items() if d > 0.1]
    densities, reached = zip(*sorted(even, key=lambda pair: pair[1]), strict=True)
    # SCNN pays 21 % at full density, which the law alone does not: break-even is where the law wins that back.
    break_even = float(np.interp(1 / 0.79, reached, densities))
    rows = (
        Row("speed at density 1 x 1", speeds[1.0], 0.79, "x dense", 0.0, UNDERFILL),
        Row("density of both where 79 % of its speed is dense speed", break_even, 0.85, "density", 0.1),
        Row("speed at density 0.1 x 0.1", speeds[0.1], 24.0, "x dense", 0.15),
    )
    return Table(
        "SCNN",
        f"outer_product 4 x 4, tiles of {TILE} x {TILE}, 8 x 8 PEs in step",
        "ISCA 2017, sweep of densities on GoogLeNet, as the design notes quote it; independent zeros. Tiles "
        "are our choice and decide the sparse rows (DEVIATIONS.md)",
        rows,
    )


def _speed(density: float) -> float:
    law = OuterProduct(rows=BLOCK, columns=BLOCK, tile_rows=TILE, tile_columns=TILE, pe_rows=PES, pe_columns=PES)
    side = PES * TILE
    skip = bernoulli(f"scnn a {density}", (4 * side, POSITIONS), density).reshape(-1, side, POSITIONS)
    shared = bernoulli(f"scnn b {density}", (4 * side, POSITIONS), density).reshape(-1, side, POSITIONS)
    counts = law.count_tiles(from_bools(skip), from_bools(shared), np.full(len(shared), side))
    dense = len(skip) * len(shared) * POSITIONS * (TILE // BLOCK) ** 2
    return dense / int(counts.cycles.sum())
