"""The front-end's commands: `skipstone record` and `skipstone inspect`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

import click

from traces.errors import InputError
from traces.record_commands import record

__all__ = ["inspect", "record", "run"]


def run(command: click.Command, program: str) -> NoReturn:
    """Run a command line and exit: 0 done, 2 the user's input is at fault, 1 ours.

    An `InputError` becomes its message on stderr, without a traceback.
    """
    try:
        command.main(prog_name=program)
    except InputError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        sys.exit(2)
    sys.exit(0)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, of all steps, and nothing else.")
def inspect(file: Path, as_json: bool) -> None:
    """Show what the trace FILE holds: the run, its layers and steps, and where its zeros are.

    Every array is read and checked on the way, so a damaged file is refused.
    """
    from traces.inspection import gather, show
    from traces.trace import Trace

    with Trace(file) as trace:
        facts = gather(trace)
    if as_json:
        click.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    from rich.console import Console

    show(facts, Console(highlight=False))
