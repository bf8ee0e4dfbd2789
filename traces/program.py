"""Running a command line as a program of its own."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from traces.errors import InputError
from traces.printable import printable

OBJECTS_BEFORE_COLLECTION = 500_000
"""Python looks for garbage cycles after 700 new objects; imports and a replay make many that all stay."""


def say(text: str, err: bool = False) -> None:
    """Print a message that may hold names of files and words out of them; those cannot steer the terminal."""
    click.echo("\n".join(printable(line) for line in text.split("\n")), err=err)


@contextmanager
def impossible_names_told() -> Iterator[None]:
    """A name that no file can have (too long, links in a circle) is the user's mistake, whatever meets it first."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        raise InputError.of(str(error.filename), str(error.strerror), "a name that a file can have") from None


def run(command: click.Command, program: str) -> NoReturn:
    """Run a command line and exit: 0 done, 2 the user's input is at fault, 1 ours.

    An `InputError` becomes its message on stderr, without a traceback.
    """
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION, 20, 20)
    # No other package's plug-in has a say in how files are checked; looking for them takes time, too.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a file's name may be no text
    try:
        with impossible_names_told():
            command.main(prog_name=program)
    except InputError as error:
        for problem in error.problems:
            say(f"error: {problem}", err=True)
        sys.exit(2)
    finally:
        gc.freeze()  # or the interpreter would look through all of it once more on its way out
    sys.exit(0)
