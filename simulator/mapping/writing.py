"""From products and their tilings to a plan: everything that the compiled writer needs, as flat tables.

Products that are alike (the time steps of a serial product) are prepared together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import simulator.mapping.writer_columns as c
from simulator.arch import Architecture
from simulator.mapping.accounting import Counted, count_frame, count_products
from simulator.mapping.counts import COUNTS
from simulator.mapping.layout import Group, Layout, Mapped, Parts, flat, of_tiles, skip_tiles
from simulator.mapping.places import RESULT_TENSOR
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS, Plan, PlannedProduct, plan_of
from simulator.mapping.traffic import Traffic
from simulator.workload import Product

Int64s = npt.NDArray[np.int64]


class Pauses(NamedTuple):
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
    layout: Layout,
    products: Sequence[Product],
    mapped: Sequence[Mapped],
    pauses: Pauses | None,
) -> Plan:
    """Write the jobs of all products; without `pauses` products are not mixed.

    Parameters
    ----------
    layout : Layout
        Of the same products, or of those of another step, with these tilings.
    """
    from simulator.mapping.writer_kernels import write_program

    tables = _Tables(arch, traffic, layout, products, mapped, pauses)
    spec = tables.spec
    jobs = np.empty((len(JOB_COLUMNS), layout.jobs), dtype=np.int64)
    loads = np.empty((len(LOAD_COLUMNS), 3 * layout.jobs), dtype=np.int64)
    waits = np.empty((layout.most_waits, 3), dtype=np.int64)
    state = tables.state()
    written, loaded, waited = write_program(
        layout.machine(pauses is not None),
        spec,
        layout.after,
        flat(tables.cycles),
        flat(tables.feed),
        flat(tables.skip_tiles).reshape(-1, 4),
        flat(tables.store_skip),
        layout.makers,
        np.full(max(1, layout.residents), -1, dtype=np.int64),
        np.empty(layout.row_tiles, dtype=np.int64),
        np.empty(layout.outputs, dtype=np.int64),
        np.empty(layout.outputs, dtype=np.int64),
        state,
        tables.counts,
        jobs,
        loads,
        waits,
    )
    assert written == layout.jobs, "every job is written once"
    planned = zip(
        products,
        layout.tilings,
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
    """The tables of all products: those of the layout, and what depends on the masks of a step."""

    def __init__(
        self,
        arch: Architecture,
        traffic: Traffic,
        layout: Layout,
        products: Sequence[Product],
        mapped: Sequence[Mapped],
        pauses: Pauses | None,
    ) -> None:
        self.arch, self.skip, self.layout = arch, traffic.skip, layout
        self.spec = layout.spec.copy()
        self.array_cycles = np.zeros(len(products), dtype=np.int64)
        self.skip_stored = np.zeros(len(products), dtype=np.int64)  # bytes of the next skip operand
        self.cycles: list[Int64s] = []
        self.feed: list[Int64s] = []
        self.skip_tiles: list[Int64s] = []
        self.store_skip: list[Int64s] = []
        counted = [self._group(*of) for of in zip(mapped, layout.groups, layout.parts(), strict=True)]
        if layout.frame is None:
            layout.frame = count_frame(arch, counted)
        self.counts = np.zeros((len(products), len(COUNTS)), dtype=np.int64)
        self.counts[layout.members] = count_products(arch, counted, layout.frame)
        sizes = layout.moved_bytes.copy()
        sizes[:, RESULT_TENSOR] += self.skip_stored
        self.spec[:, c.SKIP_ADDRESS : c.RESULT_ADDRESS + 1] = layout.places.addresses(sizes)
        if pauses is not None and layout.order.chain_of:
            chained = np.array(list(layout.order.chain_of), dtype=np.int64)
            self.spec[chained, c.CROWDED] = pauses.crowded[chained]
            self.spec[chained, c.PAUSE_CYCLES] = pauses.cycles[chained]

    def _group(self, group: Mapped, known: Group, parts: Parts) -> Counted:
        """Fill the rows of products that are alike; what they are counted by."""
        members, products, tiling, passes = known.members, group.products, group.tiling, group.passes
        first, skip = products[0], self.skip
        encoded: Int64s | None = None
        cost: Int64s | int = 0
        if passes is not None:
            cycles, feed, tiles, _ = parts
            if cycles is None or feed is None or tiles is None:
                cycles, feed, nonzeros = of_tiles(self.arch, first, tiling, passes)
                tiles = skip_tiles(skip, products, tiling, nonzeros) if tiles is None else tiles
            self.cycles.append(cycles.reshape(-1))
            self.feed.append(feed.reshape(-1))
            self.skip_tiles.append(tiles.reshape(-1))
            times = -(-first.n // tiling.columns) if passes.per_column and self.arch.arrays == 1 else 1
            array = cycles.sum(axis=1) * times
            self.array_cycles[members] = array
            cost = (array + feed.sum(axis=1) * times) // known.jobs
            encoded = skip.bits_read(products, tiling.tile_m, tiling.tile_k)
        self.spec[members, c.JOB_COST_CYCLES] = cost
        if known.storing:
            stores = parts.store_skip
            if stores is None:
                stores = skip.stores([products[row] for row in known.storing], tiling.tile_m, tiling.tile_n)
            self.store_skip.append(stores.reshape(-1))
            self.skip_stored[members] = skip.stored_bytes(products)
        return Counted(products, passes, tiling.columns, encoded)

    def state(self) -> Int64s:
        """The state before the first job: int64 [products, STATE]."""
        spec = self.spec
        state = np.full((len(spec), c.STATE), -1, dtype=np.int64)
        state[:, c.JOBS_LEFT] = spec[:, c.M_TILES] * spec[:, c.N_TILES] * spec[:, c.K_TILES]
        state[:, (c.DEALT_PARTIAL, c.DEALT, c.AT_I, c.AT_J, c.AT_Q)] = 0
        state[:, c.NEXT_PARTIAL_ADDRESS] = spec[:, c.PARTIAL_ADDRESS]
        state[:, c.NEXT_RESULT_ADDRESS] = spec[:, c.RESULT_ADDRESS]
        return state
