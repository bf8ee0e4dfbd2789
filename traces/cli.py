"""The front-end's commands: `skipstone record`, `skipstone inspect` and `skipstone policies`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from traces.application_commands import COMMANDS
from traces.completion import complete_trace
from traces.job_progress import QUIET_SECONDS, progress
from traces.policy_command import policies
from traces.record_commands import record

__all__ = ["inspect", "policies", "record"]

for command in COMMANDS:
    record.add_command(command)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), shell_complete=complete_trace)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, of all steps, and nothing else.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def inspect(file: Path, as_json: bool, quiet: bool) -> None:
    """Show what the trace FILE holds: the run, its layers and steps, and where its zeros are.

    Every array is read and checked on the way, so a damaged file is refused.
    """
    from traces.inspection import gather, show
    from traces.trace import Trace

    with Trace(file) as trace, progress(quiet, "steps", QUIET_SECONDS) as observer:
        facts = gather(trace, observer)
    if as_json:
        click.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    from rich.console import Console

    show(facts, Console(highlight=False))
