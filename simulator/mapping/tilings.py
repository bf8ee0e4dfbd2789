"""Choosing tile sizes, loop order and the array's shape for a product by modelled cycles and DRAM traffic.

Every candidate is priced as ``first load + max(array, DRAM, vector unit) - hidden + last drain, vector work and
store``: what cannot overlap, plus the busiest of what can, less what fills the pauses of a serial chain. The least
price wins; ties go to fewer DRAM bytes, then to fewer jobs, then to the first by name (loop order, shape), so the
choice is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.mapping.tiling import ORDERS, Order, Pins, Tiling, TilingProblem
from simulator.memory import BandwidthDram

Int64s = npt.NDArray[np.int64]


class PassCost(NamedTuple):
    """What the array takes for a product, with K in tiles of `tile_k` and passes of `rows` x `columns`.

    Attributes
    ----------
    array_cycles : int
        The law's, with the overhead of passes.
    feed_cycles : int
        Those beyond, in which the array waits for words of its buffers.
    words_cycles : int
        In which the buffers hand out all words; asked for where several arrays share them.
    """

    tile_k: int
    rows: int
    columns: int
    array_cycles: int
    feed_cycles: int
    words_cycles: int = 0

    def dealt(self, problem: TilingProblem, tile_m: int, tile_n: int) -> PassCost:
        """The same dealt out to arrays, job by job, as if all passes took as long as they do on average."""
        below = _lengths(-(-problem.m // self.rows), tile_m // self.rows)
        beside = _lengths(-(-problem.n // self.columns), tile_n // self.columns)
        passes = rounds = 0
        for many_below, length in below:
            for many_beside, width in beside:
                passes += many_below * many_beside * length * width
                rounds += many_below * many_beside * -(-length * width // problem.arrays)
        array = -(-self.array_cycles * rounds // passes)
        fed = -(-(self.array_cycles + self.feed_cycles) * rounds // passes)
        return self._replace(array_cycles=array, feed_cycles=max(fed, self.words_cycles) - array)


class Candidate(NamedTuple):
    """A priced tiling, and the parts of its price in cycles.

    Attributes
    ----------
    tiling : Tiling
    cost : PassCost
    dram_bytes, jobs : int
    first_load_cycles, dram_cycles, vector_cycles, last_cycles, hidden_cycles : int
        `last_cycles` are the last tile's drain, vector work and store; `hidden_cycles` fill pauses of a chain.
    """

    tiling: Tiling
    cost: PassCost
    dram_bytes: int
    jobs: int
    first_load_cycles: int
    dram_cycles: int
    vector_cycles: int
    last_cycles: int
    hidden_cycles: int

    @property
    def busiest_cycles(self) -> int:
        """Cycles of the busiest unit, whose work hides that of the others."""
        cost = self.cost
        return max(cost.array_cycles + cost.feed_cycles, self.dram_cycles, self.vector_cycles)

    @property
    def price_cycles(self) -> int:
        """What is compared."""
        return self.first_load_cycles + self.busiest_cycles - self.hidden_cycles + self.last_cycles

    @property
    def rank(self) -> tuple[int, int, int, str, int]:
        """Sort key: the least is chosen."""
        tiling = self.tiling
        return (self.price_cycles, self.dram_bytes, self.jobs, tiling.order, -tiling.rows)


class Cut(NamedTuple):
    """Positions of a K tile, and the shape of a pass."""

    tile_k: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of outputs that a pass works on."""
        return self.rows, self.columns


class _Fitting(NamedTuple):
    """What is known of a tiling before its product's array cycles are.

    Tuples sort by how they are preferred to others of their price: fewer DRAM bytes, fewer jobs, loop order, more rows,
    then the order of the enumeration.
    """

    dram_bytes: int
    jobs: int
    order: Order
    minus_rows: int
    number: int
    cut: int
    first_load_cycles: int
    dram_cycles: int
    last_cycles: int
    fillers: int  # jobs that may stand in pauses
    tile_m: int
    tile_n: int
    sums_stay: bool


