"""What the writer's tables hold without any mask: where each product's parts lie, what it waits for and moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import simulator.mapping.writer_columns as c
from simulator.arch import Architecture, TileMechanism
from simulator.mapping.accounting import Frame
from simulator.mapping.arrays import dealt_jobs
from simulator.mapping.passes import PassTable, feed_cycles
from simulator.mapping.places import Places
from simulator.mapping.program import ProgramOrder
from simulator.mapping.skip_tiles import SkipOperands, StoredMasks
from simulator.mapping.tiling import ORDERS, Tiling
from simulator.mapping.traffic import Traffic
from simulator.workload import Product
from simulator.workload.product import VALUES

Int64s = npt.NDArray[np.int64]
NOT_TILED = Tiling(1, 1, 1, "mnk", 1, 1)


class Mapped(NamedTuple):
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


class Parts(NamedTuple):
    """Parts of the flat tables of a group at a step: int64, or None where the group has none."""

    cycles: Int64s | None
    feed: Int64s | None
    skip_tiles: Int64s | None
    store_skip: Int64s | None


class Group(NamedTuple):
    """What is known of a group of products without their masks; see `Mapped`.

    Attributes
    ----------
    members : int64 [members]
        Where they stand in program order.
    jobs : int
        Of each.
    storing : list of int
        Which members store a skip operand.
    fixed : Parts
        Those that depend on no mask.
    """

    members: Int64s
    jobs: int
    storing: list[int]
    fixed: Parts


class Layout:
    """What the writer's tables hold that depends on machine, products and tilings, but on no mask.

    It is made of the products of one step and serves all others of the same structure that have these tilings.

    Attributes
    ----------
    spec : int64 [products, SPEC]
        See `simulator.mapping.writer_columns`; without what `_Tables` fills.
    groups : list of Group
    tilings : list of Tiling
        Of each product.
    after : int64 [A, 5]
    makers : int64
        A flat table.
    moved_bytes : int64 [products, len(TENSORS)]
        Of each tensor, without the next skip operand that is stored.
    jobs, outputs, row_tiles, residents, most_waits : int
        Of all products.
    """

    def __init__(
        self,
        arch: Architecture,
        traffic: Traffic,
        order: ProgramOrder,
        products: Sequence[Product],
        mapped: Sequence[Mapped],
    ) -> None:
        self._arch, self._traffic = arch, Traffic(arch, StoredMasks(0))  # keeps no step's masks
        self.order = order
        self.spec = np.full((len(products), c.SPEC), -1, dtype=np.int64)
        self.tilings: list[Tiling] = [NOT_TILED] * len(products)
        self.residents = 0
        self._resident_at: dict[str, int] = {}
        self._ends = dict.fromkeys(("cycles", "feed", "skip_tiles", "store_skip", "makers"), 0)
        # All parts of the step that it is made of, for `_Tables` of that step.
        self._parts: list[Parts] = []
        makers: list[Int64s] = []
        self.groups = [self._group(traffic, group, makers) for group in mapped]
        self.makers = flat(makers)
        self.members = np.concatenate([[], *(group.members for group in self.groups)]).astype(np.int64)
        self.frame: Frame | None = None  # made of the counts of the first step
        spec = self.spec
        tiles = spec[:, c.M_TILES] * spec[:, c.N_TILES]
        spec[:, c.OUTPUTS_AT] = np.cumsum(tiles) - tiles
        spec[:, c.PASSES_BESIDE] = spec[:, c.TILE_N] // spec[:, c.COLUMNS]
        spec[:, c.PASSES_ACROSS] = -(-spec[:, c.N] // spec[:, c.COLUMNS])
        spec[:, c.ROW_TILES_AT] = np.cumsum(spec[:, c.M_TILES]) - spec[:, c.M_TILES]
        jobs_of = tiles * spec[:, c.K_TILES]
        self.jobs, self.outputs = int(jobs_of.sum()), int(tiles.sum())
        self.row_tiles = int(spec[:, c.M_TILES].sum())
        self.moved_bytes = self._moved(products)
        self.places = Places(products)
        self.after = self._order(products)
        # A product waits once for each thing, or, where a chain makes its rows, at most once a job.
        self.most_waits = len(self.after) + int(jobs_of[spec[:, c.MAKERS_AT] >= 0].sum())

    def _group(self, traffic: Traffic, group: Mapped, makers_table: list[Int64s]) -> Group:
        """Fill the rows of products that are alike."""
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
        for index in group.indices:
            self.tilings[index] = tiling
        skip = traffic.skip
        cycles = feed = tiles = stores = None
        if passes is not None:
            cycles, feed, nonzeros = of_tiles(self._arch, first, tiling, passes)
            self.spec[members, c.PER_COLUMN] = passes.per_column and self._arch.arrays == 1
            self._lay("cycles", members, cycles, c.CYCLES_AT)
            self._lay("feed", members, feed, None)
            if tiling.shared_resident:
                if first.shared_operand not in self._resident_at:
                    self._resident_at[first.shared_operand] = self.residents
                    self.residents += column_tiles * k_tiles
                self.spec[members, c.RESIDENT_AT] = self._resident_at[first.shared_operand]
            tiles = skip_tiles(skip, products, tiling, nonzeros)
            self._lay("skip_tiles", members, tiles, c.SKIP_TILES_AT)
        storing = [row for row, p in enumerate(products) if p.epilogue.store_skip is not None]
        if storing:
            stored = [products[row] for row in storing]
            stores = skip.stores(stored, tiling.tile_m, tiling.tile_n)
            self._lay("store_skip", members[storing], stores, c.STORE_SKIP_AT)
        if first.made_by is not None:
            starts = np.arange(0, m, tiling.tile_m)
            makers = np.stack([np.maximum.reduceat(p.made_by, starts) for p in products if p.made_by is not None])
            makers_table.append(makers.reshape(-1))
            self._lay("makers", members, makers, c.MAKERS_AT)
        self._parts.append(Parts(cycles, feed, tiles, stores))
        if first.mask is not None or isinstance(self._arch.skipping, TileMechanism):
            cycles = feed = None
        if not skip.tiles_are_alike(first):
            tiles = None
        if storing and not skip.stores_are_alike(products[storing[0]]):
            stores = None
        return Group(members, row_tiles * column_tiles * k_tiles, storing, Parts(cycles, feed, tiles, stores))

    def parts(self) -> list[Parts]:
        """Give the parts that are known: at first all of the step that it was made of, then those that are fixed."""
        known, self._parts = self._parts, []
        return known or [group.fixed for group in self.groups]

    def _lay(self, name: str, members: Int64s, rows: Int64s, column: int | None) -> None:
        """Note where a row of a flat table begins for each member, or one for all."""
        length = rows.shape[1]
        if column is not None:
            own = length * np.arange(len(members)) if len(rows) > 1 else 0
            self.spec[members, column] = self._ends[name] + own
        self._ends[name] += length * len(rows)

    def _moved(self, products: Sequence[Product]) -> Int64s:
        """Fill what each product moves beside its operands; the bytes of its tensors."""
        traffic, spec = self._traffic, self.spec
        values = np.array([p.epilogue[: len(VALUES)] for p in products], dtype=np.int64).reshape(-1, len(VALUES))
        load, load_sums, gates_forward, gates_backward, store, store_sums = values.T
        operand, sums = traffic.operand_bits, traffic.accumulator_bits
        partial = _bytes(load, operand) + _bytes(load_sums, sums)
        stored = _bytes(store, operand) + _bytes(store_sums, sums)
        m, n, k = spec[:, c.M], spec[:, c.N], spec[:, c.K]
        moved = np.column_stack([partial, stored, gates_forward, gates_backward])
        spec[:, c.PARTIAL_TOTAL_BYTES : c.SKIP_ADDRESS] = moved
        sizes = [_bytes(m * k, operand), _bytes(k * n, operand), partial, _bytes(m * n, sums), stored]
        return np.column_stack(sizes)

    def _order(self, products: Sequence[Product]) -> Int64s:
        """Fill what decides the order of products; what they wait for."""
        spec, order = self.spec, self.order
        ends, rows = [], []
        for product, tiling in zip(products, self.tilings, strict=True):
            for after in product.after:
                first, last = after.rows or (-1, -1)
                rows.append((after.product, after.on_chip, after.on_chip and tiling.skip_on_chip, first, last))
            ends.append(len(rows))
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
                -1 if index == chain else products[index].after[0].product for index, chain in order.chain_of.items()
            ]
        return np.array(rows, dtype=np.int64).reshape(-1, 5)

    def machine(self, mixes: bool) -> Int64s:
        """The constants of the machine: int64 [MACHINE]."""
        system, precision = self._arch.system, self._arch.precision
        unit = system.vector_unit
        machine = np.empty(c.MACHINE, dtype=np.int64)
        machine[c.OPERAND_BITS], machine[c.SUM_BITS] = precision.operand_bits, precision.accumulator_bits
        machine[c.PORT_VALUES] = system.buffers.output.port_values_per_cycle
        machine[c.LANES] = unit.lanes
        machine[c.FORWARD_CYCLES] = unit.gate_forward_cycles_per_value
        machine[c.BACKWARD_CYCLES] = self._traffic.gate_backward_cycles_per_value
        machine[c.MIXES] = mixes
        machine[c.ARRAYS] = self._arch.arrays
        return machine


def skip_tiles(skip: SkipOperands, products: Sequence[Product], tiling: Tiling, nonzeros: Int64s) -> Int64s:
    """What each tile of the skip operand takes: int64 [T, tiles, 4], T is 1 where all products' tiles are alike."""
    apart = products[:1] if skip.tiles_are_alike(products[0]) else products
    own = nonzeros if len(nonzeros) == len(apart) else nonzeros[:1].repeat(len(apart), axis=0)
    if not tiling.skip_on_chip:
        return skip.tiles(apart, tiling.tile_m, tiling.tile_k, own.transpose(0, 2, 1))
    tiles = skip.tiles(apart, products[0].m, products[0].k, own.sum(axis=(1, 2), keepdims=True))
    tiles[:, :, c.TILE_DRAM_BYTES] = 0
    return tiles


def of_tiles(arch: Architecture, product: Product, tiling: Tiling, passes: PassTable) -> tuple[Int64s, Int64s, Int64s]:
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


def flat(parts: list[Int64s]) -> Int64s:
    """Join the parts of a flat table, which may have none."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
