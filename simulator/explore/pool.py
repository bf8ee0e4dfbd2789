"""Where points are evaluated: in this process, or in a pool of processes on this machine.

`run_points` is told what to call with each point and yields rows as they come; order and table are not its business.
`simulator.explore.cluster` does the same on other machines.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import TypeVar

from traces.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

MOST_IN_A_CHUNK, CHUNKS_OF_A_WORKER = 16, 8
"""Points that stand side by side go to one process, for they share what it keeps; but each process gets several lots,
so that all end at about the same time. A lot that would cut a group may have twice as many."""

LOTS_OF_A_WORKER = 4
"""Lots that are under way or wait for each worker; the others are made when there is room, however many they are."""

LOOK_UP_EVERY_SECONDS = 0.1
"""How often the pool asks whether it shall stop."""

HINT = (
    "perhaps memory ran out: try fewer --workers; or a script works outside `if __name__ == '__main__':`. "
    "What is finished is kept: the same command goes on where it was"
)


def run_points(
    points: Sequence[T],
    evaluate: Callable[[T], R],
    workers: int,
    stop: Callable[[], bool] = lambda: False,
    groups: Sequence[int] | None = None,
    largest_lot: int = MOST_IN_A_CHUNK,
) -> Iterator[tuple[int, R]]:
    """Evaluate points, in whatever order they finish.

    Parameters
    ----------
    points : sequence
    evaluate : callable
        A function of a module, so that a process can import it; it and the points must be picklable. Where it has a
        method ``in_turn``, that is called with the points of a lot and yields (place in the lot, row) in its own order.
    workers : int
        Processes; with 1, or a single point, everything happens in this one.
    stop : callable
        Asked now and then; when it is true, no point is begun and unfinished ones are given up.
    groups : sequence of int, optional
        A number for each point: neighbours with the same one share most, and go to one process where groups are small.
    largest_lot : int
        Points that a process takes at a time; what it returns comes when all of them are done.

    Yields
    ------
    (int, any)
        The index of a point and what `evaluate` returned.

    Raises
    ------
    InputError
        If a worker was killed from outside. Whatever `evaluate` raises comes through as it is.
    """
    with Pool(min(workers, len(points))) as pool:
        yield from pool.run(points, evaluate, stop, groups, largest_lot)


class Pool:
    """Processes that stay from one run to the next, with what they keep; with 1, everything happens in this one.

    A context: its processes are started by the first run that has several points, and end with it.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._not_ours: set[int | None] = set()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(finished=True)

    def run(
        self,
        points: Sequence[T],
        evaluate: Callable[[T], R],
        stop: Callable[[], bool] = lambda: False,
        groups: Sequence[int] | None = None,
        largest_lot: int = MOST_IN_A_CHUNK,
    ) -> Iterator[tuple[int, R]]:
        """Evaluate points, in whatever order they finish; arguments, results and errors are those of `run_points`."""
        if min(self._workers, len(points)) <= 1:
            size = lot_size(len(points), 1, largest_lot)
            for first, end in lots(len(points), size, groups) if not stop() else ():
                for index, row in _in_turn(evaluate, points[first:end]):
                    yield first + index, row
                    if stop():
                        return
        else:
            yield from self._in_processes(points, evaluate, stop, groups, largest_lot)

    def _in_processes(
        self,
        points: Sequence[T],
        evaluate: Callable[[T], R],
        stop: Callable[[], bool],
        groups: Sequence[int] | None,
        largest_lot: int,
    ) -> Iterator[tuple[int, R]]:
        executor = self._started()
        finished = False
        try:
            size = lot_size(len(points), self._workers, largest_lot)
            to_submit = iter(lots(len(points), size, groups))
            waiting: dict[Future[list[R]], int] = {}
            while not stop():
                with _interrupts_held_back():  # workers are started by the submissions, and inherit it
                    for first, end in islice(to_submit, LOTS_OF_A_WORKER * self._workers - len(waiting)):
                        waiting[executor.submit(_evaluated, evaluate, points[first:end])] = first
                if not waiting:
                    break
                done, _ = wait(waiting, LOOK_UP_EVERY_SECONDS, FIRST_COMPLETED)
                for future in sorted(done, key=waiting.__getitem__):
                    yield from enumerate(future.result(), start=waiting.pop(future))
            finished = not waiting
        except BrokenProcessPool:
            if stop():  # what asked for the stop, such as a batch system's SIGTERM to the whole group, killed them too
                return
            found, expected = "a process that died or was killed", "processes that survive every point"
            raise InputError.of("workers", found, expected, HINT) from None
        finally:
            if not finished:
                self._end(finished=False)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Spawned, not forked: this process may have threads (numba's, a BLAS's, a progress display's, a notebook
            # kernel's), and a fork copies their locks in whatever state they are. Numba's kernels come from its cache
            # on disk.
            context = multiprocessing.get_context("spawn")
            self._not_ours = {child.pid for child in multiprocessing.active_children()}
            self._executor = ProcessPoolExecutor(self._workers, mp_context=context, initializer=_end_with_parent)
        return self._executor

    def _end(self, finished: bool) -> None:
        """End the processes, at once where something is under way that nobody waits for any more."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        if not finished:
            for child in multiprocessing.active_children():
                if child.pid not in self._not_ours:
                    child.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


def lot_size(points: int, workers: int, largest_lot: int) -> int:
    """Say how many points a worker is to take at a time."""
    return max(1, min(largest_lot, points // (CHUNKS_OF_A_WORKER * workers)))


def lots(points: int, size: int, groups: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Cut points into lots (first, the one after the last) of about `size`.

    A lot ends between two groups where it can, and has at most twice as many points. Without groups all have `size`,
    but the last one perhaps fewer.
    """
    cut = [0]
    for index in range(1, points):
        taken = index - cut[-1]
        between = groups is None or groups[index] != groups[index - 1]
        if (taken >= size and between) or taken >= 2 * size:
            cut.append(index)
    return list(pairwise([*cut, points])) if points else []


def _evaluated(evaluate: Callable[[T], R], points: Sequence[T]) -> list[R]:
    rows = dict(_in_turn(evaluate, points))
    return [rows[index] for index in range(len(points))]


def _in_turn(evaluate: Callable[[T], R], points: Sequence[T]) -> Iterator[tuple[int, R]]:
    """Evaluate points one by one, in their order or in the one that `evaluate` says with a method ``in_turn``."""
    in_turn = getattr(evaluate, "in_turn", None)
    return enumerate(map(evaluate, points)) if in_turn is None else in_turn(points)


def _end_with_parent() -> None:
    """End this worker when the process that started it is gone: one that is killed can tell nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def wait_for_the_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold SIGINT back in this thread; processes that are started meanwhile never get one.

    A terminal sends Ctrl-C to the whole group, but what it means for the sweep is the parent's to decide.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
