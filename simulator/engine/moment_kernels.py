"""The compiled look at every job and every load of a run: which is the first whose moments cannot be.

Orders are checked from each to the next, so that only the first and the last moments need be compared with the run's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled
from simulator.mapping.plan import NONE

Int64s = npt.NDArray[np.int64]

WORK, ORDER, RESULTS, LOADS = 1, 2, 3, 4
"""What is wrong: the work of a job, the order of jobs, the way of results, the way of a tile."""
ROUNDED = 1 - 1e-12
"""What is compared in floats may be as much too small, for they are rounded."""


@compiled
def wrong_job(
    job_array_cycles: Int64s,
    job_feed_cycles: Int64s,
    job_drains: Int64s,
    job_tail_cycles: Int64s,
    job_vector_cycles: Int64s,
    job_store_bytes: Int64s,
    vector_latency_cycles: int,
    rate_numerator: int,
    rate_denominator: int,
    with_results: int,
    started: Int64s,
    ended: Int64s,
    made: Int64s,
    written: Int64s,
    stored: Int64s,
    at: Int64s,
) -> int:
    """Give what is wrong with a job, 0 if nothing is, and write which it is to ``at[0]``.

    The first arguments are columns of `Plan`, the others those of `Moments`. A store takes at least its bytes at the
    rate, as floats have it, which nothing overflows; a numerator of 0 stands for no single rate.
    """
    numerator, denominator = rate_numerator * 1.0, rate_denominator * ROUNDED
    free, last_stored = np.int64(0), np.int64(0)
    for job in range(len(started)):
        at[0] = job
        due = job_array_cycles[job] + job_feed_cycles[job]
        if ended[job] - started[job] != due or due < 0:
            return WORK
        if started[job] < free:
            return ORDER
        free = ended[job]
        if with_results and job_drains[job]:
            vector = job_vector_cycles[job]
            least = ended[job] + job_tail_cycles[job] + vector + (vector_latency_cycles if vector > 0 else 0)
            if made[job] < least or written[job] < made[job] or stored[job] < max(written[job], last_stored):
                return RESULTS
            if rate_numerator and (written[job] - made[job]) * numerator < job_store_bytes[job] * denominator:
                return RESULTS
            last_stored = stored[job]
    return 0


@compiled
def wrong_load(
    load_dram_bytes: Int64s,
    load_after_job: Int64s,
    latency_cycles: int,
    rate_numerator: int,
    rate_denominator: int,
    stored: Int64s,
    allocated: Int64s,
    loaded: Int64s,
    at: Int64s,
) -> int:
    """Give what is wrong with a tile, 0 if nothing is, and write which it is to ``at[0]``; see `wrong_job`."""
    numerator, denominator = rate_numerator * 1.0, rate_denominator * ROUNDED
    before = np.int64(0)
    for load in range(len(allocated)):
        at[0] = load
        size, after = load_dram_bytes[load], load_after_job[load]
        moving = loaded[load] - allocated[load] - (latency_cycles if size > 0 else 0)
        if allocated[load] < before or moving < 0:
            return LOADS
        if rate_numerator and moving * numerator < size * denominator:
            return LOADS
        if after != NONE and allocated[load] < stored[after]:
            return LOADS
        before = allocated[load]
    return 0
