"""Rules of a space: what must hold between the keys of a machine, or the combination is left out.

```yaml
where:
  - skipping.refill: {at_most: skipping.depth}
  - array.rows: {equals: array.columns}
  - array.rows: {at_least: {times: [2, array.columns]}}
  - {times: [array.rows, array.columns], at_most: 1024}
  - energy_table: {one_of: [cmos_45nm, cmos_7nm]}
```

All of them must hold. A text is always a key, but for the values of ``one_of``. A rule about a key that a machine does
not have says nothing of it, nor does an order or a product of what is no number (``null``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from simulator.arch.problems import shown
from simulator.explore.axes import Number, Place, below, listed, same
from traces.errors import InputError, Problem, nearest

ORDERS = ("at_most", "at_least")
COMPARISONS = (*ORDERS, "equals", "differs", "one_of")
PRODUCT = "times"

ValueOf = Callable[[str], tuple[bool, Any]]
"""Says whether a machine has a key, and its value there."""


@dataclass(frozen=True)
class Key:
    """The value that a machine has at a dotted key."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Product:
    """Numbers and keys, multiplied."""

    factors: tuple[Key | Number, ...]

    def __str__(self) -> str:
        return " times ".join(map(str, self.factors))


@dataclass(frozen=True)
class Rule:
    """A comparison that must hold.

    Attributes
    ----------
    left : Key or Product
    comparison : str
        One of `COMPARISONS`.
    right : Key, Product, number, bool or None; of ``one_of`` a tuple of plain data
    where : str
        Place in the user's input, for messages.
    """

    left: Key | Product
    comparison: str
    right: Any
    where: str = ""

    def __str__(self) -> str:
        right = str(self.right) if isinstance(self.right, Key | Product) else shown(self.right)
        return f"{self.left} {self.comparison.replace('_', ' ')} {right}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Keys that it is about, each once."""
        sides = (side.factors if isinstance(side, Product) else (side,) for side in (self.left, self.right))
        return tuple(dict.fromkeys(one.path for side in sides for one in side if isinstance(one, Key)))

    def holds(self, value_of: ValueOf) -> bool | None:
        """Whether it holds for a machine; None where it says nothing of it."""
        left, right = _evaluated(self.left, value_of), _evaluated(self.right, value_of)
        if left is _NOTHING or right is _NOTHING:
            return None
        if self.comparison in ORDERS:
            if not isinstance(left, Fraction) or not isinstance(right, Fraction):
                return None
            return left <= right if self.comparison == "at_most" else left >= right
        if self.comparison == "one_of":
            return any(same(left, _exact(value)) for value in self.right)
        return same(left, right) == (self.comparison == "equals")


_NOTHING = object()


def _evaluated(side: Any, value_of: ValueOf) -> Any:
    """Give a number as a fraction, so that 0.1 times 3 is 0.3; other values as they are."""
    if isinstance(side, Key):
        found, value = value_of(side.path)
        return _exact(value) if found else _NOTHING
    if isinstance(side, Product):
        factors = [_evaluated(factor, value_of) for factor in side.factors]
        return math.prod(factors) if all(isinstance(factor, Fraction) for factor in factors) else _NOTHING
    return _exact(side)


def _exact(value: Any) -> Any:
    return Fraction(str(value)) if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# --- reading --------------------------------------------------------------------------------------------------


def parse_rules(data: object, say: Place) -> list[Rule]:
    """Read the rules of a space.

    Parameters
    ----------
    data : any
        A list of mappings.
    say : callable
        Says where a path of keys below them stands.

    Raises
    ------
    InputError
        With each rule that is not as it must be.
    """
    if not isinstance(data, list):
        hint = f"write [{shown(data)}]" if isinstance(data, Mapping) else ""
        raise InputError.of(say((), False), shown(data), "a list of rules", hint)
    rules: list[Rule] = []
    problems: list[Problem] = []
    for index, described in enumerate(data):
        try:
            rules += _rules(described, below(say, index))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return rules


def _rules(described: object, say: Place) -> Iterator[Rule]:
    """Read an entry: a rule for each comparison in it."""
    if not isinstance(described, Mapping) or not described:
        expected = "a key of the machine and what must hold there"
        raise InputError.of(say((), False), shown(described), expected, "write {array.rows: {at_most: array.columns}}")
    if PRODUCT in described:
        left = _product(described[PRODUCT], say((PRODUCT,), False))
        yield from _compared(left, {k: v for k, v in described.items() if k != PRODUCT}, say)
        return
    for path, comparisons in described.items():
        if path in COMPARISONS:
            hint = f"write {{KEY: {{{path}: ...}}}}"
            raise InputError.of(say((path,), True), f"{path!r} of nothing", f"a key, or {PRODUCT}: [...]", hint)
        yield from _compared(Key(path), comparisons, below(say, path))


def _compared(left: Key | Product, comparisons: object, say: Place) -> Iterator[Rule]:
    if not isinstance(comparisons, Mapping) or not comparisons:
        expected = f"one of {', '.join(COMPARISONS)}, and with what"
        hint = "" if isinstance(comparisons, Mapping) else f"write {{equals: {shown(comparisons)}}}"
        raise InputError.of(say((), False), shown(comparisons), expected, hint)
    for comparison, right in comparisons.items():
        if comparison not in COMPARISONS:
            expected, hint = f"one of {', '.join(COMPARISONS)}", nearest(comparison, COMPARISONS)
            raise InputError.of(say((comparison,), True), f"unknown comparison {comparison!r}", expected, hint)
        where = say((comparison,), False)
        yield Rule(left, comparison, _right(comparison, right, where), say((comparison,), True))


def _right(comparison: str, data: object, where: str) -> Any:
    if comparison == "one_of":
        return listed(data, where)
    if isinstance(data, str):
        return Key(data)
    if isinstance(data, Mapping) and [*data] == [PRODUCT]:
        return _product(data[PRODUCT], where)
    if _is_number(data) or (comparison not in ORDERS and (data is None or isinstance(data, bool))):
        return data
    expected = f"a number, a key of the machine, or {{{PRODUCT}: [...]}}"
    raise InputError.of(where, shown(data), expected, "values stand in one_of: [...]" if comparison == "equals" else "")


def _product(data: object, where: str) -> Product:
    if not isinstance(data, list) or len(data) < 2 or not all(isinstance(f, str) or _is_number(f) for f in data):
        expected = "a list of at least two keys or numbers"
        raise InputError.of(where, shown(data), expected, f"write {PRODUCT}: [2, array.columns]")
    return Product(tuple(Key(factor) if isinstance(factor, str) else factor for factor in data))
