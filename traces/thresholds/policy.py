"""What a threshold policy is: its specification, what a backward pass asks, and how a header states it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

from traces.errors import InputError, nearest
from traces.thresholds.arrays import Floats, as_array, like, unchanged
from traces.thresholds.values import WHERE, inside

DEEPEST = 32
"""Levels of a mapping, as of a machine's file: policies inside policies need a few."""


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
    strength : float
        From 0 to 1: what a policy multiplies its threshold or its sparsity with, while a `WarmUp` ramps it. A
        training loop leaves it at 1.
    """

    step: int
    time: int
    learning_rate: float | None = None
    strength: float = 1.0


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


@runtime_checkable
class Stateful(Protocol):
    """A thresholder that holds state which must outlive a break of the training."""

    def state(self) -> dict[str, Floats]:
        """Return the state as arrays by name."""

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned; `InputError` where it is not a state of this thresholder."""


class Rule(ABC):
    """A thresholder that decides on numpy arrays and answers in the library and dtype that it was asked in."""

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """See `Thresholder.sparsify`."""
        return like(gradient, self.apply(as_array(gradient), moment))

    @abstractmethod
    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """Sparsify a float32 or float64 array [G, H, B] into a new one."""


class KeepAll:
    """The thresholder that stands where a policy has nothing to ask."""

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """Return a copy."""
        return unchanged(gradient)


