"""Whether a folder of results is in order after a kill: every file absent, old, or whole."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from traces import InputError, Trace

Content = dict[str, bytes]
"""Of a folder: bytes by path below it."""

UNFINISHED = re.compile(r"\..+\.(partial|checkpoint)")
"""What is written under a hidden name until it is whole."""
OF_A_SEARCH = re.compile(r"search\.lock|journal\.log|.*\.db(-journal)?")
"""What says when, and by whom, trials were asked for, and so differs between two searches of the same results."""


def content_of(folder: Path) -> Content:
    """Read every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unfinished(content: Mapping[str, bytes]) -> list[str]:
    """List the files under hidden names."""
    return [name for name in content if UNFINISHED.fullmatch(Path(name).name)]


def damages(folder: Path, before: Content, whole: Content, ended_itself: bool = False) -> list[str]:
    """Say what is neither absent, nor as before, nor whole.

    Parameters
    ----------
    folder : Path
        Of a process that was killed.
    before : dict
        What was there when it began.
    whole : dict
        What an undisturbed process makes.
    ended_itself : bool
        Whether it lost one of its own processes, and could write a table of what was finished.
    """
    now = content_of(folder)
    found = [f"{name}: gone" for name in before if name not in now and name in whole and not _replaced(name)]
    for name in sorted(set(now) - set(unfinished(now))):
        finished = ended_itself and name == "results.csv" and set(_lines(now[name])) <= set(_lines(whole[name]))
        if not finished and now[name] not in (before.get(name), whole.get(name)):
            wrong = _wrong(folder / name, now[name], before.get(name, b""), whole.get(name, b""))
            found += [f"{name}: {wrong}"] if wrong else []
    return found


def differences(folder: Path, whole: Content) -> list[str]:
    """Say where the results in a folder are other than those of an undisturbed process."""
    now = content_of(folder)
    hidden = set(unfinished(now))
    found = [f"{name}: missing" for name in whole if name not in now]
    found += [f"{name}: not made by an undisturbed run" for name in now if name not in whole and name not in hidden]
    for name in sorted(set(whole) & set(now)):
        if OF_A_SEARCH.fullmatch(Path(name).name):
            continue
        same = _lines(now[name]) == _lines(whole[name]) if name.endswith(".jsonl") else now[name] == whole[name]
        found += [] if same else [f"{name}: other bytes"]
    return found


def _replaced(name: str) -> bool:
    """Whether a file goes before another one comes: the state of a recording that is begun anew."""
    return name.endswith(".state.npz")


def _wrong(path: Path, now: bytes, before: bytes, whole: bytes) -> str:
    """Say what is wrong with a file that is neither old nor the last one; empty where it is whole in itself."""
    try:
        if path.name.endswith(".state.npz"):
            with zipfile.ZipFile(path) as archive:
                return "" if archive.testzip() is None else "a damaged state"
        if path.suffix == ".npz":
            with Trace(path) as trace:
                return "" if [step.number for step in trace] == list(trace.steps) else "a trace without its steps"
        if path.suffix == ".jsonl":
            return _wrong_lines(now, before, whole)
        if path.name == "journal.log":
            for line in now[: now.rfind(b"\n") + 1].splitlines():
                json.loads(line)
            return "" if now.startswith(before) else "lines of before are gone"
        if path.suffix == ".db":
            return _wrong_database(path)
    except (InputError, OSError, ValueError, zipfile.BadZipFile) as error:
        return f"{type(error).__name__}: {error}"
    return "" if OF_A_SEARCH.fullmatch(path.name) else f"{len(now)} bytes that are neither old nor whole"


def _wrong_lines(now: bytes, before: bytes, whole: bytes) -> str:
    lines = now[: now.rfind(b"\n") + 1].splitlines()  # a last line that is cut off is dropped by who writes next
    if not now.startswith(before):
        return "lines of before are gone"
    if len(set(lines)) != len(lines):
        return "a line that is there twice"
    return "" if set(lines) <= set(whole.splitlines()) else "a line that no undisturbed run writes"


def _wrong_database(path: Path) -> str:
    with tempfile.TemporaryDirectory() as home:  # to look at it would mend it
        for file in path.parent.glob(path.name + "*"):
            shutil.copy(file, home)
        with closing(sqlite3.connect(Path(home) / path.name)) as database:
            (said,) = database.execute("PRAGMA integrity_check").fetchone()
    return "" if said == "ok" else str(said)


def _lines(raw: bytes) -> list[bytes]:
    return sorted(raw.splitlines())
