"""A sweep from its space to its table.

What was evaluated before, by this sweep or by another one of the same store, is read; the rest is evaluated, and each
outcome appended to the store as it comes: by the process that came to it or, where workers are on other machines, by
this one. So a sweep that was killed goes on where it was, and the table is the same as if nothing had happened.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.arch import Mechanism
from simulator.cpus import usable_cpus
from simulator.explore import table
from simulator.explore.evaluate import FAILED, Row, evaluate, evaluate_elsewhere, refused, told
from simulator.explore.finished import Finished
from simulator.explore.grid import no_valid_point
from simulator.explore.listing import Listing
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

PATIENCE_SECONDS, LOOK_AGAIN_SECONDS = 10.0, 0.02
"""How long a sweep waits for points that other ones are at before it evaluates them, too, and how often it looks."""


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to.

    Attributes
    ----------
    axes : tuple of str
        Columns of what was varied, see `Space.columns`.
    rows : sequence of dict
        In the order of the grid, invalid ones among them; all of them, or those that were finished. Those of a store
        are read there when they are asked for.
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
    left_out : dict of str to int
        Combinations that are no rows, see `Grid`.
    changed : tuple of str
        Reasons of valid points that could not be evaluated because a file changed or went meanwhile: they are invalid
        rows, but not in the store.
    """

    axes: tuple[str, ...]
    rows: Sequence[Row]
    points: int
    kept: int
    unfinished: int
    signal_number: int
    path: Path | None
    left_out: dict[str, int] = field(default_factory=dict)
    changed: tuple[str, ...] = ()

    @property
    def invalid(self) -> dict[str, int]:
        """Number of invalid rows by reason, in order of appearance."""
        return self._reasons("invalid")

    @property
    def failed(self) -> dict[str, int]:
        """Number of rows whose run contradicts the model, by what was found, in order of appearance."""
        return self._reasons(FAILED)

    def _reasons(self, status: str) -> dict[str, int]:
        reasons: dict[str, int] = {}
        for row in self.rows:
            if row["status"] == status:
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
    scheduler: str | None = None,
) -> Outcome:
    """Evaluate every point of a space that the store does not have.

    SIGINT (Ctrl-C) or SIGTERM ends it early: what is finished is kept and written, and it returns as usual.

    Parameters
    ----------
    space : Space
    out : path, optional
        Folder to write ``results.csv`` to, at the end and in one go. The bytes depend neither on `workers` or
        `scheduler` nor on what the store had.
    workers : int, optional
        Processes; default: one for each core that this process may use.
    observer : callable, optional
        Called with (points done, all points), first with those of the store.
    store : path, optional
        Folder of outcomes, which several sweeps may share, also at one time; default: ``store`` in `out`, or none.
    file_format : {"csv", "parquet"}
        Of the table.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers then evaluate the points in place of processes of this machine, see
        `simulator.explore.cluster`.

    Raises
    ------
    InputError
        If an axis is over a key that no machine has, a trace, `out`, `store` or the cluster cannot be used, or no point
        is valid.
    """
    check_workers(workers, scheduler)
    encode = table.encoder(file_format)
    path = None
    if out is not None:
        path = make_folder(out) / f"results.{file_format}"
        check_writable(path)
    listing = Listing(space)
    kept = open_store(listing.mechanisms, out, store)
    rows = Finished(space, listing, kept)
    points, groups = listing.order(rows.left)
    axes, all_points = space.columns, listing.points
    before = all_points - len(points)
    done = before
    gone: dict[int, str] = {}  # reasons of points of which a file changed or went meanwhile

    def outcome(signal_number: int) -> Outcome:
        reasons = tuple(gone[place] for place in sorted(gone))
        left = all_points - done
        return Outcome(axes, rows, all_points, before, left, signal_number, path, listing.left_out, reasons)

    def write() -> None:
        if path is not None and done:
            write_bytes_atomically(path, encode(axes, rows))

    observe = observer or (lambda done, total: None)
    with stop_on_signals() as stop:
        observe(done, all_points)
        try:
            mechanisms = listing.mechanisms
            evaluations = _evaluations(points, groups, mechanisms, kept, lambda: bool(stop), workers, scheduler)
            for number, row in evaluations:
                place = points.places[number]
                rows.add(place, row)
                if is_of_changed_files(points[number], row):
                    gone[place] = str(row["error"])
                done += 1
                observe(done, all_points)
        except BaseException:
            write()  # our own fault, or a second Ctrl-C: the finished rows are no worse for it
            raise
        ended = outcome(stop.signal_number)
        if not (ended.unfinished or ended.changed) and all(row["status"] == "invalid" for row in rows):
            raise InputError(no_valid_point(space.source, list(ended.invalid)))
        write()
    return ended