class Tilings:
    """The tilings of a product that fit, in the order in which those of one price are preferred.

    Parameters
    ----------
    problem : TilingProblem
    cuts : tuple of Cut
        What was enumerated.
    fitting : list of _Fitting
    """

    def __init__(self, problem: TilingProblem, cuts: tuple[Cut, ...], fitting: list[_Fitting]) -> None:
        self.problem, self.cuts = problem, cuts
        self._where = (problem.skip_on_chip, problem.shared_resident)
        self._fitting = sorted(fitting)
        rows = [
            (f.jobs, f.cut, f.first_load_cycles + f.last_cycles, max(f.dram_cycles, problem.vector_cycles), f.fillers)
            for f in self._fitting
        ]
        self._jobs, self._cut, self._ends, self._others, self._fillers = (
            np.array(rows, dtype=np.int64).reshape(-1, 5).T.copy()
        )

    def best(self, costs: Sequence[PassCost], pause_cycles: int = 0) -> Candidate | None:
        """Give the least price, of `costs` for each of `cuts`; None where no tiling fits."""
        if not self._fitting:
            return None
        prices, hidden = self._prices(costs, pause_cycles)
        at = int(prices.argmin())
        return self._candidate(at, costs, int(hidden[at]))

    def all(self, costs: Sequence[PassCost], pause_cycles: int = 0) -> list[Candidate]:
        """Give all of them, best first."""
        prices, hidden = self._prices(costs, pause_cycles)
        order = prices.argsort(kind="stable")
        return [self._candidate(at, costs, int(hidden[at])) for at in order.tolist()]

    def _prices(self, costs: Sequence[PassCost], pause_cycles: int) -> tuple[Int64s, Int64s]:
        array = np.array([cost.array_cycles + cost.feed_cycles for cost in costs], dtype=np.int64)[self._cut]
        if self.problem.arrays > 1:
            dealt = [self._cost(at, costs) for at in range(len(self._fitting))]
            array = np.array([cost.array_cycles + cost.feed_cycles for cost in dealt], dtype=np.int64)
        hidden = self._fillers * np.minimum(pause_cycles, array // self._jobs)
        return self._ends + np.maximum(array, self._others) - hidden, hidden

    def _cost(self, at: int, costs: Sequence[PassCost]) -> PassCost:
        """The array's part of a tiling's price: that of its cut, dealt out where there are several arrays."""
        f = self._fitting[at]
        return costs[f.cut] if self.problem.arrays == 1 else costs[f.cut].dealt(self.problem, f.tile_m, f.tile_n)

    def _candidate(self, at: int, costs: Sequence[PassCost], hidden: int) -> Candidate:
        f = self._fitting[at]
        tile_k, rows, columns = self.cuts[f.cut]
        return Candidate(
            Tiling(f.tile_m, f.tile_n, tile_k, f.order, rows, columns, *self._where, f.sums_stay),
            self._cost(at, costs),
            *(f.dram_bytes, f.jobs, f.first_load_cycles, f.dram_cycles, self.problem.vector_cycles, f.last_cycles),
            hidden,
        )


def enumerated(problem: TilingProblem, cuts: tuple[Cut, ...], dram: BandwidthDram, pins: Pins) -> Tilings:
    """Enumerate the tilings that fit; none where none fits.

    Jobs of a product that fills pauses by rows run as the chain makes the rows, which only whole tiles of rows can:
    other tilings are left out where there is such a one.
    """
    p = problem
    found = list(_fitting(p, cuts, dram, pins))
    if p.fills_by_rows:
        whole = [one for one in found if not (one.tile_n < p.n and one.order in ("nmk", "nkm"))]
        found = whole or found
    return Tilings(p, cuts, found)


def _fitting(p: TilingProblem, cuts: Sequence[Cut], dram: BandwidthDram, pins: Pins) -> Iterator[_Fitting]:
    """Enumerate tile sizes and loop orders that fit the buffers, for every K tile and shape of the array."""
    skip_room, shared_room, output_room = p.room_bytes
    resident, on_chip = p.shared_resident, p.skip_on_chip
    shared_bytes = 0 if resident else p.operand_bytes(p.k * p.n)
    sums_bytes = p.accumulator_bytes(p.m * p.n)
    number = 0
    for cut, (tile_k, rows, columns) in enumerate(cuts):
        ks = -(-p.k // tile_k) or 1
        sizes_n = _sizes(p.n, columns, pins.tile_n)
        for tile_m in _sizes(p.m, rows, pins.tile_m):
            if not (on_chip or p.skip_room_bytes(tile_m, tile_k) <= skip_room):
                continue
            m, ms = min(tile_m, p.m), -(-p.m // tile_m)
            skip_bytes = 0 if on_chip else p.skip_bytes(tile_m, tile_k)
            for tile_n in sizes_n:
                n, ns = min(tile_n, p.n), -(-p.n // tile_n)
                if not (resident or p.operand_bytes(tile_k * n) <= shared_room):
                    continue
                if p.accumulator_bytes(m * n) > output_room:
                    continue
                tiles = ms * ns
                jobs = tiles * ks
                last_values = min(p.arrays * min(m, rows) * min(n, columns), m * n)
                last = -(-last_values // p.port_values_per_cycle) + p.vector_cycles // tiles
                if not p.skip_in_chain:
                    last += dram.transfer_cycles((p.partial_bytes + p.store_bytes) // tiles)
                first = skip_bytes // (ms * ks) + shared_bytes // (ns * ks)
                if first:
                    first = dram.latency_cycles + dram.transfer_cycles(first)
                fillers = min(p.pauses, jobs - ns * ks if p.fills_by_rows else jobs - 1)
                for order in _different_walks(ms > 1, ns > 1, ks > 1, pins.order):
                    stay = ks == 1 or p.accumulator_bytes(_waiting(p, order, m, n)) <= output_room
                    skip_loads, shared_loads = _times_loaded(order, ms, ns, ks)
                    read = skip_bytes * skip_loads + shared_bytes * shared_loads + p.partial_bytes
                    written = p.store_bytes
                    # No more than `queue` reads are under way at a time, each for at least the latency, in which the
                    # bus idles.
                    reads = (ms * ks * skip_loads if skip_bytes else 0) + (
                        ns * ks * shared_loads if shared_bytes else 0
                    )
                    if not stay:
                        read, written = read + (ks - 1) * sums_bytes, written + (ks - 1) * sums_bytes
                        reads += jobs
                    elif p.partial_bytes:
                        reads += tiles
                    moving = max(dram.transfer_cycles(read), reads * dram.latency_cycles // dram.queue)
                    moving += dram.transfer_cycles(written)
                    number += 1
                    yield _Fitting(
                        *(
                            read + written,
                            jobs,
                            order,
                            -rows,
                            number,
                            cut,
                            first,
                            moving,
                            last,
                            fillers,
                            tile_m,
                            tile_n,
                        ),
                        sums_stay=stay,
                    )


def _lengths(passes: int, of_a_tile: int) -> list[tuple[int, int]]:
    """Tiles, and passes of each: whole ones, and a rest where there is one."""
    whole, rest = divmod(passes, of_a_tile)
    return [(whole, of_a_tile), *([(1, rest)] if rest else [])]


def _waiting(p: TilingProblem, order: Order, m: int, n: int) -> int:
    """Sums that wait for the next K tile, of tiles of m rows and n columns."""
    return m * p.n if order == "mkn" else p.m * n if order == "nkm" else m * n


@cache
def _different_walks(many_m: bool, many_n: bool, many_k: bool, pinned: Order | None) -> tuple[Order, ...]:
    """Loop orders, the first of those that differ only in loops of one turn, which are the same walk."""
    turns = {"m": many_m, "n": many_n, "k": many_k}
    walks: dict[str, Order] = {}
    for order in (pinned,) if pinned else ORDERS:
        walks.setdefault("".join(axis for axis in order if turns[axis]), order)
    return tuple(walks.values())


def _sizes(extent: int, unit: int, pinned: int | None) -> list[int]:
    """Tile sizes to try: the whole extent in units, and its halves, quarters and so on, down to one unit."""
    if pinned is not None:
        return [pinned] if pinned % unit == 0 else []
    units = -(-extent // unit)
    sizes = [units * unit]
    while units > 1:
        units = -(-units // 2)  # as often as it takes: the ceiling of halves is that of the whole
        sizes.append(units * unit)
    return sizes


def _times_loaded(order: Order, ms: int, ns: int, ks: int) -> tuple[int, int]:
    """How often each operand is loaded, skip and shared: a tile stays while jobs in a row use it."""
    if order[0] == "m":
        skip_stays, shared_stays = order == "mkn" or ks == 1 or ns == 1, ns * ks == 1
    else:
        skip_stays, shared_stays = ms * ks == 1, order == "nkm" or ks == 1 or ms == 1
    return 1 if skip_stays else ns, 1 if shared_stays else ms
