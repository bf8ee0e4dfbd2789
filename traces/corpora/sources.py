"""Where corpora lie: files of installed packages, optional modules, text files of the user."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from traces.errors import InputError


def installed(package: str, where: str, extra: str) -> metadata.Distribution:
    """Find an installed package; it is not imported.

    Parameters
    ----------
    package : str
        Its name on the package index.
    where : str
        What needs it, for the message.
    extra : str
        Skipstone's extra that installs it.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        hint = f"pip install 'skipstone[{extra}]'"
        raise InputError.of(where, f"no package {package!r}", f"the installed package {package}", hint) from None


def optional_module(name: str, where: str, extra: str) -> Any:
    """Import a module of an optional package; `InputError` with the install line where there is none."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install 'skipstone[{extra}]'"
        raise InputError.of(where, f"no module {name!r} ({error})", f"the installed module {name}", hint) from None


def file_in_package(distribution: metadata.Distribution, ending: str, where: str) -> Path:
    """Find the one file of a package whose path ends so; `InputError` where the package has none."""
    for file in distribution.files or []:
        if file.as_posix().endswith(ending):
            return Path(str(file.locate()))
    found = f"no file {ending!r} in {distribution.name} {distribution.version}"
    raise InputError.of(where, found, "a version of the package that has it", "pip install --upgrade the package")


def read_utf8(path: Path) -> str:
    """Read a text file; `InputError` where it cannot be read or is not UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError.of(str(path), f"a file that cannot be read ({error.strerror})", "a text file") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"a byte that is not UTF-8 at offset {error.start}"
        raise InputError.of(str(path), found, "UTF-8 text", "convert it, for instance with iconv") from None


def digest_of(splits: Iterable[Iterable[str]]) -> str:
    """Return the SHA-256 of texts in splits, as hexadecimal.

    It depends on where the splits are and on where one text ends, as UTF-8 has no bytes FE and FF.
    """
    digest = hashlib.sha256()
    for split in splits:
        for text in split:
            digest.update(text.encode("utf-8") + b"\xfe")
        digest.update(b"\xff")
    return digest.hexdigest()
