"""SIGMA (Qin et al., HPCA 2020) as STONNE models it: 256 multipliers, networks of 128 values a cycle."""

from __future__ import annotations

import numpy as np

from simulator.skipping import Packed
from simulator.skipping.masks import from_bools
from simulator.validation.table import Row, Table

# M x N x K at 80 % zeros of the M x K operand: cycles that STONNE's SparseGEMM prints (design notes, measured).
POINTS = {(8, 65, 260): 290, (16, 130, 520): 2205, (32, 130, 1040): 8830}


def sigma() -> Table:
    """Cycles of three small products."""
    law = Packed(
        multipliers=256,
        whole_rows=True,  # as STONNE's controller maps them
        distribution_values_per_cycle=128,
        reduction_values_per_cycle=128,
        distribution_latency_cycles=1,
        reduction_latency_cycles=8,  # an adder tree over 256 multipliers
    )
    rows = []
    for (m, n, k), theirs in POINTS.items():
        # A fifth of each row, at random positions.
        mask = np.random.default_rng(m * k).permuted(np.tile(np.arange(k) < round(0.2 * k), (m, 1)), axis=1)
        cycles = int(law.count_tiles(from_bools(mask), None, np.array([n])).cycles[0, 0])
        rows.append(Row(f"{m} x {n} x {k}, 80 % zeros", cycles, theirs, "cycles", 0.05))
    return Table(
        "SIGMA (STONNE, SparseGEMM)",
        "packed, 256 multipliers, whole rows, networks of 128 values a cycle, latencies 1 and 8",
        "STONNE, run by the design notes; a fifth of each row is not zero. What is left are 4 to 5 cycles a packing to "
        "configure and drain its queues (DEVIATIONS.md)",
        tuple(rows),
    )
