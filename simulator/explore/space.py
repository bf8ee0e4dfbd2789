"""The space of a sweep: base machines, traces, and axes over keys of the machine.

```yaml
name: depth-and-rows
archs: [zero_skip, dense]      # shipped names, or files relative to this one
traces: [runs/*.npz]           # files relative to this one (globs are sorted), or sample:charlm_t1e-6
steps: "100:500"               # optional: recorded steps with first <= step < last
axes:                          # optional; every combination is a point
  skipping.depth: [4, 8, 16]
  array.rows: [16, 32]
```
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, WrapValidator

from simulator.arch import Architecture, arch_names, config_root, load_arch
from simulator.arch.document import read_document
from simulator.arch.parts import Part
from simulator.arch.problems import problems_of, shown, wrong
from simulator.arch.yaml_loader import find_file, is_path, not_a_mapping
from simulator.explore.trace_files import find_traces
from simulator.run import Steps, step_range
from traces.errors import InputError, Problem, nearest

Place = Callable[[tuple[str | int, ...], bool], str]


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
    """

    path: str
    values: tuple[Any, ...]
    where: str = ""


@dataclass(frozen=True)
class Space:
    """What a sweep is to vary, with every reference resolved.

    Attributes
    ----------
    name : str
    machines : tuple of Architecture
        Base machines, in the file's order.
    traces : tuple of Path
        Trace files, in the file's order, each once.
    steps : (first, last) or None
        Replay recorded steps with ``first <= step < last`` only; None leaves a side open.
    axes : tuple of Axis
    source : str
        What messages call the space.
    """

    name: str
    machines: tuple[Architecture, ...]
    traces: tuple[Path, ...]
    steps: Steps = (None, None)
    axes: tuple[Axis, ...] = ()
    source: str = "the space"

    @classmethod
    def parse(
        cls,
        data: Mapping[str, Any],
        folder: str | os.PathLike[str] = ".",
        source: str = "the space",
        place: Place | None = None,
    ) -> Space:
        """Check plain data and resolve its references.

        Parameters
        ----------
        data : mapping
            What a space file holds.
        folder : path
            What relative references are relative to.
        source : str
            What messages call the space.
        place : callable, optional
            Says where a path of keys stands; by default the dotted path.

        Raises
        ------
        InputError
            With every problem: unknown or missing keys, machines and traces that are not there or not as
            they must be, an axis without values or with one twice.
        """
        say = place or (lambda loc, _: ".".join([source, *map(str, loc)]))
        try:
            file = _SpaceFile.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise InputError(problems_of(error, _SpaceFile, data, say)) from None
        except TypeError as error:
            raise InputError.of(source, str(error), "plain data: mappings, lists, texts, numbers") from None
        base, problems = Path(folder), list[Problem]()
        machines, traces = [], list[Path]()
        for index, name in enumerate(file.archs):
            try:
                machines.append(_machine(name, base, say(("archs", index), False)))
            except InputError as error:
                problems += error.problems
        for index, reference in enumerate(file.traces):
            try:
                found = find_traces(reference, base, say(("traces", index), False))
                traces += [path for path in found if path not in traces]
            except InputError as error:
                problems += error.problems
        steps: Steps = (None, None)
        try:
            steps = step_range(file.steps) if file.steps is not None else steps
        except InputError as error:
            problems += [replace(p, where=say(("steps",), False)) for p in error.problems]
        if problems:
            raise InputError(problems)
        axes = tuple(Axis(path, tuple(values), say(("axes", path), True)) for path, values in file.axes.items())
        return cls(file.name, tuple(machines), tuple(traces), steps, axes, source)


def load_space(name_or_path: str | os.PathLike[str]) -> Space:
    """Load a space.

    Parameters
    ----------
    name_or_path : str or path
        A shipped space's name (`space_names`), or a file: what ends in ``.yaml`` or ``.yml``, has a folder
        in it, or is a path object.

    Raises
    ------
    InputError
        With every problem of the file, each with its line and column.
    """
    path = find_file(name_or_path, "sweeps", space_names(), "space")
    source = os.fspath(name_or_path) if is_path(name_or_path) else f"arch_configs/{path.parent.name}/{path.name}"
    document = read_document(path, source)
    if not isinstance(document.data, dict):
        expected = "a space: name, archs, traces, axes"
        raise InputError(document.problems or [not_a_mapping(document, expected)])
    try:
        space = Space.parse(document.data, path.parent, source, document.place)
    except InputError as error:
        raise InputError([*document.problems, *error.problems]) from None
    if document.problems:
        raise InputError(document.problems)
    return space


def space_names() -> list[str]:
    """List the shipped spaces by file name, sorted."""
    return sorted(path.stem for path in (config_root() / "sweeps").glob("*.yaml"))


def _machine(name: str, folder: Path, where: str) -> Architecture:
    if not is_path(name):
        if name not in arch_names():
            expected = f"a machine file, or one of {', '.join(arch_names())}"
            raise InputError.of(
                where, f"{name!r}, no shipped machine of this name", expected, nearest(name, arch_names())
            )
        return load_arch(name)
    if "\0" in name or not (folder / name).is_file():
        expected = "a machine file, or a shipped machine's name"
        raise InputError.of(where, f"{name!r}, no such file in {folder}", expected)
    return load_arch(folder / name)


def _listed(value: object, handler: Callable[[object], Any]) -> Any:
    """Take a list of at least one value, none of them twice."""
    if not isinstance(value, list):
        raise wrong(shown(value), "a list", f"write [{shown(value)}]")
    if not value:
        raise wrong("an empty list", "at least one value")
    texts = [json.dumps(v, sort_keys=True) for v in value]
    twice = next((text for i, text in enumerate(texts) if text in texts[:i]), None)
    if twice is not None:
        raise wrong(f"{twice} twice", "each value once")
    return handler(value)


class _SpaceFile(Part):
    """What a space file may say."""

    name: str = Field(min_length=1, max_length=100, description="The sweep's name.")
    description: str = Field(default="", description="What the sweep is to show.")
    archs: Annotated[list[str], WrapValidator(_listed)] = Field(description="Base machines: shipped names or files.")
    traces: Annotated[list[str], WrapValidator(_listed)] = Field(description="Trace files, globs, or sample:NAME.")
    steps: str | None = Field(default=None, description="A:B, recorded steps to replay.")
    axes: dict[str, Annotated[list[Any], WrapValidator(_listed)]] = Field(
        default={}, description="Lists of values by dotted key of the machine."
    )
