"""YAML text as plain data that remembers where each key and value stands.

The dialect is YAML 1.2's core schema: ``1e-6`` is a number, ``on`` and ``yes`` are texts, ``010`` is ten and
``0o10`` is eight. Refused, each with its place: duplicate keys, keys that are no text, anchors and aliases,
tags, several documents, numbers that are not finite or need more than 64 bits, and nesting deeper than any
file of ours needs. PyYAML's parser gives the events; its constructors, which read YAML 1.1, are not used.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from traces.errors import InputError, Problem
from traces.regular_files import in_place_of_file

Key = str | int
KeyPath = tuple[Key, ...]
Position = tuple[int, int]

LONGEST_BYTES = 1 << 18
DEEPEST = 32

QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where PyYAML was built with libyaml, as its wheels are."""

_COMMENT_LINE = re.compile(r"^ *#.*$", re.MULTILINE)
_COMMON_CHARACTERS = re.compile("[\n -~\u00a1-\u167f]*")
_UNCOMMON = re.compile(r"(^|[\s\[{,:-])([!&*@`]|[|>](?!-?\n +[a-zA-Z]))|^%|\?|:\s*[]}]|^(---|\.\.\.)", re.MULTILINE)

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """A YAML text, read.

    Attributes
    ----------
    source : str
        What messages call the text: the path of the file as the user gave it.
    data : any
        Nested dicts, lists, texts, numbers, booleans and None.
    keys, values : dict
        Line and column (from 1) of each key and of each value, by its path of keys and indices.
    problems : list
        What is wrong with the text although it could be read to its end.
    """

    source: str
    data: Any = None
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath, is_key: bool = False) -> str:
        """Say where a path stands: ``file:line:column dotted.path``; what is absent stands with its owner.

        Parameters
        ----------
        path : tuple
            Keys and indices from the top.
        is_key : bool
            Whether the key is meant rather than its value.
        """
        line, column = 1, 1
        for length in range(len(path), -1, -1):
            at = path[:length]
            if at in self.values:
                absent = length < len(path)
                line, column = self.keys.get(at, self.values[at]) if is_key or absent else self.values[at]
                break
        dotted = ".".join(map(str, path))
        return f"{self.source}:{line}:{column}" + (f" {dotted}" if dotted else "")


