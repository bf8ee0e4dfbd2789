"""Pass counts of a product: what the mechanism makes of its masks, shared wherever the masks are the same.

Where cycles depend on the mask of the skip operand alone, one computation serves all column tiles of a product,
dW and dU alike, and every machine that has the same lanes and mechanism. A `TileMechanism` is counted tile by
tile, with the mask of the shared operand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, Mechanism, PassCounts, PassMasks, TileMechanism
from simulator.mapping.skip_tiles import StoredMasks
from simulator.skipping.masks import bits_on_lanes, full, nnz, rows_on_lanes
from simulator.skipping.structured import BrokenPatternError
from simulator.workload import OperandMask, Product

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassTable:
    """Counts of every pass of a product.

    Attributes
    ----------
    counts : PassCounts
        Arrays int64 [K tiles, P], P = ceil(M / rows of a pass), with slots and MACs per column; of a
        `TileMechanism` arrays int64 [K tiles, P, Q], Q = ceil(N / columns of a pass), with totals over a tile's
        columns.
    lanes : int64 [P]
        Rows of each pass.
    nonzeros : int64 [K tiles, P]
        Non-zeros of the skip operand.
    masked_shared : bool
        Whether a mask of the shared operand was read.
    """

    counts: PassCounts
    lanes: Int64s
    nonzeros: Int64s
    masked_shared: bool = False

    @property
    def per_column(self) -> bool:
        """Whether the counts hold for one column, and every column tile takes the same passes."""
        return self.counts.cycles.ndim == 2

    @property
    def taken(self) -> Int64s:
        """Values of the skip operand that a tile of columns takes: a dense array its zeros, too. int64 [K tiles, P]."""
        return self.counts.executed if self.per_column else self.nonzeros

    def total(self, cycles: Int64s, column_tiles: int) -> int:
        """Sum cycles of passes, of the form of ``counts.cycles``, over the whole product."""
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

    A pass takes no less time than its words of the shared operand (`columns` values each) and its values of the skip
    operand need at the bits per cycle of their buffers.

    Returns
    -------
    int64, as ``table.counts.cycles``
        0 where buffers have no width, and with ``memory: ideal``.
    """
    counts = table.counts
    if arch.ideal_memory:
        return np.zeros_like(counts.cycles)
    buffers, bits = arch.system.buffers, arch.precision.operand_bits
    least = np.zeros_like(counts.cycles)
    if buffers.shared.read_bits_per_cycle is not None:
        words = min(columns, product.n) if table.per_column else 1
        least = -(-counts.fetches * words * bits // buffers.shared.read_bits_per_cycle)
    if buffers.skip.read_bits_per_cycle is not None:
        taken = table.taken if table.per_column else table.taken[:, :, None]
        least = np.maximum(least, -(-taken * bits // buffers.skip.read_bits_per_cycle))
    waiting: Int64s = np.maximum(least - counts.cycles, 0)
    return waiting


class PassCache:
    """Pass tables by (masks, tile, mechanism), and masks in their formats; valid for one recorded step."""

    def __init__(self) -> None:
        self.stored = StoredMasks()
        self._tables: dict[tuple[object, ...], PassTable] = {}

    def table(self, arch: Architecture, product: Product, tile_k: int, shape: tuple[int, int]) -> PassTable:
        """Give the pass table of a product with K cut into tiles of `tile_k` positions.

        `shape` is one of `pass_shapes`.

        Raises
        ------
        InputError
            If the weights' file is not as it must be, or the mechanism refuses a mask.
        """
        mechanism, (rows, columns) = arch.skipping, shape
        if isinstance(mechanism, TileMechanism):
            shared = _shared_mask(mechanism, arch, product)
            key: tuple[object, ...] = (product.n, columns, None if shared is None else (shared.key, shared.lanes_hold))
            key = (*_key(mechanism, product, tile_k, rows), *key)
            if key not in self._tables:
                self._tables[key] = _count_tiles(mechanism, product, shared, rows, columns, tile_k)
        else:
            key = _key(mechanism, product, tile_k, rows)
            if key not in self._tables:
                self._tables[key] = _count(mechanism, product, rows, tile_k)
        return self._tables[key]

    def tables(
        self, arch: Architecture, products: Sequence[Product], tile_k: int, shape: tuple[int, int]
    ) -> list[PassTable]:
        """Give the pass tables of products that are alike in M and K, such as the time steps of a serial product.

        Those that `table` gives; masks that are not counted yet are laid on lanes and counted together.
        """
        mechanism, rows = arch.skipping, shape[0]
        if not isinstance(mechanism, TileMechanism):
            keys = {_key(mechanism, p, tile_k, rows): p for p in products if p.mask is not None}
            new = {key: p for key, p in keys.items() if key not in self._tables}
            if len(new) > 1 and all(p.mask is not None and p.mask.lanes_hold == "rows" for p in new.values()):
                try:
                    counted = _count_alike(mechanism, list(new.values()), rows, tile_k)
                except BrokenPatternError:
                    counted = []  # `table` names the product
                self._tables.update(zip(new, counted, strict=False))
        return [self.table(arch, product, tile_k, shape) for product in products]


def _key(mechanism: Mechanism, product: Product, tile_k: int, rows: int) -> tuple[object, ...]:
    """What a pass table depends on, with the mask of the skip operand alone."""
    operand = product.mask
    if operand is None:
        return (mechanism, rows, tile_k, product.m, product.k)
    return (mechanism, rows, tile_k, operand.key, operand.lanes_hold)


def _count_alike(mechanism: Mechanism, products: Sequence[Product], rows: int, tile_k: int) -> list[PassTable]:
    """Count the passes of products of the same shape, whose lanes hold rows, in one go."""
    operands = [p.mask for p in products if p.mask is not None]
    packed = np.concatenate([operand.packed for operand in operands])
    group, k = products[0].m, products[0].k
    tiles, nonzeros = [], []
    for start, stop in _k_tiles(k, tile_k):
        masks = rows_on_lanes(packed, operands[0].bits, rows, start, stop, group=group)
        tiles.append(mechanism.count(masks))
        nonzeros.append(nnz(masks))
    lanes = masks.lanes[: len(masks.lanes) // len(products)]

    def by_product(each: list[Int64s]) -> Int64s:
        return np.stack([one.reshape(len(products), -1) for one in each], axis=1)

    counts = {f.name: by_product([getattr(tile, f.name) for tile in tiles]) for f in fields(PassCounts)}
    zeros = by_product(nonzeros)
    return [
        PassTable(PassCounts(**{name: values[i] for name, values in counts.items()}), lanes, zeros[i])
        for i in range(len(products))
    ]


def _count(mechanism: Mechanism, product: Product, rows: int, tile_k: int) -> PassTable:
    operand, m, k = product.mask, product.m, product.k
    if operand is None:
        # All passes of an unrecorded operand are full of non-zeros; only the last may have fewer rows.
        passes = -(-m // rows)
        tiles = [
            _repeated(mechanism.count(_two_kinds(rows, m, stop - start)), passes) for start, stop in _k_tiles(k, tile_k)
        ]
        return _table(tiles, *_dense_rows(m, k, rows, tile_k))
    masks = [_on_lanes(operand, rows, start, stop) for start, stop in _k_tiles(k, tile_k)]
    tiles = []
    for tile, (start, _) in zip(masks, _k_tiles(k, tile_k), strict=True):
        try:
            tiles.append(mechanism.count(tile))
        except BrokenPatternError as error:
            time = "" if product.time is None else f", time step {product.time}"
            raise error.within(f"layer {product.layer}, product {product.name}{time}", rows, start) from None
    return _table(tiles, masks[0].lanes, [nnz(tile) for tile in masks])


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
    return _table(tiles, lanes, nonzeros or dense_nonzeros, shared is not None)


def _shared_mask(mechanism: TileMechanism, arch: Architecture, product: Product) -> OperandMask | None:
    """What is known of the shared operand's zeros: recorded ones, or those of pruned weights."""
    if product.shared_mask is not None or mechanism.weights is None:
        return product.shared_mask
    name = product.shared_operand
    packed = mechanism.weights.mask(name, product.k, product.n, arch.folder)
    return None if packed is None else OperandMask(packed, product.n, "bits", ("weights", name))


def _on_lanes(operand: OperandMask, lanes: int, start: int, stop: int) -> PassMasks:
    lay = rows_on_lanes if operand.lanes_hold == "rows" else bits_on_lanes
    return lay(operand.packed, operand.bits, lanes, start, stop)


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
    return PassCounts(**{f.name: getattr(kinds, f.name)[index] for f in fields(PassCounts)})


def _table(tiles: list[PassCounts], lanes: Int64s, nonzeros: list[Int64s], masked_shared: bool = False) -> PassTable:
    counts = PassCounts(**{f.name: np.stack([getattr(t, f.name) for t in tiles]) for f in fields(PassCounts)})
    return PassTable(counts, lanes, np.stack(nonzeros), masked_shared)
