"""Which keys a machine has: what an axis may be about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from simulator.arch import Architecture, Mechanism


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
    return list(_keys(Architecture, data, ""))


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
