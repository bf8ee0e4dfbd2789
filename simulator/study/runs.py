"""One training of a study: what is trained, with which threshold, from which seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StudyRun:
    """A training; groups that ask for the same one share it.

    Attributes
    ----------
    application : str
        ``char-lm``, which numpy trains, or a command of `skipstone record` that PyTorch does.
    options : mapping
        Settings of model and training that are not the application's defaults.
    policy : mapping
        When a gate gradient is zero, as a trace's header has it.
    seed : int
    """

    application: str
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=lambda: {"kind": "off"})
    seed: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what the run gives, as plain values."""
        return {
            "application": self.application,
            "options": dict(sorted(self.options.items())),
            "policy": dict(self.policy),
            "seed": self.seed,
        }

    @property
    def key(self) -> str:
        """Digest of the identity, by which results are found again: 16 hexadecimal digits."""
        told = json.dumps([SCHEMA_VERSION, self.identity], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Condition:
    """A row of a table: runs that differ in their seeds alone.

    Attributes
    ----------
    label : str
        What is changed, such as ``threshold 1e-6`` or ``6 layers``.
    runs : tuple of StudyRun
    dense : tuple of StudyRun
        The same without thresholds, seed by seed: what quality is compared with.
    """

    label: str
    runs: tuple[StudyRun, ...]
    dense: tuple[StudyRun, ...]


@dataclass(frozen=True)
class Group:
    """A table: conditions that are to be compared.

    Attributes
    ----------
    name : str
        For the command line.
    title : str
    conditions : tuple of Condition
    """

    name: str
    title: str
    conditions: tuple[Condition, ...]

    @property
    def runs(self) -> list[StudyRun]:
        """Every run that the table needs, each once, dense ones first."""
        wanted = [run for c in self.conditions for run in c.dense] + [run for c in self.conditions for run in c.runs]
        return list({run.key: run for run in wanted}.values())
