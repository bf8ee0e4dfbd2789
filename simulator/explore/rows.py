"""A table of results as a file has it: `skipstone sweep`'s ``results.csv``, or any CSV with a header, or Parquet."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulator.explore.evaluate import NOT_EVALUATED, Row
from simulator.explore.table import IDENTITY, RECORDED, columns, pyarrow_modules
from traces.errors import InputError, Problem, nearest
from traces.regular_files import in_place_of_file

TextRow = dict[str, str]
TEXTS = {*IDENTITY, *RECORDED, "error"} - {"steps_replayed"}
"""Columns that are never numbers, though a digest may look like one."""
PARQUET = ".parquet"
EXPECTED = "a CSV file with a header, or a Parquet file, such as the results.csv of skipstone sweep"


@dataclass(frozen=True)
class ResultTable:
    """Rows of a file, their cells as a CSV has them.

    Attributes
    ----------
    source : str
        The file, for messages.
    columns : tuple of str
    rows : tuple of dict
        Those that were evaluated: not those with a status of `NOT_EVALUATED`.
    left_out : int
        Invalid and failed rows.
    places : tuple of int
        The line of the file in which each row ends; of Parquet the number of the row, from 1.
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[TextRow, ...]
    left_out: int = 0
    places: tuple[int, ...] = field(default=(), repr=False)

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns that were set: the machine, the axes of the sweep, the trace and its steps; empty for another CSV.

        The steps are an axis where a trace has several ranges of them and these have no names (column ``phase``): else
        the trace says which they are.
        """
        if not {"arch", "arch_digest", "trace"} <= set(self.columns):
            return ()
        first, last = self.columns.index("arch_digest") + 1, self.columns.index("trace")
        axes = ("arch", *self.columns[first:last], "trace")
        if "steps" not in self.columns or "phase" in axes:
            return axes
        ranges = {(row["trace"], row["steps"]) for row in self.rows}
        return (*axes, "steps") if len(ranges) > len({trace for trace, _ in ranges}) else axes

    @property
    def varied_axes(self) -> tuple[str, ...]:
        """Axes on which not all rows agree."""
        return tuple(name for name in self.axes if len({row[name] for row in self.rows}) > 1)

    def require(self, names: Iterable[str], where: str) -> None:
        """Check that columns are there.

        Raises
        ------
        InputError
            With one problem for each that is not; `where` says which option named it.
        """
        problems: list[Problem] = []
        for name in names:
            if name not in self.columns:
                expected = f"a column of {self.source}"
                hint = nearest(name, self.columns) or f"its columns: {', '.join(self.columns)}"
                problems += InputError.of(where, repr(name), expected, hint).problems
        if problems:
            raise InputError(problems)

    def having(self, names: Sequence[str]) -> ResultTable:
        """Give the rows that have a cell in each of some columns.

        Raises
        ------
        InputError
            If there is none.
        """
        kept = [i for i, row in enumerate(self.rows) if all(row[name] for name in names)]
        if not kept:
            wanted = f"a cell in {' and '.join(names)}"
            raise InputError.of(self.source, f"{len(self.rows)} valid rows, none of them with {wanted}", "at least one")
        return replace(self, rows=tuple(self.rows[i] for i in kept), places=tuple(self.places[i] for i in kept))

    def numbers(self, name: str) -> list[float]:
        """Read a column of numbers; see `having` for rows that have none.

        Raises
        ------
        InputError
            If a cell is no finite number.
        """
        found = []
        for place, row in zip(self.places, self.rows, strict=True):
            value = number(row[name])
            if value is None:
                raise InputError.of(f"{self.source}:{place} {name}", repr(row[name]), "a finite number")
            found.append(float(value))
        return found


def number(text: str) -> int | float | None:
    """Read a cell as a number; None where it is no finite one."""
    if "_" in text:  # Python would read 1_000
        return None
    for kind in (int, float):
        try:
            value = kind(text)
            return value if math.isfinite(value) else None
        except (ValueError, OverflowError):
            continue
    return None


def cell(name: str, text: str) -> int | float | str | None:
    """Give a cell as plain data: a number where it is one, None where it is empty."""
    if not text:
        return None
    value = None if name in TEXTS else number(text)
    return text if value is None else value


def read_table(path: str | os.PathLike[str]) -> ResultTable:
    """Read a CSV file with a header, or a Parquet file (``.parquet``) as the CSV of the same rows.

    Raises
    ------
    InputError
        If it cannot be read, is not such a file, has no row that was evaluated, or is a Parquet file and pyarrow is not
        installed.
    """
    source = os.fspath(path)
    if "\0" in source:
        raise InputError.of(repr(source), "a name with a NUL", EXPECTED)
    if found := in_place_of_file(source):
        raise InputError.of(source, found, EXPECTED)
    read = _of_parquet if source.lower().endswith(PARQUET) else _of_csv
    header, rows, places = read(source)
    valid = [i for i, row in enumerate(rows) if row.get("status") not in NOT_EVALUATED]
    if not valid:
        raise InputError.of(source, f"{len(rows)} rows, none of them valid", "at least one row with results")
    return ResultTable(
        source,
        tuple(header),
        tuple(rows[i] for i in valid),
        len(rows) - len(valid),
        tuple(places[i] for i in valid),
    )


def of_rows(source: str, axes: Sequence[str], rows: Sequence[Row]) -> ResultTable:
    """Give rows as the table that `read_table` would read from their file.

    Parameters
    ----------
    source : str
        What messages call the table.
    axes : sequence of str
        Columns of what was varied.
    rows : sequence of dict
        At least one of them valid.
    """
    names = columns(axes, rows)
    texts = [{name: "" if row.get(name) is None else str(row[name]) for name in names} for row in rows]
    valid = [i for i, row in enumerate(texts) if row["status"] not in NOT_EVALUATED]
    places = tuple(i + 2 for i in valid)
    return ResultTable(source, tuple(names), tuple(texts[i] for i in valid), len(rows) - len(valid), places)


def _of_csv(source: str) -> tuple[list[str], list[TextRow], list[int]]:
    try:
        with Path(source).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            if header is None:
                raise InputError.of(source, "an empty file", EXPECTED)
            _check_header(f"{source}:1", header)
            rows, places = [], []
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    where = f"{source}:{reader.line_num}"
                    raise InputError.of(where, f"{len(cells)} cells", f"{len(header)}, as the header has")
                rows.append(dict(zip(header, cells, strict=True)))
                places.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError.of(source, found, EXPECTED) from None
    return header, rows, places


def _of_parquet(source: str) -> tuple[list[str], list[TextRow], list[int]]:
    pyarrow, parquet = pyarrow_modules(source)
    try:
        data = parquet.ParquetFile(pyarrow.BufferReader(Path(source).read_bytes())).read()
    except (OSError, pyarrow.ArrowException) as error:  # a damaged file may be either
        found = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
        raise InputError.of(source, found, EXPECTED) from None
    header = list(data.column_names)
    _check_header(source, header)
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in data.columns]
    rows = [dict(zip(header, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return header, rows, list(range(1, len(rows) + 1))


def _check_header(where: str, header: Sequence[str]) -> None:
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise InputError.of(where, f"the column {twice!r} twice", EXPECTED)
    if "" in header:
        raise InputError.of(where, "a column without a name", EXPECTED)
