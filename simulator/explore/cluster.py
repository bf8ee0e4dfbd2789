"""Where points are evaluated that one machine is too small for: in the workers of a Dask cluster.

Beside `simulator.explore.pool`, and with its contract. The cluster is the user's: this process is a client of its
scheduler and opens no port. Rows come back to it, so workers need not reach the folder of results.

A lot that a worker took along is evaluated again elsewhere, as Dask does it. A lot that kills worker after worker is
cut into its points, and the one that does it is told when the others are done. Every wait has an end: a scheduler may
be silent for as long as Dask waits for connections (``distributed.comm.timeouts.connect``), and a cluster without
workers for `WORKERS_WITHIN_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from simulator.arch import Mechanism
from simulator.explore.lot import Answer, Lots
from simulator.explore.pool import LOOK_UP_EVERY_SECONDS, MOST_IN_A_CHUNK, lot_size, lots
from traces.errors import InputError, Problem

T = TypeVar("T")
R = TypeVar("R")

WORKERS_WITHIN_SECONDS = 300.0
"""How long a cluster may be without any worker: one of a batch system may have to wait for its turn."""
ASK_SCHEDULER_EVERY_SECONDS = 2.0
CLOSE_WITHIN_SECONDS = 5.0
LOTS_OF_A_THREAD, LEAST_LOTS = 3, 16
"""Lots that are under way at a time: the scheduler's memory does not grow with the sweep, and no worker waits."""

MOST_DEADLY = 3
"""Points that may kill worker after worker while the others go on: it is the workers then, not the points."""

GOES_ON = "finished points are in the store: the same command goes on where it was"


def run_on_cluster(
    points: Sequence[T],
    evaluate: Callable[[T], R],
    scheduler: str,
    stop: Callable[[], bool] = lambda: False,
    groups: Sequence[int] | None = None,
    largest_lot: int = MOST_IN_A_CHUNK,
    *,
    mechanisms: Sequence[type[Mechanism]] = (),
    describe: Callable[[T], str] = str,
    workers_within_seconds: float = WORKERS_WITHIN_SECONDS,
) -> Iterator[tuple[int, R]]:
    """Evaluate points in the workers of a cluster, in whatever order they finish.

    Parameters
    ----------
    points, stop, groups, largest_lot
        As of `simulator.explore.pool.run_points`. After a stop, workers end the lots that they are at, which takes
        `simulator.explore.lot.LOT_SECONDS` and a point; what is queued is forgotten at once.
    evaluate : callable
        A function of a module that workers can import. An `InputError` of it means that a worker is at fault.
    scheduler : str
        Its address, such as ``tcp://host:8786`` or ``tls://host:8786``.
    mechanisms : sequence of type
        Of the machines: a worker must have the same source of those that are not ours.
    describe : callable
        What messages call a point.
    workers_within_seconds : float
        How long there may be no worker.

    Yields
    ------
    (int, any)
        The index of a point and what `evaluate` returned.

    Raises
    ------
    InputError
        If Dask is not installed; the scheduler does not answer, or does not any more; there is no worker for too long;
        a worker has other code, or cannot evaluate a point; or a point kills worker after worker. Whatever else
        `evaluate` raises comes through as it is.
    """
    if not points:
        return
    with _connected(scheduler, workers_within_seconds) as cluster:
        size = lot_size(len(points), max(1, len(cluster.workers)), largest_lot)
        to_send = deque(_Lot(*lot) for lot in lots(len(points), size, groups))
        common = Lots(evaluate, tuple(dict.fromkeys(mechanisms)))
        yield from _Sweep(cluster, common, points, to_send).rows(stop, describe)


def count_workers(scheduler: str) -> int:
    """Count the workers that a cluster has now.

    Raises
    ------
    InputError
        If Dask is not installed, or the scheduler does not answer.
    """
    _dask()
    with _unlogged():
        return len(_workers_at(scheduler))


@dataclass(frozen=True)
class _Lot:
    """Points from `first` up to, not with, `end`; `near` is the worker that has what they share."""

    first: int
    end: int
    near: str = ""


