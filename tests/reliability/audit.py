"""`make audit`: install the lock files by their digests, list licences, ask for known vulnerabilities."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from reliability.environments import Environment, interpreter, tool
from reliability.licences import OF_OTHERS, read_licences, refused, write_licences
from reliability.lock import EXTRAS, PYTHONS, lock_file, locked
from reliability.promises import keep
from reliability.security import AUDIT


def run() -> int:
    """Run the audit, write licences and figures; 1 where something is wrong."""
    start = time.monotonic()
    packages: dict[str, metadata.Distribution] = {}
    installed = {}
    for version in PYTHONS:
        base = interpreter(version)
        if base is None:
            print(f"no Python {version} here: left out")
            continue
        environment = Environment(f"audit-{version}", base)
        environment.install_locked(lock_file("dev"))
        here = _distributions(environment.packages())
        installed[version] = len(here)
        packages |= here
    others = [one for one in locked("dev") if one.name not in packages]
    target = environment.install_beside("others", [f"{one.name}=={one.version}" for one in others])
    packages |= _distributions(target)
    names = {one.name for one in locked("dev")}
    write_licences(one for name, one in packages.items() if name in names)
    wrong = [f"{name}: {licence}" for name, licence in read_licences().items() if refused(name, licence)]
    asked, answered, known = _vulnerabilities(lock_file("dev"))
    figures = {
        "packages locked": {name: len({one.name for one in locked(name)}) for name in EXTRAS},
        "digests": sum(len(one.digests) for one in locked("dev")),
        "installed by digest": installed,
        "licences refused or unknown": len(wrong),
        "not free to ship, and not shipped": ", ".join(OF_OTHERS),
        "asked for known vulnerabilities": asked,
        "answered": answered,
        "known vulnerabilities": len(known) if answered else "no answer: the registry here has no such data",
    }
    told = {name: _said(value) for name, value in figures.items()}
    for name, value in told.items():
        print(f"{name}: {value}")
    for line in [*wrong, *known]:
        print(line)
    keep(AUDIT, told, time.monotonic() - start)
    return 1 if wrong or known else 0


def _said(value: Any) -> Any:
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else value


def _distributions(folder: Path) -> dict[str, metadata.Distribution]:
    return {canonicalize_name(one.name): one for one in metadata.distributions(path=[str(folder)])}


def _vulnerabilities(lock: Path) -> tuple[int, int, list[str]]:
    """Ask the registry by pip-audit: packages asked for, answers, and what is known of them.

    pip-audit says "no known vulnerabilities" of a package that the registry does not know, too: so answers are counted.
    """
    words = [tool("pip-audit"), "-r", str(lock), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run([*words, "-f", "json"], capture_output=True, text=True, check=False, timeout=600)
        packages = json.loads(done.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        print(f"pip-audit gave no answer: {error}")
        return 0, 0, []
    answers = [one for one in packages if "skip_reason" not in one]
    known = [f"{one['name']} {one['version']}: {bug['id']}" for one in answers for bug in one["vulns"]]
    return len(packages), len(answers), known


if __name__ == "__main__":
    sys.exit(run())
