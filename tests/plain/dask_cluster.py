"""A Dask scheduler and workers as processes of their own, on this machine's loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from simulator.explore.cluster import count_workers

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
WITHIN_SECONDS = 60.0


class Cluster:
    """Started on entry, and gone on exit.

    Parameters
    ----------
    folder : Path
        For their files.
    settings : mapping
        Environment of all processes, such as Dask's configuration.
    words : str
        Further words for the scheduler.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], *words: str) -> None:
        self._folder, self._words = folder, words
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **settings}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Cluster:
        told = self._folder / "scheduler.json"
        words = ["--host", LOOPBACK, "--port", "0", "--dashboard-address", f"{LOOPBACK}:0", "--scheduler-file"]
        self.scheduler = self._start("scheduler", *words, str(told), *self._words)
        end = time.monotonic() + WITHIN_SECONDS
        while not self.address:
            assert self.scheduler.poll() is None, "the scheduler ended"
            assert time.monotonic() < end, "the scheduler does not start"
            time.sleep(0.05)
            try:
                self.address = json.loads(told.read_text(encoding="utf-8"))["address"]
            except (FileNotFoundError, ValueError):
                continue
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def start_worker(self, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker; it need not be there yet when this returns."""
        base = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
        folder = ["--local-directory", str(self._folder)]
        return self._start("worker", self.address, *base, *folder, *words, **settings)

    def wait_for_workers(self, number: int) -> None:
        """Wait until there are so many."""
        end = time.monotonic() + WITHIN_SECONDS
        while count_workers(self.address) < number:
            assert time.monotonic() < end, "the workers do not start"
            time.sleep(0.05)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process as a machine does that loses its power."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _start(self, what: str, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words]
        log = (self._folder / f"{what}-{len(self._processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**self._environment, **settings}, cwd=self._folder
            )
        self._processes.append(process)
        return process
