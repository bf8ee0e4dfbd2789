"""The header of a trace: what was trained, in which shapes, and which steps were recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from traces.errors import InputError, Problem
from traces.schema import (
    DENSE_PER,
    DIRECTIONS,
    GATE_ORDERS,
    dense_layer_problems,
    header_problems,
    layer_problems,
)


@dataclass(frozen=True)
class Layer:
    """One layer whose gate gradients are recorded.

    Parameters
    ----------
    name : str
        Unique; part of the member names, so without slashes.
    kind : {"lstm", "gru", "rnn", "linear"}
        With 4, 3, 1 and 1 gates.
    input_size, hidden_size : int
        D and H; for a linear layer H is its output size.
    gate_order : tuple of str
        Gate names in the order in which they lie in the G*H axis; the kind's usual order if left out.
    direction : {"forward", "backward"}
        Whether the layer walks the sequence from its first or from its last time step.
    input_needs_gradient : bool
        False for a first layer whose input is data, so that its dx product is never computed.

    Raises
    ------
    InputError
        Where a field is not as stated.
    """

    name: str
    kind: str
    input_size: int
    hidden_size: int
    gate_order: tuple[str, ...] = ()
    direction: str = "forward"
    input_needs_gradient: bool = True

    def __post_init__(self) -> None:
        if not self.gate_order:
            object.__setattr__(self, "gate_order", GATE_ORDERS.get(self.kind, ()))
        refuse(layer_problems(self.to_dict(), f"layer {self.name!r}"))

    @property
    def gates(self) -> int:
        """Number of gates G."""
        return len(GATE_ORDERS[self.kind])

    @property
    def gate_bits(self) -> int:
        """Length G*H of the gate gradient's last axis."""
        return self.gates * self.hidden_size

    @property
    def mask_bits(self) -> dict[str, int]:
        """The masks that a step may record for this layer, with the length of their last axis."""
        bits = {"gate_gradient": self.gate_bits, "input": self.input_size}
        if self.kind != "linear":
            bits["hidden"] = self.hidden_size
        if self.kind == "gru":
            bits["gate_gradient_hidden"] = self.gate_bits
        return bits

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as the header has it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "gate_order": list(self.gate_order),
            "direction": self.direction,
            "input_needs_gradient": self.input_needs_gradient,
        }


@dataclass(frozen=True)
class DenseLayer:
    """A layer without a recorded mask (a classifier, an encoder), which counts as dense work.

    `per` says how often it runs: once per ``"token"`` or once per ``"sequence"``.
    """

    name: str
    input_size: int
    output_size: int
    per: str = "token"

    def __post_init__(self) -> None:
        refuse(dense_layer_problems(self.to_dict(), f"dense layer {self.name!r}"))

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as the header has it."""
        return {
            "name": self.name,
            "input_size": self.input_size,
            "output_size": self.output_size,
            "per": self.per,
        }


@dataclass(frozen=True)
class Header:
    """A checked header.

    Attributes
    ----------
    data : dict
        The whole JSON object, unknown keys included.
    entries : dict of int to dict
        The entries of ``steps`` by step number, ascending.
    """

    data: dict[str, Any]
    layers: tuple[Layer, ...]
    dense_layers: tuple[DenseLayer, ...]
    batch_size: int
    sequence_length: int
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)


def parse_header(raw: bytes, where: str) -> Header:
    """Read the bytes of a header; `InputError` (at `where`) unless they are a correct one."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError.of(where, f"a byte that is not UTF-8 at offset {error.start}", "UTF-8 text") from None
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise InputError.of(where, "JSON nested too deeply", "a JSON object") from None
    except ValueError as error:
        raise InputError.of(where, f"text that is not JSON ({error})", "a JSON object") from None
    return check_header(data, where)


def check_header(data: Any, where: str) -> Header:
    """Check a header that has been read from JSON; `InputError` names every problem at once."""
    refuse(header_problems(data, where))
    return Header(
        data,
        tuple(_layer(entry) for entry in data["layers"]),
        tuple(_dense_layer(entry) for entry in data.get("dense_layers", [])),
        data["batch_size"],
        data["sequence_length"],
        {entry["step"]: entry for entry in sorted(data["steps"], key=lambda entry: int(entry["step"]))},
    )


def valid_steps(entry: Mapping[str, Any], layer: str = "") -> npt.NDArray[np.int64] | None:
    """Return the real time steps of each sequence, int64 [B], of a checked entry; None where all are.

    ``layer_valid_steps`` may say otherwise of one layer, dense layers included; "" asks for what holds elsewhere.
    """
    by_layer = entry.get("layer_valid_steps") or {}
    steps = by_layer[layer] if layer in by_layer else entry.get("valid_steps")
    return None if steps is None else np.array(steps, np.int64)


def plain(value: Any, where: str) -> Any:
    """Turn a value into plain JSON values: numpy scalars and arrays, tuples and layers are converted.

    A number that is not finite (a loss that diverged) becomes null, because JSON has no other word for it.
    """
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, (Layer, DenseLayer)):
        return value.to_dict()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError.of(where, f"the key {key!r}", "keys that are strings, as in JSON")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    raise InputError.of(where, f"a {type(value).__name__}", "what JSON can hold")


def encode_header(data: Mapping[str, Any]) -> bytes:
    """Write a header as bytes, the same for the same content."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _layer(entry: dict[str, Any]) -> Layer:
    return Layer(
        entry["name"],
        entry["kind"],
        entry["input_size"],
        entry["hidden_size"],
        tuple(entry.get("gate_order", ())),
        entry.get("direction", DIRECTIONS[0]),
        entry.get("input_needs_gradient", True),
    )


def _dense_layer(entry: dict[str, Any]) -> DenseLayer:
    return DenseLayer(entry["name"], entry["input_size"], entry["output_size"], entry.get("per", DENSE_PER[0]))


def refuse(problems: list[Problem]) -> None:
    """Raise an `InputError` of the problems, if there are any: of the first twenty, if there are more."""
    if problems:
        raise InputError(problems[:20])


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key[:60]!r} twice in one object")
        data[key] = value
    return data
