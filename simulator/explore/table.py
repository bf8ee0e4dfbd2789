"""Rows as one tidy table: the same bytes for the same points, in whatever order they were evaluated."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

from simulator.explore.evaluate import Row
from simulator.explore.points import Cell
from traces.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 1 << 10
IDENTITY = ("key", "status", "arch", "arch_digest")
RECORDED = ("trace", "trace_sha256", "steps", "steps_replayed")
OF_SEARCH = ("trial", "feasible")
OF_QUALITY = ("quality", "quality_loss")
MEASURES = (
    "cycles_total",
    "time_us",
    "cycles_*",
    "stall_*_cycles",
    "sparsity",
    "macs_dense",
    "macs_executed",
    "macs_gated",
    "macs_skipped",
    "saving_backward",
    "saving_layers",
    "saving_network",
    "energy_total_pj",
    "*",
    "energy_delay_js",
    "area_mm2",
    "dram_read_bytes",
    "dram_write_bytes",
    "utilization",
    "speedup",
    "energy_saving",
    "bound_speedup",
    "error",
)
"""Names, and patterns for those that depend on the rows: phases and products, stalls, and components of the energy."""


def columns(axes: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """List the columns: identity, axes, trace, measures; those of a search and of quality where a row has them.

    What stands for a pattern of `MEASURES` is in the order in which the rows name it.

    Parameters
    ----------
    axes : sequence of str
        Paths of the axes.
    rows : sequence of dict
    """
    fixed = {*OF_SEARCH, *IDENTITY, *axes, *RECORDED, *OF_QUALITY, *MEASURES}
    found: dict[str, list[str]] = {pattern: [] for pattern in MEASURES if "*" in pattern}
    for name in dict.fromkeys(name for row in rows for name in row if name not in fixed):
        found[next(pattern for pattern in found if fnmatchcase(name, pattern))].append(name)
    measures = [name for one in MEASURES for name in found.get(one, [one])]
    search, quality = ([n for n in names if any(n in row for row in rows)] for names in (OF_SEARCH, OF_QUALITY))
    return [*search, *IDENTITY, *axes, *RECORDED, *quality, *measures]


def to_csv(axes: Sequence[str], rows: Sequence[Row]) -> str:
    """Write rows as CSV (RFC 4180, but with line feeds).

    Floats are written in the shortest form that reads back the same. A cell is empty where there is nothing
    to say: the measures of an invalid row, the error of a valid one, an axis that the machine does not have.
    """
    return "".join(_csv_parts(axes, rows))


def _csv_parts(axes: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    names = columns(axes, rows)
    yield csv_text([names])
    for lot in _lots(rows):
        yield csv_text(["" if row.get(name) is None else row[name] for name in names] for row in lot)


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Write rows of cells as CSV with line feeds, the same with every Python.

    Before 3.13 Python quotes a cell with a carriage return only where rows end with one, and reads none back that is
    not quoted; so they do here until they are put together.
    """
    lines = _Lines()
    csv.writer(lines, lineterminator=_CRLF).writerows(rows)
    return "".join(line.removesuffix(_CRLF) + "\n" for line in lines)


_CRLF = "\r\n"


class _Lines(list[str]):
    """A file as the csv module needs it, which keeps rows apart."""

    write = list.append


def to_parquet(axes: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Write rows as Parquet with the columns of the CSV.

    A column is of whole numbers, of numbers, or of texts: one with both numbers and texts, such as an axis of
    ``null`` and 4, has the texts of the CSV.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """
    pyarrow, parquet = pyarrow_modules()
    names = columns(axes, rows)
    kinds: dict[str, set[type]] = {name: set() for name in names}
    for row in rows:
        for name, cell in row.items():
            if cell is not None:
                kinds[name].add(_kind(cell))
    types = {name: _type(kinds[name]) for name in names}
    arrow = {None: pyarrow.null(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    lots: dict[str, list[Any]] = {name: [] for name in names}
    for lot in _lots(rows):
        for name, kind in types.items():
            cells = [None if (cell := row.get(name)) is None or kind is None else kind(cell) for row in lot]
            lots[name].append(pyarrow.array(cells, arrow[kind]))
    columns_of_lots = [pyarrow.chunked_array(lots[name], arrow[types[name]]) for name in names]
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_arrays(columns_of_lots, names=names), sink)
    return bytes(sink.getvalue())


def encoder(file_format: str) -> Callable[[Sequence[str], Sequence[Row]], Iterable[bytes]]:
    """Give what makes the bytes of a table, for ``csv`` or ``parquet``, in parts.

    Raises
    ------
    InputError
        If there is no such format, or a package for it is not installed.
    """
    if file_format == "csv":
        return lambda axes, rows: (part.encode() for part in _csv_parts(axes, rows))
    if file_format == "parquet":
        pyarrow_modules()  # told before an hour of replays, not after it
        return lambda axes, rows: [to_parquet(axes, rows)]
    raise InputError.of("format", repr(file_format), "csv or parquet", nearest(file_format, ("csv", "parquet")))


def pyarrow_modules(where: str = "format") -> tuple[Any, Any]:
    """Import pyarrow and its parquet.

    Parameters
    ----------
    where : str
        What of the user's input needs them, for the message.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install 'skipstone[parquet]'"
        raise InputError.of(where, "'parquet', for which pyarrow is not installed", "pyarrow", hint) from None


def _lots(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Give rows some at a time: there may be more of them than should be in memory at once."""
    left = iter(rows)
    while lot := list(islice(left, ROWS_AT_A_TIME)):
        yield lot


def _kind(cell: Cell) -> type:
    """Give the type that a column of such cells has: of whole numbers it holds those of 64 bits."""
    return str if isinstance(cell, int) and not -(2**63) <= cell < 2**63 else type(cell)


def _type(kinds: set[type]) -> type[int] | type[float] | type[str] | None:
    """Give the type that holds cells of some kinds; None where there is no cell."""
    if kinds == {int}:
        return int
    if not kinds:
        return None
    return float if kinds <= {int, float} else str


def frame(axes: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    """Give the rows as a data frame with the columns of the CSV; what is empty there is missing here.

    Whole numbers beside missing cells are floats, as pandas has it, unless no float holds one of them.
    """
    import pandas as pd

    names = columns(axes, rows)
    made = pd.DataFrame.from_records(
        [{name: value for name, value in row.items() if value is not None} for row in rows], columns=names
    )
    for name in names:
        whole = [cell for row in rows if (cell := row.get(name)) is None or type(cell) is int]
        if len(whole) == len(rows) and any(cell is not None and int(float(cell)) != cell for cell in whole):
            fits = all(cell is None or _kind(cell) is int for cell in whole)
            made[name] = pd.Series(whole, dtype="Int64" if fits else object)
    return made
