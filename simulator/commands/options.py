"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from simulator.commands.completion import complete_machine, complete_trace

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

arch_option: Decorator = click.option(
    "--arch",
    "machine",
    required=True,
    metavar="NAME|FILE.yaml",
    help="A shipped machine or a file.",
    shell_complete=complete_machine,
)


def trace_option(what: str) -> Decorator:
    """Make the option that names a trace; `what` the command does with it is its help."""
    return click.option(
        "--trace", "trace_file", required=True, metavar="FILE.npz", help=what, shell_complete=complete_trace
    )
