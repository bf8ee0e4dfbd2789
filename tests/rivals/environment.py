"""An environment of its own for a rival, whose needs are not ours."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


class NotInstalledError(Exception):
    """A rival cannot be had here."""


def install(folder: Path, wanted: Sequence[str]) -> Path:
    """Make an environment with some packages and return its Python.

    Raises
    ------
    NotInstalledError
        If pip cannot install them, for instance because there is no network.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", *wanted]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        raise NotInstalledError(f"pip install {' '.join(wanted)}: {installed.stderr[-200:]}")
    return python
