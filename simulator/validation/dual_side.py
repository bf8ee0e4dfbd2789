"""The dual-side sparse tensor core (Wang et al., ISCA 2021): 8 x 16 outer products on tiles of 32 x 32."""

from __future__ import annotations

import numpy as np

from simulator.skipping import OuterProduct
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table

# Latency of 4096^3 at the density of A and of B, as read off the paper's figure by the design notes; relative to dense.
LATENCY = {(1.0, 1.0): 4600, (0.7, 1.0): 3300, (0.3, 1.0): 1930, (0.5, 0.4): 1480}
SIDE, POSITIONS = 512, 1024  # enough tiles for 0.1 %; latency is proportional to tiles and positions


def dual_side() -> Table:
    """Latency relative to the dense product."""
    law = OuterProduct(rows=8, columns=16, tile_rows=32, tile_columns=32)
    dense = _cycles(law, 1.0, 1.0)
    rows = []
    for (a, b), latency in LATENCY.items():
        if (a, b) == (1.0, 1.0):
            continue
        theirs = latency / LATENCY[1.0, 1.0]
        rows.append(Row(f"density {a:g} x {b:g}", _cycles(law, a, b) / dense, theirs, "of dense", 0.13))
    return Table(
        "Dual-side sparse tensor core",
        "outer_product 8 x 16, tiles of 32 x 32",
        "ISCA 2021, latency of 4096^3; independent zeros. Sparseloop's mean error on this figure is 7.6 %",
        tuple(rows),
    )


def _cycles(law: OuterProduct, a: float, b: float) -> int:
    skip = bernoulli(f"dual side a {a}", (SIDE, POSITIONS), a).reshape(-1, 32, POSITIONS)
    shared = bernoulli(f"dual side b {b}", (SIDE, POSITIONS), b).reshape(-1, 32, POSITIONS)
    counts = law.count_tiles(from_bools(skip), from_bools(shared), np.full(len(shared), 32))
    return int(counts.cycles.sum())
