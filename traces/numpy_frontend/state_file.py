"""The checkpoint beside a trace: everything that a recording needs to go on exactly where it stopped.

An ``.npz`` like the trace, read with the same suspicion: ``header`` is UTF-8 JSON as uint8 [n], and every
other member holds the bytes of one array, uint8 [n], whose dtype and size the settings of the run determine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from traces.archive import ArchiveReader, sync_folder
from traces.errors import InputError
from traces.numpy_frontend.parameters import Floats

FORMAT, VERSION = "skipstone-recording-state", 1
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
    """

    settings: dict[str, Any]
    progress: dict[str, Any]


def save_state(path: Path, state: SavedState, arrays: Mapping[str, Floats]) -> None:
    """Write a state file whole: beside its place, synced, then renamed.

    Raises
    ------
    InputError
        Where the folder cannot be written to.
    """
    document = {"format": FORMAT, "version": VERSION, "settings": state.settings, "progress": state.progress}
    members = {name: np.ascontiguousarray(array).reshape(-1).view(np.uint8) for name, array in arrays.items()}
    members["header"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
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


def load_state(path: Path, arrays: Mapping[str, Floats], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Fill arrays from a state file, once its settings are known to be the same.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to contiguous floating array
        Overwritten in place; their sizes are what the file must have.
    settings : mapping
        The settings of the run that wants to go on.

    Returns
    -------
    dict
        The saved progress.

    Raises
    ------
    InputError
        Where the file is missing, damaged or foreign, or was written under other settings, which are named.
    """
    archive = ArchiveReader(path)
    try:
        state = _read_header(archive)
        _compare(state.settings, settings, path)
        if set(archive.names) != {"header", *arrays}:
            found = ", ".join(sorted(archive.names))
            raise InputError.of(str(path), f"the members {found}", ", ".join(sorted({"header", *arrays})))
        for name, array in arrays.items():
            saved = archive.read(name, "u", (array.nbytes,), f"the bytes of {array.dtype} {array.shape}")
            array[...] = saved.view(array.dtype).reshape(array.shape)
    finally:
        archive.close()
    return state.progress


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
    settings, progress = document.get("settings"), document.get("progress")
    if not isinstance(settings, dict) or not isinstance(progress, dict):
        raise InputError.of(where, "no settings or no progress", expected)
    return SavedState(settings, progress)


def _compare(saved: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    different = [key for key in {**saved, **wanted} if saved.get(key) != wanted.get(key)]
    if different:
        found = ", ".join(f"{key} {wanted.get(key)!r}" for key in different)
        expected = ", ".join(f"{key} {saved.get(key)!r}" for key in different)
        hint = "resume with the settings of the first run, or record anew with --force"
        raise InputError.of(f"{path}: settings of the resumed run", found, f"{expected}, as recorded so far", hint)
