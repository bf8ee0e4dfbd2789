"""Points of a space: a machine, a trace and steps, each with a key that says what its row was made of."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from simulator.arch import Architecture, TileMechanism, Weights, load_dram_standard
from simulator.arch.overrides import Override, apply_overrides
from simulator.energy import load_energy_table
from simulator.explore.keys import machine_keys
from simulator.explore.space import Axis, Space
from simulator.run import select_steps
from traces import Trace
from traces.errors import InputError, Problem, nearest
from traces.version import __version__

Cell = str | int | float | None
Settings = tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Recorded:
    """The recorded steps of a trace file that a point replays.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the file, hexadecimal.
    steps : tuple of int
        Ascending, at least one.
    """

    path: Path
    sha256: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Point:
    """A machine and what it is to replay; complete, so that any process can evaluate it.

    Attributes
    ----------
    machine : Architecture
    recorded : Recorded
    prices_digest : str
        SHA-256 (hex) of the machine's energy table: its name alone does not tell what is in it.
    files_digest : str
        See `files_digest`.
    settings : tuple of (str, cell)
        The axes' values as the table shows them: null, true and false as these words, lists and mappings as
        JSON; None where the machine has no such key.
    """

    machine: Architecture
    recorded: Recorded
    prices_digest: str
    files_digest: str
    settings: Settings = ()

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of what a row is made of: the machine, the files that it names, the trace, steps, version.

        Equal keys mean equal results, whatever the space was called and wherever its files lie.
        """
        made_of = {
            "architecture": self.machine.digest,
            "prices": self.prices_digest,
            "trace": self.recorded.sha256,
            "steps": self.recorded.steps,
            "version": __version__,
        }
        if self.files_digest:
            made_of["files"] = self.files_digest
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def files_digest(dram_timing: str | None, weights: Weights | None, folder: Path | None) -> str:
    """SHA-256 (hex) of the files that a machine names beside its energy table; empty where there is none.

    Parameters
    ----------
    dram_timing, weights
        See `named_files`.
    folder : Path or None
        What relative paths start from.

    Raises
    ------
    InputError
        If a file is not there, or the DRAM's is not as it must be.
    """
    digests: dict[str, object] = {}
    if dram_timing is not None:
        standard = load_dram_standard(dram_timing, folder)
        digests["dram"] = [standard.digest, standard.energy_row]
    if weights is not None and weights.file is not None:
        digests["weights"] = weights.file_digest(folder)
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest() if digests else ""


def named_files(machine: Architecture) -> tuple[str | None, Weights | None]:
    """Give what a machine says of files beside its energy table: its DRAM's standard, and its weights."""
    timing = None if machine.ideal_memory else machine.system.dram.timing
    return timing, machine.skipping.weights if isinstance(machine.skipping, TileMechanism) else None


@dataclass(frozen=True)
class Refusal:
    """A combination that is no machine, or has nothing to replay.

    Attributes
    ----------
    machine : str
        Name of the base machine.
    trace : Path
    settings : tuple of (str, cell)
        As in `Point`.
    reason : str
        One line.
    """

    machine: str
    trace: Path
    settings: Settings
    reason: str


@dataclass(frozen=True)
class Grid:
    """All combinations of a space, in the order of the table's rows.

    Attributes
    ----------
    entries : tuple of Point or Refusal
        By machine, then trace, then axes, the last axis fastest.
    """

    entries: tuple[Point | Refusal, ...]

    @property
    def points(self) -> list[Point]:
        """The entries that can be evaluated."""
        return [entry for entry in self.entries if isinstance(entry, Point)]

    @property
    def refusals(self) -> list[Refusal]:
        """The entries that cannot."""
        return [entry for entry in self.entries if isinstance(entry, Refusal)]