class Policy(ABC):
    """Base of the specifications: frozen data classes whose fields are the keys of their mapping.

    The class's docstring is what ``skipstone policies`` prints: its first line, and its fields from the section
    ``Parameters``.

    Attributes
    ----------
    kind : str
        The name in a mapping.
    source : str
        Where it is known from.
    keeps_values : bool
        Whether what stays keeps its value.
    """

    kind: ClassVar[str]
    source: ClassVar[str]
    keeps_values: ClassVar[bool] = True
    registered: ClassVar[dict[str, type[Policy]]] = {}

    def __init_subclass__(cls) -> None:
        Policy.registered[cls.kind] = cls

    @abstractmethod
    def for_layer(self, name: str) -> Thresholder | None:
        """Make the thresholder of the layer called ``name``; None where the policy never drops anything."""

    def for_layers(self, names: Sequence[str]) -> list[Thresholder | None]:
        """Make the thresholders of all layers of a model.

        Raises
        ------
        InputError
            Where the policy names a layer that is not among them.
        """
        self.check_layers(names)
        return [self.for_layer(name) for name in names]

    def check_layers(self, names: Sequence[str]) -> None:
        """Refuse (`InputError`) a policy that names layers which the model does not have."""
        for place, part in self.parts().items():
            with inside(place):
                part.check_layers(names)

    def parts(self) -> dict[str, Policy]:
        """Return the policies that this one holds, by their place in its mapping."""
        found: dict[str, Policy] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, Policy):
                found[f.name] = value
            elif isinstance(value, Mapping):
                found |= {f"{f.name} {key}": part for key, part in value.items() if isinstance(part, Policy)}
            elif isinstance(value, tuple):
                found |= {f"{f.name}[{k}]": part for k, part in enumerate(value) if isinstance(part, Policy)}
        return found

    def ramps(self) -> bool:
        """Tell whether the policy heeds `Moment.strength`."""
        parts = self.parts().values()
        return bool(parts) and all(part.ramps() for part in parts)

    def changes_values(self) -> bool:
        """Tell whether the policy or one inside it may change what stays."""
        return not self.keeps_values or any(part.changes_values() for part in self.parts().values())

    def to_mapping(self) -> dict[str, Any]:
        """Return the policy as a trace header has it, ``{"kind": ..., <field>: <value>}``; None is left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind} | {key: _plain(value) for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class Off(Policy):
    """No thresholding: the backward pass asks nothing and computes with every element."""

    kind: ClassVar[str] = "off"
    source: ClassVar[str] = "ordinary training"

    def for_layer(self, name: str) -> None:
        """Return None: there is nothing to ask."""

    def ramps(self) -> bool:
        """Return True: nothing is nothing at any strength."""
        return True


def from_mapping(mapping: Mapping[str, Any] | Policy | None) -> Policy:
    """Read a policy as a trace header states it.

    Parameters
    ----------
    mapping : mapping, Policy or None
        Such as ``{"kind": "fixed", "threshold": 1e-6}``. A policy is returned as it is; None is `Off`.

    Raises
    ------
    InputError
        Where the kind is missing or unknown, a key is missing or unknown, or a value is out of range; of a policy
        inside another one, with its place.
    """
    if mapping is None:
        return Off()
    if isinstance(mapping, Policy):
        return mapping
    known = ", ".join(sorted(Policy.registered))
    if not isinstance(mapping, Mapping):
        raise InputError.of(WHERE, repr(mapping), f"a mapping with the key 'kind', one of {known}")
    if _deeper(mapping, DEEPEST):
        raise InputError.of(WHERE, f"more than {DEEPEST} levels of nesting", "a policy with few inside it")
    kind = mapping.get("kind")
    if not isinstance(kind, str) or kind not in Policy.registered:
        found = repr(kind) if "kind" in mapping else "nothing"
        hint = nearest(kind, Policy.registered) if isinstance(kind, str) else ""
        raise InputError.of(f"{WHERE} kind", found, f"one of {known}", hint)
    policy = Policy.registered[kind]
    wanted = {
        f.name: f.default is MISSING and f.default_factory is MISSING
        for f in fields(policy)  # type: ignore[arg-type]
    }
    given = {key: value for key, value in mapping.items() if key != "kind"}
    for key in given:
        if key not in wanted:
            expected = f"the keys of kind {kind!r}: {', '.join(['kind', *wanted])}"
            raise InputError.of(f"{WHERE} {key}", "an unknown key", expected, nearest(str(key), wanted))
    for key, required in wanted.items():
        if required and key not in given:
            raise InputError.of(f"{WHERE} {key}", "nothing", f"this key, required by kind {kind!r}")
    return policy(**given)


def _deeper(mapping: Mapping[str, Any], levels: int) -> bool:
    """Whether mappings and lists stand inside each other beyond so many levels; without recursion."""
    inner: list[Any] = [mapping]
    for _ in range(levels):
        held = [one.values() if isinstance(one, Mapping) else one for one in inner]
        inner = [value for values in held for value in values if isinstance(value, Mapping | list | tuple)]
        if not inner:
            return False
    return True


def nested(name: str, value: Any) -> Policy:
    """Read the policy that another one holds under ``name``, as an object or as a mapping."""
    with inside(name):
        if value is None:
            raise InputError.of(WHERE, "nothing", "a policy")
        return from_mapping(value)


def thresholder_of(policy: Policy, layer: str) -> Thresholder:
    """Make a layer's thresholder, also where there is nothing to ask."""
    return policy.for_layer(layer) or KeepAll()


def state_of(thresholder: Thresholder | None) -> dict[str, Floats]:
    """Return what a thresholder must keep over a break of the training, by name; empty where it holds nothing."""
    state: dict[str, Floats] = thresholder.state() if isinstance(thresholder, Stateful) else {}
    return state


def restore_state(thresholder: Thresholder | None, state: Mapping[str, Floats]) -> None:
    """Give a new thresholder of the same policy what `state_of` returned.

    Raises
    ------
    InputError
        Where it is not the state of such a thresholder.
    """
    if isinstance(thresholder, Stateful):
        thresholder.restore(state)
    elif state:
        raise InputError.of(f"{WHERE} state", ", ".join(state), "nothing: this policy holds no state")


def _plain(value: Any) -> Any:
    if isinstance(value, Policy):
        return value.to_mapping()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
