"""Which mutants there are of a source file, and a random sample of them.

The operators are Cosmic Ray's. A *place* is what one kind of operator would change at one spot; of each place that is
drawn, one change is drawn. Left out is what cannot change a number: annotations, the words of an error that is
raised, `is` for `==`, and the decorators that only make a function quicker.
"""

from __future__ import annotations

import ast
import random
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reliability.promises import ROOT

QUICKER = re.compile(r"\s*@(compiled|cache|lru_cache|cached_property|overload)\b")
IDENTITY = re.compile(r"_(Is|IsNot)(_|$)")
SWAPPED = ("_Is_IsNot", "_IsNot_Is")
MODULE = "<module>"


@dataclass(frozen=True)
class Mutant:
    """One change of one source file.

    Attributes
    ----------
    file : str
        From the root of the project.
    function : str
        Qualified name of the outermost function that it lies in; `MODULE` outside of all.
    line : int
        Where it starts, counted from 1.
    before, after : str
        The changed lines, stripped.
    source : str
        The whole changed file.
    """

    file: str
    function: str
    line: int
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when lines above it come and go."""
        return self.file, self.function, self.before, self.after


@dataclass(frozen=True)
class Place:
    """What one kind of operator changes at one spot: `changes` names operators with their count of occurrences."""

    line: int
    column: int
    kind: str
    changes: tuple[tuple[str, int], ...]


def sample(file: str, count: int, seed: int) -> tuple[list[Mutant], int]:
    """Draw up to `count` mutants of a file, no two of one place; also returns how many places there are."""
    places = _places(file)
    drawn = random.Random(f"{seed} {file}")
    order = drawn.sample(places, len(places))
    mutants: dict[tuple[str, str, str, str], Mutant] = {}
    for place in order:
        if len(mutants) >= count:
            break
        made = _mutant(file, place, *drawn.choice(place.changes))
        if made is not None:
            mutants.setdefault(made.key, made)
    return list(mutants.values()), len(places)


def function_of(tree: ast.Module, line: int) -> str:
    """Name the outermost function that a line lies in, decorators not counted; `MODULE` outside of all."""

    def inside(body: list[ast.stmt], prefix: str) -> str | None:
        for node in body:
            if not node.lineno <= line <= (node.end_lineno or node.lineno):
                continue
            if isinstance(node, ast.FunctionDef):
                return f"{prefix}{node.name}"
            if isinstance(node, ast.ClassDef):
                return inside(node.body, f"{prefix}{node.name}.")
        return None

    return inside(tree.body, "") or MODULE


@cache
def _places(file: str) -> list[Place]:
    from cosmic_ray.ast import ast_nodes, get_ast

    text = _text(file)
    nodes = list(ast_nodes(get_ast(text)))
    out = _left_out(ast.parse(text))
    lines = text.splitlines()
    found: dict[tuple[int, int, str], list[tuple[str, int]]] = {}
    for name, operator in _operators():
        occurrence = -1
        for node in nodes:
            for (line, column), _ in operator.mutation_positions(node):
                occurrence += 1
                if any(start <= (line, column) < end for start, end in out) or QUICKER.match(lines[line - 1]):
                    continue
                kind = name.split("/")[1].split("_")[0]
                found.setdefault((line, column, kind), []).append((name, occurrence))
    return [Place(*at, tuple(changes)) for at, changes in sorted(found.items())]


@cache
def _operators() -> list[tuple[str, Any]]:
    from cosmic_ray.plugins import get_operator, operator_names

    names = [n for n in operator_names() if not IDENTITY.search(n) or n.endswith(SWAPPED)]
    operators = [(name, get_operator(name)) for name in names]
    return [(name, operator()) for name, operator in operators if not operator.arguments()]


def _left_out(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in _nodes_left_out(tree)
    ]


def _nodes_left_out(tree: ast.Module) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield node.exc


def _mutant(file: str, place: Place, name: str, occurrence: int) -> Mutant | None:
    """Make one change; None where the result is no Python."""
    from cosmic_ray.mutating import mutate_code

    text = _text(file)
    changed = mutate_code(text, dict(_operators())[name], occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(changed, file, "exec")
    except (SyntaxError, ValueError, TypeError):
        return None
    before, after = text.splitlines(), changed.splitlines()
    first = next((i for i, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), None)
    if first is None:
        return None
    last = next(i for i in range(len(before)) if before[-1 - i] != after[-1 - i])
    old = " ".join(line.strip() for line in before[first : len(before) - last])
    new = " ".join(line.strip() for line in after[first : len(after) - last])
    return Mutant(file, function_of(ast.parse(text), first + 1), first + 1, old, new, changed)


@cache
def _text(file: str) -> str:
    return Path(ROOT / file).read_text(encoding="utf-8")
