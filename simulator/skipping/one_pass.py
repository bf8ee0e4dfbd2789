"""A mechanism on a single mask: the law alone, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch.mechanism import Mechanism
from simulator.arch.schema import mechanism_of
from simulator.skipping.masks import from_bools
from traces.errors import InputError


@dataclass(frozen=True)
class PassResult:
    """Exact counts of one pass, per column: ``lanes * cycles == executed + gated + idle``.

    Attributes
    ----------
    cycles : cycles of the pass
    executed, gated, skipped : MACs multiplied, switched off in a slot, passed over; in all lanes x positions
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


def run_pass(mask: npt.ArrayLike, spec: Mechanism | Mapping[str, Any]) -> PassResult:
    """Run one pass.

    Parameters
    ----------
    mask : bool [lanes, positions]
        True where the skip operand is non-zero. At least one lane; no positions take no cycles.
    spec : Mechanism or mapping
        The mechanism, or what a machine file has under ``skipping``, such as
        ``{"mechanism": "lookahead", "depth": 8, "refill": 8, "banks": None}``.

    Returns
    -------
    PassResult

    Raises
    ------
    InputError
        Where the mask is not bool, not of rank 2 or without a lane, or the mapping names no mechanism or has
        wrong keys or values.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([[1, 0, 0, 1], [0, 0, 1, 1]], dtype=bool)
    >>> run_pass(mask, {"mechanism": "lookahead", "depth": 4, "refill": None}).cycles
    2
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.ndim != 2 or array.shape[0] < 1:
        hint = "use mask != 0 to say which values are non-zero" if array.dtype != np.bool_ else ""
        raise InputError.of(
            "mask",
            f"{array.dtype} array of shape {array.shape}",
            "bool [lanes >= 1, positions]",
            hint,
        )
    mechanism = spec if isinstance(spec, Mechanism) else mechanism_of(spec)
    counts = mechanism.count(from_bools(array))
    return PassResult(idle=int(counts.idle[0]), **counts.total())
