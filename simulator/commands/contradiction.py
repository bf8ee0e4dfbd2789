"""What a command line says of a run that contradicts the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from simulator.engine import InvariantError

CONTRADICTION = "the model contradicts itself, which is a bug of Skipstone"


def told(error: Exception) -> str | None:
    """Say what was found, that no number of it is told, and what reproduces it; None of another error."""
    if not isinstance(error, InvariantError):
        return None
    said = f"error: {CONTRADICTION}: {error}. No number of this run is told."
    if not error.bundle:
        return said
    return f"{said}\nPlease send us {error.bundle}; what it says in reproducer.json replays the run."


def end_of_failed(failed: Mapping[str, int]) -> None:
    """End a command that evaluated many points with exit code 1 where some contradict the model: it is ours."""
    for reason, count in failed.items():
        points = "1 point" if count == 1 else f"{count} points"
        click.echo(f"error: {points}: {CONTRADICTION}: {reason}", err=True)
    if failed:
        click.echo(
            "These rows have no numbers. Please send us a folder skipstone-bug-*: it replays one of them.", err=True
        )
        sys.exit(1)
