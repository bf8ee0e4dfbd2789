"""Which keys a machine has: what an axis may be about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel

from simulator.arch import Architecture, Mechanism

Shape = tuple[tuple[str, Any], ...]


def machine_keys(data: Mapping[str, Any]) -> list[str]:
    """List the dotted keys that a machine may set, whether it does or not.

    The mechanism that `data` names decides the keys of ``skipping``; with ``memory: ideal`` there are none
    below ``memory``.

    Parameters
    ----------
    data : mapping
        A machine as plain data, checked or not.

    Returns
    -------
    list of str
        For instance ``array``, ``array.rows``, ``skipping``, ``skipping.mechanism``, ``skipping.depth``.
    """
    return list(_keys_of(_shape(data), tuple(Mechanism.registered.values())))


@lru_cache(maxsize=256)
def _keys_of(shape: Shape, mechanisms: tuple[type[Mechanism], ...]) -> tuple[str, ...]:
    """List the keys once for all machines of a shape: those of a space differ in a few shapes, and in many values."""
    return tuple(_keys(Architecture, _shaped(shape), ""))


def _shape(data: Mapping[str, Any]) -> Shape:
    """Give what keys depend on: which parts are there, absent or of keys of their own, and the mechanism's name."""
    parts: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            parts.append((name, _shape(value)))
        else:
            parts.append((name, value if value is None or (name == "mechanism" and isinstance(value, str)) else ""))
    return tuple(parts)


def _shaped(shape: Shape) -> dict[str, Any]:
    return {name: _shaped(part) if isinstance(part, tuple) else part for name, part in shape}


def _keys(model: type[BaseModel], data: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        value = data.get(name)
        part = _part(field.annotation, value)
        if part is not None:
            yield from _keys(part, value if isinstance(value, Mapping) else {}, f"{prefix}{name}.")


def _part(annotation: Any, value: Any) -> type[BaseModel] | None:
    """Give the model of a key's value; None where the value has no keys of its own."""
    if value is not None and not isinstance(value, Mapping):
        return None
    for model in (annotation, *get_args(annotation)):
        if isinstance(model, type) and issubclass(model, BaseModel):
            if issubclass(model, Mechanism):
                name = value.get("mechanism") if value else None
                return Mechanism.registered.get(name, Mechanism) if isinstance(name, str) else Mechanism
            return model
    return None
