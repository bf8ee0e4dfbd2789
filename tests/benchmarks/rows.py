"""What a benchmark says, and the table of all of them."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from traces.version import __version__

BUSY_LOAD = 0.7
"""A load average beyond which a machine is busy with something else."""


@dataclass(frozen=True)
class Row:
    """One comparison, measured in one run.

    Attributes
    ----------
    name : str
    ours, rival : float
        Seconds of CPU or wall time, as `note` says; medians of several runs.
    goal, least : float or None
        The ratio rival / ours that is wanted, and the one that is asked for; None where none is.
    note : str
        What was done on either side.
    """

    name: str
    ours: float
    rival: float
    goal: float | None
    least: float | None
    note: str

    @property
    def ratio(self) -> float:
        """How many times faster than the rival."""
        return self.rival / self.ours


def median_seconds(call: Callable[[], object], times: int) -> float:
    """Median wall time of a call in seconds, after one call that warms caches."""
    call()
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


def table(rows: Sequence[Row], threads: str, load: float) -> str:
    """Lay rows out as a Markdown page, with what they were measured on."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; ratios of one run each, medians. Nothing here is asserted by a test.",
        "",
        f"* {_cpu()}, {os.cpu_count()} cores; {threads} thread(s) for numpy; load before the run {load:.2f}"
        + (" (**busy: do not quote**)" if load > BUSY_LOAD else ""),
        f"* Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, "
        f"skipstone {__version__} at {_commit()}",
        "",
        "| what | ours | rival | times faster | goal | at least | how |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        measured = f"{_seconds(r.ours)} | {_seconds(r.rival)} | {r.ratio:,.3g}"
        asked = " | ".join("-" if ratio is None else f"{ratio:g}" for ratio in (r.goal, r.least))
        lines.append(f"| {r.name} | {measured} | {asked} | {r.note} |")
    return "\n".join(lines) + "\n"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "an unknown commit"