def is_of_changed_files(entry: Point | Refusal, row: Row) -> bool:
    """Whether a row is of a point that could not be evaluated because a file changed or went."""
    return isinstance(entry, Point) and row["status"] == "invalid" and row.get("key", "") is None


def changed_meanwhile(reasons: Sequence[str]) -> InputError:
    """Tell of points that could not be evaluated because a file changed or went."""
    points = "a point" if len(reasons) == 1 else f"{len(reasons)} points"
    found = f"{points} that could not be evaluated: {reasons[0]}"
    hint = "once they are as they were, the same command evaluates what is missing"
    return InputError.of("files of the space", found, "files that stay as they are until the end", hint)


def check_workers(workers: int | None, scheduler: str | None = None) -> None:
    """Refuse a number of processes below 1, or one where a cluster has its own.

    Raises
    ------
    InputError
        If it is one.
    """
    if workers is not None and scheduler is not None:
        expected = "workers, or a scheduler, whose cluster has its own"
        raise InputError.of("workers", f"{workers} beside the scheduler {scheduler}", expected)
    if workers is not None and workers < 1:
        raise InputError.of("workers", str(workers), "a whole number of at least 1")


def open_store(mechanisms: Iterable[type[Mechanism]], out: PathLike | None, store: PathLike | None) -> Store | None:
    """Open the store of a sweep: the one that was asked for, the folder ``store`` in `out`, or none."""
    folder = store if store is not None else None if out is None else Path(out) / "store"
    return None if folder is None else Store(folder, code_digest(mechanisms))


def known_row(entry: Point | Refusal, store: Store | None) -> Row | None:
    """Give the row of what need not be evaluated: what cannot be, and what the store has."""
    if isinstance(entry, Refusal):
        return refused(entry)
    cells = None if store is None else store.find(entry.key)
    return None if cells is None else {**told(entry), **cells}


def evaluator(store: Store | None) -> Callable[[Point], Row]:
    """Give what evaluates a point, and keeps what comes of it where there is a store; any process can call it."""
    return evaluate if store is None else _Keeping(store.folder, store.code)


def _evaluations(
    points: Sequence[Point],
    groups: Sequence[int],
    mechanisms: Iterable[type[Mechanism]],
    store: Store | None,
    stop: Callable[[], bool],
    workers: int | None,
    scheduler: str | None,
) -> Iterator[tuple[int, Row]]:
    """Evaluate points, and keep what comes of them.

    Processes of this machine keep it themselves. The workers of a cluster need not reach the store, so it is done here.
    """
    if scheduler is None:
        yield from run_points(points, evaluator(store), workers or usable_cpus(), stop, groups)
        return
    from simulator.explore.cluster import run_on_cluster

    ours = [mechanism for mechanism in mechanisms if not mechanism.__module__.startswith("simulator.")]
    evaluations = run_on_cluster(
        points, evaluate_elsewhere, scheduler, stop, groups, mechanisms=ours, describe=_described
    )
    for number, row in evaluations:
        yield number, row if store is None else _keep(points[number], row, store)


def _described(point: Point) -> str:
    settings = " ".join(f"{path}={value}" for path, value in point.settings)
    return f"{point.machine.name} {settings} on {point.recorded.name}"


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
        return _keep(point, evaluate(point), store) if known is None else known

    def in_turn(self, points: Sequence[Point]) -> Iterator[tuple[int, Row]]:
        """Evaluate points, those last that another sweep is at: when their turn comes, the store may have them."""
        store = _store(self.folder, self.code, self.run)
        left = list(enumerate(points))
        patience = time.monotonic() + PATIENCE_SECONDS
        while left:
            busy = []
            for place, point in left:
                with store.claimed(point.key) as ours:
                    row = self(point) if ours or time.monotonic() > patience else known_row(point, store)
                if row is not None:
                    patience = time.monotonic() + PATIENCE_SECONDS
                    yield place, row
                else:
                    busy.append((place, point))
            if len(busy) == len(left):
                time.sleep(LOOK_AGAIN_SECONDS)
            left = busy


def _keep(point: Point, row: Row, store: Store) -> Row:
    of_point = told(point)
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
    scheduler: str | None = None,
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
    scheduler : str, optional
        Address of a Dask scheduler, instead of processes of this machine.

    Returns
    -------
    pandas.DataFrame
        One row a point in the order of the grid, with the columns of the CSV. Invalid combinations have
        ``status`` ``invalid`` and the reason in ``error``; a run that contradicts the model, a bug, has ``failed``.

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
    outcome = run_sweep(space, out, workers, store=store, scheduler=scheduler)
    if outcome.signal_number:
        raise KeyboardInterrupt
    return table.frame(outcome.axes, outcome.rows)
