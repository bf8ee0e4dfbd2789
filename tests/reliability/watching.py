"""A program under way: what it and its workers take of memory and of processors, and how far it is."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MB = 10**6
LOOK_EVERY_SECONDS = 0.2
SKIPSTONE = "import sys; from simulator.cli import main; sys.argv[0] = 'skipstone'; main()"
_PAGE, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment: things done, resident memory of the program and of its largest worker, CPU time."""

    done: int
    mb: float
    worker_mb: float
    cpu_seconds: float


@dataclass(frozen=True)
class Watched:
    """A program that has ended: its exit code, what it said on stderr, its peak of memory, and what was seen of it."""

    code: int
    told: str
    peak_mb: float
    seconds: float
    samples: list[Sample]


def skipstone(*words: object) -> list[str]:
    """Give the command line of a subcommand."""
    return [sys.executable, "-c", SKIPSTONE, *map(str, words)]


def watch(
    command: Sequence[str],
    done: Callable[[], int] = lambda: 0,
    act: Callable[[int, int], None] = lambda pid, done: None,
) -> Watched:
    """Run a program to its end, and look at it now and then.

    Parameters
    ----------
    command : sequence of str
    done : callable
        Tells how far it is.
    act : callable
        Called with its process id and that, whenever it is looked at.
    """
    begin = time.perf_counter()
    samples: list[Sample] = []
    peak = 0
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as told,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told) as program,
    ):
        while program.poll() is None:
            sample = _seen(program.pid, done())
            if sample is not None:
                if samples and sample.cpu_seconds < samples[-1].cpu_seconds:  # workers that have ended spent theirs
                    sample = replace(sample, cpu_seconds=samples[-1].cpu_seconds)
                samples.append(sample)
                peak = _peak(program.pid) or peak
            act(program.pid, samples[-1].done if samples else 0)
            time.sleep(LOOK_EVERY_SECONDS)
        told.seek(0)
        return Watched(program.returncode, told.read(), peak / MB, time.perf_counter() - begin, samples)


def _seen(pid: int, done: int) -> Sample | None:
    try:
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        everyone = [_process(pid), *(_process(int(worker)) for worker in workers)]
    except (OSError, ProcessLookupError):
        return None
    (mb, _), *_ = everyone
    return Sample(done, mb, max((m for m, _ in everyone[1:]), default=0.0), sum(cpu for _, cpu in everyone))


def _process(pid: int) -> tuple[float, float]:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / MB
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return resident, (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)
    except OSError:
        return None


class Lines:
    """Counts the whole lines of a file that grows."""

    def __init__(self, path: Callable[[], Path | None]) -> None:
        self._path, self._end, self._count = path, 0, 0

    def __call__(self) -> int:
        path = self._path()
        if path is not None and path.exists():
            with path.open("rb") as file:
                file.seek(self._end)
                while raw := file.read(1 << 20):
                    self._count += raw.count(b"\n")
                    self._end += len(raw)
        return self._count


def medians(samples: Sequence[Sample], of: Callable[[Sample], float], total: int) -> tuple[float, float]:
    """Give the medians of the second quarter of the work and of the last one."""

    def of_quarter(number: int) -> float:
        within = [of(s) for s in samples if total * number <= 4 * s.done < total * (number + 1)]
        middle = min(samples, key=lambda s: abs(s.done - total * (number + 0.5) / 4))  # of what is done in no time
        return statistics.median(within or [of(middle)])

    return of_quarter(1), of_quarter(3)


def cpu_between(samples: Sequence[Sample], first: float, last: float) -> float:
    """Give the CPU seconds for each thing done between two counts."""
    begin, end = (min(samples, key=lambda s: abs(s.done - count)) for count in (first, last))
    return (end.cpu_seconds - begin.cpu_seconds) / (end.done - begin.done)
