"""Trace files that are named by a URL: brought to this machine once, and known by what is in them.

Any protocol of fsspec will do (``s3://``, ``gs://``, ``https://``, ``file://``; its own packages are to be installed
where they are used). A file lies under its SHA-256 in this user's cache, so that a trace of two names is there once,
and one that was changed meanwhile is not taken for the one that was meant. Whatever is in the cache may be removed at
any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from traces.errors import InputError
from traces.regular_files import in_place_of_file
from traces.whole_file import hidden_file

CHUNK_BYTES = 1 << 20
EXPECTED = "a trace file (.npz)"


def is_url(reference: str) -> bool:
    """Whether a reference is a URL and not a path, such as ``s3://bucket/run.npz``."""
    return "://" in reference


def local_file(reference: str | os.PathLike[str]) -> Path:
    """Give the file that a reference means: that of a path, or what a URL names, which is fetched.

    Raises
    ------
    InputError
        If there is nothing at the URL, or it cannot be read or kept. Whether a path leads to a file is not looked at.
    """
    text = os.fspath(reference)
    return fetch(text) if is_url(text) else Path(text)


def fetch(url: str, sha256: str | None = None) -> Path:
    """Bring a file to this machine.

    Parameters
    ----------
    url : str
    sha256 : str, optional
        What the file must be (hexadecimal); it is then not fetched again where it was before.

    Returns
    -------
    Path
        In the cache; the file is complete, and stays what it is.

    Raises
    ------
    InputError
        If there is nothing at the URL, it is something else, or it cannot be read or kept.
    """
    if sha256 is not None and _digest(kept_at(sha256)) == sha256:
        return kept_at(sha256)
    folder = _folder()
    try:
        with hidden_file(folder, "fetched") as (file, partial):
            found = _copy(url, file)
            file.flush()
            if sha256 is not None and found != sha256:
                raise InputError.of(url, f"a file of SHA-256 {found}", f"the file of SHA-256 {sha256}")
            return partial.replace(kept_at(found))
    except OSError as error:
        raise InputError.of(url, f"no place to keep it: {error.strerror or error}", f"room in {folder}") from None


def kept_at(sha256: str) -> Path:
    """Say where a file of this digest is kept on this machine, once it is fetched.

    Raises
    ------
    InputError
        If there is no place to keep anything.
    """
    return _folder() / f"{sha256}.npz"


def matches(pattern: str) -> list[str]:
    """List the URLs that a pattern means, sorted.

    Raises
    ------
    InputError
        If they cannot be listed.
    """
    files = _fsspec(pattern)
    try:
        system, path = files.core.url_to_fs(pattern)
        return sorted(str(system.unstrip_protocol(found)) for found in system.glob(path))
    except Exception as error:
        raise _unreadable(pattern, error) from None


def _copy(url: str, to: IO[bytes]) -> str:
    """Copy what is at a URL; give its SHA-256."""
    files = _fsspec(url)
    protocol, _, path = url.partition("://")
    if protocol in ("file", "local") and (place := in_place_of_file(path)):
        raise InputError.of(url, place, EXPECTED)
    digest = hashlib.sha256()
    try:
        with files.open(url, "rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                to.write(chunk)
    except Exception as error:  # each protocol has errors of its own
        raise _unreadable(url, error) from None
    return digest.hexdigest()


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _unreadable(url: str, error: Exception) -> InputError:
    told = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
    return InputError.of(url, f"nothing that can be read ({told or type(error).__name__})", EXPECTED)


def _fsspec(url: str) -> Any:
    try:
        return import_module("fsspec")
    except ImportError:
        hint = "pip install 'skipstone[distributed]'"
        raise InputError.of(url, "a URL, for which fsspec is not installed", "fsspec", hint) from None


def _folder() -> Path:
    """Make the cache: ``$XDG_CACHE_HOME/skipstone/traces``, where this user's caches are, or a temporary folder."""
    homes = []
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        homes.append(Path(chosen) / "skipstone" / "traces")
    else:
        with suppress(RuntimeError):  # no home
            caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
            homes.append(Path.home() / caches / "skipstone" / "traces")
    homes.append(Path(tempfile.gettempdir()) / f"skipstone-traces-{os.getuid()}")
    for home in homes:
        with suppress(OSError):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(home, os.W_OK):
                return home
    found = f"no right to write in {' or '.join(map(str, homes))}"
    raise InputError.of("the cache of fetched traces", found, "a folder to write in", "set XDG_CACHE_HOME")
