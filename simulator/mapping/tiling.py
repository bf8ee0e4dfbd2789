"""Choosing tile sizes and loop order of a product by modelled cycles and DRAM traffic.

Every candidate is priced as ``first load + max(array, DRAM, vector unit) + last drain, vector work and store``:
what cannot overlap, plus the busiest of what can. The least price wins; ties go to fewer DRAM bytes, then to
fewer jobs, then to the name of the loop order, so the choice is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import lcm
from typing import Literal

from simulator.memory import BandwidthDram

Order = Literal["shared_stationary", "skip_stationary"]
ORDERS: tuple[Order, ...] = ("shared_stationary", "skip_stationary")


@dataclass(frozen=True)
class Tiling:
    """How a product is cut, and which tile stays while the other streams.

    Attributes
    ----------
    tile_m, tile_n, tile_k : int
        Rows and columns (multiples of those of a pass) and positions of a tile.
    order : str
        ``skip_stationary``: for m, for n, for k; ``shared_stationary``: for n, for m, for k.
    skip_on_chip : bool
        The skip operand is handed over on chip, whole.
    shared_resident : bool
        The shared operand stays in its buffer, whole, for all products that share it.
    """

    tile_m: int
    tile_n: int
    tile_k: int
    order: Order
    skip_on_chip: bool = False
    shared_resident: bool = False

    def jobs(self, m: int, n: int, k: int) -> Iterator[tuple[int, int, int]]:
        """Walk the tiles (m index, n index, k index) in program order; K = 0 has one k tile."""
        ms, ns, ks = range(-(-m // self.tile_m)), range(-(-n // self.tile_n)), range(max(1, -(-k // self.tile_k)))
        if self.order == "skip_stationary":
            return ((i, j, q) for i in ms for j in ns for q in ks)
        return ((i, j, q) for j in ns for i in ms for q in ks)


@dataclass(frozen=True)
class TilingProblem:
    """What a choice depends on, in bytes and cycles; `room_bytes` is what one tile may take of each buffer.

    Attributes
    ----------
    m, n, k, rows, columns : int
    operand_bits, accumulator_bits : int
    skip_bytes : (tile_m, tile_k) -> int
        DRAM bytes of all tiles of the skip operand, in its format.
    skip_room_bytes : (tile_m, tile_k) -> int
        Room that the largest tile of the skip operand takes in its buffer, at any time step.
    room_bytes : (skip, shared, output)
    array_cycles, epilogue_bytes, vector_cycles, port_values_per_cycle : int
        Of the whole product; `epilogue_bytes` are loads and stores of its outputs.
    skip_in_chain, shared_in_chain : bool
        The skip operand is made on chip by the product before; other products use the same shared operand.
    shared_capacity_bytes : int
        The whole shared buffer, which a resident operand may fill.
    position_grain : int
        Positions that a K tile is a multiple of, where that many fit.
    segment_positions : int
        Positions that are fetched together, which a K tile is a multiple of, too, where that many fit.
    """

    m: int
    n: int
    k: int
    rows: int
    columns: int
    operand_bits: int
    accumulator_bits: int
    skip_bytes: Callable[[int, int], int]
    skip_room_bytes: Callable[[int, int], int]
    room_bytes: tuple[int, int, int]
    array_cycles: int
    epilogue_bytes: int
    vector_cycles: int
    port_values_per_cycle: int
    skip_in_chain: bool
    shared_in_chain: bool
    shared_capacity_bytes: int
    position_grain: int = 1
    segment_positions: int = 1

    @property
    def skip_on_chip(self) -> bool:
        """Whether the skip operand can be handed over on chip: it must fit its buffer's share whole."""
        return self.skip_in_chain and self.skip_room_bytes(self.m, self.k) <= self.room_bytes[0]

    @property
    def shared_resident(self) -> bool:
        """Whether the shared operand can stay in its buffer for a whole serial chain."""
        fits = self.operand_bytes(self.k * self.n) <= self.shared_capacity_bytes
        return self.shared_in_chain and fits

    def operand_bytes(self, values: int) -> int:
        """Bytes of so many operand values, laid out dense."""
        return -(-values * self.operand_bits // 8)

    def accumulator_bytes(self, values: int) -> int:
        """Bytes of so many accumulator values."""
        return -(-values * self.accumulator_bits // 8)


@dataclass(frozen=True)
class Pins:
    """What the user fixed in the machine's YAML; None is chosen."""

    tile_m: int | None = None
    tile_n: int | None = None
    tile_k: int | None = None
    order: Order | None = None


@dataclass(frozen=True)
class Candidate:
    """A priced tiling."""

    tiling: Tiling
    price_cycles: int
    dram_bytes: int
    jobs: int

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """Sort key: the least is chosen."""
        return (self.price_cycles, self.dram_bytes, self.jobs, self.tiling.order)


def candidates(problem: TilingProblem, tile_k: int, dram: BandwidthDram, pins: Pins) -> list[Candidate]:
    """Enumerate and price the tilings that fit, best first; empty where none fits."""
    p = problem
    skip_room, shared_room, output_room = p.room_bytes
    resident, on_chip = p.shared_resident, p.skip_on_chip
    found = []
    for tile_m in _sizes(p.m, p.rows, pins.tile_m):
        for tile_n in _sizes(p.n, p.columns, pins.tile_n):
            m, n = min(tile_m, p.m), min(tile_n, p.n)
            fits = (
                (on_chip or p.skip_room_bytes(tile_m, tile_k) <= skip_room)
                and (resident or p.operand_bytes(tile_k * n) <= shared_room)
                and p.accumulator_bytes(m * n) <= output_room
            )
            if fits:
                orders = (pins.order,) if pins.order else ORDERS
                found += [_price(p, dram, Tiling(tile_m, tile_n, tile_k, o, on_chip, resident)) for o in orders]
    return sorted(found, key=lambda c: c.rank)


def _sizes(extent: int, unit: int, pinned: int | None) -> list[int]:
    """Tile sizes to try: the whole extent in units, and its halves, quarters and so on, down to one unit."""
    if pinned is not None:
        return [pinned]
    units = -(-extent // unit)
    return sorted({-(-units // (1 << h)) * unit for h in range(units.bit_length() + 1)}, reverse=True)


def longest_tile_k(problem: TilingProblem, pins: Pins) -> int:
    """Take the longest K tile that fits beside the least tile_m and tile_n: equal parts, of whole segments and grains.

    Whole K is best: cutting it restarts the window and moves partial sums. Masks decide cycles only after this,
    so it does not read ``array_cycles``.
    """
    p = problem
    if p.k == 0:
        return 1
    if pins.tile_k is not None:
        return min(pins.tile_k, p.k)
    least_m, least_n = pins.tile_m or p.rows, min(pins.tile_n or p.columns, p.n)

    def fits(tile_k: int) -> bool:
        skip = p.skip_on_chip or p.skip_room_bytes(least_m, tile_k) <= p.room_bytes[0]
        return skip and (p.shared_resident or p.operand_bytes(tile_k * least_n) <= p.room_bytes[1])

    # What the largest tile of an encoded operand takes need not fall with its length, so each length is tried.
    for grain in (lcm(p.position_grain, p.segment_positions), p.position_grain, 1):
        for length in _equal_parts(p.k):
            tile_k = min(length + -length % grain, p.k)
            if fits(tile_k):
                return tile_k
    return 1


def _equal_parts(k: int) -> Iterator[int]:
    """Lengths of the longest of 1, 2, 3 and more equal parts of k, each length once, down to 1."""
    length = k
    while length > 1:
        yield length
        length = -(-k // -(-k // (length - 1)))
    yield 1


def _price(p: TilingProblem, dram: BandwidthDram, t: Tiling) -> Candidate:
    ms, ns = -(-p.m // t.tile_m), -(-p.n // t.tile_n)
    ks = max(1, -(-p.k // t.tile_k))
    m, n = min(t.tile_m, p.m), min(t.tile_n, p.n)
    skip = 0 if t.skip_on_chip else p.skip_bytes(t.tile_m, t.tile_k)
    shared = 0 if t.shared_resident else p.operand_bytes(p.k * p.n)
    # A tile stays where the next job uses the same one.
    skip_stays = ms * ks == 1 or (ks == 1 and t.order == "skip_stationary")
    shared_stays = ns * ks == 1 or (ks == 1 and t.order == "shared_stationary")
    total_bytes = skip * (1 if skip_stays else ns) + shared * (1 if shared_stays else ms) + p.epilogue_bytes
    jobs = ms * ns * ks
    first_bytes = skip // (ms * ks) + shared // (ns * ks)
    share = jobs // ks
    tail = -(-min(m, p.rows) * min(n, p.columns) // p.port_values_per_cycle)
    price = (
        (dram.latency_cycles + dram.transfer_cycles(first_bytes) if first_bytes else 0)
        + max(p.array_cycles, dram.transfer_cycles(total_bytes), p.vector_cycles)
        + tail
        + p.vector_cycles // share
        + (0 if p.skip_in_chain else dram.transfer_cycles(p.epilogue_bytes // share))
    )
    return Candidate(t, price, total_bytes, jobs)
