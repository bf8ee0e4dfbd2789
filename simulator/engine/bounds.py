"""What no schedule of a plan can beat: the work of each unit, and the longest chain of things that wait for each other.

The bound that is largest says what limits a machine; a run's total over it says how much is lost beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.mapping import Plan
from simulator.mapping.plan import NONE

Int64s = npt.NDArray[np.int64]

BOUNDS = ("array", "dram", "vector_unit", "chain")


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of a step's cycles.

    Attributes
    ----------
    array, dram, vector_unit : int
        The busy cycles of each unit; the array's with the time for which its buffers feed it words.
    chain : int
        The longest path through what waits for what, with every unit free for it at once.
    """

    array: int
    dram: int
    vector_unit: int
    chain: int

    @property
    def largest(self) -> tuple[str, int]:
        """The name and the cycles of the largest; of equal ones the first."""
        name = max(BOUNDS, key=lambda bound: getattr(self, bound))
        return name, int(getattr(self, name))


def bounds(plan: Plan, products: int | Sequence[int] | None = None) -> Bounds:
    """Give the lower bounds of a plan's cycles, or of those from some products' first need to their last result.

    Parameters
    ----------
    plan : Plan
    products : int or sequence of int, optional
        Only the jobs of this product, or of these; the chain is that of their own jobs.
    """
    own = np.ones(plan.jobs, dtype=bool) if products is None else np.isin(plan.job_product, products)
    loads = np.repeat(own, np.diff(plan.job_first_load))
    dram = 0
    if plan.dram is not None:
        dram = plan.dram.busy_cycles(
            np.concatenate([plan.load_address_bytes[loads], plan.job_store_address_bytes[own]]),
            np.concatenate([plan.load_dram_bytes[loads], plan.job_store_bytes[own]]),
        )
    return Bounds(
        array=int((plan.job_array_cycles + plan.job_feed_cycles)[own].sum()),
        dram=dram,
        vector_unit=int(plan.job_vector_cycles[own].sum()),
        chain=longest_path_cycles(plan, own),
    )


def longest_path_cycles(plan: Plan, own: npt.NDArray[np.bool_]) -> int:
    """Give the longest path from the start to a stored result, through the jobs that `own` [jobs] selects.

    A job takes its own cycles, after those of its product that come before it: the array does them one by one, and
    what its first job waits for, the others wait for, too. Its results are made when its last outputs have left, been
    worked on and passed the vector unit's pipeline, and stored when the DRAM has them. A load begins when its bytes
    exist.
    """
    jobs = plan.jobs
    made, stored = np.zeros((2, jobs), dtype=np.int64)
    waits: dict[int, list[tuple[int, int]]] = {}
    for job, awaited, on_chip in zip(
        plan.waits_job.tolist(), plan.waits_for.tolist(), plan.waits_on_chip.tolist(), strict=True
    ):
        waits.setdefault(job, []).append((awaited, on_chip))
    dram = plan.dram
    work = (plan.job_array_cycles + plan.job_feed_cycles).tolist()
    product_of = plan.job_product.tolist()
    free_at: dict[int, int] = {}  # when the array has done the jobs so far of a product
    longest = 0
    for job in np.flatnonzero(own).tolist():
        start = free_at.get(product_of[job], 0)
        for awaited, on_chip in waits.get(job, ()):
            start = max(start, int((made if on_chip else stored)[awaited]))
        if dram is not None:
            for load in (plan.job_load_shared[job], plan.job_load_skip[job], plan.job_load_output[job]):
                size = int(plan.load_dram_bytes[load]) if load != NONE else 0
                if size:
                    after = int(plan.load_after_job[load])
                    exists = 0 if after == NONE else int(stored[after])
                    start = max(start, exists + dram.least_latency_cycles + dram.unloaded.transfer_cycles(size))
        end = free_at[product_of[job]] = start + work[job]
        longest = max(longest, end)
        if plan.job_drains[job]:
            vector = int(plan.job_vector_cycles[job])
            drained = max(end + int(plan.job_tail_cycles[job]), start + int(plan.job_drain_cycles[job]))
            made[job] = drained + vector + (plan.vector_latency_cycles if vector else 0)
            size = int(plan.job_store_bytes[job])
            stored[job] = made[job] + (dram.unloaded.transfer_cycles(size) if dram is not None and size else 0)
            longest = max(longest, int(stored[job]))
    return longest
