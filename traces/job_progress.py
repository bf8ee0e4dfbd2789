"""Progress of a long job on stderr: how much is done, at which rate, and the time left."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

PLAIN_LINE_EVERY_SECONDS = 10.0
QUIET_SECONDS = 2.0
"""A job that takes no longer needs no bar."""

Observer = Callable[[int, int | None], None]


@contextmanager
def progress(quiet: bool, what: str, patience_seconds: float = 0.0) -> Iterator[Observer | None]:
    """Show progress: a bar on a terminal, a plain line now and then elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing, and yield None.
    what : str
        What is counted, in the plural.
    patience_seconds : float
        Show nothing of a job that ends before; and nothing at all where there is no terminal, if it is not 0.

    Yields
    ------
    callable or None
        To be called with (done, all), first before anything is done in this run; all is None where nobody knows.
    """
    if quiet or sys.stderr is None:
        yield None
    elif sys.stderr.isatty():
        bar = _Bar(what, patience_seconds)
        try:
            yield bar
        finally:
            bar.end()
    else:
        yield None if patience_seconds else PlainLines(what)


class Pace:
    """Rate and time left, from what was done since the first look: the rest was there before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin: tuple[int, float] | None = None

    def describe(self, done: int, total: int | None) -> str:
        """Write both; empty where nothing was done yet, or nothing is left, and only the rate without a total."""
        if self._begin is None:
            self._begin = done, self._clock()
        before, then = self._begin
        if done == before or (total is not None and done >= total):
            return ""
        rate = (done - before) / max(self._clock() - then, 1e-9)
        speed = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
        return speed if total is None else f"{speed}, {duration((total - done) / rate)} left"


class PlainLines:
    """Writes a line at the start, at the end, and every ten seconds between."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._due, self._clock = what, float("-inf"), clock
        self._pace = Pace(clock)

    def __call__(self, done: int, total: int | None) -> None:
        """Write a line if one is due."""
        pace = self._pace.describe(done, total)
        if done == total or self._clock() >= self._due:
            of = "" if total is None else f"/{total}"
            click.echo(f"{done}{of} {self._what}" + (f", {pace}" if pace else ""), err=True)
            self._due = self._clock() + PLAIN_LINE_EVERY_SECONDS


def duration(seconds: float) -> str:
    """Write a time in hours, minutes and seconds, such as 0:01:05."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class _Bar:
    """A bar that appears when patience is at an end, even while the job says nothing, and goes with the job."""

    def __init__(self, what: str, patience_seconds: float) -> None:
        self._what, self._pace = what, Pace()
        self._done: tuple[int, int | None] = 0, None
        self._said = ""
        self._draw: Callable[[], None] | None = None
        self._erase: Callable[[], None] | None = None
        self._ended = False
        self._lock = threading.Lock()  # the timer has a thread of its own
        self._timer = threading.Timer(patience_seconds, self._begin)
        self._timer.daemon = True
        if patience_seconds > 0:
            self._timer.start()
        else:
            self._begin()

    def __call__(self, done: int, total: int | None) -> None:
        with self._lock:
            self._done, self._said = (done, total), self._pace.describe(done, total)
            if self._draw is not None:
                self._draw()

    def end(self) -> None:
        """Take the bar away, or never show it."""
        self._timer.cancel()
        with self._lock:
            self._ended, self._draw = True, None
            if self._erase is not None:
                self._erase()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn(self._what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
        with self._lock:
            if self._ended:
                return
            bar = Progress(*columns, console=Console(stderr=True), transient=True)
            task = bar.add_task("", total=None, pace="")

            def draw() -> None:
                done, total = self._done
                bar.update(task, completed=done, total=total, pace=self._said)

            self._draw, self._erase = draw, bar.stop
            bar.start()
            draw()
