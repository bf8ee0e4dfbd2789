"""A promise, what shows that it is kept, and the figures that a long command found."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.report.files import write_text_atomically
from traces.version import __version__

ROOT = Path(__file__).parents[2]
FIGURES = Path(__file__).parent / "figures"


@dataclass(frozen=True)
class Promise:
    """One line of RELIABILITY.md.

    Attributes
    ----------
    key : str
        Names its file of figures: lower case with hyphens.
    item : int
        The part of the page that it belongs to, see `reliability.page.PARTS`.
    text : str
        What is promised.
    tests : tuple of str
        Files of tests that show it, from the root of the project; or ``file::test``.
    command : str or None
        The long command that finds the figures; None where tests alone show the promise.
    """

    key: str
    item: int
    text: str
    tests: tuple[str, ...]
    command: str | None = None


@dataclass(frozen=True)
class Found:
    """What a long command found, when, and with what.

    Attributes
    ----------
    figures : dict of str to (int, float or str)
        By name, with its unit in the name or in the text: ``{"inputs tried": 10_400_000, "crashes": 0}``.
    seconds : float
        Wall time of the command.
    day, version, commit, machine : str
        When, on which version and commit, on what.
    """

    figures: Mapping[str, Any]
    seconds: float
    day: str
    version: str
    commit: str
    machine: str


def keep(promise: Promise, figures: Mapping[str, Any], seconds: float) -> Path:
    """Write what the promise's command found, for the page; returns the file."""
    words = ["git", "describe", "--always", "--dirty"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {
        "figures": dict(figures),
        "seconds": round(seconds, 1),
        "day": datetime.now(UTC).date().isoformat(),
        "version": __version__,
        "commit": told.stdout.strip() or "unknown",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
    }
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{promise.key}.json"
    write_text_atomically(path, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return path


def found(promise: Promise) -> Found | None:
    """What the promise's command found when it last ran; None where it never did."""
    path = FIGURES / f"{promise.key}.json"
    return Found(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
