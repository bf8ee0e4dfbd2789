"""When a gate gradient counts as zero: threshold policies, the same for numpy and for PyTorch.

The paper (ICLR 2017 submission HJWzXsKxx) prints its rule as ``(dnet > t) ? dnet : 0``. Read literally that
drops every negative gradient, however large; the absolute value is missing. The rule here keeps an element
where ``|dG| > t`` and makes it an exact zero elsewhere, so threshold 0 changes nothing.

A policy is three things: a frozen specification (`Policy`, which the trace header states as a mapping), what
one layer's backward pass asks (`Thresholder`, made by `Policy.for_layer`, which may hold state such as a
controller's running threshold), and the circumstances of each question (`Moment`). A new policy is one
subclass of `Policy` with a ``kind``; defining it registers it for `from_mapping`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from traces.errors import InputError, nearest

WHERE = "policy"


@dataclass(frozen=True, slots=True)
class Moment:
    """The circumstances under which a thresholder is asked.

    Parameters
    ----------
    step : int
        Number of the optimiser step, from 1.
    time : int
        Time step t of the gradient, from 0; a backward pass asks in descending order (in ascending order in a layer
        that walks backward). 0 in layers without time.
    learning_rate : float or None
        Of this optimiser step; None where it is not known.
    """

    step: int
    time: int
    learning_rate: float | None = None


class Thresholder(Protocol):
    """What the backward pass of one layer asks at each time step."""

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """Make the gradient that is computed with: exact zeros where an element is dropped.

        Parameters
        ----------
        gradient : floating array [G, H, B]
            Linear gate gradient of one time step, a numpy array or a PyTorch tensor. Not to be changed.
        moment : Moment
            Optimiser step and time step.

        Returns
        -------
        floating array [G, H, B]
            Of the same library and dtype as ``gradient``, and another array. What stays is unchanged to the bit, but
            for the policies that say otherwise (unbiased pruning, error feedback).
        """


class Policy(ABC):
    """Base of the specifications: frozen data classes whose fields are the keys of their mapping."""

    kind: ClassVar[str]
    registered: ClassVar[dict[str, type[Policy]]] = {}

    def __init_subclass__(cls) -> None:
        Policy.registered[cls.kind] = cls

    @abstractmethod
    def for_layer(self, name: str) -> Thresholder | None:
        """Make the thresholder of the layer called ``name``; None where the policy never drops anything."""

    def to_mapping(self) -> dict[str, Any]:
        """Return the policy as a trace header has it, ``{"kind": ..., <field>: <value>}``."""
        return {"kind": self.kind} | {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Off(Policy):
    """No thresholding: the backward pass asks nothing and computes with every element."""

    kind: ClassVar[str] = "off"

    def for_layer(self, name: str) -> None:
        """Return None: there is nothing to ask."""


@dataclass(frozen=True)
class Fixed(Policy):
    """The paper's rule, with the absolute value it omits: keep where ``|dG| > threshold``.

    Parameters
    ----------
    threshold : float
        At least 0, in units of the gradient, so it depends on how the loss is normalised. It is compared in
        the precision of the gradient. 0 changes nothing.

    Raises
    ------
    InputError
        Where the threshold is negative or not a finite number.
    """

    threshold: float

    kind: ClassVar[str] = "fixed"

    def __post_init__(self) -> None:
        found = self.threshold
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        if not number or not math.isfinite(found) or found < 0:
            raise InputError.of(f"{WHERE} threshold", repr(found), "a finite number of at least 0")
        object.__setattr__(self, "threshold", float(found))

    def for_layer(self, name: str) -> Fixed:
        """Return the policy itself: it holds no state."""
        return self

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """Keep where ``|gradient| > threshold``; see `Thresholder.sparsify`."""
        # A product and not an assignment of 0: a NaN stays one, and threshold 0 changes no bit.
        return gradient * (abs(gradient) > self.threshold)


def from_mapping(mapping: Mapping[str, Any] | Policy | None) -> Policy:
    """Read a policy as a trace header states it.

    Parameters
    ----------
    mapping : mapping, Policy or None
        Such as ``{"kind": "fixed", "threshold": 1e-6}``. A policy is returned as it is; None is `Off`.

    Raises
    ------
    InputError
        Where the kind is missing or unknown, a key is missing or unknown, or a value is out of range.
    """
    if mapping is None:
        return Off()
    if isinstance(mapping, Policy):
        return mapping
    known = ", ".join(sorted(Policy.registered))
    if not isinstance(mapping, Mapping):
        raise InputError.of(WHERE, repr(mapping), f"a mapping with the key 'kind', one of {known}")
    kind = mapping.get("kind")
    if not isinstance(kind, str) or kind not in Policy.registered:
        found = repr(kind) if "kind" in mapping else "nothing"
        hint = nearest(kind, Policy.registered) if isinstance(kind, str) else ""
        raise InputError.of(f"{WHERE} kind", found, f"one of {known}", hint)
    policy = Policy.registered[kind]
    wanted = [f.name for f in fields(policy)]  # type: ignore[arg-type]
    given = {key: value for key, value in mapping.items() if key != "kind"}
    for key in given:
        if key not in wanted:
            expected = f"the keys of kind {kind!r}: {', '.join(['kind', *wanted])}"
            raise InputError.of(f"{WHERE} {key}", "an unknown key", expected, nearest(str(key), wanted))
    for key in wanted:
        if key not in given:
            raise InputError.of(f"{WHERE} {key}", "nothing", f"this key, required by kind {kind!r}")
    return policy(**given)
