"""`--set a.b=c`: a key of the machine changed before it is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from simulator.arch.document import parse_document
from traces.errors import InputError, Problem

NUMBER_STANDS_FOR = {"chips": "count"}
"""Keys of the machine that may be a number alone, and which of their own keys it stands for."""


@dataclass(frozen=True)
class Override:
    """One key and the value that it shall have.

    Attributes
    ----------
    where : str
        What messages call it, such as ``--set array.rows=64``.
    path : tuple of str
        Keys from the top of the machine.
    value : any
        Plain data.
    """

    where: str
    path: tuple[str, ...]
    value: Any


def parse_override(text: str) -> Override:
    """Read ``array.rows=64`` or ``skipping={mechanism: lookahead, depth: 8, refill: 4, banks: null}``.

    The value is YAML as it might stand in the machine's file.

    Raises
    ------
    InputError
        If there is no ``=``, a key is empty, or the value is not YAML.
    """
    where = f"--set {text}"
    dotted, equals, value = text.partition("=")
    path = tuple(key.strip() for key in dotted.split("."))
    if not equals or not all(path):
        hint = f"write {dotted}=VALUE" if not equals and all(path) else ""
        raise InputError.of(where, repr(text), "KEY=VALUE with a dotted key, such as array.rows=64", hint)
    document = parse_document(value, where)
    if document.problems:
        raise InputError([Problem(where, p.found, p.expected, p.hint) for p in document.problems])
    return Override(where, path, document.data)


def apply_overrides(data: dict[str, Any], overrides: Sequence[Override]) -> list[Problem]:
    """Change `data` in place and say what could not be changed.

    A whole is set before its parts and ``skipping.mechanism`` before the other keys of ``skipping``, so that
    the order on the command line matters only where one key is set twice: the later one holds. Setting
    ``skipping.mechanism`` to another mechanism drops the former one's parameters, which mean nothing to it. A number
    of ``chips`` leaves the rest of what is said of them.
    Whether a key exists is the schema's to say, later.
    """
    problems: list[Problem] = []
    for override in sorted(overrides, key=lambda o: (len(o.path), o.path != ("skipping", "mechanism"))):
        owner: Any = data
        for depth, key in enumerate(override.path[:-1], start=1):
            if isinstance(owner.get(key), Mapping):
                owner = owner[key]
            elif owner.get(key) is None and (depth > 1 or key not in data):
                owner[key] = {}
                owner = owner[key]
            elif depth == 1 and key in NUMBER_STANDS_FOR:
                owner[key] = {NUMBER_STANDS_FOR[key]: owner[key]}
                owner = owner[key]
            else:
                problems.append(_no_mapping(override, override.path[:depth], owner[key]))
                break
        else:
            if override.path == ("skipping", "mechanism") and owner.get("mechanism") != override.value:
                owner.clear()
            last = override.path[-1]
            if len(override.path) == 1 and last in NUMBER_STANDS_FOR and isinstance(override.value, int):
                stated = owner.get(last)
                if isinstance(stated, dict):
                    owner, last = stated, NUMBER_STANDS_FOR[last]
            owner[last] = deepcopy(override.value)
    return problems


def _no_mapping(override: Override, path: tuple[str, ...], value: Any) -> Problem:
    dotted = ".".join(path)
    if dotted == "memory" and value == "ideal":
        hint = "--set memory='{}' gives the machine the default memory system first"
        return Problem(override.where, "memory: ideal, which has no keys", "a machine with a memory system", hint)
    return Problem(override.where, f"{dotted}: {value!r}, which has no keys", f"a key to set, such as {dotted}=...")
