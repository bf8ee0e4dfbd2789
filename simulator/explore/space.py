"""The space of a sweep: base machines, traces, phases of their training, and axes over keys of the machine.

```yaml
name: depth-and-rows
archs: [zero_skip, dense]      # shipped names, or files relative to this one
traces: [runs/*.npz]           # files relative to this one (globs are sorted), URLs, or sample:charlm_t1e-6
steps: "100:500"               # optional: recorded steps with first <= step < last
quality: q.csv:perplexity:min  # optional; see `simulator.explore.quality`
axes:                          # optional; see `simulator.explore.axes`
  skipping.depth: [4, 8, 16]
  array.rows: {from: 16, to: 64, factor: 2}
where:                         # optional; see `simulator.explore.rules`
  - {times: [array.rows, skipping.depth], at_most: 512}
sample: {kind: latin_hypercube, points: 12, seed: 1}   # optional; default: every combination is a point
```

Traces and steps may have names: ``traces: {dense: runs/a.npz, sparse: runs/b.npz}`` are what the table calls them, and
``steps: {early: "0:100", late: "900:"}`` gives it a column ``phase``; ``steps: ["0:100", "900:"]`` has no names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, WrapValidator, model_validator

from simulator.arch import Architecture, arch_names, config_root, load_arch
from simulator.arch.document import read_document
from simulator.arch.parts import Part
from simulator.arch.problems import problems_of, shown, wrong
from simulator.arch.yaml_loader import find_file, is_path, not_a_mapping
from simulator.explore.axes import Axis, Place, below, in_order, parse_axis
from simulator.explore.quality import Quality
from simulator.explore.rules import Rule, parse_rules
from simulator.explore.sampling import EVERY_COMBINATION, Kind, Sample
from simulator.explore.trace_files import Located, find_traces
from simulator.run import Steps, step_range
from traces.errors import InputError, Problem, nearest


@dataclass(frozen=True)
class Phase:
    """A stretch of a training.

    Attributes
    ----------
    steps : (first, last)
        Recorded steps with ``first <= step < last``; None leaves a side open.
    name : str or None
    """

    steps: Steps = (None, None)
    name: str | None = None


@dataclass(frozen=True)
class Source:
    """A trace file, what the table calls it, and where other machines get it, if that is a URL."""

    path: Path
    name: str
    url: str = ""


@dataclass(frozen=True)
class Space:
    """What a sweep is to vary, with every reference resolved.

    Attributes
    ----------
    name : str
    machines : tuple of Architecture
        Base machines, in the file's order.
    traces : tuple of Source
        In the file's order, each file once.
    phases : tuple of Phase
        Which recorded steps to replay; at least one.
    axes : tuple of Axis
    rules : tuple of Rule
        What must hold, or the combination is left out.
    sample : Sample
        Which of the combinations to take.
    source : str
        What messages call the space.
    quality : Quality or None
        Of the traces' trainings, where it is known.
    """

    name: str
    machines: tuple[Architecture, ...]
    traces: tuple[Source, ...]
    phases: tuple[Phase, ...] = (Phase(),)
    axes: tuple[Axis, ...] = ()
    rules: tuple[Rule, ...] = ()
    sample: Sample = EVERY_COMBINATION
    source: str = "the space"
    quality: Quality | None = None

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
            they must be, an axis without values or with one twice, a rule that is none.
        """
        say = place or (lambda loc, _: ".".join([source, *map(str, loc)]))
        try:
            file = _SpaceFile.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise InputError(problems_of(error, _SpaceFile, data, say)) from None
        except TypeError as error:
            raise InputError.of(source, str(error), "plain data: mappings, lists, texts, numbers") from None
        base, problems = Path(folder), list[Problem]()
        machines: list[Architecture] = []
        axes: list[Axis] = []
        for index, name in enumerate(file.archs):
            try:
                machines.append(_machine(name, base, say(("archs", index), False)))
            except InputError as error:
                problems += error.problems
        traces = _sources(file.traces, base, say, problems)
        phases = _phases(file.steps, say, problems)
        quality = _quality(file.quality, traces, base, say, problems)
        for path, axis in file.axes.items():
            try:
                axes.append(parse_axis(path, axis, below(say, "axes", path)))
            except InputError as error:
                problems += error.problems
        rules: list[Rule] = []
        try:
            rules += parse_rules(file.where, below(say, "where"))
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(problems)
        in_order(axes)  # or there is a circle
        sample = Sample(file.sample.kind, file.sample.points or 0, file.sample.seed)
        return cls(file.name, tuple(machines), traces, phases, tuple(axes), tuple(rules), sample, source, quality)

    @property
    def columns(self) -> tuple[str, ...]:
        """What the points' settings are called: ``phase`` where phases have names, and the axes' paths."""
        return (*(["phase"] if self.phases[0].name is not None else []), *(axis.path for axis in self.axes))


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