def enumerate_grid(space: Space) -> Grid:
    """Enumerate every combination of a space.

    An axis over a key that a machine does not have (``skipping.depth`` of a dense array) is left out for this
    machine, and combinations that differ in nothing else are one entry. A combination that is no valid
    machine, or whose trace has no step in the range, becomes a `Refusal`.

    Raises
    ------
    InputError
        If a trace cannot be read, an axis is over a key that no machine has, or nothing but refusals is left.
    """
    traces = _recorded(space)
    known: set[str] = set()
    met: set[str] = set()
    entries: list[Point | Refusal] = []
    for base in space.machines:
        machines = list(_machines(base, space.axes, known, met))
        for path, recorded in traces.items():
            for machine, settings in machines:
                if isinstance(machine, str):
                    entries.append(Refusal(base.name, path, settings, machine))
                elif isinstance(recorded, str):
                    entries.append(Refusal(base.name, path, settings, recorded))
                else:
                    files = machine.files_digest
                    entries.append(Point(machine.machine, recorded, machine.prices_digest, files, settings))
    problems = [_unknown(axis, known, space) for axis in space.axes if axis.path not in met]
    if problems:
        raise InputError(problems)
    grid = Grid(tuple(entries))
    if not grid.points:
        raise InputError(no_valid_point(space.source, [refusal.reason for refusal in grid.refusals]))
    return grid


def no_valid_point(source: str, reasons: list[str]) -> list[Problem]:
    """Describe a space in which nothing can be evaluated: each reason once."""
    return [
        Problem(source, f"no valid point: {reason}", "at least one valid combination")
        for reason in dict.fromkeys(reasons)
    ]


def _recorded(space: Space) -> dict[Path, Recorded | str]:
    """Read the traces' headers: for each the steps to replay, or why there is none."""
    found: dict[Path, Recorded | str] = {}
    problems: list[Problem] = []
    for path in space.traces:
        try:
            with Trace(path) as trace:
                try:
                    steps = tuple(select_steps(trace, space.steps))
                except InputError as error:
                    found[path] = _one_line(error)
                else:
                    found[path] = Recorded(path, trace.sha256, steps)
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


def _machines(
    base: Architecture, axes: tuple[Axis, ...], known: set[str], met: set[str]
) -> Iterator[tuple[_Priced | str, Settings]]:
    """Give each different machine of the grid, or what is wrong with it, and its settings.

    Keys that some combination has are added to `known`, the axes that apply somewhere to `met`.
    """
    seen: set[Settings] = set()
    digests: dict[str, str] = {}
    of_files: dict[tuple[str | None, Weights | None], str] = {}
    for values in itertools.product(*(axis.values for axis in axes)):
        data = base.to_dict()
        chosen = {axis.path: value for axis, value in zip(axes, values, strict=True)}
        problems: list[Problem] = []
        applied: set[str] = set()
        # In the order of `apply_overrides`: what decides which keys there are comes first.
        for path in sorted(chosen, key=lambda p: (p.count("."), p != "skipping.mechanism")):
            keys = machine_keys(data)
            known.update(keys)
            if path in keys:
                applied.add(path)
                problems += apply_overrides(data, [Override(path, tuple(path.split(".")), chosen[path])])
        met |= applied
        settings = tuple((p, _cell(v) if p in applied else None) for p, v in chosen.items())
        if settings in seen:
            continue
        seen.add(settings)
        try:
            if problems:
                raise InputError(problems)
            machine = Architecture.parse(data, None, base.folder)
            if machine.energy_table not in digests:
                table = load_energy_table(machine.energy_table, relative_to=base.folder)
                digests[machine.energy_table] = table.digest
            named = named_files(machine)
            if named not in of_files:
                of_files[named] = files_digest(*named, base.folder)
            yield _Priced(machine, digests[machine.energy_table], of_files[named]), settings
        except InputError as error:
            yield _one_line(error), settings


def _cell(value: Any) -> Cell:
    """Write an axis value for the table."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _one_line(error: InputError) -> str:
    return "; ".join(map(str, error.problems))


def _unknown(axis: Axis, known: set[str], space: Space) -> Problem:
    names = ", ".join(dict.fromkeys(machine.name for machine in space.machines))
    leaf = axis.path.rpartition(".")[2]
    # A key under the wrong part is meant more often than a distant spelling of the whole path.
    moved = sorted(key for key in known if key.rpartition(".")[2] == leaf)
    hint = f"did you mean {moved[0]!r}?" if moved else nearest(axis.path, sorted(known))
    where = axis.where or f"{space.source} axes.{axis.path}"
    return Problem(where, f"{axis.path!r}, which no machine has", f"a key of {names}", hint)
