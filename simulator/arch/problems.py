"""From pydantic's errors to ours: where, what was found, what would be right, and a hint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from simulator.arch.mechanism import Mechanism
from traces.errors import Problem, nearest

Loc = tuple[str | int, ...]


def wrong(found: str, expected: str, hint: str = "") -> PydanticCustomError:
    """Make a validator's error that `problems_of` hands on word for word."""
    context = {"found": found, "expected": expected, "hint": hint}
    return PydanticCustomError("wrong", "found {found}; expected {expected}", context)


def shown(value: object, longest: int = 60) -> str:
    """Write a value as the file would have it, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def problems_of(
    error: ValidationError, model: type[BaseModel], data: Any, place: Callable[[Loc, bool], str]
) -> list[Problem]:
    """Translate every error of a validation.

    Parameters
    ----------
    error : ValidationError
        What `model` raised on `data`.
    model : type
        The model that was validated; it knows the right keys.
    data : any
        What was validated.
    place : callable
        ``place(loc, is_key)`` says where a path stands in the user's input; `is_key` is true where the
        key and not its value is at fault.
    """
    return [_problem(details, model, data, place) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, model: type[BaseModel], data: Any, place: Callable[[Loc, bool], str]) -> Problem:
    kind, loc, value = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    if kind == "wrong":
        return Problem(place(loc, False), context["found"], context["expected"], context["hint"])
    if kind == "extra_forbidden":
        keys = _keys(_model_at(model, data, loc[:-1]))
        unknown = str(loc[-1])
        return Problem(
            place(loc, True), f"unknown key {unknown!r}", "one of " + ", ".join(keys), nearest(unknown, keys)
        )
    if kind == "missing":
        name = str(loc[-1])
        owner = _model_at(model, data, loc[:-1])
        about = (owner.model_fields[name].description or "") if owner and name in owner.model_fields else ""
        keys = _given(data, loc[:-1])
        return Problem(
            place(loc, True),
            f"no key {name!r}",
            f"the key {name!r}" + (f": {about.rstrip('.')}" if about else ""),
            nearest(name, keys).replace("did you mean", "is it meant by") if keys else "",
        )
    if kind == "literal_error":
        choices = _choices(context["expected"])
        hint = nearest(value, choices) if isinstance(value, str) else ""
        return Problem(place(loc, False), shown(value), "one of " + ", ".join(choices), hint)
    return Problem(place(loc, False), shown(value), _expected(kind, context, details["msg"]))


def _choices(expected: str) -> list[str]:
    """Split pydantic's ``'a', 'b' or 'c'``."""
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    words = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "string_type": "a text",
        "bool_type": "true or false",
        "model_type": "a mapping of keys to values",
        "model_attributes_type": "a mapping of keys to values",
        "dict_type": "a mapping of keys to values",
        "list_type": "a list",
        "tuple_type": "a list",
        "finite_number": "a finite number",
    }
    if kind in words:
        return words[kind]
    bounds = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
    bounds["less_than_equal"] = "at most"
    for name, phrase in bounds.items():
        if kind == name:
            return f"{phrase} {next(iter(context.values()))}"
    if kind == "string_too_short":
        return f"a text of at least {context['min_length']} character(s)"
    if kind == "string_too_long":
        return f"a text of at most {context['max_length']} characters"
    # A validator's own ValueError says in its own words what would be right.
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _keys(model: type[BaseModel] | None) -> list[str]:
    return list(model.model_fields) if model else []


def _given(data: Any, loc: Loc) -> list[str]:
    for step in loc:
        data = data.get(step) if isinstance(data, Mapping) else None
    return [str(key) for key in data] if isinstance(data, Mapping) else []


def _model_at(model: type[BaseModel], data: Any, loc: Loc) -> type[BaseModel] | None:
    """Follow a path of keys to the model that stands there; the data tells which mechanism is meant."""
    found: type[BaseModel] | None = model
    annotation: Any = model
    for step in loc:
        data = data.get(step) if isinstance(data, Mapping) else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(step))
            if field is None:
                return None
            annotation = field.annotation
        else:
            annotation = next(iter(get_args(annotation)[-1:]), None)
        found = _model_in(annotation)
        if found is Mechanism and isinstance(data, Mapping):
            found = Mechanism.registered.get(str(data.get("mechanism")), Mechanism)
        annotation = found or annotation
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model in an annotation such as ``Literal["ideal"] | Memory``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return next((m for m in map(_model_in, get_args(annotation)) if m), None)
    return None
