"""From products and their tilings to a plan: everything that the compiled writer needs, as flat tables.

Products that are alike (the time steps of a serial product) are prepared together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import simulator.mapping.writer_columns as c
from simulator.arch import Architecture
from simulator.mapping.accounting import Counted, count_products
from simulator.mapping.arrays import dealt_jobs
from simulator.mapping.counts import COUNTS
from simulator.mapping.passes import PassTable, feed_cycles
from simulator.mapping.places import places
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS, Plan, PlannedProduct, plan_of
from simulator.mapping.program import ProgramOrder
from simulator.mapping.tiling import ORDERS, Tiling
from simulator.mapping.traffic import Traffic
from simulator.workload import Product
from simulator.workload.product import VALUES

Int64s = npt.NDArray[np.int64]
NOT_TILED = Tiling(1, 1, 1, "mnk", 1, 1)


@dataclass(frozen=True)
class Mapped:
    """Products that differ in their time step alone, with their tiling and passes.

    Attributes
    ----------
    indices : sequence of int
        Where they stand in program order.
    products : sequence of Product
    tiling : Tiling
    passes : PassTable or None
        None: tasks without MACs.
    """

    indices: Sequence[int]
    products: Sequence[Product]
    tiling: Tiling
    passes: PassTable | None


@dataclass(frozen=True)
class Pauses:
    """What the order of products needs of a chain's products.

    Attributes
    ----------
    cycles : int64 [products]
        About how many cycles the array waits before a product of a chain; 0 before others.
    crowded : bool [products]
        Whether a chain's product leaves no room in the buffers for a tile of another product.
    """

    cycles: Int64s
    crowded: npt.NDArray[np.bool_]


def write_plan(
    arch: Architecture,
    traffic: Traffic,
    order: ProgramOrder,
    products: Sequence[Product],
    mapped: Sequence[Mapped],
    pauses: Pauses | None,
) -> Plan:
    """Write the jobs of all products; without `pauses` products are not mixed."""
    from simulator.mapping.writer_kernels import write_program

    tables = _Tables(arch, traffic, order, products, pauses)
    tables.prepare(mapped)
    spec = tables.spec
    tiles = spec[:, c.M_TILES] * spec[:, c.N_TILES]
    jobs_of = tiles * spec[:, c.K_TILES]
    most_jobs = int(jobs_of.sum())
    jobs = np.empty((len(JOB_COLUMNS), most_jobs), dtype=np.int64)
    loads = np.empty((len(LOAD_COLUMNS), 3 * most_jobs), dtype=np.int64)
    # A product waits once for each thing, or, where a chain makes its rows, at most once a job.
    most_waits = len(tables.after) + int(jobs_of[spec[:, c.MAKERS_AT] >= 0].sum())
    waits = np.empty((most_waits, 3), dtype=np.int64)
    outputs = int(tiles.sum())
    state = tables.state()
    written, loaded, waited = write_program(
        tables.machine(),
        spec,
        np.array(tables.after, dtype=np.int64).reshape(-1, 5),
        _flat(tables.cycles),
        _flat(tables.feed),
        _flat(tables.skip_tiles).reshape(-1, 4),
        _flat(tables.store_skip),
        _flat(tables.makers),
        np.full(max(1, tables.residents), -1, dtype=np.int64),
        np.empty(int(spec[:, c.M_TILES].sum()), dtype=np.int64),
        np.empty(outputs, dtype=np.int64),
        np.empty(outputs, dtype=np.int64),
        state,
        tables.counts,
        jobs,
        loads,
        waits,
    )
    assert written == most_jobs, "every job is written once"
    planned = zip(
        products,
        tables.tilings,
        state[:, c.FIRST_JOB].tolist(),
        state[:, c.LAST_JOB].tolist(),
        tables.array_cycles.tolist(),
        tables.counts,
        strict=True,
    )
    return plan_of(
        [PlannedProduct(*one) for one in planned],
        jobs,
        loads[:, :loaded],
        waits[:waited],
        traffic.capacity_bytes,
        traffic.dram,
        arch.system.vector_unit.latency_cycles,
    )


class _Tables:
    """The tables of all products, growing group by group."""

    def __init__(
        self,
        arch: Architecture,
        traffic: Traffic,
        order: ProgramOrder,
        products: Sequence[Product],
        pauses: Pauses | None,
    ) -> None:
        self.arch, self.traffic, self.order, self.products, self.pauses = arch, traffic, order, products, pauses
        self.spec = np.full((len(products), c.SPEC), -1, dtype=np.int64)
        self.counts = np.zeros((len(products), len(COUNTS)), dtype=np.int64)
        self.array_cycles = np.zeros(len(products), dtype=np.int64)
        self.skip_stored = np.zeros(len(products), dtype=np.int64)  # bytes of the next skip operand
        self.tilings: list[Tiling] = [NOT_TILED] * len(products)
        self.after: list[tuple[int, int, int, int, int]] = []
        self.cycles: list[Int64s] = []
        self.feed: list[Int64s] = []
        self.skip_tiles: list[Int64s] = []
        self.store_skip: list[Int64s] = []
        self.makers: list[Int64s] = []
        self.residents = 0
        self._resident_at: dict[str, int] = {}
        self._ends = dict.fromkeys(("cycles", "feed", "skip_tiles", "store_skip", "makers"), 0)

    def prepare(self, mapped: Sequence[Mapped]) -> None:
        """Fill all tables."""
        counted = []
        for group in mapped:
            counted.append(self._group(group))
            for index in group.indices:
                self.tilings[index] = group.tiling
        if mapped:
            self.counts[np.concatenate([group.indices for group in mapped])] = count_products(self.arch, counted)
        tiles = self.spec[:, c.M_TILES] * self.spec[:, c.N_TILES]
        self.spec[:, c.OUTPUTS_AT] = np.cumsum(tiles) - tiles
        self.spec[:, c.PASSES_BESIDE] = self.spec[:, c.TILE_N] // self.spec[:, c.COLUMNS]
        self.spec[:, c.PASSES_ACROSS] = -(-self.spec[:, c.N] // self.spec[:, c.COLUMNS])
        self.spec[:, c.ROW_TILES_AT] = np.cumsum(self.spec[:, c.M_TILES]) - self.spec[:, c.M_TILES]
        self._totals_and_places()
        self._order()

    def _totals_and_places(self) -> None:
        """Fill what each product moves beside its operands, and where it lies."""
        traffic, spec = self.traffic, self.spec
        each = [p.epilogue[: len(VALUES)] for p in self.products]
        values = np.array(each, dtype=np.int64).reshape(-1, len(VALUES))
        load, load_sums, gates_forward, gates_backward, store, store_sums = values.T
        operand, sums = traffic.operand_bits, traffic.accumulator_bits
        partial = _bytes(load, operand) + _bytes(load_sums, sums)
        stored = _bytes(store, operand) + _bytes(store_sums, sums)
        m, n, k = spec[:, c.M], spec[:, c.N], spec[:, c.K]
        sizes = [
            _bytes(m * k, operand),
            _bytes(k * n, operand),
            partial,
            _bytes(m * n, sums),
            stored + self.skip_stored,
        ]
        moved = np.column_stack([partial, stored, gates_forward, gates_backward])
        spec[:, c.PARTIAL_TOTAL_BYTES : c.SKIP_ADDRESS] = moved
        spec[:, c.SKIP_ADDRESS : c.RESULT_ADDRESS + 1] = places(self.products, np.column_stack(sizes))

    def _group(self, group: Mapped) -> Counted:
        """Fill the rows of products that are alike; what they are counted by."""
        members, products, tiling, passes = np.array(group.indices), group.products, group.tiling, group.passes
        first = products[0]
        m, n, k = first.m, first.n, first.k
        row_tiles, column_tiles = -(-m // tiling.tile_m), -(-n // tiling.tile_n)
        k_tiles = max(1, -(-k // tiling.tile_k))
        self.spec[members, c.M : c.PER_COLUMN] = (
            *(m, n, k, tiling.tile_m, tiling.tile_n, tiling.tile_k, row_tiles, column_tiles, k_tiles),
            *(tiling.rows, tiling.columns, ORDERS.index(tiling.order), tiling.skip_on_chip, tiling.shared_resident),
            *(tiling.sums_stay, tiling.descending, first.in_chain),
        )
        skip = self.traffic.skip
        encoded: Int64s | None = None
        jobs = row_tiles * column_tiles * k_tiles
        cost: Int64s | int = 0
        if passes is not None:
            cycles, feed, nonzeros = _of_tiles(self.arch, first, tiling, passes)
            per_column = passes.per_column and self.arch.arrays == 1
            self.spec[members, c.PER_COLUMN] = per_column
            self._lay("cycles", self.cycles, members, cycles, c.CYCLES_AT)
            self._lay("feed", self.feed, members, feed, None)
            times = -(-n // tiling.columns) if per_column else 1
            array = cycles.sum(axis=1) * times
            self.array_cycles[members] = array
            cost = (array + feed.sum(axis=1) * times) // jobs
            if tiling.shared_resident:
                if first.shared_operand not in self._resident_at:
                    self._resident_at[first.shared_operand] = self.residents
                    self.residents += column_tiles * k_tiles
                self.spec[members, c.RESIDENT_AT] = self._resident_at[first.shared_operand]
            apart = products[:1] if skip.tiles_are_alike(first) else products
            own = nonzeros if len(nonzeros) == len(apart) else nonzeros[:1].repeat(len(apart), axis=0)
            if tiling.skip_on_chip:
                tiles = skip.tiles(apart, m, k, own.sum(axis=(1, 2), keepdims=True))
                tiles[:, :, c.TILE_DRAM_BYTES] = 0
            else:
                tiles = skip.tiles(apart, tiling.tile_m, tiling.tile_k, own.transpose(0, 2, 1))
            self._lay("skip_tiles", self.skip_tiles, members, tiles, c.SKIP_TILES_AT)
            encoded = skip.bits_read(products, tiling.tile_m, tiling.tile_k)
        self.spec[members, c.JOB_COST_CYCLES] = cost
        storing = [row for row, p in enumerate(products) if p.epilogue.store_skip is not None]
        if storing:
            stores = skip.stores([products[row] for row in storing], tiling.tile_m, tiling.tile_n)
            self._lay("store_skip", self.store_skip, members[storing], stores, c.STORE_SKIP_AT)
        self.skip_stored[members] = skip.stored_bytes(products)
        if first.made_by is not None:
            starts = np.arange(0, m, tiling.tile_m)
            makers = np.stack([np.maximum.reduceat(p.made_by, starts) for p in products if p.made_by is not None])
            self._lay("makers", self.makers, members, makers, c.MAKERS_AT)
        return Counted(products, passes, tiling.columns, encoded)

    def _lay(self, name: str, table: list[Int64s], members: Int64s, rows: Int64s, column: int | None) -> None:
        """Append a row of a flat table for each member, or one for all, and note where it begins."""
        length = rows.shape[1]
        if column is not None:
            own = length * np.arange(len(members)) if len(rows) > 1 else 0
            self.spec[members, column] = self._ends[name] + own
        self._ends[name] += length * len(rows)
        table.append(rows.reshape(-1))

    def _order(self) -> None:
        """Fill what decides the order of products, and what they wait for."""
        spec, order = self.spec, self.order
        ends = []
        for product, tiling in zip(self.products, self.tilings, strict=True):
            for after in product.after:
                first, last = after.rows or (-1, -1)
                self.after.append((after.product, after.on_chip, after.on_chip and tiling.skip_on_chip, first, last))
            ends.append(len(self.after))
        spec[:, c.AFTER_TO] = ends
        spec[1:, c.AFTER_FROM] = ends[:-1]
        spec[:1, c.AFTER_FROM] = 0
        spec[:, (c.PUT_OFF, c.CROWDED, c.PAUSE_CYCLES)] = 0
        spec[list(order.puts_off), c.PUT_OFF] = 1
        for first, filler in order.by_rows.items():
            spec[first, c.FILLER] = filler
        if order.chain_of:
            members = np.array(list(order.chain_of), dtype=np.int64)
            spec[members, c.CHAIN] = list(order.chain_of.values())
            spec[members, c.NEWEST] = [
                -1 if index == chain else self.products[index].after[0].product
                for index, chain in order.chain_of.items()
            ]
            if self.pauses is not None:
                spec[members, c.CROWDED] = self.pauses.crowded[members]
                spec[members, c.PAUSE_CYCLES] = self.pauses.cycles[members]

    def machine(self) -> Int64s:
        """The constants of the machine: int64 [MACHINE]."""
        system, precision = self.arch.system, self.arch.precision
        unit = system.vector_unit
        machine = np.empty(c.MACHINE, dtype=np.int64)
        machine[c.OPERAND_BITS], machine[c.SUM_BITS] = precision.operand_bits, precision.accumulator_bits
        machine[c.PORT_VALUES] = system.buffers.output.port_values_per_cycle
        machine[c.LANES] = unit.lanes
        machine[c.FORWARD_CYCLES] = unit.gate_forward_cycles_per_value
        machine[c.BACKWARD_CYCLES] = self.traffic.gate_backward_cycles_per_value
        machine[c.MIXES] = self.pauses is not None
        machine[c.ARRAYS] = self.arch.arrays
        return machine

    def state(self) -> Int64s:
        """The state before the first job: int64 [products, STATE]."""
        spec = self.spec
        state = np.full((len(spec), c.STATE), -1, dtype=np.int64)
        state[:, c.JOBS_LEFT] = spec[:, c.M_TILES] * spec[:, c.N_TILES] * spec[:, c.K_TILES]
        state[:, (c.DEALT_PARTIAL, c.DEALT, c.AT_I, c.AT_J, c.AT_Q)] = 0
        state[:, c.NEXT_PARTIAL_ADDRESS] = spec[:, c.PARTIAL_ADDRESS]
        state[:, c.NEXT_RESULT_ADDRESS] = spec[:, c.RESULT_ADDRESS]
        return state


def _of_tiles(arch: Architecture, product: Product, tiling: Tiling, passes: PassTable) -> tuple[Int64s, Int64s, Int64s]:
    """Sum over the passes of each tile of rows, and of columns where they differ or several arrays take them.

    Returns
    -------
    array cycles, feed cycles : int64 [T, K tiles * M tiles] or [T, K tiles * M tiles * N tiles]
    non-zeros of the skip operand : int64 [T, K tiles, M tiles]
    """
    row_starts = np.arange(0, len(passes.lanes), tiling.tile_m // tiling.rows)

    def tiles(each: Int64s) -> Int64s:
        summed = np.add.reduceat(each, row_starts, axis=2)
        if not passes.per_column:
            columns = np.arange(0, summed.shape[3], tiling.tile_n // tiling.columns)
            summed = np.add.reduceat(summed, columns, axis=3)
        return summed.reshape(len(summed), -1)

    if arch.arrays > 1:
        cycles, feed = (each.reshape(len(each), -1) for each in dealt_jobs(arch, product, tiling, passes))
    else:
        cycles = tiles(passes.counts.cycles + arch.array.pass_overhead_cycles)
        feed = tiles(feed_cycles(arch, product, passes, tiling.columns))
    return cycles, feed, np.add.reduceat(passes.nonzeros, row_starts, axis=2)


def _bytes(values: Int64s, bits: int) -> Int64s:
    """Whole bytes of so many values of `bits` bits, where the bits might not fit an integer."""
    return np.asarray(values // 8 * bits + -(-(values % 8) * bits // 8))


def _flat(parts: list[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
