"""From a name or a file to a frozen, checked `Architecture`, with every problem told at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from simulator.arch.document import Document, KeyPath, read_document
from simulator.arch.locate import arch_names, config_root, may_be_there
from simulator.arch.overrides import Override, apply_overrides, parse_override
from simulator.arch.schema import Architecture
from traces.errors import InputError, Problem, nearest


def load_arch(name_or_path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Architecture:
    """Load a machine.

    Parameters
    ----------
    name_or_path : str or path
        A shipped machine's name (`arch_names`), or a file: what ends in ``.yaml`` or ``.yml``, has a folder
        in it, or is a path object.
    overrides : sequence of str
        ``key=value`` each, as on the command line after ``--set``; applied before anything is checked. See
        `simulator.arch.overrides`.

    Returns
    -------
    Architecture
        Its `folder` is the file's, so that a relative energy table is found.

    Raises
    ------
    InputError
        With every problem of the file and of the overrides, each with its place.
    """
    path = find_file(name_or_path, "machines", arch_names(), "machine")
    document = read_document(path, _as_given(name_or_path, path))
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        raise InputError(problems or [not_a_mapping(document, "a machine: name, clock_mhz, precision, array, ...")])

    settings: list[Override] = []
    for text in overrides:
        try:
            settings.append(parse_override(text))
        except InputError as error:
            problems += error.problems
    problems += apply_overrides(document.data, settings)

    def place(loc: KeyPath, is_key: bool) -> str:
        return _place(document, settings, loc, is_key)

    try:
        machine = Architecture.parse(document.data, place, path.parent)
    except InputError as error:
        told = {problem.where for problem in problems}  # a refused value is not also a value of a wrong type
        raise InputError([*problems, *(p for p in error.problems if p.where not in told)]) from None
    if problems:
        raise InputError(problems)
    return machine


def find_file(name_or_path: str | os.PathLike[str], folder: str, names: Sequence[str], noun: str) -> Path:
    """Find a shipped file by its name, or the user's by its path.

    Parameters
    ----------
    name_or_path : str or path
        What the user gave.
    folder : str
        The folder under `config_root` that shipped files of this kind are in.
    names : sequence of str
        The shipped names.
    noun : str
        What the file holds, for messages.

    Raises
    ------
    InputError
        If it is no shipped name and no file.
    """
    given = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and given in names:
        return config_root() / folder / f"{given}.yaml"
    path = Path(given)
    if is_path(name_or_path):
        if "\0" not in given and not may_be_there(path):
            hint = nearest(path.stem, names).replace("did you mean", f"is the shipped {noun} meant,")
            raise InputError.of(given, "no such file", f"a {noun} file or one of {', '.join(names)}", hint)
        return path
    found = f"no shipped {noun} of this name"
    hint = f"write ./{given} for the file" if given and os.path.isfile(given) else ""  # noqa: PTH113  (a `Path` raises)
    raise InputError.of(repr(given), found, f"a file, or one of {', '.join(names)}", hint or nearest(given, names))


def is_path(name_or_path: str | os.PathLike[str]) -> bool:
    """Tell a path from a shipped name: it is a path object, has a separator, or ends as YAML files do."""
    given = os.fspath(name_or_path)
    return not isinstance(name_or_path, str) or "/" in given or os.sep in given or given.endswith((".yaml", ".yml"))


def not_a_mapping(document: Document, expected: str) -> Problem:
    """Describe a file whose top is no mapping."""
    found = {list: "a list at the top", type(None): "nothing"}.get(type(document.data), "a single value")
    return Problem(document.place(()), found, expected)


def _as_given(name_or_path: str | os.PathLike[str], path: Path) -> str:
    """Name the file as the user did; a shipped one by its short path."""
    return os.fspath(name_or_path) if is_path(name_or_path) else f"arch_configs/{path.parent.name}/{path.name}"


def _place(document: Document, settings: Sequence[Override], loc: KeyPath, is_key: bool) -> str:
    """Say where a path comes from: the last override of it, of its owner or a part of it, else the file."""
    for override in reversed(settings):
        common = min(len(loc), len(override.path))
        within = len(loc) >= len(override.path) or loc not in document.values
        if within and loc[:common] == override.path[:common]:
            extra = ".".join(map(str, loc[len(override.path) :]))
            return override.where + (f" {extra}" if extra else "")
    return document.place(loc, is_key)
