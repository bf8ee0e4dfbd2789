"""From a space to its points: every combination, or a sample of them, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.explore.axes import Axis, Condition
from simulator.explore.machines import Machines, Priced, cell, one_line
from simulator.explore.points import Point, Recorded, Refusal, Settings
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
        self._bases = [Machines(base, space.axes, space.rules) for base in space.machines]
        ranks: dict[object, int] = {}
        self._work = {
            (trace, phase): ranks.setdefault((trace, space.phases[phase].name, recorded), len(ranks))
            for (trace, phase), recorded in self.replayed.items()
        }

    def identity(self, numbers: Numbers) -> int:
        """Give a number that is equal for combinations that differ in nothing that counts."""
        number, trace, phase, *levels = numbers
        of_axes = self._bases[number].at(tuple(levels)).identity
        return (of_axes * len(self._bases) + number) * len(self._work) + self._work[trace, phase]

    def broken_rule(self, numbers: Numbers) -> Rule | None:
        """Give the first rule of the space that does not hold for a combination."""
        number, _, _, *levels = numbers
        machine = self._bases[number].at(tuple(levels)).machine
        return machine if isinstance(machine, Rule) else None

    def entry(self, numbers: Numbers) -> Point | Refusal:
        """Give a combination as what can be evaluated, or with the reason why it cannot, or is not to be."""
        number, trace, phase, *levels = numbers
        made = self._bases[number].at(tuple(levels))
        recorded, settings = self.replayed[trace, phase], self._settings(phase, made.settings)
        if isinstance(made.machine, Priced) and isinstance(recorded, Recorded):
            priced = made.machine
            return Point(priced.machine, recorded, priced.prices_digest, priced.files_digest, settings)
        reason = str(recorded) if isinstance(made.machine, Priced) else _against(made.machine)
        return Refusal(self._bases[number].base.name, self.space.traces[trace].name, settings, reason)

    def stated(self, numbers: Numbers) -> Settings:
        """Give the settings of a combination where every axis applies, without making the machine."""
        _, _, phase, *levels = numbers
        axes = self.space.axes
        return self._settings(phase, tuple((a.path, cell(a.values[n])) for a, n in zip(axes, levels, strict=True)))

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
    left_out: dict[str, int] = {}
    entries = tuple(entry for _, entry in walk(Combinations(space), left_out))
    return Grid(entries, left_out)


def walk(every: Combinations, left_out: dict[str, int]) -> Iterator[tuple[Numbers, Point | Refusal]]:
    """Give the entries of `enumerate_grid` one by one, each with its numbers, and keep none of them.

    Parameters
    ----------
    every : Combinations
        Of which no other combination was asked for before.
    left_out : dict
        Filled with what `Grid.left_out` is, at the end.

    Raises
    ------
    InputError
        As `enumerate_grid`, at the end.
    """
    space = every.space
    seen: set[int] = set()
    ruled_out = {str(rule): 0 for rule in space.rules}
    reasons: dict[str, None] | None = {}  # None as soon as there is a point

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
            ruled_out[str(rule)] += 1
        return rule is None

    for numbers in combinations(every.sizes, space.sample, wanted):
        if is_new(numbers):
            entry = every.entry(numbers)
            if isinstance(entry, Point):
                reasons = None
            elif reasons is not None:
                reasons[entry.reason] = None
            yield numbers, entry
    problems = every.problems()
    if problems:
        raise InputError(problems)
    if reasons is not None:
        ruled = [_against(rule) for rule in space.rules if ruled_out[str(rule)]]
        raise InputError(no_valid_point(space.source, [*ruled, *reasons]))
    left_out.update({rule: count for rule, count in ruled_out.items() if count})


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
                        found[number, index] = one_line(error)
                    else:
                        # Absolute, because a worker may have another working folder.
                        path = source.path.absolute()
                        found[number, index] = Recorded(path, trace.sha256, steps, source.name, source.url)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _problems(space: Space, bases: list[Machines]) -> list[Problem]:
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
