"""What sweeps have evaluated: a file of lines that only grows, and that any number of sweeps and workers share.

A store is a folder with a file for each version of the code that made its rows (`code_digest`); rows of other code are
not looked at. A line is an outcome as a JSON object under its point's key. Who appends holds the file's lock and reads
first what others appended, so that no line is lost, cut in two or there twice. A line that a kill cut off is dropped.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable
from io import BufferedRandom
from pathlib import Path

import simulator
import traces
from simulator.arch import Mechanism
from simulator.explore.points import Cell
from simulator.report.files import PathLike, make_folder
from traces.errors import InputError

Cells = dict[str, Cell]


class Store:
    """The outcomes that one version of the code came to, by their points' keys.

    Parameters
    ----------
    folder : path
        Made with the first outcome.
    code : str
        See `code_digest`.

    Attributes
    ----------
    folder, code
        As given.
    path : Path
        The file that is read and appended to.
    """

    def __init__(self, folder: PathLike, code: str) -> None:
        self.folder, self.code = Path(folder), code
        self.path = self.folder / f"{code[:16]}.jsonl"
        self._outcomes: dict[str, Cells] = {}
        self._lines = self._end = 0  # of what was read: lines, and bytes

    def find(self, key: str) -> Cells | None:
        """Give the outcome of a point, whoever appended it; None where there is none yet.

        Raises
        ------
        InputError
            If the file cannot be read, or holds a whole line that is no outcome.
        """
        if key not in self._outcomes:
            try:
                with self.path.open("rb") as file:
                    file.seek(self._end)
                    self._take(file.read())
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._unusable(error) from None
        return self._outcomes.get(key)

    def add(self, key: str, outcome: Cells) -> None:
        """Append an outcome, unless there is one of this key by now.

        The line survives this process when this returns; it is not waited for the disk, since a line that a power
        failure takes is merely evaluated again.

        Raises
        ------
        InputError
            If the file cannot be written, or holds a whole line that is no outcome.
        """
        line = json.dumps({"key": key, **outcome}, allow_nan=False) + "\n"
        make_folder(self.folder)
        try:
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed, or this process ends
                self._append(file, key, line.encode())
        except OSError as error:
            raise self._unusable(error) from None

    def _append(self, file: BufferedRandom, key: str, line: bytes) -> None:
        file.seek(self._end)
        if self._take(file.read()):
            file.truncate(self._end)  # whoever wrote half a line was killed: it held the lock
        if key not in self._outcomes:
            file.write(line)
            file.flush()
            self._take(line)

    def _take(self, raw: bytes) -> bytes:
        """Take the whole lines of what follows in the file; give what is left of a line at its end."""
        *lines, rest = raw.split(b"\n")
        for line in lines:
            self._lines += 1
            self._end += len(line) + 1
            try:
                outcome = _LINES.decode(line.decode())
                key = str(outcome.pop("key"))
                if not all(map(_is_cell, outcome.values())):
                    raise ValueError
                self._outcomes.setdefault(key, outcome)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                where, found = f"{self.path}:{self._lines}", repr(line[:60])
                raise InputError.of(where, found, "an outcome: a JSON object with a key", "remove the line") from None
        return rest

    def _unusable(self, error: OSError) -> InputError:
        return InputError.of(str(self.path), error.strerror or str(error), "a file that can be read and appended to")


def _is_cell(value: object) -> bool:
    """Whether a value can be one of a row: a text, nothing, or a number that is finite."""
    return (
        value is None or isinstance(value, str) or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)
    )


def _no_number(word: str) -> None:
    raise ValueError(f"{word}, which is no number")


_LINES = json.JSONDecoder(parse_constant=_no_number)


def code_digest(mechanisms: Iterable[type[Mechanism]] = ()) -> str:
    """SHA-256 (hex) of the code that makes a row: this package, the trace format's, and a user's mechanisms.

    A version number alone would take what one edit of a mechanism came to for what the next one does.

    Parameters
    ----------
    mechanisms : iterable of type
        Those of the machines; the file, or the notebook cell, of one that is not ours counts.

    Raises
    ------
    InputError
        If the source of a mechanism is not to be had.
    """
    digest = hashlib.sha256()
    for package in (simulator, traces):
        root = Path(package.__file__ or "").parent
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for mechanism in sorted(set(mechanisms), key=lambda m: (m.__module__, m.__qualname__)):
        if not mechanism.__module__.startswith("simulator."):
            digest.update(_source(mechanism).encode())
    return digest.hexdigest()


def _source(mechanism: type[Mechanism]) -> str:
    """Give the text of the file that defines a mechanism, or of its class where that was typed into a notebook."""
    try:
        file = inspect.getsourcefile(mechanism)
        if file is not None and Path(file).is_file():
            return Path(file).read_text(encoding="utf-8")
        return inspect.getsource(mechanism)
    except (OSError, TypeError):
        found = "a mechanism without source, of which a store cannot tell whether it changed"
        raise InputError.of(mechanism.__qualname__, found, "a mechanism of a file or of a notebook's cell") from None
