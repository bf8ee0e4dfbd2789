"""From a space to its points: every combination, or a sample of them, and what is wrong with those that are none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.arch import Architecture, Weights
from simulator.arch.overrides import Override, apply_overrides
from simulator.energy import load_energy_table
from simulator.explore.axes import Axis, Condition, in_order, same
from simulator.explore.keys import machine_keys
from simulator.explore.points import Cell, Point, Recorded, Refusal, Settings, files_digest, named_files
from simulator.explore.rules import Rule
from simulator.explore.sampling import Numbers, combinations
from simulator.explore.space import Space
from simulator.run import select_steps
from traces import Trace
from traces.errors import InputError, Problem, nearest


@dataclass(frozen=True)
class Grid:
    """The combinations of a space, in the order of the table's rows.

    Attributes
    ----------
    entries : tuple of Point or Refusal
        By machine, then trace, then phase, then axes, the last axis fastest.
    left_out : dict of str to int
        Combinations that are none of the entries, by the first rule of the space that does not hold for them, in
        the order of the rules; of a random sample, those that were drawn.
    """

    entries: tuple[Point | Refusal, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """The entries that can be evaluated."""
        return [entry for entry in self.entries if isinstance(entry, Point)]

    @property
    def refusals(self) -> list[Refusal]:
        """The entries that cannot."""
        return [entry for entry in self.entries if isinstance(entry, Refusal)]


class Combinations:
    """The combinations of a space, each looked at when it is asked for; a sweep asks for many, a search for a few.

    Attributes
    ----------
    space : Space
    sizes : tuple of int
        How many base machines, traces, phases, and values of each axis there are; a combination is an index into each.
    replayed : dict of (int, int) to Recorded or str
        By trace and phase, the steps to replay, or why there is none.

    Raises
    ------
    InputError
        If a trace cannot be read.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.sizes = (
            len(space.machines), len(space.traces), len(space.phases), *(len(axis.values) for axis in space.axes)
        )  # fmt: skip
        self.replayed = _recorded(space)
        self._bases = [_Machines(base, space.axes, space.rules) for base in space.machines]

    def identity(self, numbers: Numbers) -> tuple[int, int, Recorded | str, Settings]:
        """Give what is equal for combinations that differ in nothing that counts."""
        number, trace, phase, *levels = numbers
        of_axes = self._bases[number].at(tuple(levels))[1]
        return number, trace, self.replayed[trace, phase], self._settings(phase, of_axes)

    def broken_rule(self, numbers: Numbers) -> Rule | None:
        """Give the first rule of the space that does not hold for a combination."""
        number, _, _, *levels = numbers
        machine = self._bases[number].at(tuple(levels))[0]
        return machine if isinstance(machine, Rule) else None

    def entry(self, numbers: Numbers) -> Point | Refusal:
        """Give a combination as what can be evaluated, or with the reason why it cannot, or is not to be."""
        number, trace, phase, *levels = numbers
        machine, of_axes = self._bases[number].at(tuple(levels))
        recorded, settings = self.replayed[trace, phase], self._settings(phase, of_axes)
        if isinstance(machine, _Priced) and isinstance(recorded, Recorded):
            return Point(machine.machine, recorded, machine.prices_digest, machine.files_digest, settings)
        reason = str(recorded) if isinstance(machine, _Priced) else _against(machine)
        return Refusal(self._bases[number].base.name, self.space.traces[trace].name, settings, reason)

    def problems(self) -> list[Problem]:
        """Describe the axes, conditions and rules that are about nothing, as far as combinations were asked for."""
        return _problems(self.space, self._bases)

    def _settings(self, phase: int, of_axes: Settings) -> Settings:
        name = self.space.phases[phase].name
        return of_axes if name is None else (("phase", name), *of_axes)


def enumerate_grid(space: Space) -> Grid:
    """Enumerate the combinations of a space, or those of its sample.

    An axis over a key that a machine does not have (``skipping.depth`` of a dense array), or whose condition it does
    not meet, is left out for this machine, and combinations that differ in nothing else are one entry. A combination
    for which a rule does not hold is none of them, whether it would be valid or not. One that is no valid machine, or
    whose trace has no step in the range, becomes a `Refusal`.

    Raises
    ------
    InputError
        If a trace cannot be read, an axis, a condition or a rule is over a key that no machine has, or nothing but
        refusals is left.
    """
    every = Combinations(space)
    seen: set[tuple[int, int, Recorded | str, Settings]] = set()
    entries: list[Point | Refusal] = []
    left_out = {str(rule): 0 for rule in space.rules}

    def is_new(numbers: Numbers) -> bool:
        """Whether no combination so far was this one."""
        identity = every.identity(numbers)
        new = identity not in seen
        seen.add(identity)
        return new

    def wanted(numbers: Numbers) -> bool:
        """Whether all rules hold; it is noted if one does not."""
        rule = every.broken_rule(numbers)
        if rule is not None and is_new(numbers):
            left_out[str(rule)] += 1
        return rule is None

    for numbers in combinations(every.sizes, space.sample, wanted):
        if is_new(numbers):
            entries.append(every.entry(numbers))
    problems = every.problems()
    if problems:
        raise InputError(problems)
    grid = Grid(tuple(entries), {rule: count for rule, count in left_out.items() if count})
    if not grid.points:
        ruled = [_against(rule) for rule in space.rules if left_out[str(rule)]]
        raise InputError(no_valid_point(space.source, [*ruled, *(refusal.reason for refusal in grid.refusals)]))
    return grid


