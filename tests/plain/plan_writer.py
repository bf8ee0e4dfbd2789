"""The plain form of `simulator.mapping.writing`: products are objects that write one job at a time.

The order of products is stated as in MODEL.md, "Pauses of a chain".
"""

from __future__ import annotations

from collections import deque

import numpy as np
from plain.plan_jobs import PlanTable, ProductJobs, Tensors

from simulator.arch import Architecture
from simulator.mapping import PassCache, Plan
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS, SHARED, PlannedProduct, plan_of
from simulator.mapping.planner import _SystemPlanner
from simulator.mapping.program import ProgramOrder
from simulator.mapping.traffic import Traffic
from simulator.mapping.writing import Pauses
from simulator.workload import Product, Workload


def plain_plan(arch: Architecture, workload: Workload) -> Plan:
    """Plan a step with the planner's own choices, and write it job by job."""
    planner = _SystemPlanner(arch, workload, PassCache())
    table, tensors, traffic = PlanTable(), Tensors(), Traffic(arch, planner.cache.stored)
    resident: dict[tuple[str, int, int], int] = {}
    writers: dict[int, ProductJobs] = {}
    mapped = {
        index: (one.tiling, one.passes and one.passes.of(i))
        for one in planner.mapped()
        for i, index in enumerate(one.indices)
    }
    for index, product in enumerate(workload.products):
        tiling, passes = mapped[index]
        writers[index] = ProductJobs(table, tensors, traffic, resident, product, index, tiling, passes, writers)
    planned = write(workload.products, writers, planner.order, plain_pauses(planner))
    jobs = np.array([[row[name] for row in table.jobs] for name in JOB_COLUMNS], dtype=np.int64)
    loads = np.array([[row[name] for row in table.loads] for name in LOAD_COLUMNS], dtype=np.int64)
    waits = np.array(table.waits, dtype=np.int64).reshape(-1, 3)
    latency = arch.system.vector_unit.latency_cycles
    return plan_of(
        planned,
        jobs.reshape(len(JOB_COLUMNS), -1),
        loads.reshape(len(LOAD_COLUMNS), -1),
        waits,
        traffic.capacity_bytes,
        traffic.dram,
        latency,
    )


def plain_pauses(planner: _SystemPlanner) -> Pauses | None:
    """What decides which jobs stand in pauses, product by product."""
    if not planner.overlaps:
        return None
    arch, products, traffic = planner.arch, planner.workload.products, planner.traffic
    cycles, crowded = np.zeros(len(products), np.int64), np.zeros(len(products), np.bool_)
    for index, chain in planner.order.chain_of.items():
        product = products[index]
        tiling = planner._best((product.layer, product.name)).tiling
        taken = traffic.operand_bytes(product.k * product.n) if tiling.shared_resident else 0
        crowded[index] = taken + traffic.room_bytes[SHARED] > traffic.capacity_bytes[SHARED]
        if index == chain:
            continue
        before = next(products[after.product] for after in product.after if after.on_chip)
        cycles[index] = planner._best((before.layer, before.name)).last_cycles + arch.system.vector_unit.latency_cycles
        if not tiling.skip_on_chip:
            dram = traffic.dram.unloaded
            fetched_bytes = int(traffic.skip.fetched_bytes([product], product.m, product.k)[0])
            moved_bytes = traffic.store_bytes(before) + fetched_bytes
            cycles[index] += dram.latency_cycles + dram.transfer_cycles(moved_bytes)
    return Pauses(cycles, crowded)


def write(
    products: tuple[Product, ...], writers: dict[int, ProductJobs], order: ProgramOrder, pauses: Pauses | None
) -> list[PlannedProduct]:
    """Write the jobs of all products; `pauses` is None where they are not mixed."""
    put_off: deque[int] = deque()
    by_rows: int | None = None
    credit_cycles = 0

    def write(index: int, one: bool = False) -> None:
        """Write a product's jobs: all that are left, or one."""
        jobs = writers[index]
        if one:
            jobs.write()
        else:
            jobs.write_rest()

    def kept() -> int | None:
        """The product in the pauses that keeps a tile between its jobs."""
        for index in (by_rows, put_off[0] if put_off else None):
            if index is not None and index in writers and writers[index].keeps_a_tile:
                return index
        return None

    def ready_rows(newest: int) -> int | None:
        """The product whose next tile of rows the chain made before what is only just on its way."""
        if by_rows is None:
            return None
        jobs = writers[by_rows]
        ready = jobs.rows_in_order and jobs.jobs_left > 0 and jobs.next_maker < newest
        return by_rows if ready else None

    def fill(index: int, pause: int) -> None:
        """Put jobs into the pause before a product of a chain."""
        nonlocal credit_cycles
        credit_cycles += pause
        newest = next(a.product for a in products[index].after)
        while True:
            keeper = kept()
            ready = ready_rows(newest) if keeper in (None, by_rows) else None
            if ready is None and put_off and keeper in (None, put_off[0]):
                ready = put_off[0]
            if ready is None:
                credit_cycles = min(credit_cycles, pause)
                return
            jobs = writers[ready]
            cost = (jobs.array_cycles + jobs.feed_cycles) // jobs.jobs
            if cost > 2 * credit_cycles:
                return
            write(ready, one=True)
            credit_cycles -= cost
            if put_off and ready == put_off[0] and not jobs.jobs_left:
                put_off.popleft()

    for index in range(len(products)):
        if pauses is not None and index in order.puts_off:
            put_off.append(index)
            continue
        chain = order.chain_of.get(index)
        if pauses is not None and chain is not None:
            by_rows = order.by_rows.get(chain)
            if pauses.crowded[index]:
                if (keeper := kept()) is not None:
                    write(keeper)
                    put_off.popleft()
            elif index != chain:
                fill(index, int(pauses.cycles[index]))
        write(index)
        if by_rows == index:
            by_rows = None
    for index in put_off:
        write(index)
    return [writers[index].planned() for index in range(len(products))]
