"""The plain form of `simulator.mapping.writing`: one product's jobs, loads and counts, written one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plain.skip_tiles import SkipTile, skip_tile, stored_bytes

from simulator.mapping.accounting import Counted, count_products
from simulator.mapping.counts import Count
from simulator.mapping.passes import PassTable, feed_cycles, words_cycles
from simulator.mapping.places import ALIGNMENT_BYTES
from simulator.mapping.plan import NONE, OUTPUT, SHARED, SKIP, PlannedProduct
from simulator.mapping.tiling import Tiling
from simulator.mapping.traffic import Traffic
from simulator.memory import bytes_of_bits
from simulator.workload import After, Product

JOB_DEFAULTS = {
    "product": NONE,
    "array_cycles": 0,
    "feed_cycles": 0,
    "drains": 0,
    "drain_cycles": 0,
    "tail_cycles": 0,
    "vector_cycles": 0,
    "store_bytes": 0,
    "store_address_bytes": 0,
    "load_skip": NONE,
    "load_shared": NONE,
    "load_output": NONE,
}


class PlanTable:
    """Columns of the plan, growing row by row."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, int]] = []
        self.loads: list[dict[str, int]] = []
        self.waits: list[tuple[int, int, int]] = []

    def add_job(self, **columns: int) -> int:
        """Append a job and return its number; columns that are not named take their defaults."""
        self.jobs.append({**JOB_DEFAULTS, "first_load": len(self.loads), **columns})
        return len(self.jobs) - 1

    def add_load(self, **columns: int) -> int:
        """Append a load, first needed by the next job, and return its number."""
        self.loads.append(columns)
        return len(self.loads) - 1


class Tensors:
    """Addresses of tensors by name: a new one lies after all others, on the next whole `ALIGNMENT_BYTES`."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], int] = {}
        self._free_bytes = 0

    def place(self, name: tuple[str, ...], size_bytes: int) -> int:
        """Give the address of a tensor."""
        if name not in self._places:
            self._places[name] = self._free_bytes
            self._free_bytes += size_bytes + -size_bytes % ALIGNMENT_BYTES
        return self._places[name]


class TilePlaces:
    """Addresses of one product's tiles."""

    def __init__(self, tensors: Tensors, traffic: Traffic, product: Product) -> None:
        self._traffic, self._product = traffic, product
        key = (product.layer, product.name, *(() if product.time is None else (str(product.time),)))
        operand = (*key, "skip") if product.mask is None else product.mask.key
        self._skip = tensors.place(operand, traffic.operand_bytes(product.m * product.k))
        self._shared = tensors.place((product.shared_operand,), traffic.operand_bytes(product.k * product.n))
        self._partial = tensors.place((*key, "partial"), traffic.partial_bytes(product))
        self._sums = tensors.place((*key, "sums"), traffic.accumulator_bytes(product.m * product.n))
        self._result = tensors.place((*key, "result"), traffic.store_bytes(product))

    def skip_tile(self, i: int, m: int, q: int, tiling: Tiling) -> int:
        """The tile of the skip operand of row tile i, which has m rows, and K tile q."""
        values = i * tiling.tile_m * self._product.k + q * tiling.tile_k * m
        return self._skip + self._traffic.operand_bytes(values)

    def shared_tile(self, j: int, n: int, q: int, tiling: Tiling) -> int:
        """The tile of the shared operand of column tile j, which has n columns, and K tile q."""
        values = j * tiling.tile_n * self._product.k + q * tiling.tile_k * n
        return self._shared + self._traffic.operand_bytes(values)

    def sums_tile(self, i: int, j: int, tiling: Tiling) -> int:
        """The partial sums of an output tile."""
        rows = i * tiling.tile_m
        m = min(tiling.tile_m, self._product.m - rows)
        return self._sums + self._traffic.accumulator_bytes(rows * self._product.n + j * tiling.tile_n * m)

    def next_partial(self, size_bytes: int) -> int:
        """The next run of what the epilogue reads."""
        address, self._partial = self._partial, self._partial + size_bytes
        return address

    def next_result(self, size_bytes: int) -> int:
        """The next run of results."""
        address, self._result = self._result, self._result + size_bytes
        return address


class Shares:
    """Deals a total out over parts in proportion to their sizes, exactly: the shares sum to the total."""

    def __init__(self, total: int, whole: int) -> None:
        self._total, self._whole, self._done = total, whole, 0

    def take(self, part: int) -> int:
        """Give the next part its share."""
        before = self._total * self._done // self._whole
        self._done += part
        return self._total * self._done // self._whole - before


