"""From a workload and a machine to a plan: tiles, passes, loads, residency, program order and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping.accounting import Counted, count_products
from simulator.mapping.arrays import dealt_jobs
from simulator.mapping.groups import Name, alike
from simulator.mapping.layout import Layout, Mapped
from simulator.mapping.limits import require_int64
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
from simulator.mapping.tiling import Pins, Tiling, TilingProblem, k_tiles
from simulator.mapping.tilings import Candidate, Cut, PassCost, Tilings, enumerated
from simulator.mapping.traffic import Traffic
from simulator.mapping.writing import Pauses, write_plan
from simulator.memory import BandwidthDram
from simulator.workload import Product, Workload
from traces.errors import InputError

Int64s = npt.NDArray[np.int64]

KEPT_LAYOUTS = 4
"""Tilings of all products of which the layout is kept, for each machine and structure: masks may change the choice from
step to step."""


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
        If no tile of a product fits the buffers, or the step is so large that a count could overflow.
    """
    require_int64(arch, workload)
    cache = PassCache() if cache is None else cache
    if arch.ideal_memory:
        return _plan_ideal(arch, workload, cache)
    return _SystemPlanner(arch, workload, cache).plan()


class Choice(NamedTuple):
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
        Choice(planner.typical(name), count, tuple(planner.found(name)))
        for name, count in times.items()
        if planner.typical(name).k
    ]


def _plan_ideal(arch: Architecture, workload: Workload, cache: PassCache) -> Plan:
    """One job a product, nothing to load and nothing to wait for but the array."""
    products = workload.products
    jobs = np.full((len(JOB_COLUMNS), len(products)), NONE, dtype=np.int64)
    jobs[JOB_FIRST_LOAD:JOB_LOAD_SKIP] = 0
    jobs[JOB_PRODUCT] = np.arange(len(products))
    planned: dict[int, PlannedProduct] = {}
    for indices in alike(workload).groups:
        members = [products[index] for index in indices]
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


_enumerated_once = lru_cache(maxsize=512)(enumerated)
"""Tilings of operands whose bytes depend on no mask, which are the same at each step and for many machines."""


class _Before(NamedTuple):
    """What the products of a group wait for on chip, of each: int64 [members].

    Attributes
    ----------
    products : the product before it; -1 where it waits for none
    names : its name, as an index into `Alike.of_name`'s order
    dense_store_bytes : what it stores dense
    """

    products: Int64s
    names: Int64s
    dense_store_bytes: Int64s


class _Known:
    """What of planning a structure on a machine depends on no mask, once it was found."""

    def __init__(self) -> None:
        self.reads_no_mask: dict[Name, bool] = {}
        self.problems: dict[Name, TilingProblem] = {}
        self.tilings: dict[Name, Tilings] = {}
        self.costs: dict[Name, list[PassCost]] = {}
        self.before: dict[int, _Before] = {}
        self.layouts: dict[tuple[Tiling, ...], Layout] = {}


