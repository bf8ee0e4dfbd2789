"""How a product may be cut to tiles: sizes, loop orders, the array's shape, and what a choice depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from math import lcm
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

Order = Literal["mnk", "nmk", "mkn", "nkm"]
ORDERS: tuple[Order, ...] = ("mnk", "nmk", "mkn", "nkm")


class Tiling(NamedTuple):
    """How a product is cut, in which order its tiles run, and on which shape of the array.

    Attributes
    ----------
    tile_m, tile_n, tile_k : int
        Rows and columns (multiples of those of a pass) and positions of a tile.
    order : str
        The loops from the outermost in: ``mnk`` keeps a tile of the skip operand while columns pass by, ``nmk`` one of
        the shared operand while rows do. ``mkn`` and ``nkm`` do the same where K is cut, too; then partial sums wait.
    rows, columns : int
        Rows and columns of outputs that a pass works on: the shape of the array, or the mechanism's own.
    skip_on_chip : bool
        The skip operand is handed over on chip, whole.
    shared_resident : bool
        The shared operand stays in its buffer, whole, for all products that share it.
    sums_stay : bool
        Partial sums wait in the output buffer for the next K tile; otherwise they go to DRAM and come back.
    descending : bool
        Tiles of rows run from the last one to the first, because a serial chain makes the last rows first.
    """

    tile_m: int
    tile_n: int
    tile_k: int
    order: Order
    rows: int
    columns: int
    skip_on_chip: bool = False
    shared_resident: bool = False
    sums_stay: bool = True
    descending: bool = False

    def jobs(self, m: int, n: int, k: int) -> Iterator[tuple[int, int, int]]:
        """Walk the tiles (m index, n index, k index) in program order; K = 0 has one k tile."""
        ms: Iterable[int] = range(-(-m // self.tile_m))
        ns, ks = range(-(-n // self.tile_n)), range(max(1, -(-k // self.tile_k)))
        if self.descending:
            ms = range(-(-m // self.tile_m) - 1, -1, -1)
        if self.order == "mnk":
            return ((i, j, q) for i in ms for j in ns for q in ks)
        if self.order == "nmk":
            return ((i, j, q) for j in ns for i in ms for q in ks)
        if self.order == "mkn":
            return ((i, j, q) for i in ms for q in ks for j in ns)
        return ((i, j, q) for j in ns for q in ks for i in ms)


@dataclass(frozen=True)
class TilingProblem:
    """What a choice depends on, in bytes and cycles; `room_bytes` is what one tile may take of each buffer.

    Attributes
    ----------
    m, n, k : int
    operand_bits, accumulator_bits : int
    skip_bytes : (tile_m, tile_k) -> int
        DRAM bytes of all tiles of the skip operand, in its format.
    skip_room_bytes : (tile_m, tile_k) -> int
        Room that the largest tile of the skip operand takes in its buffer, at any time step.
    room_bytes : (skip, shared, output)
    partial_bytes, store_bytes, vector_cycles, port_values_per_cycle : int
        Of the whole product: what its epilogue loads and stores, the vector unit's work, the output port.
    skip_in_chain, shared_stays : bool
        The skip operand is made on chip by the product before; the shared operand may stay in its buffer, for other
        products use it or for the pauses of a chain.
    resident_bytes : int
        What an operand that stays may take of the shared buffer.
    position_grain : int
        Positions that a K tile is a multiple of, where that many fit.
    segment_positions : int
        Positions that are fetched together, which a K tile is a multiple of, too, where that many fit.
    pauses : int
        How many pauses of a serial chain the product's jobs may fill.
    fills_by_rows : bool
        It fills them by tiles of rows, as the chain makes them; otherwise job by job.
    arrays : int
        To which the passes of a job are dealt out.
    """

    m: int
    n: int
    k: int
    operand_bits: int
    accumulator_bits: int
    skip_bytes: Callable[[int, int], int]
    skip_room_bytes: Callable[[int, int], int]
    room_bytes: tuple[int, int, int]
    partial_bytes: int
    store_bytes: int
    vector_cycles: int
    port_values_per_cycle: int
    skip_in_chain: bool
    shared_stays: bool
    resident_bytes: int
    position_grain: int = 1
    segment_positions: int = 1
    pauses: int = 0
    fills_by_rows: bool = False
    arrays: int = 1

    @property
    def numbers(self) -> tuple[object, ...]:
        """All but the functions, which depend on a step's masks and on the formats they are stored in."""
        return tuple([value for name, value in vars(self).items() if name in _NUMBERS])

    @cached_property
    def skip_on_chip(self) -> bool:
        """Whether the skip operand can be handed over on chip: it must fit its buffer's share whole."""
        return self.skip_in_chain and self.skip_room_bytes(self.m, self.k) <= self.room_bytes[0]

    @cached_property
    def shared_resident(self) -> bool:
        """Whether the shared operand stays in its buffer for a whole serial chain."""
        return self.shared_stays and self.operand_bytes(self.k * self.n) <= self.resident_bytes

    def operand_bytes(self, values: int) -> int:
        """Bytes of so many operand values, laid out dense."""
        return -(-values * self.operand_bits // 8)

    def accumulator_bytes(self, values: int) -> int:
        """Bytes of so many accumulator values."""
        return -(-values * self.accumulator_bits // 8)


_NUMBERS = frozenset(f.name for f in fields(TilingProblem)) - {"skip_bytes", "skip_room_bytes"}


@dataclass(frozen=True)
class Pins:
    """What the user fixed in the machine's YAML; None is chosen."""

    tile_m: int | None = None
    tile_n: int | None = None
    tile_k: int | None = None
    order: Order | None = None
    shape: tuple[int, int] | None = None


def k_tiles(problem: TilingProblem, rows: int, columns: int, pins: Pins) -> list[int]:
    """Lengths of K tiles to try: the longest that fits beside the least tiles of rows and columns.

    Whole K is best: cutting it restarts the window and moves partial sums. Where K must be cut, a half and a quarter
    of the longest are tried, too, which leave room for more rows and columns. All are parts of equal length, of whole
    segments and grains where that many fit.
    """
    p = problem
    if p.k == 0:
        return [1]
    if pins.tile_k is not None:
        return [min(pins.tile_k, p.k)]
    least_m, least_n = pins.tile_m or rows, min(pins.tile_n or columns, p.n)

    def fits(tile_k: int) -> bool:
        skip = p.skip_on_chip or p.skip_room_bytes(least_m, tile_k) <= p.room_bytes[0]
        return skip and (p.shared_resident or p.operand_bytes(tile_k * least_n) <= p.room_bytes[1])

    # What the largest tile of an encoded operand takes need not fall with its length, so each length is tried.
    for grain in (lcm(p.position_grain, p.segment_positions), p.position_grain, 1):
        for parts in _equal_parts(p.k):
            if fits(_in_grains(p.k, parts, grain)):
                more = (1, 2, 4) if parts > 1 else (1,)
                lengths = dict.fromkeys(_in_grains(p.k, parts * times, grain) for times in more)
                return [length for length in lengths if fits(length)]
    return [1]


def _in_grains(k: int, parts: int, grain: int) -> int:
    """Length of one of so many equal parts of k, rounded up to whole grains."""
    length = -(-k // parts)
    return min(length + -length % grain, k)


def _equal_parts(k: int) -> Iterator[int]:
    """Numbers of equal parts of k, each length once: from 1 part of k to k parts of 1."""
    length = k
    while length > 1:
        parts = -(-k // length)
        yield parts
        length = -(-k // -(-k // (length - 1)))
    yield k
