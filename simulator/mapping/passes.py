"""Pass counts of a product: what the mechanism makes of its masks, shared wherever the masks are the same.

Where cycles depend on the mask of the skip operand alone, one computation serves all column tiles of a product,
dW and dU alike, and every machine that has the same lanes and mechanism. A `TileMechanism` is counted tile by
tile, with the mask of the shared operand.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from threading import Thread
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, Mechanism, PassCounts, PassMasks, TileMechanism
from simulator.cpus import usable_cpus
from simulator.mapping.skip_tiles import StoredMasks
from simulator.skipping.masks import bits_on_lanes, full, nnz, rows_on_lanes
from simulator.skipping.structured import BrokenPatternError
from simulator.workload import OperandMask, Product

Int64s = npt.NDArray[np.int64]
T = TypeVar("T")

PRODUCT_NDIM = 2
"""Dimensions of the non-zeros of one product alone: K tiles and passes."""
_COUNTED = tuple(f.name for f in fields(PassCounts))
SUMS = (*_COUNTED, "busy", "taken")
"""What is summed over passes: each of `PassCounts`, cycles times lanes, and `PassTable.taken`."""
MOST_BYTES = 1 << 26
MOST_DERIVED = 256
"""Each some 20 kB of tilings."""
PAYING_SECONDS = 0.001
"""What is left to count must take at least so long, judged by the first table, for a second thread to pay: starting and
waking one takes some 0.1 ms, and more where other processes are busy."""


@dataclass(frozen=True)
class PassTable:
    """Counts of every pass of products that are alike, or of one of them.

    Attributes
    ----------
    counts : PassCounts
        Arrays int64 [T, K tiles, P], T products and P = ceil(M / rows of a pass), with slots and MACs per column; of a
        `TileMechanism` arrays int64 [T, K tiles, P, Q], Q = ceil(N / columns of a pass), with totals over a tile's
        columns. T is 1 where the products' counts are equal, for nothing is known of their zeros.
    lanes : int64 [P]
        Rows of each pass.
    nonzeros : int64 [T, K tiles, P]
        Non-zeros of the skip operand.
    masked_shared : bool
        Whether a mask of the shared operand was read.

    Of one product alone (`of`), arrays have no T.
    """

    counts: PassCounts
    lanes: Int64s
    nonzeros: Int64s
    masked_shared: bool = False

    def of(self, index: int) -> PassTable:
        """The table of one of the products."""
        at = index if len(self.nonzeros) > 1 else 0
        counts = PassCounts(**{name: getattr(self.counts, name)[at] for name in _COUNTED})
        return PassTable(counts, self.lanes, self.nonzeros[at], self.masked_shared)

    @cached_property
    def sums(self) -> Int64s:
        """Sums over the passes of each product, by `SUMS`: int64 [len(SUMS), T], or [.., 1] of one product alone."""
        products = len(self.nonzeros) if self.nonzeros.ndim > PRODUCT_NDIM else 1
        cycles, lanes = self.counts.cycles, self.lanes if self.per_column else self.lanes[:, None]
        each = np.stack([*(getattr(self.counts, name) for name in _COUNTED), cycles * lanes])
        sums = np.empty((len(SUMS), products), dtype=np.int64)
        np.sum(each.reshape(len(each), products, -1), axis=2, out=sums[:-1])
        np.sum(self.taken.reshape(products, -1), axis=1, out=sums[-1])
        return sums

    @property
    def per_column(self) -> bool:
        """Whether the counts hold for one column, and every column tile takes the same passes."""
        return self.counts.cycles.ndim == self.nonzeros.ndim

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, and of `sums`."""
        counts: int = sum(getattr(self.counts, name).nbytes for name in _COUNTED)
        return counts + self.lanes.nbytes + self.nonzeros.nbytes + 8 * len(SUMS) * len(self.nonzeros)

    @property
    def taken(self) -> Int64s:
        """Values of the skip operand that a tile of columns takes: a dense array its zeros, too. As `nonzeros`."""
        return self.counts.executed if self.per_column else self.nonzeros

    def total(self, cycles: Int64s, column_tiles: int) -> int:
        """Sum cycles of passes, of the form of ``counts.cycles``, over one product (one table)."""
        return int(cycles.sum()) * (column_tiles if self.per_column else 1)

    def of_job(self, cycles: Int64s, k_tile: int, rows: slice, columns: slice) -> int:
        """Sum cycles of passes, of the form of ``counts.cycles``, over one K tile and some row and column tiles."""
        if self.per_column:
            column_tiles: int = columns.stop - columns.start
            return int(cycles[k_tile, rows].sum()) * column_tiles
        return int(cycles[k_tile, rows, columns].sum())


