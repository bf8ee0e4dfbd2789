"""Which command line is running, as a page tells it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """Write the command line so that a shell would read the same words; the program by its name, without its folder."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
