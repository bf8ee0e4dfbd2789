"""Surroundings in which the same outputs are made: hash seeds, threads, locales, time zones, rights, folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reliability.outputs import digests

ROOT = Path(__file__).parents[2]
FIXED = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SURROUNDINGS: dict[str, dict[str, str]] = {
    "random_hash_seed": {"PYTHONHASHSEED": "random"},
    "two_threads_of_numba": {"NUMBA_NUM_THREADS": "2"},
    "two_threads_of_blas": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "plain_c": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "decimal_comma": {"LC_ALL": "de_DE.UTF-8", "SKIPSTONE_HOST": "foreign"},
    "turkish": {"LC_ALL": "tr_TR.UTF-8", "SKIPSTONE_HOST": "foreign"},
    "another_time_zone": {"TZ": "Pacific/Kiritimati"},
}
ALL_AT_ONCE = {
    "PYTHONHASHSEED": "1",
    "NUMBA_NUM_THREADS": "2",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "PYTHONIOENCODING": "ascii",
    "SKIPSTONE_HOST": "foreign",
}


def with_locale(folder: Path, surroundings: Mapping[str, str]) -> dict[str, str]:
    """Add the locale that is named, in a folder of its own, for a small system has few."""
    name = surroundings.get("LC_ALL", "").removesuffix(".UTF-8")
    if "_" not in name:
        return dict(surroundings)
    if shutil.which("localedef") is None or not Path(f"/usr/share/i18n/locales/{name}").exists():
        pytest.skip("needs localedef and its sources")
    folder.mkdir()
    subprocess.run(["localedef", "-i", name, "-f", "UTF-8", folder / f"{name}.UTF-8"], check=True, capture_output=True)
    return {**surroundings, "LOCPATH": str(folder)}


def made(folder: Path, kinds: list[str], surroundings: Mapping[str, str], umask: int = 0o022) -> dict[str, str]:
    """Digests of everything that a process makes in a folder."""
    folder.mkdir(parents=True)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
    words = [sys.executable, "-m", "reliability.outputs", *kinds]
    environment = {**kept, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", **FIXED, **surroundings}
    done = subprocess.run(words, cwd=folder, env=environment, umask=umask, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return {**digests(folder), "stdout": hashlib.sha256(done.stdout).hexdigest()}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of what is not the same, or is not there in one of them."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