def _against(machine: Rule | str) -> str:
    return f"where says {machine}" if isinstance(machine, Rule) else machine


def no_valid_point(source: str, reasons: list[str]) -> list[Problem]:
    """Describe a space in which nothing can be evaluated: each reason once."""
    return [
        Problem(source, f"no valid point: {reason}", "at least one valid combination")
        for reason in dict.fromkeys(reasons)
    ]


def _recorded(space: Space) -> dict[tuple[int, int], Recorded | str]:
    """Read the traces' headers: for each trace and phase the steps to replay, or why there is none."""
    found: dict[tuple[int, int], Recorded | str] = {}
    problems: list[Problem] = []
    for number, source in enumerate(space.traces):
        try:
            with Trace(source.path) as trace:
                for index, phase in enumerate(space.phases):
                    try:
                        steps = tuple(select_steps(trace, phase.steps))
                    except InputError as error:
                        found[number, index] = _one_line(error)
                    else:
                        # Absolute, because a worker may have another working folder.
                        path = source.path.absolute()
                        found[number, index] = Recorded(path, trace.sha256, steps, source.name, source.url)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


@dataclass(frozen=True)
class _Priced:
    """A machine and the digests of its energy table and of the other files that it names."""

    machine: Architecture
    prices_digest: str
    files_digest: str


class _Machines:
    """The machines that the axes make of a base; each different one is checked once.

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
        self._settings: dict[tuple[int, ...], Settings] = {}
        self._made: dict[Settings, _Priced | Rule | str] = {}
        self._prices: dict[str, str] = {}
        self._files: dict[tuple[str | None, Weights | None], str] = {}

    def at(self, levels: tuple[int, ...]) -> tuple[_Priced | Rule | str, Settings]:
        """Give the machine at these levels, the rule that leaves it out, or what is wrong with it; and its settings."""
        if levels not in self._settings:
            data = self.base.to_dict()
            applied, problems = self._set(data, [(axis, levels[number]) for axis, number in self._in_order])
            settings = tuple(
                (axis.path, _cell(axis.values[level]) if axis.path in applied else None)
                for axis, level in zip(self._axes, levels, strict=True)
            )
            self.met |= applied
            self._settings[levels] = settings
            if settings not in self._made:
                self._made[settings] = self._broken_rule(data) or self._make(data, problems)
        settings = self._settings[levels]
        return self._made[settings], settings

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

    def _make(self, data: dict[str, Any], problems: list[Problem]) -> _Priced | str:
        try:
            if problems:
                raise InputError(problems)
            machine = Architecture.parse(data, None, (self.base.folder or Path()).absolute())
            table, named = machine.energy_table, named_files(machine)
            if table not in self._prices:
                self._prices[table] = load_energy_table(table, relative_to=self.base.folder).digest
            if named not in self._files:
                self._files[named] = files_digest(*named, self.base.folder)
            return _Priced(machine, self._prices[table], self._files[named])
        except InputError as error:
            return _one_line(error)


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


def _cell(value: Any) -> Cell:
    """Write an axis value for the table."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _one_line(error: InputError) -> str:
    return "; ".join(map(str, error.problems))


def _problems(space: Space, bases: list[_Machines]) -> list[Problem]:
    """Describe the axes, conditions and rules that are about nothing; a sample need not meet each of the others."""
    met = set().union(*(base.met for base in bases))
    conditions = [condition for axis in space.axes for condition in axis.only_if]
    suspects = [axis for axis in space.axes if axis.path not in met]
    if not suspects and not conditions and not space.rules:
        return []
    known = set().union(*(base.keys() for base in bases), *(base.known for base in bases))
    problems = []
    for axis in suspects:
        if axis.path not in known:
            problems.append(_unknown(axis, known, space))
        elif space.sample.kind == "grid" and all(condition.path in known for condition in axis.only_if):
            where = axis.where or f"{space.source} axes.{axis.path}"
            expected = "an axis that applies to at least one combination"
            problems.append(Problem(where, f"{axis.path!r}, whose only_if never holds", expected))
    ruled = set().union(*(base.ruled for base in bases))
    for rule in space.rules:
        of_none = [Condition(path, (), rule.where) for path in rule.paths if path not in known]
        problems += [_unknown(one, known, space, "texts that are values stand in one_of: [...]") for one in of_none]
        if not of_none and rule.where not in ruled and space.sample.kind == "grid":
            expected = "keys of which a combination has all, with values that can be compared"
            problems.append(Problem(rule.where, f"{str(rule)!r}, which says nothing of any combination", expected))
    return problems + [_unknown(condition, known, space) for condition in conditions if condition.path not in known]


def _unknown(axis: Axis | Condition, known: set[str], space: Space, otherwise: str = "") -> Problem:
    names = ", ".join(dict.fromkeys(machine.name for machine in space.machines))
    leaf = axis.path.rpartition(".")[2]
    # A key under the wrong part is meant more often than a distant spelling of the whole path.
    moved = sorted(key for key in known if key.rpartition(".")[2] == leaf)
    hint = f"did you mean {moved[0]!r}?" if moved else nearest(axis.path, sorted(known))
    where = axis.where or f"{space.source} axes.{axis.path}"
    return Problem(where, f"{axis.path!r}, which no machine has", f"a key of {names}", hint or otherwise)
