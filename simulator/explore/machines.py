"""The machines that the axes of a space make of its base machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from simulator.arch import Architecture, Weights
from simulator.arch.overrides import Override, apply_overrides
from simulator.energy import load_energy_table
from simulator.explore.axes import Axis, Condition, in_order, same
from simulator.explore.keys import machine_keys
from simulator.explore.points import Cell, Settings, files_digest, named_files
from simulator.explore.rules import Rule
from traces.errors import InputError, Problem

K = TypeVar("K")
V = TypeVar("V")

KEPT_MACHINES = 1 << 12
"""Machines of a base that are kept for its next traces, some 10 KB each; those of a larger space are made anew."""


@dataclass(frozen=True)
class Priced:
    """A machine and the digests of its energy table and of the other files that it names."""

    machine: Architecture
    prices_digest: str
    files_digest: str


@dataclass(frozen=True)
class Made:
    """What the axes make of a base: a machine, the rule that leaves it out, or what is wrong with it.

    `identity` is equal where `settings` are, and as small a number as can be.
    """

    machine: Priced | Rule | str
    settings: Settings
    identity: int


class Machines:
    """The machines that the axes make of a base; each different one is checked once, as long as it is kept.

    Attributes
    ----------
    base : Architecture
    known : set of str
        Keys that some combination had.
    met : set of str
        Paths of the axes that applied somewhere.
    ruled : set of str
        Places of the rules that said something of some combination.
    """

    def __init__(self, base: Architecture, axes: Sequence[Axis], rules: Sequence[Rule] = ()) -> None:
        self.base = base
        self.ruled: set[str] = set()
        self._rules = rules
        self.known: set[str] = set()
        self.met: set[str] = set()
        self._axes = axes
        self._in_order = [(axis, axes.index(axis)) for axis in in_order(axes)]
        self._first_alike = [_first_alike([cell(value) for value in axis.values]) for axis in axes]
        self._at: dict[tuple[int, ...], Made] = {}
        self._made: dict[int, Priced | Rule | str] = {}
        self._prices: dict[str, str] = {}
        self._files: dict[tuple[str | None, Weights | None], str] = {}

    def at(self, levels: tuple[int, ...]) -> Made:
        """Give the machine at these levels."""
        if levels not in self._at:
            data = self.base.to_dict()
            applied, problems = self._set(data, [(axis, levels[number]) for axis, number in self._in_order])
            settings, identity = [], 0
            for axis, level, first in zip(self._axes, levels, self._first_alike, strict=True):
                there = axis.path in applied
                settings.append((axis.path, cell(axis.values[level]) if there else None))
                identity = identity * (len(first) + 1) + (1 + first[level] if there else 0)
            self.met |= applied
            if identity not in self._made:
                _keep(self._made, identity, self._broken_rule(data) or self._make(data, problems))
            _keep(self._at, levels, Made(self._made[identity], tuple(settings), identity))
        return self._at[levels]

    def keys(self) -> set[str]:
        """List the keys that the base has, or has with a single level of an axis."""
        found = set(machine_keys(self.base.to_dict()))
        for axis, _ in self._in_order:
            for level in range(len(axis.values)):
                data = self.base.to_dict()
                if self._set(data, [(axis, level)])[0]:
                    found.update(machine_keys(data))
        return found

    def _set(self, data: dict[str, Any], chosen: Iterable[tuple[Axis, int]]) -> tuple[set[str], list[Problem]]:
        """Set in `data` what applies; give the paths of that, and what could not be set."""
        applied: set[str] = set()
        problems: list[Problem] = []
        for axis, level in chosen:
            keys = machine_keys(data)
            self.known.update(keys)
            if axis.path in keys and all(_holds(c, data, self.base.folder) for c in axis.only_if):
                applied.add(axis.path)
                override = Override(axis.path, tuple(axis.path.split(".")), axis.values[level])
                problems += apply_overrides(data, [override])
        return applied, problems

    def _broken_rule(self, data: dict[str, Any]) -> Rule | None:
        """Give the first rule that does not hold."""
        said = [(rule, rule.holds(lambda path: _value(data, path, self.base.folder))) for rule in self._rules]
        self.ruled.update(rule.where for rule, holds in said if holds is not None)
        return next((rule for rule, holds in said if holds is False), None)

    def _make(self, data: dict[str, Any], problems: list[Problem]) -> Priced | str:
        try:
            if problems:
                raise InputError(problems)
            machine = Architecture.parse(data, None, (self.base.folder or Path()).absolute())
            table, named = machine.energy_table, named_files(machine)
            if table not in self._prices:
                self._prices[table] = load_energy_table(table, relative_to=self.base.folder).digest
            if named not in self._files:
                self._files[named] = files_digest(*named, self.base.folder)
            return Priced(machine, self._prices[table], self._files[named])
        except InputError as error:
            return one_line(error)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    """Keep something, and forget what was kept first where there is too much."""
    if len(kept) >= KEPT_MACHINES:
        del kept[next(iter(kept))]
    kept[key] = value


def _first_alike(cells: list[Cell]) -> list[int]:
    """Number cells by the first that is equal."""
    return [cells.index(one) for one in cells]


def _holds(condition: Condition, data: dict[str, Any], folder: Path | None) -> bool:
    """Whether a machine has a value that a condition names."""
    found, value = _value(data, condition.path, folder)
    return found and any(same(value, one) for one in condition.values)


def _value(data: dict[str, Any], path: str, folder: Path | None) -> tuple[bool, Any]:
    """Give what a machine has at a key, be it written or a default."""
    found, value = _at(data, path)
    if not found:
        try:
            return _at(Architecture.parse(data, None, folder).to_dict(), path)
        except InputError:  # perhaps a later axis mends it
            return False, None
    return found, value


def _at(data: Any, path: str) -> tuple[bool, Any]:
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return False, None
        data = data[key]
    return True, data


def cell(value: Any) -> Cell:
    """Write an axis value for the table."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def one_line(error: InputError) -> str:
    """Give the problems of an error as the reason of a row."""
    return "; ".join(map(str, error.problems))
