"""A machine as a notebook shows it, and as a table: every key with its value and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pydantic import BaseModel

from traces.html_tables import table
from traces.printable import printable

if TYPE_CHECKING:
    from simulator.arch.schema import Architecture


@dataclass(frozen=True)
class Setting:
    """A key of a machine.

    Attributes
    ----------
    path : str
        As ``--set`` takes it, such as ``array.rows``; quantities have their unit in their name.
    value : str
        As a machine file has it.
    description : str
    """

    path: str
    value: str
    description: str


def settings(machine: Architecture) -> list[Setting]:
    """List every key of a machine, defaults too, in the order of its schema; what is not itself a mapping."""
    return list(_settings_of(machine, ""))


def _settings_of(part: BaseModel, above: str) -> Iterator[Setting]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from _settings_of(value, f"{above}{name}.")
        else:
            said = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            yield Setting(f"{above}{name}", said, field.description or "")


def to_html(machine: Architecture) -> str:
    """Lay a machine out as an HTML fragment without scripts; every text in it is escaped."""
    groups: dict[str, list[Setting]] = {}
    for setting in settings(machine):
        if setting.path not in ("name", "description"):
            groups.setdefault(_group(setting.path), []).append(setting)
    body = "".join(
        f"<details{_OPENED if name in _OPEN else _CLOSED}><summary>{escape(name)}</summary>"
        + table("key", ["value", ""], [(s.path, 1, [s.value, s.description]) for s in found], texts=True)
        + "</details>"
        for name, found in groups.items()
    )
    return (
        f'<div class="skipstone-machine"><h4>{escape(printable(machine.name))}</h4>'
        f"<p>{escape(printable(machine.description))}</p>"
        f"<p>digest {machine.digest[:12]}</p>{body}</div>"
    )


_OPEN = ("machine", "array", "skipping")
_OPENED, _CLOSED = ' open=""', ""


def _group(path: str) -> str:
    """Name the part of a machine that a key belongs to; parts of the memory stand for themselves."""
    parts = path.split(".")
    if len(parts) == 1:
        return "machine"
    return ".".join(parts[:2]) if parts[0] == "memory" and len(parts) > 2 else parts[0]
