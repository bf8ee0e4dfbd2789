"""Axes: the values that a key of the machine takes, as a list or a range, and the machines to which it applies.

```yaml
skipping.depth: [4, 8, 16]                          # any plain data
array.rows: {from: 8, to: 32, step: 8}              # 8, 16, 24, 32
skipping.banks: {from: 2, to: 16, factor: 2}        # 2, 4, 8, 16
skipping.refill: {values: [2, 4], only_if: {skipping.mechanism: lookahead, array.rows: [8, 16]}}
```
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from simulator.arch.problems import shown
from traces.errors import InputError, Problem, nearest

Place = Callable[[tuple[str | int, ...], bool], str]
Number = int | float

KEYS = ("values", "from", "to", "step", "factor", "only_if")
MOST_VALUES = 10_000
"""Of a range: one with more is a slip of its step."""


@dataclass(frozen=True)
class Condition:
    """A key of the machine and the values of which it must have one.

    Attributes
    ----------
    path : str
        Dotted key.
    values : tuple
        Plain data.
    where : str
        Place in the user's input, for messages.
    """

    path: str
    values: tuple[Any, ...]
    where: str = ""


@dataclass(frozen=True)
class Axis:
    """A key of the machine and the values that it takes.

    Attributes
    ----------
    path : str
        Dotted key, such as ``array.rows``.
    values : tuple
        Plain data, as a machine file could hold it; each value once.
    where : str
        Place in the user's input, for messages.
    only_if : tuple of Condition
        A machine of which one does not hold keeps what it has at `path`.
    """

    path: str
    values: tuple[Any, ...]
    where: str = ""
    only_if: tuple[Condition, ...] = ()

    def waits_for(self, other: Axis) -> bool:
        """Whether this axis can be set only after another one: it may decide whether there is such a key, or apply."""
        return _decides(other.path, self.path) or any(
            c.path == other.path or _decides(other.path, c.path) or _is_part(other.path, c.path) for c in self.only_if
        )


def parse_axis(path: str, data: object, say: Place) -> Axis:
    """Read an axis.

    Parameters
    ----------
    path : str
        Its key.
    data : any
        A list, or a mapping with a range or a list, perhaps with conditions.
    say : callable
        Says where a path of keys below the axis stands.

    Raises
    ------
    InputError
        If it has no values, one of them twice, or is not as it must be.
    """
    where = say((), True)
    if isinstance(data, list):
        return Axis(path, listed(data, say((), False)), where)
    if not isinstance(data, Mapping):
        raise InputError.of(say((), False), shown(data), "a list or a range", f"write [{shown(data)}]")
    unknown = [key for key in data if key not in KEYS]
    if unknown:
        expected = f"one of {', '.join(KEYS)}"
        hint = nearest(unknown[0], KEYS)
        if len(unknown) == len(data):
            hint = f"a part is an axis of its own, {path}.{unknown[0]}; a mapping as a value stands in a list"
        raise InputError.of(say((unknown[0],), True), f"unknown key {unknown[0]!r}", expected, hint)
    if "values" in data:
        also = [key for key in ("from", "to", "step", "factor") if key in data]
        if also:
            raise InputError.of(say((also[0],), True), f"{also[0]!r} beside 'values'", "a list or a range, not both")
        values = listed(data["values"], say(("values",), False))
    else:
        values = _range(data, say)
    return Axis(path, values, where, tuple(_conditions(data.get("only_if", {}), say)))


def in_order(axes: Sequence[Axis]) -> list[Axis]:
    """Order axes so that each stands after all for which it waits; otherwise as they were.

    Raises
    ------
    InputError
        If some wait for each other.
    """
    ordered: list[Axis] = []
    left = list(axes)
    while left:
        free = next((a for a in left if not any(a.waits_for(other) for other in left if other is not a)), None)
        if free is None:
            expected = "axes of which one can be set first"
            names = " and ".join(axis.path for axis in left)
            raise InputError.of(left[0].where or left[0].path, f"conditions in a circle: {names}", expected)
        left.remove(free)
        ordered.append(free)
    return ordered


def below(say: Place, *owner: str | int) -> Place:
    """Say places of keys below an owner."""
    return lambda loc, is_key: say((*owner, *loc), is_key)


def listed(data: object, where: str) -> tuple[Any, ...]:
    """Take a list of at least one value, none of them twice.

    Raises
    ------
    InputError
        If it is none.
    """
    if not isinstance(data, list):
        raise InputError.of(where, shown(data), "a list", f"write [{shown(data)}]")
    if not data:
        raise InputError.of(where, "an empty list", "at least one value")
    texts: set[str] = set()
    for value in data:
        text = json.dumps(value, sort_keys=True)
        if text in texts:
            raise InputError.of(where, f"{text} twice", "each value once")
        texts.add(text)
    return tuple(data)


def same(one: object, other: object) -> bool:
    """Whether two values are the same as plain data: 1 and 1.0 are, 1 and true are not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _is_part(path: str, whole: str) -> bool:
    return path.startswith(f"{whole}.")


