"""The Eyeriss v2 PE (Chen et al., JETCAS 2019): a pair of non-zeros a cycle."""

from __future__ import annotations

import numpy as np

from simulator.skipping import OuterProduct
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table


def eyeriss_v2_pe() -> Table:
    """Cycles of a PE are the pairs of non-zeros, sum over k of a_k * b_k."""
    law = OuterProduct(rows=1, columns=1)
    rows = []
    for m, n, k, a, b in ((32, 24, 200, 0.5, 0.5), (12, 16, 96, 0.2, 0.8), (1, 1, 50, 0.9, 0.1)):
        skip = bernoulli(f"eyeriss a {m} {k}", (m, k), a)
        shared = bernoulli(f"eyeriss b {n} {k}", (n, k), b)
        cycles = int(law.count_tiles(from_bools(skip), from_bools(shared), np.array([n])).cycles[0, 0])
        pairs = int(skip.sum(axis=0) @ shared.sum(axis=0))
        rows.append(Row(f"{m} x {k} x {n} at {a:g} x {b:g}", cycles, pairs, "cycles", 0.0))
    return Table(
        "Eyeriss v2 PE",
        "outer_product 1 x 1",
        "cycles = sum over k of a_k * b_k, measured on the PE with real masks (design notes)",
        tuple(rows),
        kind="identity",
    )