def _sources(
    given: list[Any] | dict[str, Any], folder: Path, say: Place, problems: list[Problem]
) -> tuple[Source, ...]:
    """Find the traces, and add to `problems` what is wrong with them."""
    names: dict[Located, str] = {}
    for key, reference in given.items() if isinstance(given, dict) else enumerate(given):
        where = say(("traces", key), False)
        try:
            found = find_traces(_text(reference, where), folder, where)
        except InputError as error:
            problems += error.problems
            continue
        if isinstance(key, str) and (len(found) > 1 or found[0] in names):
            what = f"a pattern of {len(found)} files" if len(found) > 1 else f"the file of {names[found[0]]!r} again"
            problems.append(Problem(where, what, "one file for each name", "traces: [...] needs no names"))
        for file in found:
            names.setdefault(file, key if isinstance(key, str) else file.name)
    return tuple(Source(file.path, name, file.url) for file, name in names.items())


def _phases(given: str | list[Any] | dict[str, Any] | None, say: Place, problems: list[Problem]) -> tuple[Phase, ...]:
    """Read the ranges of steps, and add to `problems` what is wrong with them."""
    places: list[tuple[tuple[str | int, ...], Any, str | None]]
    if given is None:
        return (Phase(),)
    if isinstance(given, str):
        places = [(("steps",), given, None)]
    elif isinstance(given, dict):
        places = [(("steps", name), text, name) for name, text in given.items()]
    else:
        places = [(("steps", index), text, None) for index, text in enumerate(given)]
    phases = []
    for loc, text, name in places:
        try:
            phases.append(Phase(step_range(_text(text, say(loc, False))), name))
        except InputError as error:
            problems += [replace(p, where=say(loc, False)) for p in error.problems]
    return tuple(phases)


def _quality(
    given: str | None, traces: Sequence[Source], folder: Path, say: Place, problems: list[Problem]
) -> Quality | None:
    """Read how good the trainings were, and add to `problems` what is wrong with it."""
    if given is None or not traces:
        return None
    try:
        return Quality.read(given, [source.name for source in traces], folder, say(("quality",), False))
    except InputError as error:
        problems += error.problems
        return None


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError.of(where, shown(value), "a text")
    return value


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


def _listed_or_named(value: object, handler: Callable[[object], Any]) -> Any:
    """Take a list as `_listed` does, or a mapping; what is in it is looked at where its place is known."""
    if isinstance(value, Mapping):
        if not value:
            raise wrong("an empty mapping", "at least one value")
        return handler(value)
    return _listed(value, handler)


def _text_listed_or_named(value: object, handler: Callable[[object], Any]) -> Any:
    if isinstance(value, list | Mapping):
        return _listed_or_named(value, handler)
    if not isinstance(value, str):
        raise wrong(shown(value), "a text A:B, a list of such, or a mapping of names to such")
    return handler(value)


class _SampleFile(Part):
    """Which combinations are points."""

    kind: Kind = Field(default="grid", description="grid, random or latin_hypercube.")
    points: int | None = Field(default=None, ge=1, description="How many combinations to draw.")
    seed: int = Field(default=0, ge=0, description="Of the draw.")

    @model_validator(mode="after")
    def _points_where_they_are_drawn(self) -> _SampleFile:
        if (self.kind == "grid") != (self.points is None):
            found = "a grid with points" if self.kind == "grid" else f"{self.kind} without points"
            raise wrong(found, "points: N with random or latin_hypercube, and none with a grid")
        return self


class _SpaceFile(Part):
    """What a space file may say."""

    name: str = Field(min_length=1, max_length=100, description="The sweep's name.")
    description: str = Field(default="", description="What the sweep is to show.")
    archs: Annotated[list[str], WrapValidator(_listed)] = Field(description="Base machines: shipped names or files.")
    traces: Annotated[Any, WrapValidator(_listed_or_named)] = Field(
        description="Trace files, globs, URLs, or sample:NAME; or names for such."
    )
    steps: Annotated[Any, WrapValidator(_text_listed_or_named)] = Field(
        default=None, description="A:B, recorded steps to replay; or several such, perhaps with names."
    )
    quality: str | None = Field(
        default=None, description="FILE.csv:COLUMN:min or :max, how good the training of each trace was."
    )
    axes: dict[str, Any] = Field(default={}, description="Values by dotted key of the machine.")
    where: Any = Field(default=[], description="What must hold between keys of the machine.")
    sample: _SampleFile = Field(default=_SampleFile(), description="Which combinations are points.")