class _Sweep:
    """The lots of a sweep: those to send, and those under way."""

    def __init__(self, cluster: _Cluster, common: Lots, points: Sequence[Any], to_send: deque[_Lot]) -> None:
        self._cluster, self._common, self._points, self._to_send = cluster, common, points, to_send
        self._under_way: dict[Future[Any], _Lot] = {}
        self._ended: queue.Queue[Future[Any]] = queue.Queue()  # a SimpleQueue may wait for ever, see test_lot
        self._deadly: list[str] = []

    def rows(self, stop: Callable[[], bool], describe: Callable[[Any], str]) -> Iterator[tuple[int, Any]]:
        """Yield rows as they come."""
        while not stop():
            if len(self._deadly) == MOST_DEADLY or not (self._to_send or self._under_way):
                self._tell_deadly()
                return
            self._cluster.look()
            self._send()
            try:
                future = self._ended.get(timeout=LOOK_UP_EVERY_SECONDS)
            except queue.Empty:
                continue
            lot = self._under_way.pop(future)
            answer = self._cluster.answer_of(future)
            if answer is None:
                self._cut(lot, describe)
                continue
            yield from enumerate(answer.rows, start=lot.first)
            if answer.problems:
                raise _at_fault(answer.worker, answer.problems)
            left = lot.first + len(answer.rows)
            if left < lot.end:
                self._to_send.appendleft(_Lot(left, lot.end, answer.worker))

    def _send(self) -> None:
        most = max(LEAST_LOTS, LOTS_OF_A_THREAD * sum(self._cluster.workers.values()))
        while self._to_send and len(self._under_way) < most:
            lot = self._to_send.popleft()
            future = self._cluster.submit(self._common.pack(self._points[lot.first : lot.end]), lot.near)
            self._under_way[future] = lot
            future.add_done_callback(self._ended.put)

    def _cut(self, lot: _Lot, describe: Callable[[Any], str]) -> None:
        """Send the points of a lot that killed its workers one by one; if it is one, put it aside."""
        if lot.end - lot.first == 1:
            self._deadly.append(describe(self._points[lot.first]))
        else:
            self._to_send.extendleft(_Lot(index, index + 1) for index in reversed(range(lot.first, lot.end)))

    def _tell_deadly(self) -> None:
        if self._deadly:
            found = f"points of which worker after worker died: {'; '.join(self._deadly)}"
            hint = "perhaps memory ran out; their logs may say more; " + GOES_ON
            raise self._cluster.wrong(found, "workers that survive every point", hint)


class _Cluster:
    """A connection to a scheduler, which tells whatever goes wrong as an `InputError`."""

    def __init__(self, address: str, client: Any, silence_seconds: float, workers_within_seconds: float) -> None:
        self.address, self._client = address, client
        self._silence_seconds, self._workers_within_seconds = silence_seconds, workers_within_seconds
        self._run = uuid.uuid4().hex
        self._sent = 0
        self._under_way: list[Future[Any]] = []
        self.workers: dict[str, int] = {}
        self._had_workers, self._asked = time.monotonic(), -math.inf

    def submit(self, arguments: tuple[str, str, bytes], near: str) -> Future[Any]:
        """Send a lot, to a certain worker if that is free; what comes of it is for `answer_of`."""
        self._sent += 1
        lot = self._client.submit(
            _sent_to_workers(),
            *arguments,
            key=f"skipstone-{self._run}-{self._sent}",  # unlike any other run's: Dask keeps results by it
            workers=[near] if near else None,
            allow_other_workers=bool(near),
            priority=1 if near else 0,
        )
        # Waits for the answer and gets it here, again if a worker dies with it, while this thread looks at the others.
        future = asyncio.run_coroutine_threadsafe(_answer(lot), self._client.loop.asyncio_loop)
        self._under_way.append(future)
        return future

    def forget(self) -> None:
        """Wait for no answer any more; lots that nobody waits for are forgotten by the scheduler."""
        for future in self._under_way:
            future.cancel()

    def answer_of(self, future: Future[Any]) -> Answer | None:
        """Give the answer to a lot that ended; None where it killed its workers."""
        try:
            answer = future.result()
        except CancelledError:
            raise self.wrong("a scheduler that is gone, or has forgotten the sweep") from None
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                return None
            if type(error).__module__.startswith("distributed"):
                raise self.wrong(str(error), "a cluster that evaluates every lot") from None
            raise
        finally:
            self._under_way.remove(future)
        if not isinstance(answer, Answer):
            worker, told = answer
            hint = "pip install 'skipstone[distributed]' where the worker runs"
            raise _at_fault(worker, [Problem("its code", told, "the Skipstone that this process has", hint)])
        return answer

    def look(self) -> None:
        """Ask the scheduler now and then whether it is there, and has workers."""
        now = time.monotonic()
        if now - self._asked < ASK_SCHEDULER_EVERY_SECONDS:
            return
        self._ask()
        if time.monotonic() - self._had_workers > self._workers_within_seconds:
            raise self.wrong(
                f"no worker for {self._workers_within_seconds:.0f} s",
                "a cluster with at least one",
                f"dask worker {self.address} --nthreads 1; {GOES_ON}",
            )

    def _ask(self) -> None:
        try:
            self.workers = dict(self._client.nthreads(callback_timeout=self._silence_seconds))
        except TimeoutError:
            raise self._silent() from None
        except (OSError, AttributeError):  # AttributeError: the client has given it up meanwhile
            raise self.wrong("a scheduler that is gone") from None
        self._asked = time.monotonic()
        if self.workers:
            self._had_workers = self._asked

    def _silent(self) -> InputError:
        return self.wrong(f"a scheduler that has not answered for {self._silence_seconds:.0f} s")

    def wrong(self, found: str, expected: str = "a scheduler that answers", hint: str = GOES_ON) -> InputError:
        """Tell what is wrong with the cluster."""
        return InputError.of(f"scheduler {self.address}", found, expected, hint)