class _SystemPlanner:
    """Plans for a machine with a memory system."""

    def __init__(self, arch: Architecture, workload: Workload, cache: PassCache) -> None:
        self.arch, self.cache, self.workload = arch, cache, workload
        self.traffic = Traffic(arch, cache.stored)
        mapping = arch.system.mapping
        # Two products that run by turns hold a tile each: that takes two halves of every buffer.
        self.overlaps = mapping.overlap and all(getattr(arch.system.buffers, name).double for name in BUFFERS)
        self.alike = alike(workload)
        self.order = self.alike.order
        self.known = workload.structure.kept((_Known, arch.digest), _Known)
        self.pins = Pins(**{k: v for k, v in mapping.model_dump().items() if v != "auto" and k != "overlap"})
        self.groups = [[workload.products[index] for index in indices] for indices in self.alike.groups]
        self._known_pauses: dict[int, Int64s] = {}
        self._chosen: dict[Name, Candidate] = {}
        self._own_problems: dict[Name, TilingProblem] = {}
        self._own_tilings: dict[Name, Tilings] = {}

    def plan(self) -> Plan:
        """Write all products in program order."""
        mapped = self.mapped()
        # First: a layout holds the parts of this step until they are written.
        pauses = self.pauses()
        layouts, tilings = self.known.layouts, tuple([one.tiling for one in mapped])
        layout = layouts.pop(tilings, None) or Layout(
            self.arch, self.traffic, self.order, self.workload.products, mapped
        )
        layouts[tilings] = layout  # as the newest
        while len(layouts) > KEPT_LAYOUTS:
            del layouts[next(iter(layouts))]
        return write_plan(self.arch, self.traffic, layout, self.workload.products, mapped, pauses)

    def typical(self, name: Name) -> Product:
        """The product that stands for all of a layer and name."""
        return self.workload.products[self.alike.typical[name]]

    def mapped(self) -> list[Mapped]:
        """All products with their tilings and passes, those that are alike together."""
        self._count_masks()
        done = []
        for indices, members, name in zip(self.alike.groups, self.groups, self.alike.names, strict=True):
            tiling = self._best(name).tiling
            # The first time step forward takes its hidden state from DRAM, as no product made it.
            on_chip = tiling.skip_on_chip and members[0].in_chain
            descending = self.overlaps and self.order.descends(indices[0])
            if on_chip != tiling.skip_on_chip or descending:
                tiling = tiling._replace(skip_on_chip=on_chip, descending=descending)
            passes = None
            if members[0].k:
                passes = self.cache.tables(self.arch, members, tiling.tile_k, (tiling.rows, tiling.columns))
            done.append(Mapped(indices, members, tiling, passes))
        return done

    def _count_masks(self) -> None:
        """Count passes side by side: those that tilings are compared by, or all where there is nothing to compare."""
        wanted = []
        for name in self.alike.typical:
            product = self.typical(name)
            if product.mask is None:
                continue
            cuts = self._tilings(name).cuts
            if len(cuts) > 1:
                wanted += [Wanted([product], cut.tile_k, cut.shape) for cut in cuts]
                continue
            wanted += [Wanted(self.groups[group], cuts[0].tile_k, cuts[0].shape) for group in self.alike.of_name[name]]
        self.cache.prepare(self.arch, wanted)

    def pauses(self) -> Pauses | None:
        """What decides which jobs stand in pauses; None: products are not mixed."""
        if not self.overlaps:
            return None
        cycles = np.zeros(len(self.workload.products), dtype=np.int64)
        crowded = np.zeros(len(cycles), dtype=np.bool_)
        for group, indices in enumerate(self.alike.groups):
            if indices[0] in self.order.chain_of:
                cycles[indices] = self._pause_cycles(group)
                crowded[indices] = self._crowded(group)
        return Pauses(cycles, crowded)

    def found(self, name: Name) -> list[Candidate]:
        """Enumerate the tilings of a product by layer and name, best first."""
        return self._tilings(name).all(self._costs(name), self._pause_to_fill(name))

    def _best(self, name: Name) -> Candidate:
        """The tiling that a product takes, by layer and name.

        Raises
        ------
        InputError
            If none fits the buffers.
        """
        if name in self._chosen:
            return self._chosen[name]
        chosen = self._tilings(name).best(self._costs(name), self._pause_to_fill(name))
        if chosen is None:
            product = self.typical(name)
            rooms = zip(BUFFERS, self.traffic.room_bytes, strict=True)
            pinned = {k: v for k, v in vars(self.pins).items() if v is not None}
            raise InputError.of(
                f"machine {self.arch.name}: memory.buffers",
                f"no tile of {product.layer} {product.name} ({self.alike.most_rows[name]} x {product.k} x {product.n}) "
                "that fits " + ", ".join(f"{room} bytes of {name}" for name, room in rooms),
                "room for the tiles of one pass in each buffer (its half where double-buffered)",
                f"unpin memory.mapping ({pinned})" if pinned else "enlarge capacity_kib",
            )
        self._chosen[name] = chosen
        return chosen

    def _tilings(self, name: Name) -> Tilings:
        """The tilings of a product that fit, with the K tiles and shapes of a pass that are compared."""
        known = self.known.tilings if self._reads_no_mask(name) else self._own_tilings
        found = known.get(name)
        if found is None:
            if known is self.known.tilings:
                found = self._enumerated(name, _enumerated_once)
            else:  # machines with the same memory have the same ones of a step's masks
                key = (name, self._problem(name).numbers, self.arch.system.formats, *self._limits(name))
                found = self.cache.derived(key, lambda: self._enumerated(name, enumerated))
            known[name] = found
        return found

    def _limits(self, name: Name) -> tuple[BandwidthDram, Pins, tuple[tuple[int, int], ...]]:
        """What tilings depend on beside the problem: the DRAM, pinned keys, and shapes of a pass."""
        return self.traffic.dram.unloaded, self.pins, tuple(pass_shapes(self.arch, self.typical(name)))

    def _enumerated(self, name: Name, enumerate_them: Callable[..., Tilings]) -> Tilings:
        problem, (dram, pins, shapes) = self._problem(name), self._limits(name)
        cuts = tuple(
            Cut(tile_k, *shape)
            for shape in shapes
            if pins.shape in (None, shape)
            for tile_k in k_tiles(problem, *shape, pins)
        )
        return enumerate_them(problem, cuts, dram, pins)

    def _costs(self, name: Name) -> list[PassCost]:
        """What the array takes for a product, for each of the cuts of its tilings."""
        product, cuts = self.typical(name), self._tilings(name).cuts
        if name in self.known.costs:
            return self.known.costs[name]
        costs = []
        for tile_k, *shape in cuts:
            rows, columns = shape
            passes = None
            if product.k and len(cuts) == 1:  # then all time steps were counted together
                members = self.groups[self.alike.group_of[self.alike.typical[name]]]
                passes = self.cache.tables(self.arch, members, tile_k, (rows, columns)).of(members.index(product))
            elif product.k:
                passes = self.cache.table(self.arch, product, tile_k, (rows, columns))
            costs.append(_cost(self.arch, product, passes, tile_k, (rows, columns)))
        if product.mask is None and not isinstance(self.arch.skipping, TileMechanism):
            self.known.costs[name] = costs
        return costs

    def _pause_to_fill(self, name: Name) -> int:
        """Length of the pauses that a product's jobs may stand in; 0 where there are none."""
        problem = self._problem(name)
        if not problem.pauses:
            return 0
        pauses, _ = self.order.pauses_for(self.alike.typical[name])
        group = self.alike.group_of[pauses[-1]]
        return int(self._pause_cycles(group)[self.alike.groups[group].index(pauses[-1])])

    def _reads_no_mask(self, name: Name) -> bool:
        """Whether the bytes of a product's operands and results are the same at each step."""
        known = self.known.reads_no_mask.get(name)
        if known is None:
            product, skip = self.typical(name), self.traffic.skip
            known = skip.tiles_are_alike(product) and skip.stores_are_alike(product)
            self.known.reads_no_mask[name] = known
        return known

    def _problem(self, name: Name) -> TilingProblem:
        """What a product's tiling depends on but for the array's cycles and the length of the pauses that it fills."""
        kept = self.known.problems if self._reads_no_mask(name) else self._own_problems
        if name in kept:
            return kept[name]
        product, traffic = self.typical(name), self.traffic
        epilogue, skip = product.epilogue, traffic.skip
        members = [self.groups[group] for group in self.alike.of_name[name]]
        most_rows, operand_bits = self.alike.most_rows[name], traffic.operand_bits
        pauses, by_rows = self.order.pauses_for(self.alike.typical[name]) if self.overlaps else ((), False)
        skip_bytes: Callable[[int, int], int] = partial(_fetched_bytes, skip, product)
        skip_room_bytes: Callable[[int, int], int] = partial(skip.largest_room_bytes, members)
        if skip.tiles_are_alike(product):
            skip_bytes = _DenseBytes(product.m, product.k, operand_bits)
        if not skip.encoded_on_chip(product):
            skip_room_bytes = _DenseRoomBytes(most_rows, product.k, operand_bits)
        kept[name] = TilingProblem(
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
            shared_stays=by_rows or self.alike.uses[product.shared_operand] > 1,
            resident_bytes=(traffic.room_bytes if by_rows else traffic.capacity_bytes)[SHARED],
            position_grain=self.arch.skipping.position_grain,
            segment_positions=traffic.skip.segment_positions(product),
            pauses=len(pauses),
            fills_by_rows=by_rows,
            arrays=self.arch.arrays,
        )
        return kept[name]

    def _pause_cycles(self, group: int) -> Int64s:
        """About how long the array waits before each product of a serial chain: the way of the last tile before it.

        0 before one that waits for none.
        """
        if group in self._known_pauses:
            return self._known_pauses[group]
        members, before = self.groups[group], self._before(group)
        waiting = before.products >= 0
        pauses = np.zeros(len(members), dtype=np.int64)
        if waiting.any():
            names = list(self.alike.typical)
            last_cycles = np.zeros(len(names), dtype=np.int64)
            for name in set(before.names.tolist()):
                last_cycles[name] = self._best(names[name]).last_cycles
            pauses = last_cycles[before.names] + self.arch.system.vector_unit.latency_cycles
            if not self._best(self.alike.names[group]).tiling.skip_on_chip:
                dram = self.traffic.dram.unloaded
                moved_bytes = before.dense_store_bytes + self._skip_stored[before.products]
                moved_bytes += self.traffic.skip.fetched_bytes(members, members[0].m, members[0].k)
                pauses += dram.latency_cycles + dram.transfer_cycles(moved_bytes)
            pauses[~waiting] = 0
        self._known_pauses[group] = pauses
        return pauses

    def _before(self, group: int) -> _Before:
        """What the products of a group wait for on chip."""
        found = self.known.before.get(group)
        if found is None:
            made_by = [next((after.product for after in p.after if after.on_chip), -1) for p in self.groups[group]]
            products = [self.workload.products[made] for made in made_by]
            number = {name: n for n, name in enumerate(self.alike.typical)}
            found = self.known.before[group] = _Before(
                np.array(made_by, dtype=np.int64),
                np.array([number[p.layer, p.name] for p in products], dtype=np.int64),
                np.array([self.traffic.dense_store_bytes(p) for p in products], dtype=np.int64),
            )
        return found

    @cached_property
    def _skip_stored(self) -> Int64s:
        """Bytes of the next skip operand that each product stores: int64 [products]."""
        stored = np.zeros(len(self.workload.products), dtype=np.int64)
        for indices, members in zip(self.alike.groups, self.groups, strict=True):
            stored[indices] = self.traffic.skip.stored_bytes(members)
        return stored

    def _crowded(self, group: int) -> bool:
        """Whether the weights that stay for a chain leave no room for another product's tile."""
        product, tiling = self.groups[group][0], self._best(self.alike.names[group]).tiling
        taken = self.traffic.operand_bytes(product.k * product.n) if tiling.shared_resident else 0
        return taken + self.traffic.room_bytes[SHARED] > self.traffic.capacity_bytes[SHARED]
