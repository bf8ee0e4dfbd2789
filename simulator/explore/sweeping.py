"""A sweep from its space to its table.

What was evaluated before, by this sweep or by another one of the same store, is read; the rest is evaluated, and each
outcome appended to the store as it comes, by the process that came to it. So a sweep that was killed goes on where it
was, and the table is the same as if nothing had happened.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cpus import usable_cpus
from simulator.explore import table
from simulator.explore.evaluate import Row, evaluate, refused, told
from simulator.explore.grid import enumerate_grid, no_valid_point
from simulator.explore.order import sharing_order
from simulator.explore.points import Point, Refusal
from simulator.explore.pool import run_points
from simulator.explore.space import Space, load_space
from simulator.explore.store import Store, code_digest
from simulator.report.files import PathLike, check_writable, make_folder, write_bytes_atomically
from traces.errors import InputError
from traces.interruption import stop_on_signals

if TYPE_CHECKING:
    import pandas as pd

Observer = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to.

    Attributes
    ----------
    axes : tuple of str
        Columns of what was varied, see `Space.columns`.
    rows : tuple of dict
        In the order of the grid, invalid ones among them; all of them, or those that were finished.
    points : int
        Valid combinations.
    kept : int
        Points that were in the store before.
    unfinished : int
        Points that were not evaluated because a signal ended the sweep.
    signal_number : int
        The signal; 0 where there was none.
    path : Path or None
        The table's file.
    """

    axes: tuple[str, ...]
    rows: tuple[Row, ...]
    points: int
    kept: int
    unfinished: int
    signal_number: int
    path: Path | None

    @property
    def invalid(self) -> dict[str, int]:
        """Number of invalid rows by reason, in order of appearance."""
        reasons: dict[str, int] = {}
        for row in self.rows:
            if row["status"] == "invalid":
                reason = str(row["error"])
                reasons[reason] = reasons.get(reason, 0) + 1
        return reasons

    def frame(self) -> pd.DataFrame:
        """Give the rows as a data frame with the columns of the CSV, quantities with their units in their names."""
        return table.frame(self.axes, self.rows)

    def _repr_html_(self) -> str:
        from simulator.explore.notebook import to_html

        return to_html(self)


