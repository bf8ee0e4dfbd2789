"""The results of a study: a line of JSON for each run, in the order in which they ended."""

from __future__ import annotations

import json
import os
from typing import Any

from simulator.report.files import make_folder, write_text_atomically
from traces.errors import InputError

Row = dict[str, Any]
FILE_NAME = "results.jsonl"


class Results:
    """A file of results, which grows by whole lines; a line that was cut off by a kill is dropped.

    Parameters
    ----------
    folder : path
        Made if it is not there.

    Attributes
    ----------
    path : Path
    rows : dict of str to dict
        By the run's key, in the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read or written, or holds a whole line that is no result.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = make_folder(folder) / FILE_NAME
        self.rows: dict[str, Row] = {}
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InputError.of(str(self.path), str(error), "a file of results") from None
        *lines, rest = text.split("\n")
        for number, line in enumerate(lines, 1):
            self._take(line, number)
        if rest:
            write_text_atomically(self.path, "".join(f"{line}\n" for line in lines))

    def add(self, row: Row) -> None:
        """Append a result; it is on the disk when this returns."""
        line = json.dumps(row, sort_keys=True, allow_nan=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError.of(str(self.path), str(error), "a file that can be written") from None
        self.rows[row["key"]] = row

    def _take(self, line: str, number: int) -> None:
        try:
            row = json.loads(line)
            json.dumps(row, allow_nan=False)  # 1e999 is read as infinite, and is no JSON that we could write again
            self.rows[str(row["key"])] = row
        except (ValueError, KeyError, TypeError, RecursionError):
            where, found = f"{self.path}:{number}", f"{line[:60]!r}"
            expected = "a result: a JSON object with a key, numbers finite"
            raise InputError.of(where, found, expected, "remove the line") from None
