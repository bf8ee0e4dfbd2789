"""From products and their tilings to a plan: everything that the compiled writer needs, as flat tables.

Products that are alike (the time steps of a serial product) are prepared together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import simulator.mapping.writer_columns as c
from simulator.arch import Architecture
from simulator.mapping.accounting import count_products
from simulator.mapping.passes import PassTable, feed_cycles
from simulator.mapping.places import Places
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS, Plan, PlannedProduct, plan_of
from simulator.mapping.program import ProgramOrder
from simulator.mapping.tiling import ORDERS, Tiling
from simulator.mapping.traffic import Traffic
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mapped:
    """A product with its tiling and its passes (None: a task without MACs)."""

    product: Product
    tiling: Tiling
    passes: PassTable | None


@dataclass(frozen=True)
class Pauses:
    """What the order of products needs of a chain's product.

    Attributes
    ----------
    cycles : callable
        About how many cycles the array waits before a product of a chain.
    crowded : callable
        Whether a chain's product leaves no room in the buffers for a tile of another product.
    alike : callable
        Products for which this is equal have equal pauses and are equally crowded.
    """

    cycles: Callable[[int], int]
    crowded: Callable[[int], bool]
    alike: Callable[[int], object]


def write_plan(
    arch: Architecture, traffic: Traffic, order: ProgramOrder, mapped: Sequence[Mapped], pauses: Pauses | None
) -> Plan:
    """Write the jobs of all products; without `pauses` products are not mixed."""
    from simulator.mapping.writer_kernels import write_program

    tables = _Tables(arch, traffic, order, mapped, pauses)
    tables.prepare()
    spec = tables.spec
    tiles = spec[:, c.M_TILES] * spec[:, c.N_TILES]
    jobs_of = tiles * spec[:, c.K_TILES]
    most_jobs = int(jobs_of.sum())
    jobs = np.zeros((len(JOB_COLUMNS), most_jobs), dtype=np.int64)
    loads = np.full((len(LOAD_COLUMNS), 3 * most_jobs), -1, dtype=np.int64)
    # A product waits once for each thing, or, where a chain makes its rows, at most once a job.
    most_waits = len(tables.after) + int(jobs_of[spec[:, c.MAKERS_AT] >= 0].sum())
    waits = np.empty((most_waits, 3), dtype=np.int64)
    outputs = int(tiles.sum())
    state = tables.state()
    written, loaded, waited = write_program(
        tables.machine(),
        spec,
        tables.after_rows(),
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
    firsts, lasts = state[:, c.FIRST_JOB].tolist(), state[:, c.LAST_JOB].tolist()
    products = [
        PlannedProduct(m.product, m.tiling, first, last, cycles, counts)
        for m, first, last, cycles, counts in zip(
            mapped, firsts, lasts, tables.array_cycles.tolist(), tables.counts, strict=True
        )
    ]
    return plan_of(
        products,
        jobs,
        loads[:, :loaded].copy(),
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
        mapped: Sequence[Mapped],
        pauses: Pauses | None,
    ) -> None:
        self.arch, self.traffic, self.order, self.mapped, self.pauses = arch, traffic, order, mapped, pauses
        self.spec = np.full((len(mapped), c.SPEC), -1, dtype=np.int64)
        self.counts = np.zeros((len(mapped), 0), dtype=np.int64)
        self.array_cycles = np.zeros(len(mapped), dtype=np.int64)
        self.after: list[tuple[int, int, int, int, int]] = []
        self.cycles: list[Int64s] = []
        self.feed: list[Int64s] = []
        self.skip_tiles: list[Int64s] = []
        self.store_skip: list[Int64s] = []
        self.makers: list[Int64s] = []
        self.residents = 0
        self._resident_at: dict[str, int] = {}
        self._ends = dict.fromkeys(("cycles", "feed", "skip_tiles", "store_skip", "makers"), 0)

    def prepare(self) -> None:
        """Fill all tables."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for index, one in enumerate(self.mapped):
            p = one.product
            key = (p.layer, p.name, p.m, p.mask is None, one.tiling)
            groups.setdefault(key, []).append(index)
        parts = [self._group(np.array(members)) for members in groups.values()]
        self.counts = np.empty((len(self.mapped), parts[0].shape[1] if parts else 0), dtype=np.int64)
        for members, part in zip(groups.values(), parts, strict=True):
            self.counts[members] = part
        tiles = self.spec[:, c.M_TILES] * self.spec[:, c.N_TILES]
        self.spec[:, c.OUTPUTS_AT] = np.cumsum(tiles) - tiles
        self.spec[:, c.ROW_TILES_AT] = np.cumsum(self.spec[:, c.M_TILES]) - self.spec[:, c.M_TILES]
        self._totals_and_places()
        self._order()

    def _totals_and_places(self) -> None:
        """Fill what each product moves beside its operands, and where it lies."""
        traffic, rows = self.traffic, []
        for one in self.mapped:
            product = one.product
            epilogue, places = product.epilogue, Places(traffic, product)
            moved = (traffic.partial_bytes(product), traffic.dense_store_bytes(product))
            gates = (epilogue.gate_forward_values, epilogue.gate_backward_values)
            rows.append((*moved, *gates, places.skip, places.shared, places.partial, places.sums, places.result))
        if rows:
            self.spec[:, c.PARTIAL_TOTAL_BYTES : c.RESULT_ADDRESS + 1] = rows

    def _group(self, members: Int64s) -> Int64s:
        """Fill the rows of products that are alike; return their counts."""
        group = [self.mapped[i] for i in members.tolist()]
        first, tiling = group[0].product, group[0].tiling
        m, n, k = first.m, first.n, first.k
        row_tiles, column_tiles = -(-m // tiling.tile_m), -(-n // tiling.tile_n)
        k_tiles = max(1, -(-k // tiling.tile_k))
        for column, value in (
            (c.M, m),
            (c.N, n),
            (c.K, k),
            (c.TILE_M, tiling.tile_m),
            (c.TILE_N, tiling.tile_n),
            (c.TILE_K, tiling.tile_k),
            (c.M_TILES, row_tiles),
            (c.N_TILES, column_tiles),
            (c.K_TILES, k_tiles),
            (c.ROWS, tiling.rows),
            (c.COLUMNS, tiling.columns),
            (c.ORDER, ORDERS.index(tiling.order)),
            (c.SKIP_ON_CHIP, tiling.skip_on_chip),
            (c.SHARED_RESIDENT, tiling.shared_resident),
            (c.SUMS_STAY, tiling.sums_stay),
            (c.DESCENDING, tiling.descending),
            (c.IN_CHAIN, first.in_chain),
        ):
            self.spec[members, column] = value
        skip = self.traffic.skip
        products = [one.product for one in group]
        encoded: list[tuple[int, int] | None] = [None] * len(group)
        jobs = row_tiles * column_tiles * k_tiles
        cost = np.zeros(len(group), dtype=np.int64)
        if k:
            passes = [one.passes for one in group if one.passes is not None]
            cycles, feed, nonzeros = _of_tiles(self.arch, first, tiling, passes, column_tiles)
            self.spec[members, c.PER_COLUMN] = passes[0].per_column
            self._lay("cycles", self.cycles, members, cycles.reshape(len(group), -1), c.CYCLES_AT)
            self._lay("feed", self.feed, members, feed.reshape(len(group), -1), None)
            times = -(-n // tiling.columns) if passes[0].per_column else 1
            array = cycles.reshape(len(group), -1).sum(axis=1) * times
            self.array_cycles[members] = array
            cost = (array + feed.reshape(len(group), -1).sum(axis=1) * times) // jobs
            if tiling.shared_resident:
                if first.shared_operand not in self._resident_at:
                    self._resident_at[first.shared_operand] = self.residents
                    self.residents += column_tiles * k_tiles
                self.spec[members, c.RESIDENT_AT] = self._resident_at[first.shared_operand]
            tiles: list[Int64s] = []
            same = skip.tiles_are_alike(first)
            for row, product in enumerate(products):
                if same and row:
                    tiles.append(tiles[0])
                    continue
                if tiling.skip_on_chip:
                    one = skip.tiles(product, m, k, nonzeros[row].sum(keepdims=True))
                    one[:, c.TILE_DRAM_BYTES] = 0
                else:
                    one = skip.tiles(product, tiling.tile_m, tiling.tile_k, nonzeros[row].T)
                tiles.append(one)
                encoded[row] = skip.bits_read(product, tiling.tile_m, tiling.tile_k)
            self._lay("skip_tiles", self.skip_tiles, members, np.stack(tiles), c.SKIP_TILES_AT)
        self.spec[members, c.JOB_COST_CYCLES] = cost
        storing = [row for row, p in enumerate(products) if p.epilogue.store_skip is not None]
        if storing:
            stores: dict[object, Int64s] = {}  # dense ones depend on the rows alone
            rows = []
            for row in storing:
                mask = products[row].epilogue.store_skip
                key = row if mask is None or skip.formats.skip != "dense" else len(mask.packed)
                if key not in stores:
                    stores[key] = skip.stores(products[row], tiling.tile_m, tiling.tile_n)
                rows.append(stores[key])
            self._lay("store_skip", self.store_skip, members[storing], np.stack(rows), c.STORE_SKIP_AT)
        if first.made_by is not None:
            starts = np.arange(0, m, tiling.tile_m)
            makers = np.stack([np.maximum.reduceat(p.made_by, starts) for p in products if p.made_by is not None])
            self._lay("makers", self.makers, members, makers, c.MAKERS_AT)
        return count_products(self.arch, products, [one.passes for one in group], tiling.columns, encoded)

    def _lay(self, name: str, table: list[Int64s], members: Int64s, rows: Int64s, column: int | None) -> None:
        """Append a row of a flat table for each member, and note where it begins."""
        length = int(np.prod(rows.shape[1:2]))
        if column is not None:
            self.spec[members, column] = self._ends[name] + length * np.arange(len(members))
        self._ends[name] += length * len(members)
        table.append(rows.reshape(-1))

    def _order(self) -> None:
        """Fill what decides the order of products, and what they wait for."""
        spec, order = self.spec, self.order
        for index, one in enumerate(self.mapped):
            spec[index, c.AFTER_FROM] = len(self.after)
            for after in one.product.after:
                first, last = after.rows or (-1, -1)
                handed = after.on_chip and one.tiling.skip_on_chip
                self.after.append((after.product, int(after.on_chip), int(handed), first, last))
            spec[index, c.AFTER_TO] = len(self.after)
        spec[:, (c.PUT_OFF, c.CROWDED, c.PAUSE_CYCLES)] = 0
        known: dict[object, tuple[bool, int]] = {}
        spec[list(order.puts_off), c.PUT_OFF] = 1
        for first, filler in order.by_rows.items():
            spec[first, c.FILLER] = filler
        for index, chain in order.chain_of.items():
            spec[index, c.CHAIN] = chain
            if self.pauses is not None:
                if (alike := (self.pauses.alike(index), index == chain)) not in known:
                    pause = 0 if index == chain else self.pauses.cycles(index)
                    known[alike] = (self.pauses.crowded(index), pause)
                spec[index, (c.CROWDED, c.PAUSE_CYCLES)] = known[alike]
                if index != chain:
                    spec[index, c.NEWEST] = self.mapped[index].product.after[0].product

    def after_rows(self) -> Int64s:
        """What products wait for: int64 [.., 5]."""
        return np.array(self.after, dtype=np.int64).reshape(-1, 5)

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
        return machine

    def state(self) -> Int64s:
        """The state before the first job: int64 [products, STATE]."""
        spec = self.spec
        state = np.full((len(spec), c.STATE), -1, dtype=np.int64)
        state[:, c.JOBS_LEFT] = spec[:, c.M_TILES] * spec[:, c.N_TILES] * spec[:, c.K_TILES]
        state[:, (c.DEALT_PARTIAL, c.DEALT)] = 0
        state[:, c.NEXT_PARTIAL_ADDRESS] = spec[:, c.PARTIAL_ADDRESS]
        state[:, c.NEXT_RESULT_ADDRESS] = spec[:, c.RESULT_ADDRESS]
        return state


def _of_tiles(
    arch: Architecture, product: Product, tiling: Tiling, passes: Sequence[PassTable], column_tiles: int
) -> tuple[Int64s, Int64s, Int64s]:
    """Sum over the passes of each tile of rows, and of columns where they differ.

    Returns
    -------
    array cycles, feed cycles : int64 [products, K tiles, M tiles] or [products, K tiles, M tiles, N tiles]
    non-zeros of the skip operand : int64 [products, K tiles, M tiles]
    """
    overhead = arch.array.pass_overhead_cycles
    row_starts = np.arange(0, len(passes[0].lanes), tiling.tile_m // tiling.rows)

    def tiles(each: list[Int64s]) -> Int64s:
        summed = np.add.reduceat(np.stack(each), row_starts, axis=2)
        if summed.ndim == 4:
            columns = np.arange(0, summed.shape[3], tiling.tile_n // tiling.columns)
            summed = np.add.reduceat(summed, columns, axis=3)
        return summed

    cycles = tiles([table.counts.cycles + overhead for table in passes])
    feed = tiles([feed_cycles(arch, product, table, tiling.columns) for table in passes])
    nonzeros = np.add.reduceat(np.stack([table.nonzeros for table in passes]), row_starts, axis=2)
    return cycles, feed, nonzeros


def _flat(parts: list[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