def run_sweep(
    space: Space,
    out: PathLike | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
    *,
    store: PathLike | None = None,
    file_format: str = "csv",
) -> Outcome:
    """Evaluate every point of a space that the store does not have.

    SIGINT (Ctrl-C) or SIGTERM ends it early: what is finished is kept and written, and it returns as usual.

    Parameters
    ----------
    space : Space
    out : path, optional
        Folder to write ``results.csv`` to, at the end and in one go. The bytes depend neither on `workers` nor on
        what the store had.
    workers : int, optional
        Processes; default: one for each core that this process may use.
    observer : callable, optional
        Called with (points done, all points), first with those of the store.
    store : path, optional
        Folder of outcomes, which several sweeps may share, also at one time; default: ``store`` in `out`, or none.
    file_format : {"csv", "parquet"}
        Of the table.

    Raises
    ------
    InputError
        If an axis is over a key that no machine has, a trace, `out` or `store` cannot be used, or no point is valid.
    """
    check_workers(workers)
    encode = table.encoder(file_format)
    path = None
    if out is not None:
        path = make_folder(out) / f"results.{file_format}"
        check_writable(path)
    grid = enumerate_grid(space)
    kept = open_store(grid.points, out, store)
    rows = [known_row(entry, kept) for entry in grid.entries]
    to_do = [(place, e) for place, e in enumerate(grid.entries) if isinstance(e, Point) and rows[place] is None]
    order, groups = sharing_order([point for _, point in to_do])
    points = [to_do[number] for number in order]
    axes, all_points = space.columns, len(grid.points)
    before = all_points - len(points)
    done = before

    def outcome(signal_number: int) -> Outcome:
        finished = tuple(row for row in rows if row is not None)
        return Outcome(axes, finished, all_points, before, all_points - done, signal_number, path)

    def write() -> None:
        if path is not None and done:
            write_bytes_atomically(path, encode(axes, outcome(0).rows))

    observe = observer or (lambda done, total: None)
    with stop_on_signals() as stop:
        observe(done, all_points)
        try:
            evaluations = run_points(
                [point for _, point in points],
                evaluate if kept is None else _Keeping(kept.folder, kept.code),
                workers or usable_cpus(),
                lambda: bool(stop),
                groups,
            )
            for number, row in evaluations:
                rows[points[number][0]] = row
                done += 1
                observe(done, all_points)
        except BaseException:
            write()  # our own fault, or a second Ctrl-C: the finished rows are no worse for it
            raise
        ended = outcome(stop.signal_number)
        if not ended.unfinished and all(row["status"] == "invalid" for row in ended.rows):
            raise InputError(no_valid_point(space.source, list(ended.invalid)))
        write()
    return ended


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes below 1.

    Raises
    ------
    InputError
        If it is one.
    """
    if workers is not None and workers < 1:
        raise InputError.of("workers", str(workers), "a whole number of at least 1")


def open_store(points: Sequence[Point], out: PathLike | None, store: PathLike | None) -> Store | None:
    """Open the store of a sweep: the one that was asked for, the folder ``store`` in `out`, or none."""
    folder = store if store is not None else None if out is None else Path(out) / "store"
    return None if folder is None else Store(folder, code_digest(type(point.machine.skipping) for point in points))


def known_row(entry: Point | Refusal, store: Store | None) -> Row | None:
    """Give the row of what need not be evaluated: what cannot be, and what the store has."""
    if isinstance(entry, Refusal):
        return refused(entry)
    cells = None if store is None else store.find(entry.key)
    return None if cells is None else {**told(entry), **cells}


@dataclass(frozen=True)
class _Keeping:
    """Evaluates points and keeps what comes of them: the moment it is known, in the process that knows it.

    Attributes
    ----------
    folder, code
        Of the store.
    run : str
        Differs between sweeps, so that a process that outlives one reads the store again for the next.
    """

    folder: Path
    code: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __call__(self, point: Point) -> Row:
        store = _store(self.folder, self.code, self.run)
        known = known_row(point, store)  # another sweep may have been here since this one began
        if known is not None:
            return known
        row, of_point = evaluate(point), told(point)
        if row.get("key") is not None:
            store.add(point.key, {name: cell for name, cell in row.items() if name not in of_point})
        return row


@lru_cache(maxsize=1)
def _store(folder: Path, code: str, run: str) -> Store:
    return Store(folder, code)


def sweep(
    space: Space | PathLike | Mapping[str, Any],
    out: PathLike | None = None,
    workers: int | None = None,
    *,
    store: PathLike | None = None,
) -> pd.DataFrame:
    """Replay traces on a grid of machines.

    In a script, call it under ``if __name__ == "__main__":`` or with ``workers=1``, because worker processes
    import the script. Mechanisms that are defined in a notebook need ``workers=1``, too.

    Parameters
    ----------
    space : Space, path, name or mapping
        A space, its file, the name of a shipped one, or what its file would hold (references are then
        relative to the current folder).
    out : path, optional
        Folder to write ``results.csv`` to; what it has in its ``store`` is not evaluated again.
    workers : int, optional
        Processes; default: one for each core that this process may use.
    store : path, optional
        Folder of outcomes to share with other sweeps, instead of the one in `out`.

    Returns
    -------
    pandas.DataFrame
        One row a point in the order of the grid, with the columns of the CSV. Invalid combinations have
        ``status`` ``invalid`` and the reason in ``error``.

    Raises
    ------
    InputError
        If the space is not as it must be, or no point of it is valid.
    KeyboardInterrupt
        If a signal ended it; the finished rows are then in `out`.
    """
    if isinstance(space, Mapping):
        space = Space.parse(space)
    elif not isinstance(space, Space):
        space = load_space(space)
    outcome = run_sweep(space, out, workers, store=store)
    if outcome.signal_number:
        raise KeyboardInterrupt
    return table.frame(outcome.axes, outcome.rows)