def read_document(path: Path, source: str | None = None) -> Document:
    """Read a YAML file.

    Raises
    ------
    InputError
        If it cannot be opened, is no UTF-8 text, or is not YAML.
    """
    name = source or str(path)
    expected = "a YAML file"
    try:
        if found := in_place_of_file(path):
            raise InputError.of(name, found, expected)
        with path.open("rb") as file:
            raw = file.read(LONGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputError.of(name, "no such file", expected) from None
    except OSError as error:
        raise InputError.of(name, error.strerror or str(error), "a YAML file that can be read") from None
    except ValueError:  # a NUL in the path
        raise InputError.of(repr(name), "no path", expected) from None
    if len(raw) > LONGEST_BYTES:
        raise InputError.of(name, f"more than {LONGEST_BYTES} bytes", expected)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.of(name, f"bytes that are no UTF-8 text (at byte {error.start})", expected) from None
    return parse_document(text, name)


def parse_document(text: str, source: str) -> Document:
    """Read YAML text; `source` is what messages call it.

    Raises
    ------
    InputError
        If the text is not YAML. What is merely refused is left in `Document.problems`, so that it can be told
        together with what else is wrong.
    """
    if is_common(text):
        try:
            return _composed(text, source, QUICK_LOADER)
        except (yaml.YAMLError, ValueError, OverflowError, IndexError, InputError):
            pass  # told in the words of the other parser, whichever is installed
    composer = _Composer(source)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            composer.take(event)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        found = f"the character {chr(int(error.character))!r}"
        raise InputError.of(f"{source}:{line}:{column}", found, "printable text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        context = f" {error.context}" if error.context else ""
        raise InputError.of(
            f"{source}:{line}:{column}", f"a syntax error: {error.problem or ''}{context}", "YAML"
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError, IndexError) as error:
        # PyYAML lets a few of Python's own errors through, for instance of chr() on "\UFFFFFFFF".
        raise InputError.of(f"{source}:{composer.line}:1", f"text that YAML cannot read ({error})", "YAML") from None
    return composer.document()


def is_common(text: str) -> bool:
    """Whether both of PyYAML's parsers read a text alike: they differ in tabs, tags, blocks, ``?`` and ``---``."""
    told = _COMMENT_LINE.sub("", text)
    return _COMMON_CHARACTERS.fullmatch(text) is not None and _UNCOMMON.search(told) is None


def _composed(text: str, source: str, loader: type[yaml.SafeLoader]) -> Document:
    composer = _Composer(source)
    for event in yaml.parse(text, Loader=loader):
        composer.take(event)
    return composer.document()


@dataclass
class _Level:
    """An open mapping or sequence: where it is and what it holds so far."""

    path: KeyPath
    content: dict[str, Any] | list[Any]
    key: str | None = None
    awaits_key: bool = True


class _Composer:
    """Build data from parser events, one at a time and without recursion."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.line = 1
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self.root: Any = None
        self.documents = 0
        self.levels: list[_Level] = []
        self.skipped = 0  # depth inside something that is refused as a whole

    def document(self) -> Document:
        return Document(self.source, self.root, self.keys, self.values, self.problems)

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        if event.start_mark is not None:
            self.line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents == 2:
                self._problem(event, "a second document", "one document in a file")
            return
        if self.documents > 1:
            return
        closes = isinstance(event, yaml.CollectionEndEvent)
        opens = isinstance(event, yaml.CollectionStartEvent)
        if opens and len(self.levels) + self.skipped >= DEEPEST:
            # Reading on would not help, and PyYAML's time is quadratic in the depth of brackets.
            self._problem(event, f"more than {DEEPEST} levels of nesting", "a flat file")
            raise InputError(self.problems)
        if self.skipped:
            self.skipped += opens - closes
        elif closes:
            self.levels.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, opens)

    def _node(self, event: yaml.NodeEvent, opens: bool) -> None:
        level = self.levels[-1] if self.levels else None
        if level and isinstance(level.content, dict) and level.awaits_key:
            self._key(level, event, opens)
            return
        path = self._path(level)
        if path is not None:
            self.values[path] = _position(event)
        if isinstance(event, yaml.AliasEvent):
            self._problem(event, f"the alias *{event.anchor}", "the value written out", path)
            self._put(level, None)
            return
        self._check_anchor(event, path)
        if opens and path is None:
            self.skipped = 1
            self._put(level, None)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            content: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._put(level, content)
            self.levels.append(_Level(path or (), content))
        elif isinstance(event, yaml.ScalarEvent):
            self._put(level, self._scalar(event, path))

    def _key(self, level: _Level, event: yaml.NodeEvent, opens: bool) -> None:
        level.awaits_key = False
        level.key = None  # the value of a key that is refused is read and dropped
        if isinstance(event, yaml.AliasEvent):
            self._problem(event, f"the alias *{event.anchor} as a key", "a text", level.path)
            return
        self._check_anchor(event, level.path)
        if opens:
            self._problem(event, "a mapping or a list as a key", "a text", level.path)
            self.skipped = 1
            return
        assert isinstance(event, yaml.ScalarEvent)
        key = self._scalar(event, level.path)
        if not isinstance(key, str):
            self._problem(event, f"{event.value or 'nothing'} as a key", "a text", level.path)
            return
        path = (*level.path, key)
        assert isinstance(level.content, dict)
        if key in level.content:
            line, column = self.keys[path]
            found = f"the key {key!r} again"
            self._problem(event, found, "each key once", path, f"it stands at line {line}, column {column}")
            return
        self.keys[path] = _position(event)
        level.key = key

    def _path(self, level: _Level | None) -> KeyPath | None:
        """Where the next value will stand; None where it will be dropped."""
        if level is None:
            return ()
        if isinstance(level.content, list):
            return (*level.path, len(level.content))
        return None if level.key is None else (*level.path, level.key)

    def _put(self, level: _Level | None, value: Any) -> None:
        if level is None:
            self.root = value
        elif isinstance(level.content, list):
            level.content.append(value)
        else:
            if level.key is not None:
                level.content[level.key] = value
            level.awaits_key = True

    def _check_anchor(self, event: Any, path: KeyPath | None) -> None:
        if event.anchor is not None:
            self._problem(event, f"the anchor &{event.anchor}", "no anchors or aliases", path)
        if event.tag is not None and event.tag != "!":
            self._problem(event, f"the tag {event.tag}", "no tags", path)

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath | None) -> str | int | float | bool | None:
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._problem(event, "half of a surrogate pair", "whole characters", path)
            return None
        if not event.implicit[0]:  # quoted, a block, or tagged
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _NOT_FINITE.fullmatch(text):
            self._problem(event, text, "a finite number", path)
            return None
        if _INT.fullmatch(text):
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            whole = int(text, base) if len(text) <= 40 else 1 << 64
            if not -(1 << 63) <= whole < 1 << 63:
                self._problem(event, text[:40], "a whole number of at most 64 bits", path)
                return None
            return whole
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                self._problem(event, text[:40], "a finite number", path)
                return None
            return number
        return text

    def _problem(self, event: yaml.Event, found: str, expected: str, path: KeyPath | None = (), hint: str = "") -> None:
        line, column = _position(event)
        dotted = ".".join(map(str, path or ()))
        where = f"{self.source}:{line}:{column}" + (f" {dotted}" if dotted else "")
        self.problems.append(Problem(where, found, expected, hint))


def _position(event: yaml.Event) -> Position:
    assert event.start_mark is not None  # the parser sets it on all but hand-made events
    return event.start_mark.line + 1, event.start_mark.column + 1
