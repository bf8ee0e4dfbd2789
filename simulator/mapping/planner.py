"""From a workload and a machine to a plan: tiles, passes, loads, residency, program order and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture
from simulator.mapping.accounting import Counted, count_products
from simulator.mapping.arrays import dealt_jobs
from simulator.mapping.passes import PassCache, PassTable, Wanted, feed_cycles, pass_shapes, words_cycles
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
from simulator.mapping.skip_tiles import SkipOperands
from simulator.mapping.tiling import Candidate, PassCost, Pins, Tiling, TilingProblem, best, candidates, k_tiles
from simulator.mapping.traffic import Traffic
from simulator.mapping.writing import Mapped, Pauses, write_plan
from simulator.memory import BandwidthDram
from simulator.workload import Product, Workload
from traces.errors import InputError

Int64s = npt.NDArray[np.int64]


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
    products = workload.products
    jobs = np.full((len(JOB_COLUMNS), len(products)), NONE, dtype=np.int64)
    jobs[JOB_FIRST_LOAD:JOB_LOAD_SKIP] = 0
    jobs[JOB_PRODUCT] = np.arange(len(products))
    planned: dict[int, PlannedProduct] = {}
    for indices, members in cache.grouped(workload).groups:
        first = members[0]
        shapes = pass_shapes(arch, first) if first.k else [(1, 1)]
        tables = [cache.tables(arch, members, first.k, shape) if first.k else None for shape in shapes]
        cycles = np.zeros((len(shapes), len(members)), dtype=np.int64)
        counts = []
        for row, (shape, table) in enumerate(zip(shapes, tables, strict=True)):
            if table is not None:
                cycles[row] = _array_cycles(arch, first, table, shape)
            counts.append(count_products(arch, [Counted(members, table, shape[1])]))
        for at, (index, row) in enumerate(zip(indices, cycles.argmin(axis=0).tolist(), strict=True)):
            whole = Tiling(first.m, first.n, max(1, first.k), "mnk", *shapes[row])
            jobs[JOB_ARRAY_CYCLES, index] = cycles[row, at]
            planned[index] = PlannedProduct(members[at], whole, index, index, int(cycles[row, at]), counts[row][at])
    none = np.zeros((len(LOAD_COLUMNS), 0), dtype=np.int64)
    return plan_of([planned[i] for i in range(len(products))], jobs, none, none.T[:, :3], (0, 0, 0), None, 0)


def _array_cycles(arch: Architecture, product: Product, passes: PassTable, shape: tuple[int, int]) -> Int64s:
    """Sum the array's own cycles over all passes of each product: int64 [T], or [1] where all are alike."""
    rows, columns = shape
    if arch.arrays > 1:
        sides = -(-product.m // rows) * rows, -(-product.n // columns) * columns
        return dealt_jobs(arch, product, Tiling(*sides, max(1, product.k), "mnk", *shape), passes)[0].reshape(-1)
    times = -(-product.n // columns) if passes.per_column else 1
    cycles = passes.counts.cycles + arch.array.pass_overhead_cycles
    return np.asarray(cycles.reshape(len(cycles), -1).sum(axis=1) * times)


def _cost(
    arch: Architecture, product: Product, passes: PassTable | None, tile_k: int, shape: tuple[int, int]
) -> PassCost:
    """Sum what the array takes for all passes of a product; `passes` is its own table."""
    rows, columns = shape
    if passes is None:
        return PassCost(tile_k, rows, columns, 0, 0)
    column_tiles = -(-product.n // columns)
    array = passes.total(passes.counts.cycles + arch.array.pass_overhead_cycles, column_tiles)
    feed = passes.total(feed_cycles(arch, product, passes, columns), column_tiles)
    if arch.arrays == 1:
        return PassCost(tile_k, rows, columns, array, feed)
    words = passes.total(words_cycles(arch, product, passes, columns), column_tiles)
    return PassCost(tile_k, rows, columns, array, feed, words)


@dataclass(frozen=True)
class _DenseBytes:
    """Bytes that a dense skip operand [M, K] fetches, however it is tiled."""

    m: int
    k: int
    operand_bits: int

    def __call__(self, tile_m: int, tile_k: int) -> int:
        return -(-self.m * self.k * self.operand_bits // 8)


@dataclass(frozen=True)
class _DenseRoomBytes:
    """Room of the largest tile of a dense skip operand [M, K]."""

    m: int
    k: int
    operand_bits: int

    def __call__(self, tile_m: int, tile_k: int) -> int:
        return -(-min(tile_m, self.m) * min(tile_k, self.k) * self.operand_bits // 8)


def _fetched_bytes(skip: SkipOperands, product: Product, tile_m: int, tile_k: int) -> int:
    return int(skip.fetched_bytes([product], tile_m, tile_k)[0])


_best_known = lru_cache(maxsize=4096)(best)
"""Tilings of dense operands, which are the same at each step."""


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
        known = cache.grouped(workload)
        self.groups, self._group_of, self.order = known.groups, known.group_of, known.order
        self.typical, self.most_rows, self.alike, self.uses = known.typical, known.most_rows, known.alike, known.uses
        self._known_pauses: dict[int, Int64s] = {}
        self._chosen: dict[tuple[str, str], Candidate] = {}
        self._problems: dict[tuple[str, str], TilingProblem] = {}
        self._known_cuts: dict[tuple[str, str], list[tuple[int, tuple[int, int]]]] = {}

    def plan(self) -> Plan:
        """Write all products in program order."""
        return write_plan(self.arch, self.traffic, self.order, self.workload.products, self.mapped(), self.pauses())

    def mapped(self) -> list[Mapped]:
        """All products with their tilings and passes, those that are alike together."""
        self._count_masks()
        done = []
        for indices, members in self.groups:
            tiling = self._tiling_of_name(members[0])
            tiling = tiling._replace(
                # The first time step forward takes its hidden state from DRAM, as no product made it.
                skip_on_chip=tiling.skip_on_chip and members[0].in_chain,
                descending=self.overlaps and self.order.descends(indices[0]),
            )
            passes = None
            if members[0].k:
                passes = self.cache.tables(self.arch, members, tiling.tile_k, (tiling.rows, tiling.columns))
            done.append(Mapped(indices, members, tiling, passes))
        return done

    def _count_masks(self) -> None:
        """Count passes side by side: those that tilings are compared by, or all where there is nothing to compare."""
        wanted = []
        for key, product in self.typical.items():
            if product.mask is None:
                continue
            cuts = self._cuts(key)
            if len(cuts) > 1:
                wanted += [Wanted([product], tile_k, shape) for tile_k, shape in cuts]
                continue
            wanted += [Wanted(members, *cuts[0]) for members in self.alike[key]]
        self.cache.prepare(self.arch, wanted)

    def pauses(self) -> Pauses | None:
        """What decides which jobs stand in pauses; None: products are not mixed."""
        if not self.overlaps:
            return None
        cycles = np.zeros(len(self.workload.products), dtype=np.int64)
        crowded = np.zeros(len(cycles), dtype=np.bool_)
        for group, (indices, _) in enumerate(self.groups):
            if indices[0] in self.order.chain_of:
                cycles[indices] = self._pause_cycles(group)
                crowded[indices] = self._crowded(group)
        return Pauses(cycles, crowded)

    def found(self, key: tuple[str, str]) -> list[Candidate]:
        """Enumerate the tilings of a product by layer and name, best first."""
        return candidates(*self._comparison(key))

    def _best(self, key: tuple[str, str]) -> Candidate:
        """The tiling that a product takes, by layer and name.

        Raises
        ------
        InputError
            If none fits the buffers.
        """
        if key in self._chosen:
            return self._chosen[key]
        problem, costs, dram, pins = self._comparison(key)
        alike = self.traffic.skip.tiles_are_alike(self.typical[key])
        chosen = (_best_known if alike else best)(problem, tuple(costs), dram, pins)
        if chosen is None:
            product = self.typical[key]
            rooms = zip(BUFFERS, self.traffic.room_bytes, strict=True)
            pinned = {k: v for k, v in vars(self.pins).items() if v is not None}
            raise InputError.of(
                f"machine {self.arch.name}: memory.buffers",
                f"no tile of {product.layer} {product.name} ({self.most_rows[key]} x {product.k} x {product.n}) "
                "that fits " + ", ".join(f"{room} bytes of {name}" for name, room in rooms),
                "room for the tiles of one pass in each buffer (its half where double-buffered)",
                f"unpin memory.mapping ({pinned})" if pinned else "enlarge capacity_kib",
            )
        self._chosen[key] = chosen
        return chosen

    def _tiling_of_name(self, product: Product) -> Tiling:
        return self._best((product.layer, product.name)).tiling

    def _cuts(self, key: tuple[str, str]) -> list[tuple[int, tuple[int, int]]]:
        """K tiles and shapes of a pass to compare for a product."""
        if key not in self._known_cuts:
            product, problem = self.typical[key], self._problem(key)
            self._known_cuts[key] = [
                (tile_k, shape)
                for shape in pass_shapes(self.arch, product)
                if self.pins.shape in (None, shape)
                for tile_k in k_tiles(problem, *shape, self.pins)
            ]
        return self._known_cuts[key]

    def _comparison(self, key: tuple[str, str]) -> tuple[TilingProblem, list[PassCost], BandwidthDram, Pins]:
        """What the tilings of a product are compared by, see `candidates`."""
        product, problem, cuts = self.typical[key], self._problem(key), self._cuts(key)
        costs = []
        for tile_k, shape in cuts:
            passes = None
            if product.k and len(cuts) == 1:  # then all time steps were counted together
                members = next(members for members in self.alike[key] if product in members)
                passes = self.cache.tables(self.arch, members, tile_k, shape).of(members.index(product))
            elif product.k:
                passes = self.cache.table(self.arch, product, tile_k, shape)
            costs.append(_cost(self.arch, product, passes, tile_k, shape))
        if problem.pauses:
            pauses, _ = self.order.pauses_for(product)
            group = self._group_of[pauses[-1]]
            pause = self._pause_cycles(group)[self.groups[group][0].index(pauses[-1])]
            problem = replace(problem, pause_cycles=int(pause))
        return problem, costs, self.traffic.dram.unloaded, self.pins

    def _problem(self, key: tuple[str, str]) -> TilingProblem:
        """What a product's tiling depends on but for the length of the pauses that it fills."""
        if key in self._problems:
            return self._problems[key]
        product, traffic = self.typical[key], self.traffic
        epilogue, skip, alike = product.epilogue, traffic.skip, self.alike[key]
        most_rows, operand_bits = self.most_rows[key], traffic.operand_bits
        pauses, by_rows = self.order.pauses_for(product) if self.overlaps else ((), False)
        skip_bytes: Callable[[int, int], int] = partial(_fetched_bytes, skip, product)
        skip_room_bytes: Callable[[int, int], int] = partial(skip.largest_room_bytes, alike)
        if skip.tiles_are_alike(product):
            skip_bytes = _DenseBytes(product.m, product.k, operand_bits)
        if not skip.encoded_on_chip(product):
            skip_room_bytes = _DenseRoomBytes(most_rows, product.k, operand_bits)
        self._problems[key] = TilingProblem(
            m=most_rows,
            n=product.n,
            k=product.k,
            operand_bits=operand_bits,
            accumulator_bits=self.arch.precision.accumulator_bits,
            skip_bytes=skip_bytes,
            skip_room_bytes=skip_room_bytes,
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
            fills_by_rows=by_rows,
            arrays=self.arch.arrays,
        )
        return self._problems[key]

    def _pause_cycles(self, group: int) -> Int64s:
        """About how long the array waits before each product of a serial chain: the way of the last tile before it.

        0 before one that waits for none.
        """
        if group in self._known_pauses:
            return self._known_pauses[group]
        _, members = self.groups[group]
        made_by = [next((after.product for after in p.after if after.on_chip), -1) for p in members]
        waiting = np.array(made_by) >= 0
        pauses = np.zeros(len(members), dtype=np.int64)
        if waiting.any():
            before = [self.workload.products[made] for made in made_by]
            pauses += [self._best((p.layer, p.name)).last_cycles for p in before]
            pauses += self.arch.system.vector_unit.latency_cycles
            if not self._tiling_of_name(members[0]).skip_on_chip:
                dram = self.traffic.dram.unloaded
                moved_bytes = np.array([self.traffic.dense_store_bytes(p) for p in before], dtype=np.int64)
                moved_bytes += self._skip_stored[made_by]
                moved_bytes += self.traffic.skip.fetched_bytes(members, members[0].m, members[0].k)
                pauses += dram.latency_cycles + dram.transfer_cycles(moved_bytes)
            pauses[~waiting] = 0
        self._known_pauses[group] = pauses
        return pauses

    @cached_property
    def _skip_stored(self) -> Int64s:
        """Bytes of the next skip operand that each product stores: int64 [products]."""
        stored = np.zeros(len(self.workload.products), dtype=np.int64)
        for indices, members in self.groups:
            stored[indices] = self.traffic.skip.stored_bytes(members)
        return stored

    def _crowded(self, group: int) -> bool:
        """Whether the weights that stay for a chain leave no room for another product's tile."""
        product = self.groups[group][1][0]
        tiling = self._tiling_of_name(product)
        taken = self.traffic.operand_bytes(product.k * product.n) if tiling.shared_resident else 0
        return taken + self.traffic.room_bytes[SHARED] > self.traffic.capacity_bytes[SHARED]
