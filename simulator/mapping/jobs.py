"""Writing one product's jobs, loads and memory counts into the plan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.mapping.accounting import count_buffer_reads
from simulator.mapping.counts import Count
from simulator.mapping.passes import PassTable, pass_shape
from simulator.mapping.plan import NONE, OUTPUT, SHARED, SKIP, PlanTable
from simulator.mapping.tiling import Tiling
from simulator.mapping.traffic import Traffic
from simulator.memory import bytes_of_bits
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


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
    """Writes the jobs of one product: a job is one output tile x one K tile.

    A job's loads are listed in the order in which the DMA takes them: shared operand, skip operand, output tile.
    """

    def __init__(
        self,
        table: PlanTable,
        traffic: Traffic,
        resident: dict[tuple[str, int, int], int],
        product: Product,
        index: int,
        tiling: Tiling,
        passes: PassTable | None,
        counts: Int64s,
    ) -> None:
        self.table, self.traffic, self.resident = table, traffic, resident
        self.product, self.index, self.tiling, self.passes, self.counts = product, index, tiling, passes, counts
        self.pass_rows, self.pass_columns = pass_shape(traffic.arch, product)
        stored = [a.product for a in product.after if not (a.on_chip and tiling.skip_on_chip)]
        self.awaited = stored[0] if stored else NONE
        self.keeps_mask = product.mask is not None and traffic.arch.skipping.uses_mask

    def write(self) -> None:
        """Write all jobs."""
        product, tiling, traffic, table = self.product, self.tiling, self.traffic, self.table
        rows, columns = self.pass_rows, self.pass_columns
        port = traffic.memory.buffers.output.port_values_per_cycle
        epilogue, outputs = product.epilogue, product.m * product.n
        partial = Shares(traffic.partial_bytes(product), outputs)
        stores = Shares(traffic.store_bytes(product), outputs)
        forward = Shares(epilogue.gate_forward_values, outputs)
        backward = Shares(epilogue.gate_backward_values, outputs)
        k_tiles = len(self.passes.nonzeros) if self.passes else 1
        skip = shared = output = NONE
        skip_held = shared_held = output_held = None
        for i, j, q in tiling.jobs(product.m, product.n, product.k):
            m = min(tiling.tile_m, product.m - i * tiling.tile_m)
            n = min(tiling.tile_n, product.n - j * tiling.tile_n)
            job = len(table.jobs)
            first_load = len(table.loads)
            cycles = 0
            if self.passes is not None:
                if shared_held != (j, q):
                    shared, shared_held = self._load_shared(j, n, q), (j, q)
                if skip_held != (i, q):
                    skip, skip_held = self._load_skip(i, m, q, skip), (i, q)
                overhead_cycles = traffic.arch.array.pass_overhead_cycles
                cycles = self.passes.job_cycles(q, self._passes_of(i), self._column_tiles_of(j), overhead_cycles)
            if output_held != (i, j):
                output, output_held = self._load_output(m * n, partial.take(m * n)), (i, j)
            for load in (skip, shared, output):
                if load != NONE:
                    table.loads[load]["last_job"] = job
            completes = q == k_tiles - 1
            from_array = completes and self.passes is not None
            table.add_job(
                product=self.index,
                first_load=first_load,
                array_cycles=cycles,
                completes=int(completes),
                drain_cycles=-(-m * n // port) if from_array else 0,
                tail_cycles=-(-min(m, rows) * min(n, columns) // port) if from_array else 0,
                vector_cycles=traffic.vector_cycles(forward.take(m * n), backward.take(m * n)) if completes else 0,
                store_bytes=stores.take(m * n) if completes else 0,
                load_skip=skip,
                load_shared=shared,
                load_output=output,
            )
        self._count()

    def _passes_of(self, i: int) -> slice:
        assert self.passes is not None
        per_tile = self.tiling.tile_m // self.pass_rows
        return slice(i * per_tile, min((i + 1) * per_tile, len(self.passes.lanes)))

    def _column_tiles_of(self, j: int) -> slice:
        per_tile = self.tiling.tile_n // self.pass_columns
        return slice(j * per_tile, min((j + 1) * per_tile, -(-self.product.n // self.pass_columns)))

    def _positions(self, q: int) -> int:
        return min(self.tiling.tile_k, self.product.k - q * self.tiling.tile_k)

    def _load_shared(self, j: int, n: int, q: int) -> int:
        """Load a tile of the shared operand, unless an earlier product of the chain left it there."""
        bits = self._positions(q) * n * self.traffic.arch.precision.operand_bits
        if not self.tiling.shared_resident:
            return self._load(SHARED, bits, bits)
        tile = (self.product.shared_operand, j, q)
        if tile not in self.resident:
            self.resident[tile] = self._load(SHARED, bits, bits)
        return self.resident[tile]

    def _load_skip(self, i: int, m: int, q: int, held: int) -> int:
        """Load a tile of the skip operand, or take the whole of it from the vector unit."""
        assert self.passes is not None
        traffic, product = self.traffic, self.product
        if self.tiling.skip_on_chip:
            if held != NONE:
                return held
            space_bits = product.m * product.k * traffic.arch.precision.operand_bits
            self._count_skip_written(product.m * product.k, int(self.passes.nonzeros.sum()))
            return self._load(SKIP, space_bits, 0)
        elements = m * self._positions(q)
        nonzeros = int(self.passes.nonzeros[q, self._passes_of(i)].sum())
        value_bits, metadata_bits = traffic.skip_bits(product.mask, elements, nonzeros)
        self._count_skip_written(elements, nonzeros)
        space_bits = elements * traffic.arch.precision.operand_bits
        load = self._load(SKIP, space_bits, value_bits, after=self.awaited)
        self.table.loads[load]["dram_bytes"] += bytes_of_bits(metadata_bits)
        self.counts[Count.DRAM_READ_BYTES] += bytes_of_bits(metadata_bits)
        return load

    def _count_skip_written(self, elements: int, nonzeros: int) -> None:
        value_bits, _ = self.traffic.skip_bits(self.product.mask, elements, nonzeros)
        self.counts[Count.SKIP_BUFFER_BITS_WRITTEN] += value_bits
        if self.keeps_mask:
            self.counts[Count.METADATA_BITS_WRITTEN] += elements

    def _load_output(self, values: int, partial_bytes: int) -> int:
        """Allocate an output tile, and fetch what its epilogue needs."""
        space_bits = values * self.traffic.arch.precision.accumulator_bits
        after = self.awaited if partial_bytes else NONE
        return self._load(OUTPUT, space_bits, partial_bytes * 8, after=after)

    def _load(self, buffer: int, space_bits: int, dram_bits: int, after: int = NONE) -> int:
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
            after_product=after,
            last_job=NONE,
        )

    def _count(self) -> None:
        """Count what does not depend on the tiling's loads."""
        counts, epilogue, arch = self.counts, self.product.epilogue, self.traffic.arch
        if self.passes is not None:
            count_buffer_reads(counts, arch, self.product, self.passes)
        counts[Count.GATE_FORWARD_VALUES] = epilogue.gate_forward_values
        counts[Count.GATE_BACKWARD_VALUES] = epilogue.gate_backward_values
        if arch.skipping.uses_mask:
            counts[Count.THRESHOLD_VALUES] = epilogue.gate_backward_values
            counts[Count.MASK_BITS_PACKED] = epilogue.gate_backward_values  # a bit for each value that was judged
        counts[Count.DRAM_WRITE_BYTES] = self.traffic.store_bytes(self.product)
