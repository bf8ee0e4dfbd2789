"""The checkpoint beside a trace: everything that a recording needs to go on exactly where it stopped.

An ``.npz`` like the trace, read with the same suspicion: ``header`` is UTF-8 JSON as uint8 [n], and every
other member holds the bytes of one array, uint8 [n]. Dtype and size are determined by the settings of the run, but
for the arrays named ``policy/...``, of which a threshold policy holds as many as it needs: the header states theirs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from traces.archive import ArchiveReader, sync_folder
from traces.errors import InputError
from traces.numpy_frontend.parameters import Floats

FORMAT, VERSION = "skipstone-recording-state", 2
HELD = "policy/"
_LARGEST_HEADER = 1 << 26


@dataclass(frozen=True)
class SavedState:
    """What a state file holds beside its arrays, as plain JSON values.

    Attributes
    ----------
    settings : dict
        The settings of the run, which a resumed one must share.
    progress : dict
        Where the run stands: counters, losses, the curve so far.
    held : dict
        Dtype and shape of each array that the policy holds, by name.
    """

    settings: dict[str, Any]
    progress: dict[str, Any]
    held: dict[str, Any]


def save_state(
    path: Path,
    settings: Mapping[str, Any],
    progress: Mapping[str, Any],
    arrays: Mapping[str, Floats],
    held: Mapping[str, Floats],
) -> None:
    """Write a state file whole: beside its place, synced, then renamed.

    Parameters
    ----------
    path : Path
    settings, progress : mapping
        Plain JSON values; see `SavedState`.
    arrays : mapping of str to floating array
        Whose dtypes and shapes the settings determine.
    held : mapping of str to floating array
        What the policy holds.

    Raises
    ------
    InputError
        Where the folder cannot be written to.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "settings": settings,
        "progress": progress,
        "held": {name: [array.dtype.name, list(array.shape)] for name, array in held.items()},
    }
    every = {**arrays, **{HELD + name: array for name, array in held.items()}}
    members = {name: np.ascontiguousarray(array).reshape(-1).view(np.uint8) for name, array in every.items()}
    members["header"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    partial = path.with_name(path.name + ".partial")
    try:
        with _opened(partial) as file:
            np.savez(file, allow_pickle=False, **members)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError.of(str(path), f"a write that failed ({error.strerror})", "room and leave to write") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _opened(partial: Path) -> IO[bytes]:
    """Open a new file; a link of this name, which a stranger may have left, leads nowhere."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(partial, flags, 0o666), "wb")


def load_state(
    path: Path, arrays: Mapping[str, Floats], settings: Mapping[str, Any], largest_held: int
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Fill arrays from a state file, once its settings are known to be the same.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to contiguous floating array
        Overwritten in place; their sizes are what the file must have.
    settings : mapping
        The settings of the run that wants to go on.
    largest_held : int
        Elements that one array of the policy may have.

    Returns
    -------
    progress : dict
    held : dict of str to floating array
        What the policy held.

    Raises
    ------
    InputError
        Where the file is missing, damaged or foreign, or was written under other settings, which are named.
    """
    archive = ArchiveReader(path)
    try:
        state = _read_header(archive)
        _compare(state.settings, settings, path)
        expected = {"header", *arrays, *(HELD + name for name in state.held)}
        if set(archive.names) != expected:
            found = ", ".join(sorted(archive.names))
            raise InputError.of(str(path), f"the members {found}", ", ".join(sorted(expected)))
        for name, array in arrays.items():
            saved = archive.read(name, "u", (array.nbytes,), f"the bytes of {array.dtype} {array.shape}")
            array[...] = saved.view(array.dtype).reshape(array.shape)
        held = {name: _held(archive, name, form, largest_held) for name, form in state.held.items()}
    finally:
        archive.close()
    return state.progress, held


def _held(archive: ArchiveReader, name: str, form: Any, largest: int) -> Floats:
    expected = f"[float32 or float64, a shape of at most {largest} elements]"
    try:
        dtype, shape = form
        known = dtype in ("float32", "float64") and all(type(size) is int and size >= 0 for size in shape)
        known = known and math.prod(shape) <= largest
    except (TypeError, ValueError):
        known = False
    if not known:
        raise InputError.of(f"{archive.where('header')} held {name}", repr(form), expected)
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    saved = archive.read(HELD + name, "u", (size_bytes,), f"the bytes of {dtype} {shape}")
    array: Floats = saved.view(dtype).reshape(shape)
    return array


def _read_header(archive: ArchiveReader) -> SavedState:
    where = archive.where("header")
    expected = f"the state of a recording, {FORMAT} version {VERSION}"
    if "header" not in archive.names:
        raise InputError.of(where, "no such member", expected)
    raw = archive.read("header", "u", None, "JSON", largest_bytes=_LARGEST_HEADER)
    try:
        document = json.loads(raw.tobytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise InputError.of(where, "text that is not JSON", expected) from None
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (
        FORMAT,
        VERSION,
    ):
        raise InputError.of(where, "another format or version", expected)
    settings, progress, held = document.get("settings"), document.get("progress"), document.get("held")
    if not isinstance(settings, dict) or not isinstance(progress, dict) or not isinstance(held, dict):
        raise InputError.of(where, "no settings, no progress or nothing about what is held", expected)
    return SavedState(settings, progress, held)


def _compare(saved: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    different = [key for key in {**saved, **wanted} if saved.get(key) != wanted.get(key)]
    if different:
        found = ", ".join(f"{key} {wanted.get(key)!r}" for key in different)
        expected = ", ".join(f"{key} {saved.get(key)!r}" for key in different)
        hint = "resume with the settings of the first run, or record anew with --force"
        raise InputError.of(f"{path}: settings of the resumed run", found, f"{expected}, as recorded so far", hint)
