"""How time and memory of a replay grow while one size doubles: the cost follows the trace, not the MACs.

The exponent is log2 of the ratio: 1 doubles with the size, 0 does not care. Beside it stands what a cost in
proportion to the trace's bits would show, and one in proportion to the MACs.
"""

from __future__ import annotations

import math
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.repeated import Size, repeated_trace
from simulator.arch import Architecture, load_arch
from simulator.engine import run
from simulator.mapping import PassCache, plan
from simulator.run import simulate
from simulator.workload import Epilogue, OperandMask, Product, Workload

MACHINE = "staged_window"
BASE = Size(layers=2, hidden=1024, T=35, B=64)


@dataclass(frozen=True)
class Cost:
    """One replay: milliseconds (the least of several), the most traced memory, trace bits and dense MACs."""

    ms: float
    peak_mb: float
    bits: int
    macs: int


@dataclass(frozen=True)
class Growth:
    """One size doubled.

    Attributes
    ----------
    what : str
    sizes : (before, after)
    costs : (before, after)
    """

    what: str
    sizes: tuple[str, str]
    costs: tuple[Cost, Cost]

    def exponent(self, name: str) -> float:
        """log2 of the ratio of a field of `Cost`."""
        before, after = (getattr(cost, name) for cost in self.costs)
        return math.log2(after / before)


def measure(base: Size = BASE, steps: int = 4, times: int = 5) -> list[Growth]:
    """Double the steps, H, B, T, the array and N (output columns), one at a time."""
    arch = load_arch(MACHINE)
    rows, columns = arch.array.rows, arch.array.columns
    larger = arch.replaced("array.rows", 2 * rows).replaced("array.columns", 2 * columns)
    here = _of_trace(arch, base, steps, times)
    found = [Growth("steps", (f"{steps}", f"{2 * steps}"), (here, _of_trace(arch, base, 2 * steps, times)))]
    for name, field in (("H", "hidden"), ("B", "B"), ("T", "T")):
        size = getattr(base, field)
        after = _of_trace(arch, replace(base, **{field: 2 * size}), steps, times)
        found.append(Growth(name, (f"{size}", f"{2 * size}"), (here, after)))
    array = (f"{rows} x {columns}", f"{2 * rows} x {2 * columns}")
    found.append(Growth("array", array, (here, _of_trace(larger, base, steps, times))))
    n = 4 * base.hidden
    found.append(Growth("N", (f"{n}", f"{2 * n}"), (_of_dx(arch, base, n, times), _of_dx(arch, base, 2 * n, times))))
    return found


def section(growths: Sequence[Growth] | None = None) -> str:
    """Lay the growths out as a section of a Markdown page; measures them unless they are given."""
    found = measure() if growths is None else growths
    lines = [
        "## Growth",
        "",
        f"One size doubles, the others stay; `{MACHINE}` alone, one process, the least of several times. Exponents are",
        "log2 of the ratio; the peak is what Python and numpy allocate. N is the output columns of one dx product.",
        "",
        "| doubled | from, to | time | exponent | traced peak | exponent | if by trace bits | if by MACs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for g in found:
        before, after = g.costs
        lines.append(
            f"| {g.what} | {g.sizes[0]}, {g.sizes[1]} | {before.ms:.3g} ms, {after.ms:.3g} ms | {g.exponent('ms'):.2f} "
            f"| {before.peak_mb:.3g} MB, {after.peak_mb:.3g} MB | {g.exponent('peak_mb'):.2f} "
            f"| {g.exponent('bits'):.2f} | {g.exponent('macs'):.2f} |"
        )
    return "\n".join(lines) + "\n"


def _of_trace(arch: Architecture, size: Size, steps: int, times: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        path = repeated_trace(Path(folder) / "t.npz", size, steps)
        macs = simulate(arch, path, baseline=False).activity.totals()["macs_dense"]
        return _cost(lambda: simulate(arch, path, baseline=False), times, steps * size.mask_elements, macs)


def _of_dx(arch: Architecture, size: Size, n: int, times: int) -> Cost:
    """Cost of one product with n output columns: the mask that it skips by stays the same."""
    m, k = size.T * size.B, 4 * size.hidden
    mask = np.random.default_rng(0).random((m, k)) < 0.2
    operand = OperandMask(np.packbits(mask, axis=-1, bitorder="little"), k, "rows", ("dG",))
    epilogue = Epilogue(store_operand_values=m * n)
    product = Product("lstm0", "dx", "backward", None, m, k, n, operand, True, (), "lstm0.W'", epilogue)
    workload = Workload(0, (product,))
    return _cost(lambda: run(plan(arch, workload, PassCache()), "compiled"), times, m * k, product.m * k * n)


def _cost(call: Callable[[], object], times: int, bits: int, macs: int) -> Cost:
    call()
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    tracemalloc.start()
    try:
        call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return Cost(1000 * min(spent), peak / 1e6, bits, macs)
