"""Points of a space: a machine, a trace and steps, each with a key that says what its row was made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from simulator.arch import Architecture, TileMechanism, Weights, load_dram_standard
from traces.version import __version__

Cell = str | int | float | None
Settings = tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Recorded:
    """The recorded steps of a trace file that a point replays.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the file, hexadecimal.
    steps : tuple of int
        Ascending, at least one.
    name : str
        What the table calls the trace; nothing is compared by it.
    url : str
        Where a process gets the file that does not have it; empty where `path` is all there is. Nothing is compared by
        it, either.
    """

    path: Path
    sha256: str
    steps: tuple[int, ...]
    name: str = field(default="", compare=False)
    url: str = field(default="", compare=False)


@dataclass(frozen=True)
class Point:
    """A machine and what it is to replay; complete, so that any process can evaluate it.

    Attributes
    ----------
    machine : Architecture
    recorded : Recorded
    prices_digest : str
        SHA-256 (hex) of the machine's energy table: its name alone does not tell what is in it.
    files_digest : str
        See `files_digest`.
    settings : tuple of (str, cell)
        The axes' values as the table shows them: null, true and false as these words, lists and mappings as
        JSON; None where the machine has no such key.
    """

    machine: Architecture
    recorded: Recorded
    prices_digest: str
    files_digest: str
    settings: Settings = ()

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of what a row is made of: the machine, the files that it names, the trace, steps, version.

        Equal keys mean equal results, whatever the space was called and wherever its files lie.
        """
        made_of = {
            "architecture": self.machine.digest,
            "prices": self.prices_digest,
            "trace": self.recorded.sha256,
            "steps": self.recorded.steps,
            "version": __version__,
        }
        if self.files_digest:
            made_of["files"] = self.files_digest
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def files_digest(dram_timing: str | None, weights: Weights | None, folder: Path | None) -> str:
    """SHA-256 (hex) of the files that a machine names beside its energy table; empty where there is none.

    Parameters
    ----------
    dram_timing, weights
        See `named_files`.
    folder : Path or None
        What relative paths start from.

    Raises
    ------
    InputError
        If a file is not there, or the DRAM's is not as it must be.
    """
    digests: dict[str, object] = {}
    if dram_timing is not None:
        standard = load_dram_standard(dram_timing, folder)
        digests["dram"] = [standard.digest, standard.energy_row]
    if weights is not None and weights.file is not None:
        digests["weights"] = weights.file_digest(folder)
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest() if digests else ""


def named_files(machine: Architecture) -> tuple[str | None, Weights | None]:
    """Give what a machine says of files beside its energy table: its DRAM's standard, and its weights."""
    timing = None if machine.ideal_memory else machine.system.dram.timing
    return timing, machine.skipping.weights if isinstance(machine.skipping, TileMechanism) else None


@dataclass(frozen=True)
class Refusal:
    """A combination that is no machine, or has nothing to replay.

    Attributes
    ----------
    machine : str
        Name of the base machine.
    trace : str
        What the table calls it.
    settings : tuple of (str, cell)
        As in `Point`.
    reason : str
        One line.
    """

    machine: str
    trace: str
    settings: Settings
    reason: str
