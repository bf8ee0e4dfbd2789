"""Progress of a long job on stderr: how much is done, at which rate, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

PLAIN_LINE_EVERY_SECONDS = 10.0

Observer = Callable[[int, int], None]


@contextmanager
def progress(quiet: bool, what: str) -> Iterator[Observer | None]:
    """Show progress: a bar on a terminal, a plain line now and then elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing, and yield None.
    what : str
        What is counted, in the plural.

    Yields
    ------
    callable or None
        To be called with (done, all), first before anything is done in this run.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(what) as observer:
            yield observer
    else:
        yield PlainLines(what)


class Pace:
    """Rate and time left, from what was done since the first look: the rest was there before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin: tuple[int, float] | None = None

    def describe(self, done: int, total: int) -> str:
        """Write both; empty where nothing was done yet, or nothing is left."""
        if self._begin is None:
            self._begin = done, self._clock()
        before, then = self._begin
        if done == before or done >= total:
            return ""
        rate = (done - before) / max(self._clock() - then, 1e-9)
        speed = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
        return f"{speed}, {duration((total - done) / rate)} left"


class PlainLines:
    """Writes a line at the start, at the end, and every ten seconds between."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._due, self._clock = what, float("-inf"), clock
        self._pace = Pace(clock)

    def __call__(self, done: int, total: int) -> None:
        """Write a line if one is due."""
        pace = self._pace.describe(done, total)
        if done == total or self._clock() >= self._due:
            click.echo(f"{done}/{total} {self._what}" + (f", {pace}" if pace else ""), err=True)
            self._due = self._clock() + PLAIN_LINE_EVERY_SECONDS


def duration(seconds: float) -> str:
    """Write a time in hours, minutes and seconds, such as 0:01:05."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


@contextmanager
def _bar(what: str) -> Iterator[Observer]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        console=Console(stderr=True),
        transient=True,
    )
    pace = Pace()
    with bar:
        task = bar.add_task(what, total=None, pace="")
        yield lambda done, total: bar.update(task, completed=done, total=total, pace=pace.describe(done, total))
