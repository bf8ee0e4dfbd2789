"""The packing law, packing by packing and column by column: slow and plain."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Value = tuple[int, int]  # row and position


def plain_packings(a: Bools, useful: Bools, multipliers: int, whole_rows: bool) -> list[list[Value]]:
    """Lists of the values that are in the multipliers together."""
    packings: list[list[Value]] = [[]]
    for row in range(len(a)):
        values = [(row, int(k)) for k in np.flatnonzero(a[row] & useful)]
        if whole_rows and packings[-1] and len(packings[-1]) + len(values) > multipliers:
            packings.append([])
        for value in values:
            if len(packings[-1]) == multipliers:
                packings.append([])
            packings[-1].append(value)
    return [packing for packing in packings if packing]


def plain_packed(
    a: Bools,
    b: Bools,
    multipliers: int,
    whole_rows: bool = False,
    distribution: int | None = None,
    reduction: int | None = None,
    latency: int = 0,
    tile_rows: int | None = None,
    tile_columns: int | None = None,
) -> dict[str, int]:
    """Count the product of masks [m, k] and [k, n] in tiles; the keys are the fields of `PassCounts`."""
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )
    (m, positions), n = a.shape, b.shape[1]
    to, out = distribution or math.inf, reduction or math.inf
    for left in range(0, n, tile_columns or n):
        streamed = b[:, left : left + (tile_columns or n)]
        for top in range(0, m, tile_rows or m):
            for packing in plain_packings(
                a[top : top + (tile_rows or m)], streamed.any(axis=1), multipliers, whole_rows
            ):
                loading = max(1, math.ceil(len(packing) / to)) + latency
                count["cycles"] += loading
                count["refill"] += multipliers * loading
                held = sorted({k for _, k in packing})
                sums = len({row for row, _ in packing})
                for column in streamed.T:
                    sent = sum(bool(column[k]) for k in held)
                    cycles = max(1, math.ceil(sent / to), math.ceil(sums / out))
                    useful = sum(bool(column[k]) for _, k in packing)
                    count["cycles"] += cycles
                    count["executed"] += useful
                    count["gated"] += len(packing) - useful
                    count["imbalance"] += multipliers - len(packing)
                    count["conflict"] += multipliers * (cycles - 1)
                    count["fetches"] += sent
                    count["reads"] += useful
    count["skipped"] = m * positions * n - count["executed"] - count["gated"]
    return count
