"""The lock files: every package to install and test Skipstone with, in one version, with digests."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reliability.promises import ROOT

FOLDER = ROOT / "requirements"
EXTRAS: dict[str, tuple[str, ...]] = {"core": (), "dev": ("dev",)}
"""The lock files by name, each with the extras that it installs."""
PYTHONS = ("3.11", "3.12", "3.13")

_LOCKED = re.compile(r"^([\w.-]+)==(\S+?)(?: ; (.+?))? \\$")
_DIGEST = re.compile(r"^    --hash=sha256:([0-9a-f]{64})(?: \\)?$")


@dataclass(frozen=True)
class Locked:
    """A package of a lock file: its name and version, where it is installed (a marker, or ""), digests of its files."""

    name: str
    version: str
    marker: str
    digests: tuple[str, ...]

    def holds_for(self, python: str) -> bool:
        """Whether it is installed with a version of Python on Linux."""
        surroundings = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux",
                        "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython",
                        "platform_python_implementation": "CPython"}  # fmt: skip
        return not self.marker or Marker(self.marker).evaluate(surroundings)


def lock_file(name: str) -> Path:
    """Where a lock file is."""
    return FOLDER / f"{name}.txt"


def locked(name: str) -> list[Locked]:
    """Read a lock file.

    Raises
    ------
    ValueError
        Where a line is none that `make lock` writes.
    """
    found: list[Locked] = []
    for number, line in enumerate(lock_file(name).read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        if package := _LOCKED.match(line):
            found.append(Locked(canonicalize_name(package[1]), package[2], package[3] or "", ()))
        elif (digest := _DIGEST.match(line)) and found:
            last = found.pop()
            found.append(Locked(last.name, last.version, last.marker, (*last.digests, digest[1])))
        else:
            raise ValueError(f"{lock_file(name)}:{number}: {line!r}")
    return found


def wanted(name: str, python: str) -> Iterator[Requirement]:
    """Give what pyproject.toml asks for with the extras of a lock file; its own extras are followed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    to_follow = [*project["dependencies"]]
    for extra in EXTRAS[name]:
        to_follow += project["optional-dependencies"][extra]
    while to_follow:
        one = Requirement(to_follow.pop())
        if one.name == project["name"]:
            for extra in one.extras:
                to_follow += project["optional-dependencies"][extra]
        elif one.marker is None or one.marker.evaluate({"python_version": python}):
            yield one