class ProductJobs:
    """Writes the jobs of one product, one at a time: a job is one output tile x one K tile.

    A job's loads are listed in the order in which the DMA takes them: shared operand, skip operand, output tile. Jobs
    of other products may be written in between.

    Attributes
    ----------
    first_job, last_job : int
        The first and the last job written; -1 before.
    array_cycles, feed_cycles : int
        The array's own time on the whole product, and the time for which it then waits for words.
    jobs, jobs_left : int
        All jobs, and those not written yet.
    rows_in_order : bool
        All jobs of a tile of rows follow each other.
    """

    def __init__(
        self,
        table: PlanTable,
        tensors: Tensors,
        traffic: Traffic,
        resident: dict[tuple[str, int, int], int],
        product: Product,
        index: int,
        tiling: Tiling,
        passes: PassTable | None,
        writers: Mapping[int, ProductJobs],
    ) -> None:
        self.table, self.traffic, self.resident = table, traffic, resident
        self.product, self.index, self.tiling, self.passes = product, index, tiling, passes
        self.writers = writers
        arch = traffic.arch
        encoded = traffic.skip.bits_read([product], tiling.tile_m, tiling.tile_k) if passes is not None else None
        self.counts = count_products(arch, [Counted([product], passes, tiling.columns, encoded)])[0]
        self.first_job = self.last_job = NONE
        self._last_of_rows: dict[int, int] = {}
        self.array_cycles = self.feed_cycles = 0
        self._places = TilePlaces(tensors, traffic, product)
        if passes is not None:
            self._cycles = passes.counts.cycles + arch.array.pass_overhead_cycles
            self._feed = feed_cycles(arch, product, passes, tiling.columns)
            column_tiles = -(-product.n // tiling.columns)
            self.array_cycles = passes.total(self._cycles, column_tiles)
            self.feed_cycles = passes.total(self._feed, column_tiles)
            if arch.arrays > 1:
                every = [self._on_arrays(*tile) for tile in tiling.jobs(product.m, product.n, product.k)]
                self.array_cycles, self.feed_cycles = map(sum, zip(*every, strict=True))
        self._jobs = self._write()
        self._row_tiles = -(-product.m // tiling.tile_m)
        column_tiles, k_tiles = -(-product.n // tiling.tile_n), max(1, -(-product.k // tiling.tile_k))
        self._jobs_per_row_tile = column_tiles * k_tiles
        self.jobs = self.jobs_left = self._row_tiles * self._jobs_per_row_tile
        columns_first = tiling.order == "nmk" or k_tiles == 1
        self.rows_in_order = tiling.order in ("mnk", "mkn") or (column_tiles == 1 and columns_first)

    @property
    def keeps_a_tile(self) -> bool:
        """Whether a tile stays in a buffer from the jobs written so far to those left."""
        if not 0 < self.jobs_left < self.jobs:
            return False
        between_rows = self.rows_in_order and self.jobs_left % self._jobs_per_row_tile == 0
        return not between_rows or self._jobs_per_row_tile == 1 or self.tiling.shared_resident

    @property
    def next_maker(self) -> int:
        """The last product, in program order, of those that make the rows of the next tile of rows."""
        assert self.rows_in_order
        done = (self.jobs - self.jobs_left) // self._jobs_per_row_tile
        return self._last_maker(self._row_tiles - 1 - done if self.tiling.descending else done)

    def write(self) -> None:
        """Write the next job."""
        self.jobs_left -= 1
        next(self._jobs)

    def write_rest(self) -> None:
        """Write all jobs that are not written yet."""
        while self.jobs_left:
            self.write()

    def planned(self) -> PlannedProduct:
        """Say what was written."""
        return PlannedProduct(self.product, self.tiling, self.first_job, self.last_job, self.array_cycles, self.counts)

    def _write(self) -> Iterator[None]:
        product, tiling, traffic, table = self.product, self.tiling, self.traffic, self.table
        port = traffic.memory.buffers.output.port_values_per_cycle
        epilogue, outputs = product.epilogue, product.m * product.n
        partial = Shares(traffic.partial_bytes(product), outputs)
        stores = Shares(traffic.dense_store_bytes(product), outputs)
        forward = Shares(epilogue.gate_forward_values, outputs)
        backward = Shares(epilogue.gate_backward_values, outputs)
        k_tiles = len(self.passes.nonzeros) if self.passes else 1
        skip = shared = NONE
        skip_held = shared_held = waited_for = None
        output_of: dict[tuple[int, int], int] = {}
        job_of: dict[tuple[int, int], int] = {}
        for i, j, q in tiling.jobs(product.m, product.n, product.k):
            m = min(tiling.tile_m, product.m - i * tiling.tile_m)
            n = min(tiling.tile_n, product.n - j * tiling.tile_n)
            job = len(table.jobs)
            first_load = len(table.loads)
            if waited_for != (awaited := self._jobs_awaited(i)):
                table.waits += [(job, other, on_chip) for other, on_chip in awaited]
                waited_for = awaited
            cycles = feed = 0
            if self.passes is not None:
                if shared_held != (j, q):
                    shared, shared_held = self._load_shared(j, n, q), (j, q)
                if skip_held != (i, q):
                    skip, skip_held = self._load_skip(i, m, q, skip), (i, q)
                cycles = self.passes.of_job(self._cycles, q, self._passes_of(i), self._column_tiles_of(j))
                feed = self.passes.of_job(self._feed, q, self._passes_of(i), self._column_tiles_of(j))
                if traffic.arch.arrays > 1:
                    cycles, feed = self._on_arrays(i, j, q)
            if q == 0:
                output_of[i, j] = self._load_output(i, m * n, partial.take(m * n))
            elif not tiling.sums_stay:
                output_of[i, j] = self._load_sums(i, j, m * n, job_of[i, j])
            output = output_of[i, j]
            for load in (skip, shared, output):
                if load != NONE:
                    table.loads[load]["last_job"] = job
            completes = q == k_tiles - 1
            spills = not completes and not tiling.sums_stay
            drains = (completes or spills) and self.passes is not None
            store_bytes = stores.take(m * n) + self._store_skip(i, m, j, n) if completes else 0
            store_address = self._places.next_result(store_bytes)
            if spills:
                store_bytes = traffic.accumulator_bytes(m * n)
                store_address = self._places.sums_tile(i, j, tiling)
            self.counts[Count.DRAM_WRITE_BYTES] += store_bytes
            table.add_job(
                product=self.index,
                first_load=first_load,
                array_cycles=cycles,
                feed_cycles=feed,
                drains=int(completes or spills),
                drain_cycles=-(-m * n // port) if drains else 0,
                tail_cycles=-(-self._last_values(m, n) // port) if drains else 0,
                vector_cycles=traffic.vector_cycles(forward.take(m * n), backward.take(m * n)) if completes else 0,
                store_bytes=store_bytes,
                store_address_bytes=store_address,
                load_skip=skip,
                load_shared=shared,
                load_output=output,
            )
            job_of[i, j] = self._last_of_rows[i] = self.last_job = job
            self.first_job = job if self.first_job == NONE else self.first_job
            yield

    def _last_values(self, m: int, n: int) -> int:
        """Sums of the last pass of each array."""
        return min(self.traffic.arch.arrays * min(m, self.tiling.rows) * min(n, self.tiling.columns), m * n)

    def _on_arrays(self, i: int, j: int, q: int) -> tuple[int, int]:
        """What a job takes where several arrays take its passes, each the next one when it is free."""
        assert self.passes is not None
        arch, columns = self.traffic.arch, self._column_tiles_of(j)
        words = words_cycles(arch, self.product, self.passes, self.tiling.columns)
        free_at, fed_at, all_words = [0] * arch.arrays, [0] * arch.arrays, 0
        rows = self._passes_of(i)
        for p in range(rows.start, rows.stop):
            for column in range(columns.start, columns.stop):
                at = (q, p) if self.passes.per_column else (q, p, column)
                free_at[free_at.index(min(free_at))] += int(self._cycles[at])
                fed_at[fed_at.index(min(fed_at))] += int(self._cycles[at] + self._feed[at])
                all_words += int(words[at])
        return max(free_at), max(*fed_at, all_words) - max(free_at)

    def _jobs_awaited(self, i: int) -> list[tuple[int, int]]:
        """What a row tile waits for: jobs, and whether on chip (made) or stored."""
        product = self.product
        if product.made_by is not None:
            return [(self._maker(i), 0)]
        return [(self._awaited(a), int(a.on_chip and self.tiling.skip_on_chip)) for a in product.after]

    def last_job_of_rows(self, rows: tuple[int, int] | None) -> int:
        """The last job on some rows of the product's results; None: on all."""
        if rows is None:
            return self.last_job
        tiles = range(rows[0] // self.tiling.tile_m, (rows[1] - 1) // self.tiling.tile_m + 1)
        return max(self._last_of_rows[i] for i in tiles)

    def _awaited(self, after: After) -> int:
        return self.writers[after.product].last_job_of_rows(after.rows)

    def _last_maker(self, i: int) -> int:
        assert self.product.made_by is not None
        return int(self.product.made_by[i * self.tiling.tile_m : (i + 1) * self.tiling.tile_m].max())

    def _maker(self, i: int) -> int:
        return self.writers[self._last_maker(i)].last_job

    def _passes_of(self, i: int) -> slice:
        assert self.passes is not None
        per_tile = self.tiling.tile_m // self.tiling.rows
        return slice(i * per_tile, min((i + 1) * per_tile, len(self.passes.lanes)))

    def _column_tiles_of(self, j: int) -> slice:
        per_tile = self.tiling.tile_n // self.tiling.columns
        return slice(j * per_tile, min((j + 1) * per_tile, -(-self.product.n // self.tiling.columns)))

    def _positions(self, q: int) -> int:
        return min(self.tiling.tile_k, self.product.k - q * self.tiling.tile_k)

    def _load_shared(self, j: int, n: int, q: int) -> int:
        """Load a tile of the shared operand, unless an earlier product of the chain left it there."""
        bits = self._positions(q) * n * self.traffic.arch.precision.operand_bits
        address = self._places.shared_tile(j, n, q, self.tiling)
        if not self.tiling.shared_resident:
            return self._load(SHARED, bits, bits, address)
        tile = (self.product.shared_operand, j, q)
        if tile not in self.resident:
            self.resident[tile] = self._load(SHARED, bits, bits, address)
        return self.resident[tile]

    def _load_skip(self, i: int, m: int, q: int, held: int) -> int:
        """Load a tile of the skip operand, or take the whole of it from the vector unit."""
        assert self.passes is not None
        product = self.product
        if self.tiling.skip_on_chip:
            if held != NONE:
                return held
            whole = slice(0, product.m), slice(0, product.k)
            tile = skip_tile(self.traffic.skip, product, *whole, int(self.passes.nonzeros.sum()))
            self._count_skip_written(tile)
            return self._load(SKIP, 8 * tile.room_bytes, 0, 0)
        rows = slice(i * self.tiling.tile_m, i * self.tiling.tile_m + m)
        positions = slice(q * self.tiling.tile_k, q * self.tiling.tile_k + self._positions(q))
        nonzeros = int(self.passes.nonzeros[q, self._passes_of(i)].sum())
        tile = skip_tile(self.traffic.skip, product, rows, positions, nonzeros)
        self._count_skip_written(tile)
        after = self._stored_before(i, skip=True)
        address = self._places.skip_tile(i, m, q, self.tiling)
        return self._load(SKIP, 8 * tile.room_bytes, 8 * tile.dram_bytes, address, after)

    def _count_skip_written(self, tile: SkipTile) -> None:
        self.counts[Count.SKIP_BUFFER_BITS_WRITTEN] += tile.value_bits
        self.counts[Count.METADATA_BITS_WRITTEN] += tile.metadata_bits

    def _store_skip(self, i: int, m: int, j: int, n: int) -> int:
        """Bytes of the next skip operand that an output tile stores."""
        rows = slice(i * self.tiling.tile_m, i * self.tiling.tile_m + m)
        columns = slice(j * self.tiling.tile_n, j * self.tiling.tile_n + n)
        return stored_bytes(self.traffic.skip, self.product, rows, columns)

    def _load_output(self, i: int, values: int, partial_bytes: int) -> int:
        """Allocate an output tile, and fetch what its epilogue needs."""
        space_bits = values * self.traffic.arch.precision.accumulator_bits
        after = self._stored_before(i, skip=False) if partial_bytes else NONE
        return self._load(OUTPUT, space_bits, partial_bytes * 8, self._places.next_partial(partial_bytes), after)

    def _load_sums(self, i: int, j: int, values: int, job: int) -> int:
        """Allocate an output tile, and fetch the sums that a job before sent to DRAM."""
        bits = values * self.traffic.arch.precision.accumulator_bits
        return self._load(OUTPUT, bits, bits, self._places.sums_tile(i, j, self.tiling), job)

    def _stored_before(self, i: int, skip: bool) -> int:
        """The job whose results must be in DRAM before a tile of rows can be loaded; -1: none.

        In a chain the skip operand is what the product before made, and the epilogue reads what others did.
        """
        product = self.product
        if product.made_by is not None:
            return self._maker(i)
        return max((self._awaited(a) for a in product.after if a.on_chip == (skip and product.in_chain)), default=NONE)

    def _load(self, buffer: int, space_bits: int, dram_bits: int, address_bytes: int, after: int = NONE) -> int:
        dram_bytes = bytes_of_bits(dram_bits)
        self.counts[Count.DRAM_READ_BYTES] += dram_bytes
        if buffer == SHARED:
            self.counts[Count.SHARED_BUFFER_BITS_WRITTEN] += dram_bits
        if buffer == OUTPUT:
            self.counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] += dram_bits
            self.counts[Count.OUTPUT_BUFFER_BITS_READ] += dram_bits
        return self.table.add_load(
            buffer=buffer,
            space_bytes=bytes_of_bits(space_bits),
            dram_bytes=dram_bytes,
            address_bytes=address_bytes,
            after_job=after,
            last_job=NONE,
        )
