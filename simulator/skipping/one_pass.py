"""A mechanism on a single mask: the law alone, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Mechanism
from simulator.arch.schema import mechanism_of
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.masks import Bools, bits_on_lanes, from_bools, full, rows_on_lanes
from traces.errors import InputError


@dataclass(frozen=True)
class PassResult:
    """Exact counts of one pass, per column: ``lanes * macs_per_lane * cycles == executed + gated + idle``.

    Of a mechanism that reads both operands, of all tiles and columns:
    ``multipliers * cycles == executed + gated + idle``, with values in place of words.

    Attributes
    ----------
    cycles : cycles of the pass
    executed, gated, skipped : MACs multiplied, switched off in a slot, passed over; in all lanes x positions,
        times columns where both operands are read
    idle : slots that consumed nothing, ``imbalance + conflict + refill``
    imbalance, conflict, refill : idle slots by reason
    fetches : words of the shared operand brought from its buffer
    reads : words of the shared operand handed to lanes (distinct positions per cycle, summed)
    """

    cycles: int
    executed: int
    gated: int
    skipped: int
    idle: int
    imbalance: int
    conflict: int
    refill: int
    fetches: int
    reads: int


def run_pass(
    mask: npt.ArrayLike, spec: Mechanism | Mapping[str, Any], shared: npt.ArrayLike | None = None
) -> PassResult:
    """Run one pass; or, with a mechanism that reads both operands, all tiles of a product.

    Parameters
    ----------
    mask : bool [lanes, positions]
        True where the skip operand is non-zero. At least one lane; no positions take no cycles.
    spec : Mechanism or mapping
        The mechanism, or what a machine file has under ``skipping``, such as
        ``{"mechanism": "lookahead", "depth": 8, "refill": 8, "banks": None}``.
    shared : bool [positions, columns], optional
        True where the shared operand is non-zero, for mechanisms that read it. By default one column without zeros;
        an array of ones says that no column has any. Rows and columns are cut into the mechanism's own tiles.

    Returns
    -------
    PassResult

    Raises
    ------
    InputError
        Where a mask is not bool, not of rank 2 or without a lane, where they do not fit each other, the mechanism
        reads no mask of the shared operand, or the mapping names no mechanism or has wrong keys or values.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([[1, 0, 0, 1], [0, 0, 1, 1]], dtype=bool)
    >>> run_pass(mask, {"mechanism": "lookahead", "depth": 4, "refill": None}).cycles
    2
    """
    array = _checked(mask, "mask", "bool [lanes >= 1, positions]", 0)
    mechanism = spec if isinstance(spec, Mechanism) else mechanism_of(spec)
    if isinstance(mechanism, TileMechanism):
        other = np.ones((array.shape[1], 1), np.bool_)
        if shared is not None:
            other = _checked(shared, "shared", "bool [positions, columns >= 1]", 1)
        return _run_tiles(array, mechanism, other)
    if shared is not None:
        reading = sorted(name for name, kind in Mechanism.registered.items() if issubclass(kind, TileMechanism))
        expected = "no mask of the shared operand, or one of " + ", ".join(reading)
        raise InputError.of("shared", f"a mask with {mechanism.mechanism}, which does not read it", expected)
    counts = mechanism.count(from_bools(array))
    return PassResult(idle=int(counts.idle[0]), **counts.total())


def _run_tiles(mask: Bools, mechanism: TileMechanism, shared: Bools) -> PassResult:
    (rows, positions), columns = mask.shape, shared.shape[1]
    if len(shared) != positions:
        raise InputError.of("shared", f"{len(shared)} positions", f"{positions}, as many as the mask has")
    tile_rows, tile_columns = mechanism.tile_shape
    tile_rows, tile_columns = tile_rows or rows, tile_columns or columns
    skip, others = full(tile_rows, 0, rows), None
    if positions:
        packed, packed_shared = (np.packbits(m, axis=1, bitorder="little") for m in (mask, shared))
        skip = rows_on_lanes(packed, positions, tile_rows)
        others = bits_on_lanes(packed_shared, columns, tile_columns)
    starts = np.arange(0, columns, tile_columns, dtype=np.int64)
    counts = mechanism.count_tiles(skip, others, np.minimum(columns - starts, tile_columns))
    return PassResult(idle=int(counts.idle.sum()), **counts.total())


def _checked(mask: npt.ArrayLike, where: str, expected: str, axis: int) -> Bools:
    """Give a bool array of rank 2 that is not empty along an axis."""
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.ndim != 2 or array.shape[axis] < 1:
        hint = "use mask != 0 to say which values are non-zero" if array.dtype != np.bool_ else ""
        raise InputError.of(where, f"{array.dtype} array of shape {array.shape}", expected, hint)
    return array
