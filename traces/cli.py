"""The front-end's commands: `skipstone record` and `skipstone inspect`."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from traces.errors import InputError


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
