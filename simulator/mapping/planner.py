"""From a workload and a machine to a plan: tiles, passes, loads, residency and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

from simulator.arch import Architecture
from simulator.mapping.accounting import array_counts
from simulator.mapping.jobs import ProductJobs
from simulator.mapping.passes import PassCache, PassTable, pass_shape
from simulator.mapping.plan import BUFFERS, SHARED, Plan, PlannedProduct, PlanTable
from simulator.mapping.tiling import Pins, Tiling, TilingProblem, candidates, longest_tile_k
from simulator.mapping.traffic import Traffic
from simulator.workload import Product, Workload
from traces.errors import InputError


def plan(arch: Architecture, workload: Workload, cache: PassCache | None = None) -> Plan:
    """Plan one step on a machine.

    Parameters
    ----------
    arch : Architecture
    workload : Workload
    cache : PassCache, optional
        Pass tables of this very step, to share them with plans for other machines.

    Raises
    ------
    InputError
        If no tile of a product fits the buffers.
    """
    cache = PassCache() if cache is None else cache
    if arch.ideal_memory:
        return _plan_ideal(arch, workload, cache)
    planner = _SystemPlanner(arch, workload, cache)
    for index in range(len(workload.products)):
        planner.add(index)
    return planner.table.freeze(
        planner.planned,
        planner.traffic.capacity_bytes,
        planner.traffic.dram,
        arch.system.vector_unit.latency_cycles,
    )


def _array_cycles(arch: Architecture, product: Product, passes: PassTable) -> int:
    """The array's own time on a product: all its passes, set-up and drain included, for each column tile."""
    _, columns = pass_shape(arch, product)
    return passes.array_cycles(arch.array.pass_overhead_cycles, -(-product.n // columns))


def _plan_ideal(arch: Architecture, workload: Workload, cache: PassCache) -> Plan:
    """One job a product, nothing to load and nothing to wait for but the array."""
    table = PlanTable()
    planned = []
    for index, product in enumerate(workload.products):
        cycles, passes = 0, None
        if product.k:
            passes = cache.table(arch, product, product.k)
            cycles = _array_cycles(arch, product, passes)
        counts = array_counts(arch, product, passes)
        job = table.add_job(product=index, array_cycles=cycles)
        planned.append(PlannedProduct(product, None, job, job, cycles, counts))
    return table.freeze(planned, (0, 0, 0), None, 0)


class _SystemPlanner:
    """Plans for a machine with a memory system."""

    def __init__(self, arch: Architecture, workload: Workload, cache: PassCache) -> None:
        self.arch, self.cache, self.workload = arch, cache, workload
        self.traffic = Traffic(arch, cache.stored)
        chosen = arch.system.mapping.model_dump()
        self.pins = Pins(**{key: None if value == "auto" else value for key, value in chosen.items()})
        self.uses = Counter(p.shared_operand for p in workload.products if p.k)
        self.resident: dict[tuple[str, int, int], int] = {}
        # All time steps of a serial product are tiled alike, so that they share tiles: as a member of the chain, but
        # with the rows of the largest time step, which may be the first and no member.
        self.typical: dict[tuple[str, str], Product] = {}
        self.most_rows: Counter[tuple[str, str]] = Counter()
        self.alike: dict[tuple[str, str], list[Product]] = {}
        for product in workload.products:
            key = (product.layer, product.name)
            self.alike.setdefault(key, []).append(product)
            typical = self.typical.setdefault(key, product)
            if (product.in_chain, product.m) > (typical.in_chain, typical.m):
                self.typical[key] = product
            self.most_rows[key] = max(self.most_rows[key], product.m)
        self.tilings: dict[tuple[str, str], Tiling] = {}
        self.table = PlanTable()
        self.planned: list[PlannedProduct] = []

    def add(self, index: int) -> None:
        """Plan one product: choose its tiling, then write its jobs, loads, waits and counts."""
        product = self.workload.products[index]
        tiling = self._tiling(product)
        passes, cycles = None, 0
        if product.k:
            passes = self.cache.table(self.arch, product, tiling.tile_k)
            cycles = _array_cycles(self.arch, product, passes)
        counts = array_counts(self.arch, product, passes)
        first_job = len(self.table.jobs)
        ProductJobs(self.table, self.traffic, self.resident, product, index, tiling, passes, counts).write()
        for after in product.after:
            on_chip = after.on_chip and tiling.skip_on_chip
            self.table.waits.append((index, after.product, int(on_chip)))
        last_job = len(self.table.jobs) - 1
        self.planned.append(PlannedProduct(product, tiling, first_job, last_job, cycles, counts))

    def _tiling(self, product: Product) -> Tiling:
        key = (product.layer, product.name)
        if key not in self.tilings:
            self.tilings[key] = self._choose(self.typical[key], self.most_rows[key])
        tiling = self.tilings[key]
        # The first time step forward takes its hidden state from DRAM, as no product made it.
        return tiling if product.in_chain else replace(tiling, skip_on_chip=False)

    def _choose(self, product: Product, rows: int) -> Tiling:
        problem = self._problem(product, rows)
        tile_k = longest_tile_k(problem, self.pins)
        if product.k:
            passes = self.cache.table(self.arch, product, tile_k)
            problem = replace(problem, array_cycles=_array_cycles(self.arch, product, passes))
        found = candidates(problem, tile_k, self.traffic.dram, self.pins)
        if not found:
            rooms = zip(BUFFERS, self.traffic.room_bytes, strict=True)
            pinned = {k: v for k, v in vars(self.pins).items() if v is not None}
            raise InputError.of(
                f"machine {self.arch.name}: memory.buffers",
                f"no tile of {product.layer} {product.name} ({rows} x {product.k} x {product.n}) that fits "
                + ", ".join(f"{room} bytes of {name}" for name, room in rooms),
                "room for the tiles of one pass in each buffer (its half where double-buffered)",
                f"unpin memory.mapping ({pinned})" if pinned else "enlarge capacity_kib",
            )
        return found[0].tiling

    def _problem(self, product: Product, rows: int) -> TilingProblem:
        traffic, epilogue = self.traffic, product.epilogue
        pass_rows, pass_columns = self.arch.skipping.pass_shape(self.arch.array.rows, self.arch.array.columns)
        return TilingProblem(
            m=rows,
            n=product.n,
            k=product.k,
            rows=pass_rows or rows,
            columns=pass_columns or product.n,
            operand_bits=self.arch.precision.operand_bits,
            accumulator_bits=self.arch.precision.accumulator_bits,
            skip_bytes=partial(traffic.skip.fetched_bytes, product),
            skip_room_bytes=partial(traffic.skip.largest_room_bytes, self.alike[product.layer, product.name]),
            room_bytes=traffic.room_bytes,
            array_cycles=0,
            epilogue_bytes=traffic.partial_bytes(product) + traffic.store_bytes(product),
            vector_cycles=traffic.vector_cycles(epilogue.gate_forward_values, epilogue.gate_backward_values),
            port_values_per_cycle=traffic.memory.buffers.output.port_values_per_cycle,
            skip_in_chain=product.in_chain,
            shared_in_chain=self.uses[product.shared_operand] > 1,
            shared_capacity_bytes=traffic.capacity_bytes[SHARED],
            position_grain=self.arch.skipping.position_grain,
            segment_positions=traffic.skip.segment_positions(product),
        )
