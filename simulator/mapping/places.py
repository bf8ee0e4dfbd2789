"""Where operands and results lie in DRAM.

Every tensor has a place of its own, and a tile of it is one run of bytes: tensors lie tile by tile, in the tiling of
the product that reads them. Encoded tiles lie as if they were dense, so that no table of addresses is needed.
"""

from __future__ import annotations

from simulator.mapping.tiling import Tiling
from simulator.mapping.traffic import Traffic
from simulator.workload import Product


class Places:
    """Addresses of one product's tiles, in bytes from the start of DRAM.

    Results and what the epilogue reads lie in the order of the jobs.
    """

    def __init__(self, traffic: Traffic, product: Product) -> None:
        self._traffic, self._product = traffic, product
        key = (product.layer, product.name, *(() if product.time is None else (str(product.time),)))
        operand = (*key, "skip") if product.mask is None else product.mask.key
        outputs = product.m * product.n
        self._skip = traffic.place(operand, traffic.operand_bytes(product.m * product.k))
        self._shared = traffic.place((product.shared_operand,), traffic.operand_bytes(product.k * product.n))
        self._partial = traffic.place((*key, "partial"), traffic.partial_bytes(product))
        self._sums = traffic.place((*key, "sums"), traffic.accumulator_bytes(outputs))
        self._result = traffic.place((*key, "result"), traffic.store_bytes(product))

    def skip(self, i: int, m: int, q: int, tiling: Tiling) -> int:
        """The tile of the skip operand of row tile i, which has m rows, and K tile q."""
        values = i * tiling.tile_m * self._product.k + q * tiling.tile_k * m
        return self._skip + self._traffic.operand_bytes(values)

    def shared(self, j: int, n: int, q: int, tiling: Tiling) -> int:
        """The tile of the shared operand of column tile j, which has n columns, and K tile q."""
        values = j * tiling.tile_n * self._product.k + q * tiling.tile_k * n
        return self._shared + self._traffic.operand_bytes(values)

    def sums(self, i: int, j: int, tiling: Tiling) -> int:
        """The partial sums of an output tile."""
        rows = i * tiling.tile_m
        m = min(tiling.tile_m, self._product.m - rows)
        return self._sums + self._traffic.accumulator_bytes(rows * self._product.n + j * tiling.tile_n * m)

    def partial(self, size_bytes: int) -> int:
        """The next run of what the epilogue reads."""
        address, self._partial = self._partial, self._partial + size_bytes
        return address

    def result(self, size_bytes: int) -> int:
        """The next run of results."""
        address, self._result = self._result, self._result + size_bytes
        return address
