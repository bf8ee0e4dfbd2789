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
SKIP_TENSOR, SHARED_TENSOR, RESULT_TENSOR = (TENSORS.index(name) for name in ("skip", "shared", "result"))


class Places:
    """Which tensors of products are the same one: masks and shared operands are, by their names.

    Parameters
    ----------
    products : sequence of P products
    """

    def __init__(self, products: Sequence[Product]) -> None:
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
        self._again, self._tensors, self._firsts = np.array(same, dtype=np.int64).reshape(-1, 3).T

    def addresses(self, sizes_bytes: Int64s) -> Int64s:
        """Lay the tensors one after the other, in bytes from the start of DRAM.

        What several products name is laid down once, for the first of them.

        Parameters
        ----------
        sizes_bytes : int64 [P, len(TENSORS)]
            Dense operands, one tile after the other, by rows of tiles and by columns of tiles; what the epilogue
            reads, in the order of the jobs; partial sums, as the operands; results, in the order of the jobs.

        Returns
        -------
        int64 [P, len(TENSORS)]
        """
        taken = -(-sizes_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        taken[self._again, self._tensors] = 0
        addresses: Int64s = (np.cumsum(taken) - taken.ravel()).reshape(taken.shape)
        addresses[self._again, self._tensors] = addresses[self._firsts, self._tensors]
        return addresses