def pass_shapes(arch: Architecture, product: Product) -> list[tuple[int, int]]:
    """Rows and columns of outputs that a pass of the product may work on, the array's own shape first.

    The last passes may be short. A mechanism with tiles of its own has one shape.
    """
    own = (arch.array.rows, arch.array.columns)
    found = dict.fromkeys(arch.skipping.pass_shape(*shape) for shape in (own, *arch.array.shapes))
    return [(rows or product.m, columns or product.n) for rows, columns in found]


def feed_cycles(arch: Architecture, product: Product, table: PassTable, columns: int) -> Int64s:
    """Cycles by which each pass is longer because its buffers hand out fewer words than the array could take.

    A pass takes no less time than `words_cycles`.

    Returns
    -------
    int64, as ``table.counts.cycles``
        0 where buffers have no width, and with ``memory: ideal``.
    """
    if not _limited(arch):
        return np.zeros_like(table.counts.cycles)
    waiting: Int64s = np.maximum(words_cycles(arch, product, table, columns) - table.counts.cycles, 0)
    return waiting


def words_cycles(arch: Architecture, product: Product, table: PassTable, columns: int) -> Int64s:
    """Cycles in which the buffers hand out what a pass reads: int64, as ``table.counts.cycles``.

    Its words of the shared operand (`columns` values each) and its values of the skip operand, at the bits per cycle of
    their buffers; 0 where buffers have no width, and with ``memory: ideal``.
    """
    counts, least = table.counts, np.zeros_like(table.counts.cycles)
    if not _limited(arch):
        return least
    buffers, bits = arch.system.buffers, arch.precision.operand_bits
    if buffers.shared.read_bits_per_cycle is not None:
        words = min(columns, product.n) if table.per_column else 1
        least = -(-counts.fetches * words * bits // buffers.shared.read_bits_per_cycle)
    if buffers.skip.read_bits_per_cycle is not None:
        taken = table.taken if table.per_column else table.taken[..., None]
        least = np.maximum(least, -(-taken * bits // buffers.skip.read_bits_per_cycle))
    return least


def _limited(arch: Architecture) -> bool:
    """Whether an operand buffer says how many bits a cycle it hands out."""
    if arch.ideal_memory:
        return False
    buffers = arch.system.buffers
    return buffers.shared.read_bits_per_cycle is not None or buffers.skip.read_bits_per_cycle is not None


class PassCache:
    """Pass tables by (masks, tile, mechanism), and masks in their formats; of one recorded step.

    Parameters
    ----------
    threads : int, optional
        Threads that count passes side by side; by default as many as this process may use CPUs.
    most_bytes : int
        About as many bytes of tables are kept, and as many of masks in their formats: those used longest ago go first.
    """

    def __init__(self, threads: int | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.stored = StoredMasks(most_bytes)
        self.most_bytes, self._bytes = most_bytes, 0
        self.threads = threads or usable_cpus()
        self._tables: dict[tuple[object, ...], PassTable] = {}
        self._derived: dict[Hashable, Any] = {}

    def derived(self, key: Hashable, derive: Callable[[], T]) -> T:
        """Give what `derive` makes of the step's masks and of `key`, which says all else that it depends on."""
        if key not in self._derived:
            while len(self._derived) >= MOST_DERIVED:
                del self._derived[next(iter(self._derived))]
            self._derived[key] = derive()
        found: T = self._derived[key]
        return found

    def table(self, arch: Architecture, product: Product, tile_k: int, shape: tuple[int, int]) -> PassTable:
        """Give the pass table of one product, see `tables`."""
        return self.tables(arch, [product], tile_k, shape).of(0)

    def tables(self, arch: Architecture, products: Sequence[Product], tile_k: int, shape: tuple[int, int]) -> PassTable:
        """Give the pass table of products that are alike, with K cut into tiles of `tile_k` positions.

        Alike are the time steps of a serial product: they have the same shape, a mask or none, and the same shared
        operand. Their masks are laid on lanes and counted together.

        Parameters
        ----------
        shape : (rows, columns)
            One of `pass_shapes`.

        Raises
        ------
        InputError
            If the weights' file is not as it must be, or the mechanism refuses a mask.
        """
        wanted = Wanted(products, tile_k, shape)
        key = _key(arch, wanted)
        table = self._tables.pop(key, None)
        if table is None:
            table = _count(arch, wanted)
            self._bytes += table.nbytes
        self._tables[key] = table  # as the newest
        while self._bytes > self.most_bytes and len(self._tables) > 1:
            self._bytes -= self._tables.pop(next(iter(self._tables))).nbytes
        return table

    @property
    def nbytes(self) -> int:
        """Bytes of tables and of masks in their formats."""
        return self._bytes + self.stored.nbytes

    def prepare(self, arch: Architecture, wanted: Sequence[Wanted]) -> None:
        """Count many tables side by side, as far as they are not known and it pays.

        What cannot be counted is left to `tables`, which says why.
        """
        missing = {key: one for one in wanted if (key := _key(arch, one)) not in self._tables}
        ways = min(self.threads, len(missing))
        if ways < 2:
            return
        todo = sorted(missing.items(), key=lambda item: item[1].words)
        counted: list[tuple[tuple[object, ...], PassTable]] = []

        def one_of_them() -> bool:
            try:
                key, one = todo.pop()  # which no other thread has then
            except IndexError:
                return False
            with suppress(Exception):
                counted.append((key, _count(arch, one)))
            return True

        def work() -> None:
            while one_of_them():
                pass

        words, begin = max(1, todo[-1][1].words), perf_counter()
        one_of_them()
        seconds_each = (perf_counter() - begin) / words
        if sum(one.words for _, one in todo) * seconds_each >= PAYING_SECONDS:
            others = [Thread(target=work, daemon=True) for _ in range(ways - 1)]
            for thread in others:
                thread.start()
            work()
            for thread in others:
                thread.join()
        for key, table in counted:
            self._tables[key] = table
            self._bytes += table.nbytes


class Wanted(NamedTuple):
    """Products that are alike, and how their passes shall be cut: what `PassCache.tables` takes."""

    products: Sequence[Product]
    tile_k: int
    shape: tuple[int, int]

    @property
    def words(self) -> int:
        """Positions of all passes with a recorded mask, about what counting them takes."""
        first = self.products[0]
        return 0 if first.mask is None else len(self.products) * -(-first.m // self.shape[0]) * first.k


def _key(arch: Architecture, wanted: Wanted) -> tuple[object, ...]:
    """What a pass table depends on: masks and their cut; the columns only where they have masks, too."""
    mechanism, first = arch.skipping, wanted.products[0]
    operand = first.mask
    key: tuple[object, ...] = (mechanism, wanted.shape[0], wanted.tile_k)
    if operand is None:
        key += (first.m, first.k)
    else:
        key += (operand.lanes_hold, tuple([p.mask.key for p in wanted.products if p.mask is not None]))
    if isinstance(mechanism, TileMechanism):
        shared = [_shared_mask(mechanism, arch, p) for p in wanted.products]
        key += (first.n, wanted.shape[1], tuple([None if s is None else (s.key, s.lanes_hold) for s in shared]))
    return key


def _count(arch: Architecture, wanted: Wanted) -> PassTable:
    """Count the passes of products that are alike, together where the mechanism can."""
    mechanism, products, tile_k = arch.skipping, wanted.products, wanted.tile_k
    rows, columns = wanted.shape
    if isinstance(mechanism, TileMechanism):
        return _joined(
            [_count_tiles(mechanism, p, _shared_mask(mechanism, arch, p), rows, columns, tile_k) for p in products]
        )
    first, operand = products[0], products[0].mask
    if operand is None:
        return _count_unrecorded(mechanism, first.m, first.k, rows, tile_k)
    if operand.lanes_hold == "bits":
        return _joined([_count_masks(mechanism, [p], rows, tile_k) for p in products])
    return _count_masks(mechanism, products, rows, tile_k)


def _count_masks(mechanism: Mechanism, products: Sequence[Product], rows: int, tile_k: int) -> PassTable:
    """Count the passes of products of one shape, whose lanes hold rows, or of one product."""
    operands = [p.mask for p in products if p.mask is not None]
    first, group, k = operands[0], products[0].m, products[0].k
    if first.lanes_hold == "rows" and len(operands) > 1:
        packed = np.concatenate([operand.packed for operand in operands])
        first = OperandMask(packed, first.bits, "rows", first.key)
    tiles, nonzeros = [], []
    for start, stop in _k_tiles(k, tile_k):
        masks = _on_lanes(first, rows, start, stop, group)
        try:
            tiles.append(mechanism.count(masks))
        except BrokenPatternError as error:
            for product in products if len(products) > 1 else ():
                _count_masks(mechanism, [product], rows, tile_k)  # that of the first is told
            product = products[0]
            time = "" if product.time is None else f", time step {product.time}"
            raise error.within(f"layer {product.layer}, product {product.name}{time}", rows, start) from None
        nonzeros.append(nnz(masks))
    return _table(tiles, masks.lanes[: len(masks.lanes) // len(products)], nonzeros, len(products))


@lru_cache(maxsize=256)
def _count_unrecorded(mechanism: Mechanism, m: int, k: int, rows: int, tile_k: int) -> PassTable:
    """Count passes that are all full of non-zeros; only the last may have fewer rows."""
    passes = -(-m // rows)
    tiles = [
        _repeated(mechanism.count(_two_kinds(rows, m, stop - start)), passes) for start, stop in _k_tiles(k, tile_k)
    ]
    return _table(tiles, *_dense_rows(m, k, rows, tile_k))


def _count_tiles(
    mechanism: TileMechanism, product: Product, shared: OperandMask | None, rows: int, columns: int, tile_k: int
) -> PassTable:
    operand, m, k = product.mask, product.m, product.k
    starts = np.arange(0, product.n, columns, dtype=np.int64)
    widths = np.minimum(product.n - starts, columns)
    tiles, nonzeros = [], []
    lanes, dense_nonzeros = _dense_rows(m, k, rows, tile_k)
    for start, stop in _k_tiles(k, tile_k):
        others = None if shared is None else _on_lanes(shared, columns, start, stop)
        if operand is None:
            kinds = mechanism.count_tiles(_two_kinds(rows, m, stop - start), others, widths)
            tiles.append(_repeated(kinds, len(lanes)))
        else:
            own = _on_lanes(operand, rows, start, stop)
            tiles.append(mechanism.count_tiles(own, others, widths))
            nonzeros.append(nnz(own))
    return _table(tiles, lanes, nonzeros or dense_nonzeros, masked_shared=shared is not None)


def _shared_mask(mechanism: TileMechanism, arch: Architecture, product: Product) -> OperandMask | None:
    """What is known of the shared operand's zeros: recorded ones, or those of pruned weights."""
    if product.shared_mask is not None or mechanism.weights is None:
        return product.shared_mask
    name = product.shared_operand
    packed = mechanism.weights.mask(name, product.k, product.n, arch.folder)
    if packed is None:
        return None
    # Machines of different folders may name different files alike, and a file may change while tables are kept.
    return OperandMask(packed, product.n, "bits", ("weights", name, mechanism.weights.version(arch.folder)))


def _on_lanes(operand: OperandMask, lanes: int, start: int, stop: int, group: int | None = None) -> PassMasks:
    if operand.lanes_hold == "rows":
        return rows_on_lanes(operand.packed, operand.bits, lanes, start, stop, group=group)
    return bits_on_lanes(operand.packed, operand.bits, lanes, start, stop)


def _k_tiles(k: int, tile_k: int) -> Iterator[tuple[int, int]]:
    """First position of each K tile, and the one after its last."""
    return ((start, min(start + tile_k, k)) for start in range(0, k, tile_k))


def _dense_rows(m: int, k: int, rows: int, tile_k: int) -> tuple[Int64s, list[Int64s]]:
    """Rows of each pass, and the non-zeros of each K tile's passes where there is no zero."""
    passes = -(-m // rows)
    lanes = np.full(passes, rows, dtype=np.int64)
    lanes[-1] = m - rows * (passes - 1)
    return lanes, [lanes * (stop - start) for start, stop in _k_tiles(k, tile_k)]


def _two_kinds(rows: int, m: int, positions: int) -> PassMasks:
    """A full pass without zeros, and the last one, perhaps short."""
    return full(rows, positions, rows + (m - 1) % rows + 1)


def _repeated(kinds: PassCounts, passes: int) -> PassCounts:
    """Repeat the counts of the full pass before those of the last one."""
    index = np.append(np.zeros(passes - 1, dtype=np.int64), 1)
    return PassCounts(**{name: getattr(kinds, name)[index] for name in _COUNTED})


def _table(
    tiles: list[PassCounts], lanes: Int64s, nonzeros: list[Int64s], products: int = 1, masked_shared: bool = False
) -> PassTable:
    """Join K tiles, each with the passes of one product after those of another."""

    def joined(each: list[Int64s]) -> Int64s:
        parts = [one.reshape(products, -1, *one.shape[1:]) for one in each]
        return parts[0][:, None] if len(parts) == 1 else np.stack(parts, axis=1)

    counts = PassCounts(**{name: joined([getattr(t, name) for t in tiles]) for name in _COUNTED})
    return PassTable(counts, lanes, joined(nonzeros), masked_shared)


def _joined(tables: list[PassTable]) -> PassTable:
    """Join the tables of single products."""
    if len(tables) == 1:
        return tables[0]
    counts = {name: np.concatenate([getattr(t.counts, name) for t in tables]) for name in _COUNTED}
    nonzeros = np.concatenate([t.nonzeros for t in tables])
    return PassTable(PassCounts(**counts), tables[0].lanes, nonzeros, tables[0].masked_shared)
