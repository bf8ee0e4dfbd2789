"""When the array began and ended each pass of a job; and what passes are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from simulator.arch import Architecture
from simulator.engine.history import PASS_UNIT
from simulator.engine.times import Interval, StepTimes, Window
from simulator.mapping import PassCache, Plan, PlannedProduct


def with_passes(arch: Architecture, plan: Plan, cache: PassCache, times: StepTimes, window: Window) -> StepTimes:
    """Add the passes of the array's jobs to the history of a step, one after the other as the array does them, or each
    on the array that is free first: then the unit's name has the array's number.

    Parameters
    ----------
    arch : Architecture
    plan : Plan
    cache : PassCache
        The pass counts that the plan was made of.
    times : StepTimes
        Of this plan, with what each unit did when within the window.
    window : (first, last)
        In cycles, the last left out; passes that reach into it are added.

    Returns
    -------
    StepTimes
        With slices that are named by `pass_name`; a pass without a cycle is left out. A pass takes its own cycles and
        the machine's `pass_overhead_cycles`.
    """
    by_product: dict[int, list[Interval]] = {}
    for job in times.intervals:
        if job.unit == "array":
            by_product.setdefault(int(plan.job_product[job.job]), []).append(job)
    found: list[Interval] = []
    for product, jobs in by_product.items():
        planned = plan.products[product]
        place = {int(job): index for index, job in enumerate(plan.jobs_of(planned))}
        tiles = list(planned.tiling.jobs(planned.product.m, planned.product.n, planned.product.k))
        cycles = _Cycles(arch, planned, cache)
        for job in jobs:
            free_at = [job.start] * arch.arrays
            for name, about, took in cycles.passes(*tiles[place[job.job]]):
                now = min(free_at)
                array = free_at.index(now)
                unit = PASS_UNIT if arch.arrays == 1 else f"{PASS_UNIT} {array}"
                if took and now < window[1] and now + took > window[0]:
                    found.append(Interval(unit, name, now, now + took, f"{about}, of {job.name}", job.job))
                free_at[array] += took
            assert max(free_at) == job.end, "the passes of a job are all of it"
    history = times.history
    return replace(times, history=replace(history, slices=(*history.slices, *found)))


def pass_name(planned: PlannedProduct, k_tile: int, rows: int) -> str:
    """Name a pass: its product, a colon and its number, counted over K tiles and within them over tiles of rows.

    The tiles of columns of one pass have the same name: they are the same schedule.
    """
    return f"{planned.label}:{k_tile * row_passes(planned) + rows}"


def row_passes(planned: PlannedProduct) -> int:
    """How many passes the rows of a product are cut into."""
    return -(-planned.product.m // planned.tiling.rows)


class _Cycles:
    """Cycles of the passes of one product."""

    def __init__(self, arch: Architecture, planned: PlannedProduct, cache: PassCache) -> None:
        product, tiling = planned.product, planned.tiling
        self.planned, self.overhead = planned, arch.array.pass_overhead_cycles
        table = cache.table(arch, product, tiling.tile_k, (tiling.rows, tiling.columns))
        self.cycles, self.per_column = table.counts.cycles, table.per_column

    def passes(self, i: int, j: int, q: int) -> Iterator[tuple[str, str, int]]:
        """Walk the passes of the job of tile (i, j, q): name, what of the product it is, and cycles."""
        product, tiling = self.planned.product, self.planned.tiling
        positions = _said("positions", q * tiling.tile_k, tiling.tile_k, product.k)
        for row in range(i * tiling.tile_m, min((i + 1) * tiling.tile_m, product.m), tiling.rows):
            p = row // tiling.rows
            name, rows = pass_name(self.planned, q, p), _said("rows", row, tiling.rows, product.m)
            for column in range(j * tiling.tile_n, min((j + 1) * tiling.tile_n, product.n), tiling.columns):
                took = self.cycles[q, p] if self.per_column else self.cycles[q, p, column // tiling.columns]
                columns = _said("columns", column, tiling.columns, product.n)
                yield name, f"{rows}, {columns}, {positions}", int(took) + self.overhead


def _said(what: str, first: int, size: int, extent: int) -> str:
    return f"{what} {first} to {min(first + size, extent) - 1}"
