"""Where operands and results lie in DRAM.

Every tensor has a place of its own, and a tile of it is one run of bytes: tensors lie tile by tile, in the tiling of
the product that reads them. Encoded tiles lie as if they were dense, so that no table of addresses is needed.
"""

from __future__ import annotations

from simulator.mapping.traffic import Traffic
from simulator.workload import Product


class Places:
    """Where one product's tiles begin, in bytes from the start of DRAM.

    Attributes
    ----------
    skip, shared, sums : int
        The operands and the partial sums: one tile after the other, by rows of tiles and by columns of tiles.
    partial, result : int
        What the epilogue reads, and results: in the order of the jobs.
    """

    def __init__(self, traffic: Traffic, product: Product) -> None:
        key = (product.layer, product.name, *(() if product.time is None else (str(product.time),)))
        operand = (*key, "skip") if product.mask is None else product.mask.key
        self.skip = traffic.place(operand, traffic.operand_bytes(product.m * product.k))
        self.shared = traffic.place((product.shared_operand,), traffic.operand_bytes(product.k * product.n))
        self.partial = traffic.place((*key, "partial"), traffic.partial_bytes(product))
        self.sums = traffic.place((*key, "sums"), traffic.accumulator_bytes(product.m * product.n))
        self.result = traffic.place((*key, "result"), traffic.store_bytes(product))
