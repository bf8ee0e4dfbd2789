"""Value change dumps read plainly: the values of every signal at any time."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

Changes = list[tuple[int, str]]


def read(path: Path) -> tuple[dict[str, int], dict[str, Changes]]:
    """Give the bits of every signal by its dotted path, and when it changed to what; times never fall."""
    names: dict[str, list[str]] = {}
    widths: dict[str, int] = {}
    changes: dict[str, Changes] = {}
    scopes: list[str] = []
    header, _, body = path.read_text(encoding="utf-8").partition("$enddefinitions")
    for words in (declaration.split() for declaration in header.split("$end")):
        match words:
            case ["$scope", _, name]:
                scopes.append(name)
            case ["$upscope"]:
                scopes.pop()
            case ["$var", _, bits, code, name, *_]:
                full = ".".join([*scopes, name])
                assert full not in widths, f"{full} twice"
                names.setdefault(code, []).append(full)
                widths[full], changes[full] = int(bits), []
    now = 0
    for line in body.splitlines()[1:]:
        if line.startswith("#"):
            assert int(line[1:]) >= now
            now = int(line[1:])
        elif line.startswith("b"):
            value, code = line[1:].split()
            _change(changes, names[code], now, value)
        elif line and line[0] in "01xz":
            _change(changes, names[line[1:]], now, line[0])
        else:
            assert line.startswith("$") or not line, line
    return widths, changes


def _change(changes: dict[str, Changes], signals: list[str], now: int, value: str) -> None:
    for name in signals:
        assert not set(value) - set("01xz"), value
        changes[name].append((now, value.lstrip("0") or "0"))


def at(changes: Changes, time: int) -> str:
    """Give the value of a signal at a time, as bits without leading zeros; ``x`` before the first change."""
    place = bisect_right(changes, time, key=lambda change: change[0])
    return changes[place - 1][1] if place else "x"
