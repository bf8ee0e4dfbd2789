"""What must hold exactly, or by statistics alone: no published design is needed to know the number."""

from __future__ import annotations

import numpy as np

from simulator.arch import load_arch
from simulator.mapping import plan
from simulator.skipping import Structured, VectorSkip, run_pass
from simulator.skipping.lookahead import Lookahead
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table
from simulator.workload import Epilogue, Product, Workload

# Efficiency E[mean] / E[max] of G lanes with n candidates each, density 0.2, that meet at a barrier: the design
# notes' Monte Carlo, to three digits.
BARRIER = {
    16: {4: 0.656, 8: 0.575, 16: 0.515, 32: 0.472, 64: 0.439},
    64: {4: 0.793, 8: 0.734, 16: 0.687, 32: 0.649, 64: 0.619},
}


def systolic() -> Table:
    """Cycles of a dense, output-stationary systolic array, as SCALE-Sim counts them."""
    rows = []
    for m, k, n in ((64, 2600, 650), (16, 40, 24), (9, 5, 17)):
        arch = load_arch("systolic")
        product = Product("l", "dx", "backward", None, m, k, n, None, True, (), "l.W'", Epilogue())
        cycles = plan(arch, Workload(0, (product,))).products[0].array_cycles
        folds = -(-m // arch.array.rows) * -(-n // arch.array.columns)
        theirs = folds * (k + arch.array.rows + arch.array.columns - 2)
        rows.append(Row(f"{m} x {k} x {n} on 32 x 32", cycles, theirs, "cycles", 0.0))
    return Table(
        "Systolic array (SCALE-Sim 3, output stationary)",
        "dense, pass overhead rows + columns - 2",
        "folds x (K + rows + columns - 2); the tool prints one less, since it numbers cycles from 0 (DEVIATIONS.md). "
        "64 x 2600 x 650: 111,803 measured with SCALE-Sim 3.0.0; tests/validation runs it on small products",
        tuple(rows),
        kind="identity",
    )


def sparse_tensor_core() -> Table:
    """2:4 structured sparsity is exactly twice as fast."""
    mask = np.tile(np.array([[True, True, False, False]]), (32, 64))
    cycles = run_pass(mask, Structured(n=2, m=4)).cycles
    return Table(
        "Sparse tensor core, 2:4",
        "structured 2:4",
        "by construction: n slots per m positions",
        (Row("speed-up over dense", mask.shape[1] / cycles, 2.0, "x", 0.0),),
        kind="identity",
    )


def delta_rnn() -> Table:
    """At batch 1 a vector skip meets no other lane: 1 / (1 - s)."""
    rows = []
    for zeros in (0.5, 0.8, 0.9):
        # One lane, and exactly the share of zeros.
        mask = np.ones((1, 10_000), dtype=bool)
        mask[0, : int(zeros * 10_000)] = False
        mask[0] = np.random.default_rng(0).permutation(mask[0])
        cycles = run_pass(mask, VectorSkip()).cycles
        rows.append(Row(f"speed-up at {zeros:.0%} zeros", 10_000 / cycles, 1 / (1 - zeros), "x", 1e-12))
    return Table(
        "Delta-RNN BPTT, batch 1",
        "vector_skip, one lane",
        "1 / (1 - s): 2x to 10x at 50 % to 90 %",
        tuple(rows),
        kind="identity",
    )


def barrier() -> Table:
    """Independent lanes that meet at a barrier wait for the slowest."""
    rows = []
    law = Lookahead(depth=None, refill=None)
    for candidates, by_lanes in BARRIER.items():
        for lanes, efficiency in by_lanes.items():
            passes = 4000
            mask = bernoulli(f"barrier {candidates} {lanes}", (passes * lanes, candidates), 0.2)
            counts = law.count(from_bools(mask.reshape(passes, lanes, candidates)))
            ours = counts.executed.mean() / lanes / counts.cycles.mean()
            rows.append(Row(f"{lanes} lanes, {candidates} candidates", ours, efficiency, "of max", 0.01))
    return Table(
        "Barrier of independent lanes",
        "lookahead, unlimited",
        "Monte Carlo at density 0.2, three digits; ours draws 4,000 passes (standard error below 0.4 %)",
        tuple(rows),
        kind="statistics",
    )
