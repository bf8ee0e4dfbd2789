"""A mechanism on a single mask: the law alone, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from simulator.arch.mechanism import Mechanism
from simulator.arch.problems import Loc, problems_of, shown
from simulator.skipping.masks import from_bools
from traces.errors import InputError, nearest


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


def mechanism_of(spec: Mapping[str, Any], where: str = "skipping") -> Mechanism:
    """Make the mechanism that a mapping describes.

    Parameters
    ----------
    spec : mapping
        The name under ``mechanism`` and the mechanism's own parameters.
    where : str
        What an error message calls the place of the mapping.

    Raises
    ------
    InputError
        Where the name is missing or unknown, or a key or value is wrong; every problem at once.
    """
    known = Mechanism.registered
    if not isinstance(spec, Mapping):
        raise InputError.of(where, shown(spec), "a mapping with the key 'mechanism', or a mechanism")
    if "mechanism" not in spec:
        raise InputError.of(where, "no key 'mechanism'", "mechanism: one of " + ", ".join(sorted(known)))
    name = spec["mechanism"]
    if not isinstance(name, str) or name not in known:
        hint = nearest(name, known) if isinstance(name, str) else ""
        raise InputError.of(f"{where}.mechanism", shown(name), "one of " + ", ".join(sorted(known)), hint)
    model = known[name]

    def place(loc: Loc, is_key: bool) -> str:
        return ".".join([where, *map(str, loc[:-1] if is_key else loc)])

    data = dict(spec)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(problems_of(error, model, data, place)) from None