def _decides(path: str, other: str) -> bool:
    """Whether the value of one key decides what stands at another one."""
    return _is_part(other, path) or (path == "skipping.mechanism" != other and _is_part(other, "skipping"))


def _range(data: Mapping[str, Any], say: Place) -> tuple[Number, ...]:
    kind = [key for key in ("step", "factor") if key in data]
    needed = ["from", "to", *(kind or ["step"])]
    missing = [key for key in needed if key not in data]
    if missing:
        expected = "values: [...], from/to/step, or from/to/factor"
        raise InputError.of(say((), True), f"no key {missing[0]!r}", expected)
    if len(kind) == 2:
        raise InputError.of(say(("factor",), True), "'factor' beside 'step'", "one of the two")
    problems = [
        Problem(say((key,), False), shown(data[key]), "a number")
        for key in needed
        if isinstance(data[key], bool) or not isinstance(data[key], int | float)
    ]
    if problems:
        raise InputError(problems)
    first, last, by = (data[key] for key in needed)
    rules = [
        ("to", last >= first, f"at least {first}, where the range begins"),
        ("step", kind != ["step"] or by > 0, "more than 0"),
        ("factor", kind != ["factor"] or by > 1, "more than 1"),
        ("from", kind != ["factor"] or first > 0, "more than 0, for a factor"),
    ]
    problems = [Problem(say((key,), False), shown(data[key]), expected) for key, holds, expected in rules if not holds]
    if problems:
        raise InputError(problems)
    values: list[Number] = []
    for value in _counted(first, by, kind == ["factor"]):
        if value > last:
            break
        if len(values) == MOST_VALUES:
            raise InputError.of(say((), False), f"more than {MOST_VALUES} values", "fewer", f"a larger {kind[0]}")
        if values and value == values[-1]:
            raise InputError.of(say((kind[0],), False), f"{value} twice", "each value once", f"a larger {kind[0]}")
        values.append(value)
    return tuple(values)


def _counted(first: Number, by: Number, times: bool) -> Iterator[Number]:
    """Count without end from a number by a step or a factor: whole numbers stay whole, 0.1 by 0.1 meets 0.3."""
    whole = isinstance(first, int) and isinstance(by, int)
    value, stride = Decimal(str(first)), Decimal(str(by))
    while True:
        yield int(value) if whole else float(value)
        value = value * stride if times else value + stride


def _conditions(data: object, say: Place) -> Iterator[Condition]:
    if not isinstance(data, Mapping):
        expected = "a key of the machine and its value or values"
        raise InputError.of(say(("only_if",), False), shown(data), expected, "write {skipping.mechanism: lookahead}")
    for path, value in data.items():
        loc = ("only_if", path)
        values = listed(value, say(loc, False)) if isinstance(value, list) else (value,)
        yield Condition(path, values, say(loc, True))
