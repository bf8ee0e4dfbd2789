"""The outer-product law, pair of non-zeros by pair of non-zeros: slow and plain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def plain_outer_product(
    a: Bools,
    b: Bools,
    rows: int,
    columns: int,
    tile_rows: int | None = None,
    tile_columns: int | None = None,
    pe_rows: int = 1,
    pe_columns: int = 1,
) -> dict[str, int]:
    """Count the product of masks [m, k] and [k, n] in tiles; the keys are the fields of `PassCounts`."""
    (m, positions), n = a.shape, b.shape[1]
    tile_rows, tile_columns = tile_rows or m, tile_columns or n
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )
    for top in range(0, m, tile_rows * pe_rows):
        for left in range(0, n, tile_columns * pe_columns):
            pass_a = a[top : top + tile_rows * pe_rows]
            pass_b = b[:, left : left + tile_columns * pe_columns]
            slowest = 0
            for i in range(pe_rows):
                own_a = pass_a[i * tile_rows : (i + 1) * tile_rows]
                count["reads"] += sum(int(pass_b[k].sum()) for k in range(positions) if own_a[:, k].any())
                for j in range(pe_columns):
                    own_b = pass_b[:, j * tile_columns : (j + 1) * tile_columns]
                    cycles = 0
                    for k in range(positions):
                        left_values, right_values = np.flatnonzero(own_a[:, k]), np.flatnonzero(own_b[k])
                        for first in range(0, len(left_values), rows):
                            for second in range(0, len(right_values), columns):
                                cycles += 1
                                block = left_values[first : first + rows], right_values[second : second + columns]
                                count["executed"] += len(block[0]) * len(block[1])
                    slowest = max(slowest, cycles)
            count["cycles"] += slowest
            count["fetches"] += sum(int(pass_b[k].sum()) for k in range(positions) if pass_a[:, k].any())
    slots = rows * columns * pe_rows * pe_columns * count["cycles"]
    count["imbalance"] = slots - count["executed"]
    count["skipped"] = m * positions * n - count["executed"]
    return count
