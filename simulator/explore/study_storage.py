"""Where the study of a search is kept: in memory, in a journal in the results' folder, or in a database.

A folder is used by one search at a time, which its lock sees to; so half a line at the end of its journal is of a
process that was killed, and is dropped. A database may be used by many, each with a folder of its own.
"""

from __future__ import annotations

import fcntl
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.explore.trials import optuna
from simulator.report.files import PathLike
from traces.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

LOCK, JOURNAL = "search.lock", "journal.log"
MOST_ATTEMPTS, ATTEMPT_AGAIN_AFTER_SECONDS = 3, 1.0
UNLOCKED_WITHIN_SECONDS = 20.0
"""How long a search waits for an SQLite file that another process writes to."""
GOES_ON = "what is finished is kept: the same command goes on where it was"
EXPECTED = "a database as SQLAlchemy names it, such as sqlite:///search.db or postgresql://user@host/name"


@dataclass(frozen=True)
class Place:
    """Where a study is kept.

    Attributes
    ----------
    storage : optuna.storages.BaseStorage
    owner : str
        Of the folder: equal whenever a search goes on in it.
    alone : bool
        Whether no other process can use the study.
    """

    storage: BaseStorage
    owner: str
    alone: bool


def check_url(url: str | None) -> None:
    """Refuse what names no database of a kind that is known; whether it can be opened is another matter."""
    if url is None:
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url).get_dialect()
    except ArgumentError as error:
        raise InputError.of("--storage", f"{_shown(url)}: {error}", EXPECTED) from None
    except ValueError:  # its text may quote a part of a password
        raise InputError.of("--storage", f"{_shown(url)}, with a port that is no number", EXPECTED) from None


def _shown(url: str) -> str:
    return repr(url.partition("://")[0] + "://..." if "@" in url else url)  # there may be a password in it


@contextmanager
def opened(folder: PathLike | None, url: str | None) -> Iterator[Place]:
    """Open a storage: what a URL names, else the journal in a folder, else memory.

    Parameters
    ----------
    folder : path or None
        An existing one.
    url : str or None

    Raises
    ------
    InputError
        If another search uses the folder, the journal is damaged, or the database cannot be opened, or stops answering
        while it is open.
    """
    with _locked(folder) as owner:
        if url is not None:
            with _database(url) as storage:
                yield Place(storage, owner, alone=False)
        elif folder is not None:
            yield Place(_journal(Path(folder) / JOURNAL), owner, alone=True)
        else:
            yield Place(optuna().storages.InMemoryStorage(), owner, alone=True)


@contextmanager
def _locked(folder: PathLike | None) -> Iterator[str]:
    """Hold a folder's lock, which ends with this process; give what its file says, which is the folder's own."""
    if folder is None:
        yield uuid.uuid4().hex
        return
    path = Path(folder) / LOCK
    try:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError.of(str(folder), "another search at work there", "a folder of its own") from None
            file.seek(0)
            owner = file.read()
            if len(owner) != 32:
                file.truncate(0)
                owner = uuid.uuid4().hex
                file.write(owner)
                file.flush()
            yield owner
    except OSError as error:
        raise InputError.of(str(path), error.strerror or str(error), "a file that can be locked") from None


def _journal_file(path: Path) -> Any:
    """Give Optuna's journal in a file, but that does not wait for the disk with each line, of which a trial writes ten.

    What a power failure takes is merely tried again, and a killed process loses nothing. The folder's lock, unlike
    Optuna's of the file, ends with a killed process.
    """
    base: Any = optuna().storages.journal.JournalFileBackend

    class JournalFile(base):  # type: ignore[misc] # its base is not there before Optuna is imported
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            try:
                with path.open("ab") as file:
                    file.write(lines.encode())
            except OSError as error:
                found, expected = error.strerror or str(error), "a file that can be appended to"
                raise InputError.of(str(path), found, expected, GOES_ON) from None

    return JournalFile(str(path))


def _journal(path: Path) -> BaseStorage:
    try:
        with path.open("ab+") as file:
            file.seek(0)
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
        storage: BaseStorage = optuna().storages.JournalStorage(_journal_file(path))
    except OSError as error:
        raise InputError.of(
            str(path), error.strerror or str(error), "a file that can be read and appended to"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):  # whatever Optuna's replay stumbles over
        hint = "begin anew in another folder"
        raise InputError.of(str(path), "a damaged journal", "the journal that a search wrote", hint) from None
    return storage


def _made(url: str) -> Any:
    """Open a database, and make Optuna's tables in it; again where another search makes them at the same moment."""
    from sqlalchemy.exc import DatabaseError

    for attempt in range(MOST_ATTEMPTS):
        try:
            return optuna().storages.RDBStorage(url, engine_kwargs=_engine_settings(url))
        except DatabaseError as error:
            crossed = "UNIQUE" in str(error).upper() or "already exists" in str(error)
            if not crossed or attempt + 1 == MOST_ATTEMPTS:
                raise
            time.sleep(ATTEMPT_AGAIN_AFTER_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _engine_settings(url: str) -> dict[str, Any]:
    """Say how long to wait for who holds an SQLite file; other databases have a server, which knows."""
    return {"connect_args": {"timeout": UNLOCKED_WITHIN_SECONDS}} if url.startswith("sqlite") else {}


@contextmanager
def _database(url: str) -> Iterator[BaseStorage]:
    found = optuna()
    from sqlalchemy.exc import SQLAlchemyError

    shown = _shown(url)
    storage: Any = None
    try:
        storage = _made(url)
        yield storage
    except ImportError as error:
        if storage is not None:
            raise
        hint = "install a driver, such as psycopg2-binary or pymysql"
        raise InputError.of("--storage", f"{shown}, for which no driver is installed", EXPECTED, hint) from error
    except (SQLAlchemyError, found.exceptions.StorageInternalError) as error:
        said = str(error.__cause__ or error).partition("\n")[0]
        if "database is locked" in said:
            said = f"held by another process for {UNLOCKED_WITHIN_SECONDS:.0f} s ({said})"
        expected, hint = (EXPECTED, "") if storage is None else ("an answer", GOES_ON)
        raise InputError.of("--storage", f"{shown}: {said}", expected, hint) from None
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
