"""What sweeps have evaluated: a file of lines that only grows, and that any number of sweeps and workers share.

A store is a folder with a file for each version of the code that made its rows (`code_digest`); rows of other code are
not looked at. A line is an outcome as a JSON object under its point's key. Who appends holds the file's lock and reads
first what others appended, so that no line is lost, cut in two or there twice. A line that a kill cut off is dropped.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import inspect
import json
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import simulator
import traces
from simulator.arch import Mechanism
from simulator.explore.points import Cell
from simulator.report.files import PathLike, make_folder
from traces.errors import InputError

Cells = dict[str, Cell]


class Store:
    """The outcomes that one version of the code came to, by their points' keys.

    What is kept in memory is where the line of each key stands, and not the line: a store may be larger than memory.

    Parameters
    ----------
    folder : path
        Made with the first outcome or claim.
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
        self._file: BinaryIO | None = None  # stays open: what was found is there, though the folder be removed
        self._places: dict[str, int] = {}
        self._lines = self._end = 0  # of what was read: lines, and bytes

    def __contains__(self, key: str) -> bool:
        """Whether there is an outcome of a point, whoever appended it; errors are those of `find`."""
        if key not in self._places:
            try:
                self._read_on()
            except FileNotFoundError:
                return False
            except OSError as error:
                raise self._unusable(error) from None
        return key in self._places

    def find(self, key: str) -> Cells | None:
        """Give the outcome of a point, whoever appended it; None where there is none yet.

        Raises
        ------
        InputError
            If the file cannot be read, or holds a whole line that is no outcome.
        """
        return self.outcome(key) if key in self else None

    def outcome(self, key: str) -> Cells:
        """Give the outcome of a point that has one.

        Raises
        ------
        InputError
            If the file cannot be read, or the outcome is not there any more.
        """
        if key in self and self._file is not None:
            try:
                self._file.seek(self._places[key])
                of, outcome = _outcome(self._file.readline())
            except OSError as error:
                raise self._unusable(error) from None
            except _NOT_AN_OUTCOME:
                of, outcome = "", {}
            if of == key:
                return outcome
        found = f"no outcome any more of the point {key}"
        hint = "the same command evaluates again what is gone"
        raise InputError.of(str(self.path), found, "a file to which lines are appended, and nothing else", hint)

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
            with self.path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed, or this process ends
                if self._read_on():
                    file.truncate(self._end)  # whoever wrote half a line was killed: it held the lock
                if key not in self._places:
                    file.write(line.encode())
                    file.flush()
                    self._read_on()
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def claimed(self, key: str) -> Iterator[bool]:
        """Hold a point while it is evaluated, that no other process does the same; say whether nobody else holds it.

        A claim ends with its process, however that ends. It only saves work: who does not get one may evaluate the
        point nevertheless, and what comes of it is in the store once.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        make_folder(self.folder)
        try:
            # Not the file of the outcomes, whose lock NFS would take for one of the same kind, and wait for itself.
            file = self.path.with_suffix(".claims").open("ab")
        except OSError as error:
            raise self._unusable(error) from None
        with file:
            yield _locked(file, int(key[:_CLAIM_DIGITS], 16))

    def _read_on(self) -> bool:
        """Take the whole lines that follow in the file; say whether half a line is left at its end."""
        file = self._opened()
        file.seek(self._end)
        for line in file:
            if not line.endswith(b"\n"):
                return True
            place = self._end
            self._lines, self._end = self._lines + 1, place + len(line)
            try:
                key, _ = _outcome(line)
            except _NOT_AN_OUTCOME:
                where, found = f"{self.path}:{self._lines}", repr(line[:-1][:60])
                raise InputError.of(where, found, "an outcome: a JSON object with a key", "remove the line") from None
            self._places.setdefault(key, place)
        return False

    def _opened(self) -> BinaryIO:
        """Give the file that stands at the path now; where it is another one than before, nothing of it was read."""
        if self._file is not None:
            here, there = os.fstat(self._file.fileno()), self.path.stat()
            if os.path.samestat(here, there) and there.st_size >= self._end:
                return self._file
        file = self.path.open("rb")
        if self._file is not None:
            self._file.close()
        self._file, self._places, self._lines, self._end = file, {}, 0, 0
        weakref.finalize(self, file.close)
        return file

    def _unusable(self, error: OSError) -> InputError:
        return InputError.of(str(self.path), error.strerror or str(error), "a file that can be read and appended to")


_CLAIM_DIGITS = 15
"""A claim is a lock of one byte of an empty file: which one, the first hexadecimal digits of the key say."""


def _locked(file: BinaryIO, byte: int) -> bool:
    """Lock a byte until this process closes the file or ends; say whether no other one has it locked."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except OSError as error:  # any other error: a file system without such locks
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


_NOT_AN_OUTCOME = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _outcome(line: bytes) -> tuple[str, Cells]:
    outcome = _LINES.decode(line.decode())
    key = str(outcome.pop("key"))
    if not all(map(_is_cell, outcome.values())):
        raise ValueError
    return key, outcome


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
