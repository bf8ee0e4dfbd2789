"""Where operands and results lie in DRAM.

Every tensor has a place of its own, and a tile of it is one run of bytes: tensors lie tile by tile, in the tiling of
the product that reads them. Encoded tiles lie as if they were dense, so that no table of addresses is needed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from simulator.workload import Product

Int64s = npt.NDArray[np.int64]

ALIGNMENT_BYTES = 256
"""Tensors begin on whole multiples of it: our choice, a burst of any DRAM or a few of them."""

TENSORS = ("skip", "shared", "partial", "sums", "result")
SKIP_TENSOR, SHARED_TENSOR = TENSORS.index("skip"), TENSORS.index("shared")


def places(products: Sequence[Product], sizes_bytes: Int64s) -> Int64s:
    """Lay the tensors of products one after the other, in bytes from the start of DRAM.

    A mask's tensor and a shared operand are laid down once, for the first product that names them; all others belong
    to one product alone.

    Parameters
    ----------
    products : sequence of P products
    sizes_bytes : int64 [P, len(TENSORS)]
        Dense operands, one tile after the other, by rows of tiles and by columns of tiles; what the epilogue reads, in
        the order of the jobs; partial sums, as the operands; results, in the order of the jobs.

    Returns
    -------
    int64 [P, len(TENSORS)]
    """
    taken = -(-sizes_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    first_of: dict[Hashable, int] = {}
    same: list[tuple[int, int, int]] = []
    for index, product in enumerate(products):
        names: list[tuple[int, Hashable]] = [(SHARED_TENSOR, product.shared_operand)]
        if product.mask is not None:
            names.append((SKIP_TENSOR, product.mask.key))
        for tensor, name in names:
            first = first_of.setdefault(name, index)
            if first != index:
                same.append((index, tensor, first))
    if same:
        again, tensors, firsts = np.array(same).T
        taken[again, tensors] = 0
    addresses = (np.cumsum(taken) - taken.ravel()).reshape(taken.shape)
    if same:
        addresses[again, tensors] = addresses[firsts, tensors]
    return addresses
