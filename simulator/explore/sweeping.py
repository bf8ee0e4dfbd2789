"""A sweep from its space to its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cpus import usable_cpus
from simulator.explore import table
from simulator.explore.evaluate import Row, evaluate, refused
from simulator.explore.order import sharing_order
from simulator.explore.points import Point, enumerate_grid, no_valid_point
from simulator.explore.pool import run_points
from simulator.explore.space import Space, load_space
from simulator.report.files import check_writable, make_folder, write_text_atomically
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
        Paths of the axes.
    rows : tuple of dict
        In the order of the grid, invalid ones among them; all of them, or those that were finished.
    points : int
        Valid combinations.
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


def run_sweep(
    space: Space,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Evaluate every point of a space.

    SIGINT (Ctrl-C) or SIGTERM ends it early: what is finished is kept and written, and it returns as usual.

    Parameters
    ----------
    space : Space
    out : path, optional
        Folder to write ``results.csv`` to, at the end and in one go. The bytes do not depend on `workers`.
    workers : int, optional
        Processes; default: one for each core that this process may use.
    observer : callable, optional
        Called with (points done, points to do), first with (0, points to do).

    Raises
    ------
    InputError
        If an axis is over a key that no machine has, a trace or `out` cannot be used, or no point is valid.
    """
    if workers is not None and workers < 1:
        raise InputError.of("workers", str(workers), "a whole number of at least 1")
    path = None
    if out is not None:
        path = make_folder(out) / "results.csv"
        check_writable(path)
    grid = enumerate_grid(space)
    order, groups = sharing_order(grid.points)
    places = [index for index, entry in enumerate(grid.entries) if isinstance(entry, Point)]
    points = [(places[number], grid.points[number]) for number in order]
    rows: list[Row | None] = [None if isinstance(e, Point) else refused(e) for e in grid.entries]
    axes = tuple(axis.path for axis in space.axes)
    done = 0

    def outcome(signal_number: int) -> Outcome:
        finished = tuple(row for row in rows if row is not None)
        return Outcome(axes, finished, len(points), len(points) - done, signal_number, path)

    def write() -> None:
        if path is not None and done:
            write_text_atomically(path, table.to_csv(axes, outcome(0).rows))

    observe = observer or (lambda done, total: None)
    with stop_on_signals() as stop:
        observe(0, len(points))
        try:
            evaluations = run_points(
                [point for _, point in points], evaluate, workers or usable_cpus(), lambda: bool(stop), groups
            )
            for number, row in evaluations:
                rows[points[number][0]] = row
                done += 1
                observe(done, len(points))
        except BaseException:
            write()  # our own fault, or a second Ctrl-C: the finished rows are no worse for it
            raise
        ended = outcome(stop.signal_number)
        if not ended.unfinished and all(row["status"] == "invalid" for row in ended.rows):
            raise InputError(no_valid_point(space.source, list(ended.invalid)))
        write()
    return ended


def sweep(
    space: Space | str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
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
        Folder to write ``results.csv`` to.
    workers : int, optional
        Processes; default: one for each core that this process may use.

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
    outcome = run_sweep(space, out, workers)
    if outcome.signal_number:
        raise KeyboardInterrupt
    return table.frame(outcome.axes, outcome.rows)
