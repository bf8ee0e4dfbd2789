"""From a workload and a machine to a plan: tiles, passes, loads, residency, program order and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.arch import Architecture
from simulator.mapping.accounting import count_products
from simulator.mapping.passes import PassCache, PassTable, feed_cycles, pass_shapes
from simulator.mapping.plan import (
    BUFFERS,
    JOB_ARRAY_CYCLES,
    JOB_COLUMNS,
    JOB_FIRST_LOAD,
    JOB_LOAD_SKIP,
    JOB_PRODUCT,
    LOAD_COLUMNS,
    NONE,
    SHARED,
    Plan,
    PlannedProduct,
    plan_of,
)
from simulator.mapping.program import ProgramOrder
from simulator.mapping.tiling import Candidate, PassCost, Pins, Tiling, TilingProblem, candidates, k_tiles
from simulator.mapping.traffic import Traffic
from simulator.mapping.writing import Mapped, Pauses, write_plan
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
    return _SystemPlanner(arch, workload, cache).plan()


@dataclass(frozen=True)
class Choice:
    """What the planner chose among for a product; all time steps of a serial product share one choice.

    Attributes
    ----------
    product : Product
        The one that was priced.
    times : int
        How many products share the choice.
    candidates : tuple of Candidate
        Every tiling that fits, best first; the first was taken.
    """

    product: Product
    times: int
    candidates: tuple[Candidate, ...]


def choices(arch: Architecture, workload: Workload, cache: PassCache | None = None) -> list[Choice]:
    """Say what the planner chose for each product with MACs, and among what.

    Raises
    ------
    InputError
        If no tile of a product fits the buffers, or the machine has no memory system.
    """
    planner = _SystemPlanner(arch, workload, PassCache() if cache is None else cache)
    times = Counter((p.layer, p.name) for p in workload.products)
    return [
        Choice(planner.typical[key], count, tuple(planner.found(key)))
        for key, count in times.items()
        if planner.typical[key].k
    ]


def _plan_ideal(arch: Architecture, workload: Workload, cache: PassCache) -> Plan:
    """One job a product, nothing to load and nothing to wait for but the array."""
    jobs = np.full((len(JOB_COLUMNS), len(workload.products)), NONE, dtype=np.int64)
    jobs[JOB_FIRST_LOAD:JOB_LOAD_SKIP] = 0
    planned = []
    for index, product in enumerate(workload.products):
        priced: list[tuple[int, PassTable | None, tuple[int, int]]] = []
        for shape in pass_shapes(arch, product) if product.k else [(1, 1)]:
            passes = cache.table(arch, product, product.k, shape) if product.k else None
            priced.append((_cost(arch, product, passes, product.k, shape).array_cycles, passes, shape))
        cycles, passes, shape = min(priced, key=lambda p: p[0])
        counts = count_products(arch, [product], [passes], shape[1], [None])[0]
        jobs[JOB_PRODUCT, index], jobs[JOB_ARRAY_CYCLES, index] = index, cycles
        whole = Tiling(product.m, product.n, max(1, product.k), "mnk", *shape)
        planned.append(PlannedProduct(product, whole, index, index, cycles, counts))
    none = np.zeros((len(LOAD_COLUMNS), 0), dtype=np.int64)
    return plan_of(planned, jobs, none, none.T[:, :3], (0, 0, 0), None, 0)


def _cost(
    arch: Architecture, product: Product, passes: PassTable | None, tile_k: int, shape: tuple[int, int]
) -> PassCost:
    """Sum what the array takes for all passes of a product."""
    rows, columns = shape
    if passes is None:
        return PassCost(tile_k, rows, columns, 0, 0)
    column_tiles = -(-product.n // columns)
    array = passes.total(passes.counts.cycles + arch.array.pass_overhead_cycles, column_tiles)
    feed = passes.total(feed_cycles(arch, product, passes, columns), column_tiles)
    return PassCost(tile_k, rows, columns, array, feed)


class _SystemPlanner:
    """Plans for a machine with a memory system."""

    def __init__(self, arch: Architecture, workload: Workload, cache: PassCache) -> None:
        self.arch, self.cache, self.workload = arch, cache, workload
        self.traffic = Traffic(arch, cache.stored)
        mapping = arch.system.mapping
        chosen = {k: v for k, v in mapping.model_dump().items() if v != "auto" and k != "overlap"}
        self.pins = Pins(**chosen)
        buffers = [getattr(arch.system.buffers, name) for name in BUFFERS]
        # Two products that run by turns hold a tile each: that takes two halves of every buffer.
        self.overlaps = mapping.overlap and all(b.double for b in buffers)
        self.uses = Counter(p.shared_operand for p in workload.products if p.k)
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
        self.order = ProgramOrder(workload.products)
        self._found: dict[tuple[str, str], list[Candidate]] = {}

    def plan(self) -> Plan:
        """Write all products in program order."""
        return write_plan(self.arch, self.traffic, self.order, self.mapped(), self.pauses())

    def mapped(self) -> list[Mapped]:
        """Every product with its tiling and its passes."""
        products = self.workload.products
        tilings = [self._tiling(index) for index in range(len(products))]
        alike: dict[tuple[str, str, int, Tiling], list[int]] = {}
        for index, (product, tiling) in enumerate(zip(products, tilings, strict=True)):
            if product.k:
                alike.setdefault((product.layer, product.name, product.m, tiling), []).append(index)
        passes: list[PassTable | None] = [None] * len(products)
        for (_, _, _, tiling), members in alike.items():
            shape = (tiling.rows, tiling.columns)
            tables = self.cache.tables(self.arch, [products[i] for i in members], tiling.tile_k, shape)
            for index, table in zip(members, tables, strict=True):
                passes[index] = table
        return [Mapped(*one) for one in zip(products, tilings, passes, strict=True)]

    def pauses(self) -> Pauses | None:
        """What decides which jobs stand in pauses; None: products are not mixed."""
        return Pauses(self._pause_cycles, self._crowded, self._alike) if self.overlaps else None

    def _alike(self, index: int) -> object:
        """What a pause and its crowding depend on; an encoded dG takes other bytes at each time step."""
        product = self.workload.products[index]
        before = self.workload.products[product.after[0].product] if product.after else product
        encoded = self.traffic.memory.formats.skip != "dense"
        return index if encoded else (product.layer, product.name, product.m, before.layer, before.name, before.m)

    def found(self, key: tuple[str, str]) -> list[Candidate]:
        """Enumerate the tilings of a product by layer and name, best first."""
        if key not in self._found:
            self._found[key] = self._candidates(key)
        return self._found[key]

    def _tiling_of_name(self, product: Product) -> Tiling:
        return self.found((product.layer, product.name))[0].tiling

    def _tiling(self, index: int) -> Tiling:
        product = self.workload.products[index]
        tiling = self._tiling_of_name(product)
        # The first time step forward takes its hidden state from DRAM, as no product made it.
        on_chip = tiling.skip_on_chip and product.in_chain
        descending = self.overlaps and self.order.descends(index)
        if (on_chip, descending) == (tiling.skip_on_chip, tiling.descending):
            return tiling
        return replace(tiling, skip_on_chip=on_chip, descending=descending)

    def _candidates(self, key: tuple[str, str]) -> list[Candidate]:
        product, rows = self.typical[key], self.most_rows[key]
        problem = self._problem(product, rows)
        costs = []
        for shape in pass_shapes(self.arch, product):
            if self.pins.shape not in (None, shape):
                continue
            for tile_k in k_tiles(problem, *shape, self.pins):
                passes = self.cache.table(self.arch, product, tile_k, shape) if product.k else None
                costs.append(_cost(self.arch, product, passes, tile_k, shape))
        found = candidates(problem, costs, self.traffic.dram.unloaded, self.pins)
        if problem.fills_by_rows:
            # Only jobs of whole tiles of rows can run as the chain makes the rows.
            found = [c for c in found if c.tiling.order in ("mnk", "mkn") or c.tiling.tile_n >= product.n] or found
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
        return found

    def _problem(self, product: Product, rows: int) -> TilingProblem:
        traffic, epilogue = self.traffic, product.epilogue
        pauses, by_rows = self.order.pauses_for(product) if self.overlaps else ((), False)
        return TilingProblem(
            m=rows,
            n=product.n,
            k=product.k,
            operand_bits=self.arch.precision.operand_bits,
            accumulator_bits=self.arch.precision.accumulator_bits,
            skip_bytes=partial(traffic.skip.fetched_bytes, product),
            skip_room_bytes=partial(traffic.skip.largest_room_bytes, self.alike[product.layer, product.name]),
            room_bytes=traffic.room_bytes,
            partial_bytes=traffic.partial_bytes(product),
            store_bytes=traffic.store_bytes(product),
            vector_cycles=traffic.vector_cycles(epilogue.gate_forward_values, epilogue.gate_backward_values),
            port_values_per_cycle=traffic.memory.buffers.output.port_values_per_cycle,
            skip_in_chain=product.in_chain,
            shared_stays=by_rows or self.uses[product.shared_operand] > 1,
            resident_bytes=(traffic.room_bytes if by_rows else traffic.capacity_bytes)[SHARED],
            position_grain=self.arch.skipping.position_grain,
            segment_positions=traffic.skip.segment_positions(product),
            pauses=len(pauses),
            pause_cycles=self._pause_cycles(pauses[-1]) if pauses else 0,
            fills_by_rows=by_rows,
        )

    def _pause_cycles(self, index: int) -> int:
        """About how long the array waits before a product of a serial chain: the way of the last tile before it."""
        product = self.workload.products[index]
        before = next(self.workload.products[a.product] for a in product.after if a.on_chip)
        pause = self.found((before.layer, before.name))[0].last_cycles
        pause += self.arch.system.vector_unit.latency_cycles
        if not self._tiling_of_name(product).skip_on_chip:
            dram, traffic = self.traffic.dram.unloaded, self.traffic
            moved_bytes = traffic.store_bytes(before) + traffic.skip.fetched_bytes(product, product.m, product.k)
            pause += dram.latency_cycles + dram.transfer_cycles(moved_bytes)
        return pause

    def _crowded(self, index: int) -> bool:
        """Whether the weights that stay for a chain leave no room for another product's tile."""
        product = self.workload.products[index]
        tiling = self._tiling_of_name(product)
        taken = self.traffic.operand_bytes(product.k * product.n) if tiling.shared_resident else 0
        return taken + self.traffic.room_bytes[SHARED] > self.traffic.capacity_bytes[SHARED]
