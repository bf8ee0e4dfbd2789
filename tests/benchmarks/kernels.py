"""Counting passes on packed masks, against reading the same bytes from memory: the physical limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rows import Row, median_seconds
from simulator.arch import Architecture, load_arch
from simulator.mapping import PassCache
from simulator.mapping.passes import Wanted
from simulator.workload import Epilogue, OperandMask, Product

MECHANISMS: dict[str, dict[str, Any]] = {
    "lookahead 16": {"mechanism": "lookahead", "depth": 16, "refill": 16, "banks": None},
    "lookahead 16, 8 banks": {"mechanism": "lookahead", "depth": 16, "refill": 16, "banks": 8},
    "lookahead, unlimited": {"mechanism": "lookahead", "depth": None, "refill": None, "banks": None},
    "vector skip": {"mechanism": "vector_skip"},
    "inner product": {"mechanism": "inner_product", "lanes": 16, "depth": 3},
}


def measure(hidden: int = 650, T: int = 35, B: int = 20, times: int = 9) -> list[Row]:
    """Count all passes of a layer's dx, dh and dW at 80 % zeros; smaller sizes only for a quick check."""
    gates = 4 * hidden
    mask = np.random.default_rng(2).random((T, B, gates)) < 0.2
    packed = np.packbits(mask, axis=-1, bitorder="little")
    whole = packed.reshape(T * B, -1)
    read = np.tile(whole.ravel(), 3)[: 3 * whole.size // 8 * 8].view(np.uint64)  # each product reads the mask once
    operands = 3 * mask.size
    rival = median_seconds(lambda: int(read.sum()), times)
    rows = []
    for name, mechanism in MECHANISMS.items():
        for threads in (1, 2) if name == "lookahead 16" else (1,):
            arch = load_arch("staged_window").with_mechanism(mechanism)
            products = _products(packed, gates, hidden)
            ours = median_seconds(lambda a=arch, p=products, t=threads: _count(a, p, t), times)
            note = (
                f"{name}, {threads} thread(s): {operands / ours / 1e9:.2f} G operands/s, "
                f"{read.nbytes / ours / 1e6:,.0f} MB/s of packed masks; rival: summing the same {read.nbytes:,} bytes"
            )
            rows.append(Row(f"kernel: {name}", ours, rival, 1, 0, note))
    return rows


def _products(packed: np.ndarray[Any, np.dtype[np.uint8]], gates: int, hidden: int) -> list[list[Product]]:
    """A layer's dx, its dh of all time steps, and its dW."""
    T, B, _ = packed.shape
    whole = packed.reshape(T * B, -1)

    def product(name: str, mask: OperandMask) -> Product:
        m, k = mask.shape
        return Product("lstm0", name, "backward", None, m, k, hidden, mask, True, (), name, Epilogue())

    return [
        [product("dx", OperandMask(whole, gates, "rows", ("dG",)))],
        [product("dh", OperandMask(packed[t], gates, "rows", ("dG", str(t)))) for t in range(T)],
        [product("dW", OperandMask(whole, gates, "bits", ("dG",)))],
    ]


def _count(arch: Architecture, products: list[list[Product]], threads: int) -> None:
    cache, shape = PassCache(threads), (arch.array.rows, arch.array.columns)
    wanted = [Wanted(alike, alike[0].k, shape) for alike in products]
    cache.prepare(arch, wanted)
    for one in wanted:
        cache.tables(arch, one.products, one.tile_k, one.shape)
