"""What a sweep would do: its points, what is wrong with the others, and about how long it would take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulator.cpus import usable_cpus
from simulator.explore.evaluate import evaluate
from simulator.explore.finished import Finished
from simulator.explore.listing import Listing
from simulator.explore.points import Point
from simulator.explore.space import Space
from simulator.explore.sweeping import check_workers, open_store
from simulator.report.files import PathLike

MEASURED_POINTS = 3


@dataclass(frozen=True)
class Forecast:
    """A sweep before it is run.

    Attributes
    ----------
    points : int
        Valid combinations.
    kept : int
        Those that the store has.
    invalid : dict of str to int
        Number of invalid combinations by reason, in order of appearance.
    workers : int
    measured_seconds : tuple of float
        What points took in this process, each with its dense twin and its bound; empty where nothing is left to do.
    left_out : dict of str to int
        Combinations that are neither, see `Grid`.
    """

    points: int
    kept: int
    invalid: dict[str, int]
    workers: int
    measured_seconds: tuple[float, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Points to evaluate."""
        return self.points - self.kept

    @property
    def seconds(self) -> float:
        """Estimated wall time in seconds, without the start of the processes.

        Too long where points share a dense twin, for each of those measured has replayed its own.
        """
        if not self.measured_seconds:
            return 0.0
        mean = sum(self.measured_seconds) / len(self.measured_seconds)
        return mean * self.left / min(self.workers, self.left)


def forecast(
    space: Space,
    out: PathLike | None = None,
    workers: int | None = None,
    *,
    store: PathLike | None = None,
    progress: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> Forecast:
    """Say what `run_sweep` would do with these arguments, and write nothing.

    The time is that of three points, spread over those that are left in the order in which they would be evaluated;
    one more, before them, has kernels compiled and the trace read. `progress` is called with (points measured, all of
    them).

    Raises
    ------
    InputError
        As `run_sweep`.
    """
    check_workers(workers, scheduler)
    if scheduler is not None:
        from simulator.explore.cluster import count_workers

        workers = max(1, count_workers(scheduler))
    listing = Listing(space)
    known = Finished(space, listing, open_store(listing.mechanisms, out, store))
    left, _ = listing.order(known.left)
    reasons = (listing.reason(place) for place in range(len(listing)))
    return Forecast(
        points=listing.points,
        kept=listing.points - len(left),
        invalid=dict(Counter(reason for reason in reasons if reason is not None)),
        workers=workers or usable_cpus(),
        measured_seconds=_measured(left, progress),
        left_out=listing.left_out,
    )


def _measured(points: Sequence[Point], progress: Callable[[int, int], None] | None) -> tuple[float, ...]:
    """Evaluate points in the middles of equal parts of a list; give the seconds that each took."""
    first = int(len(points) > MEASURED_POINTS)
    if first:
        evaluate(points[0])
    count = len(points) - first
    parts = min(MEASURED_POINTS, count)
    some = [points[first + (2 * part + 1) * count // (2 * parts)] for part in range(parts)]
    seconds = list[float]()
    for point in some:
        if progress is not None:
            progress(len(seconds), len(some))
        begin = time.perf_counter()
        evaluate(point)
        seconds.append(time.perf_counter() - begin)
    return tuple(seconds)