async def _answer(lot: Any) -> Any:
    return await lot


def _sent_to_workers() -> Callable[[str, str, bytes], Any]:
    """Give what workers are to call.

    It is of no module, so that Dask sends it whole, and a worker without Skipstone can say so instead of dying of it.
    """

    def evaluate_there(code: str, with_mechanisms: str, packed: bytes) -> Any:
        try:
            from simulator.explore.lot import evaluate_lot
        except Exception as error:
            from distributed import get_worker

            return get_worker().address, f"{type(error).__name__}: {error}"
        return evaluate_lot(code, with_mechanisms, packed)

    return evaluate_there


def _at_fault(worker: str, problems: Sequence[Problem]) -> InputError:
    """Tell problems as a worker's own."""
    return InputError([Problem(f"worker {worker}: {p.where}", p.found, p.expected, p.hint) for p in problems])


@contextmanager
def _connected(address: str, workers_within_seconds: float) -> Iterator[_Cluster]:
    distributed, within_seconds = _dask()
    with _unlogged():
        _workers_at(address)  # a client that finds nothing cannot be closed without noise
        try:
            client = distributed.Client(address, set_as_default=False)
        except Exception as error:
            raise _no_scheduler(address, error, within_seconds) from None
        cluster = _Cluster(address, client, within_seconds, workers_within_seconds)
        try:
            cluster.look()
            yield cluster
        finally:
            cluster.forget()
            with suppress(Exception):
                client.close(timeout=CLOSE_WITHIN_SECONDS)


def _workers_at(address: str) -> dict[str, int]:
    """Ask what should be a scheduler which workers it has, and of how many threads."""
    distributed, within_seconds = _dask()

    async def ask() -> dict[str, int]:
        security = distributed.Security()  # as Dask is configured: distributed.comm.tls
        connection = security.get_connection_args("client")
        async with distributed.rpc(address, timeout=within_seconds, connection_args=connection) as there:
            if (await there.identity())["type"] != "Scheduler":
                raise ValueError("no scheduler, but something else of Dask")
            return dict(await there.ncores())

    try:
        # In a thread, because that of a notebook has a loop already.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asyncio.wait_for(ask(), within_seconds)).result()
    except Exception as error:
        raise _no_scheduler(address, error, within_seconds) from None


def _no_scheduler(address: str, error: Exception, within_seconds: float) -> InputError:
    """Tell an error of the address, of sockets, of TLS, or of another version of Dask."""
    told = str(error).partition("\n")[0] or f"nothing that answers within {within_seconds:.0f} s"
    hint = "start one by: dask scheduler; it tells its address, tcp://HOST:PORT or tls://HOST:PORT"
    return InputError.of(f"scheduler {address}", told, "the address of a Dask scheduler", hint)


def _dask() -> tuple[Any, float]:
    """Give Dask's package, and how long a scheduler may be silent: as long as Dask is told to wait for connections."""
    try:
        distributed, dask, utils = (import_module(name) for name in ("distributed", "dask", "dask.utils"))
    except ImportError:
        hint = "pip install 'skipstone[distributed]'"
        raise InputError.of("scheduler", "no package distributed (Dask)", "distributed", hint) from None
    return distributed, float(utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect")))


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep Dask from writing tracebacks of lost connections to stderr, unless the user has configured its logging."""
    configured = import_module("dask").config.get("logging", None)
    logs = [] if configured else [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [(log, log.handlers) for log in logs]
    for log in logs:
        log.handlers = [logging.NullHandler()]
    try:
        yield
    finally:
        for log, handlers in before:
            log.handlers = handlers
