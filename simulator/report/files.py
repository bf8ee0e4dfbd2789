"""Results as files: written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from traces.errors import InputError
from traces.whole_file import replacing

PathLike = str | os.PathLike[str]


def write_text_atomically(path: PathLike, text: str | Iterable[str]) -> Path:
    """Write a UTF-8 text file beside its final name and rename it, so that nobody ever sees a part of it.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced; it stays as it is if anything goes wrong. A symbolic link stays one.
    text : str or iterable of str
        The whole text, or its parts, which are written as they come.

    Raises
    ------
    InputError
        If the file cannot be written there.
    """
    return _write_atomically(path, (part.encode() for part in ([text] if isinstance(text, str) else text)))


def write_bytes_atomically(path: PathLike, content: bytes | Iterable[bytes]) -> Path:
    """Write a binary file as `write_text_atomically` writes a text, whole or in parts.

    Raises
    ------
    InputError
        If the file cannot be written there.
    """
    return _write_atomically(path, [content] if isinstance(content, bytes) else content)


def _write_atomically(path: PathLike, parts: Iterable[bytes]) -> Path:
    target = _target(path)
    try:
        with replacing(target) as file:
            for part in parts:
                file.write(part)
    except OSError as error:
        raise _unwritable(path, error) from None
    return Path(path)


def check_writable(path: PathLike) -> None:
    """Say early, before a long run, that a file could not be written in the end.

    Raises
    ------
    InputError
        If its folder is missing or may not be written, or something that is no file stands in its place.
    """
    folder = _target(path).parent
    if not os.access(folder, os.W_OK):
        raise InputError.of(_said(path), f"no right to write in {folder}", "a file that can be written")


def make_folder(path: PathLike) -> Path:
    """Make a folder for results, its parents too, unless it is there.

    Raises
    ------
    InputError
        If it cannot be made, is no folder, or may not be written.
    """
    folder, expected = Path(path), "a folder to write results into"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError.of(_said(path), "a file", expected) from None
    except (OSError, ValueError) as error:
        raise _unwritable(path, error, expected) from None
    if not os.access(folder, os.W_OK):
        raise InputError.of(_said(path), "a folder without the right to write", expected)
    return folder


@contextmanager
def folders_for_results(paths: Iterable[PathLike]) -> Iterator[None]:
    """Make folders for results as `make_folder` does; of those that are still empty at the end, none is left."""
    new = {one for path in paths for one in (Path(path), *Path(path).parents) if not os.path.exists(one)}  # noqa: PTH110
    try:
        for path in paths:
            make_folder(path)
        yield
    finally:
        for one in sorted(new, key=lambda folder: -len(folder.parts)):
            with suppress(OSError, ValueError):
                one.rmdir()


def _target(path: PathLike) -> Path:
    """Follow links to the file that is meant, and check that one can stand there."""
    expected = "a file that can be written"
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise InputError.of(_said(path), "a folder", expected)
        if target.exists() and not target.is_file():  # renaming a file over a device would remove the device
            raise InputError.of(_said(path), "a device or a pipe", expected)
        if not target.parent.is_dir():
            raise InputError.of(_said(path), f"no folder {target.parent}", "a file in a folder that exists")
    except (OSError, ValueError) as error:  # a name too long, a NUL
        raise _unwritable(path, error) from None
    return target


def _unwritable(
    path: PathLike, error: OSError | ValueError, expected: str = "a file that can be written"
) -> InputError:
    found = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError.of(_said(path), found, expected)


def _said(path: PathLike) -> str:
    return os.fspath(path).replace("\0", "\\0")
