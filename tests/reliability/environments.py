"""Fresh environments under build/, made by uv: of a Python that is there, with packages of stated versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from reliability.promises import ROOT

BUILD = ROOT / "build" / "reliability"
TOOLS = "SKIPSTONE_TOOLS"
"""Names the folder of `uv` and `pip-audit` where they are not on the PATH."""
INSTALL_SECONDS = 1800


def tool(name: str) -> str:
    """Find a tool; its bare name where it is not found, for a message that says so."""
    folder = os.environ.get(TOOLS)
    return shutil.which(name, path=folder) or shutil.which(name) or name


def interpreter(version: str) -> Path | None:
    """Find Python X.Y: on the PATH, or where pyenv keeps its versions; None where there is none."""
    found = [shutil.which(f"python{version}")]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += map(str, sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True))
    for path in filter(None, found):
        if told(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == version:
            return Path(path)
    return None


def told(*words: str) -> str:
    """Run a program; what it says on stdout, or "" where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


class Environment:
    """A virtual environment in a folder, made anew.

    Parameters
    ----------
    name : str
        Of the folder.
    base : Path
        The interpreter.
    """

    def __init__(self, name: str, base: Path) -> None:
        self.folder = BUILD / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self._uv("venv", "--quiet", "--python", str(base), str(self.folder))
        self.python = self.folder / "bin" / "python"

    def install_locked(self, lock: Path) -> None:
        """Install what a lock file says, each file of a digest that it has."""
        self._uv("pip", "sync", "--quiet", "--require-hashes", "--python", str(self.python), str(lock))

    def install_resolved(self, extra: str, resolution: str, version: str) -> dict[str, str]:
        """Install what pyproject.toml asks for, in the lowest or newest versions that have wheels; what they are."""
        chosen = self.folder / "chosen.txt"
        words = [
            "pip",
            "compile",
            "--quiet",
            "--no-header",
            "--no-annotate",
            "--only-binary",
            ":all:",
            "--extra",
            extra,
        ]
        words += ["--resolution", resolution, "--python-version", version, "-o", str(chosen)]
        self._uv(*words, str(ROOT / "pyproject.toml"))
        self._uv("pip", "sync", "--quiet", "--only-binary", ":all:", "--python", str(self.python), str(chosen))
        lines = re.findall(r"^([\w.-]+)==(\S+)", chosen.read_text(encoding="utf-8"), re.M)
        return dict(lines)

    def install_beside(self, folder: str, requirements: Sequence[str]) -> Path:
        """Unpack packages of other platforms into a folder of their own, to read their metadata."""
        target = self.folder / folder
        words = ["pip", "install", "--quiet", "--no-deps", "--python", str(self.python), "--target", str(target)]
        self._uv(*words, *requirements)
        return target

    def packages(self) -> Path:
        """Where its packages are."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def _uv(self, *words: str) -> None:
        done = subprocess.run(
            [tool("uv"), *words], capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
        )
        if done.returncode:
            raise RuntimeError(f"uv {' '.join(words)}: {done.stderr.strip()}")
