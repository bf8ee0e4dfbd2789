"""Several arrays on a chip: how a job's passes are dealt out to them, and when the last one is done.

A job begins on all arrays at once. Its passes are taken in order, row tile by row tile and in each the column tiles,
each by the array that is free first. So one more array never makes a job longer, nor does a shorter pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture
from simulator.mapping.passes import PassTable, words_cycles
from simulator.mapping.tiling import Tiling
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


def dealt_jobs(arch: Architecture, product: Product, tiling: Tiling, passes: PassTable) -> tuple[Int64s, Int64s]:
    """Give what each job of products that are alike takes of all arrays together.

    The arrays share the buffers' reading bits per cycle: a job takes no less time than all words of its passes need.

    Parameters
    ----------
    arch, product, tiling
    passes : PassTable
        Of one product, or of several that are alike.

    Returns
    -------
    array cycles, feed cycles : int64 [T, K tiles, M tiles, N tiles]
        Until the last array has done its passes, by the law and the overhead of passes; and what buffers add to that.
    """
    from simulator.mapping.array_kernels import deal

    counts = passes.counts.cycles
    shape = (*counts.shape[:3], counts.shape[3] if not passes.per_column else 1)
    row_passes, column_passes = tiling.tile_m // tiling.rows, tiling.tile_n // tiling.columns
    across = -(-product.n // tiling.columns)
    jobs = (*shape[:2], -(-shape[2] // row_passes), -(-across // column_passes))
    own, feed = np.empty((2, *jobs), dtype=np.int64)
    cycles = np.ascontiguousarray(counts.reshape(shape))
    words = np.ascontiguousarray(words_cycles(arch, product, passes, tiling.columns).reshape(shape))
    overhead = arch.array.pass_overhead_cycles
    deal(cycles, words, overhead, row_passes, column_passes, across, arch.arrays, own, feed)
    return own, feed
