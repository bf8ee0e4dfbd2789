"""The plan: jobs, loads and products in program order, as integer tables. Engines read nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.mapping.tiling import Tiling
from simulator.memory import BandwidthDram, TimingDram
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]

BUFFERS = ("skip", "shared", "output")
SKIP, SHARED, OUTPUT = range(len(BUFFERS))
NONE = -1


class PlannedProduct(NamedTuple):
    """A product with its mapping and its exact counts.

    Attributes
    ----------
    product : Product
    tiling : Tiling
    first_job, last_job : int
        The first and the last of its jobs; jobs of other products may lie between them.
    array_cycles : int
        The array's own time on it.
    counts : int64 [len(COUNTS)]
    """

    product: Product
    tiling: Tiling
    first_job: int
    last_job: int
    array_cycles: int
    counts: Int64s

    @property
    def label(self) -> str:
        """Layer, product and time step, for people."""
        time = "" if self.product.time is None else f" t={self.product.time}"
        return f"{self.product.layer} {self.product.name}{time}"


@dataclass(frozen=True)
class Plan:
    """What the machine does in one step. All arrays are int64; -1 means none.

    A *job* is one output tile x one K tile, in program order. A *load* allocates the space of one tile in a buffer
    and fetches its bytes, in the order of the first jobs that need them.

    Attributes
    ----------
    products : tuple of PlannedProduct
    waits_job, waits_for, waits_on_chip : [W]
        Job ``waits_job[i]`` waits for the earlier job ``waits_for[i]``: for the vector unit to have made its
        results where ``waits_on_chip[i]`` is 1, else for them to be stored. In order of the waiting jobs.
    job_product, job_array_cycles : [J]
    job_feed_cycles : [J]
        Cycles beyond the array's own, in which it waits for words of its buffers.
    job_drains : [J]
        1 where the job's output tile leaves the output buffer: it ends an accumulation, or its sums go to DRAM.
    job_drain_cycles, job_tail_cycles : [J]
        Output port: time for the whole tile, and for what the last pass leaves after the array is done.
    job_vector_cycles, job_store_bytes, job_store_address_bytes : [J]
    job_first_load : [J + 1]
        Loads ``job_first_load[j]`` up to ``job_first_load[j + 1]`` are first needed by job j.
    job_load_skip, job_load_shared, job_load_output : [J]
        The load that holds each operand's tile of the job; -1: it needs none.
    load_buffer, load_space_bytes, load_dram_bytes, load_address_bytes : [L]
    load_after_job : [L]
        The job that must be stored before the bytes exist; -1: none.
    load_last_job : [L]
        The job after which the space is free again (for an output tile: after its store).
    capacity_bytes : (skip, shared, output)
    dram : BandwidthDram, TimingDram or None
        None with ``memory: ideal``: then there are no loads and only the array works.
    vector_latency_cycles : int
    """

    products: tuple[PlannedProduct, ...]
    waits_job: Int64s
    waits_for: Int64s
    waits_on_chip: Int64s
    job_product: Int64s
    job_array_cycles: Int64s
    job_feed_cycles: Int64s
    job_drains: Int64s
    job_drain_cycles: Int64s
    job_tail_cycles: Int64s
    job_vector_cycles: Int64s
    job_store_bytes: Int64s
    job_store_address_bytes: Int64s
    job_first_load: Int64s
    job_load_skip: Int64s
    job_load_shared: Int64s
    job_load_output: Int64s
    load_buffer: Int64s
    load_space_bytes: Int64s
    load_dram_bytes: Int64s
    load_address_bytes: Int64s
    load_after_job: Int64s
    load_last_job: Int64s
    capacity_bytes: tuple[int, int, int]
    dram: BandwidthDram | TimingDram | None
    vector_latency_cycles: int

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return len(self.job_product)

    def jobs_of(self, planned: PlannedProduct) -> Int64s:
        """The jobs of a product, in program order."""
        return np.flatnonzero(self.job_product == self.job_product[planned.first_job])


JOB_COLUMNS = (
    "product",
    "first_load",
    "array_cycles",
    "feed_cycles",
    "drains",
    "drain_cycles",
    "tail_cycles",
    "vector_cycles",
    "store_bytes",
    "store_address_bytes",
    "load_skip",
    "load_shared",
    "load_output",
)
(
    JOB_PRODUCT,
    JOB_FIRST_LOAD,
    JOB_ARRAY_CYCLES,
    JOB_FEED_CYCLES,
    JOB_DRAINS,
    JOB_DRAIN_CYCLES,
    JOB_TAIL_CYCLES,
    JOB_VECTOR_CYCLES,
    JOB_STORE_BYTES,
    JOB_STORE_ADDRESS_BYTES,
    JOB_LOAD_SKIP,
    JOB_LOAD_SHARED,
    JOB_LOAD_OUTPUT,
) = range(len(JOB_COLUMNS))
LOAD_COLUMNS = ("buffer", "space_bytes", "dram_bytes", "address_bytes", "after_job", "last_job")
LOAD_BUFFER, LOAD_SPACE_BYTES, LOAD_DRAM_BYTES, LOAD_ADDRESS_BYTES, LOAD_AFTER_JOB, LOAD_LAST_JOB = range(6)


def plan_of(
    products: list[PlannedProduct],
    jobs: Int64s,
    loads: Int64s,
    waits: Int64s,
    capacity_bytes: tuple[int, int, int],
    dram: BandwidthDram | TimingDram | None,
    vector_latency_cycles: int,
) -> Plan:
    """Make a plan of its columns: [len(JOB_COLUMNS), J], [len(LOAD_COLUMNS), L] and [W, 3]."""
    first_load = np.append(jobs[JOB_FIRST_LOAD], np.int64(loads.shape[1]))
    return Plan(
        products=tuple(products),
        waits_job=waits[:, 0].copy(),
        waits_for=waits[:, 1].copy(),
        waits_on_chip=waits[:, 2].copy(),
        job_first_load=first_load,
        **{f"job_{name}": jobs[i] for i, name in enumerate(JOB_COLUMNS) if i != JOB_FIRST_LOAD},
        **{f"load_{name}": loads[i] for i, name in enumerate(LOAD_COLUMNS)},
        capacity_bytes=capacity_bytes,
        dram=dram,
        vector_latency_cycles=vector_latency_cycles,
    )
