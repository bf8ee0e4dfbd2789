"""A replay of the shipped sample in a new process, against importing what it is built of."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row

SAMPLE = Path(__file__).parents[2] / "traces" / "samples" / "charlm_t1e-6.npz"
IMPORTS = "import numpy, numba, yaml, pydantic, rich"
FIRST_RUN_SECONDS = 30.0
"""What a first run, which compiles every kernel that it needs, may take."""


def measure(times: int = 15) -> list[Row]:
    """Measure starts in turns, and one start without compiled kernels."""
    ours = [str(Path(sys.executable).with_name("simulate")), "--arch", "zero_skip", "--trace", str(SAMPLE)]
    rival = [sys.executable, "-c", IMPORTS]
    turns = []
    for turn in range(times + 1):
        spent = (_seconds(ours), _seconds(rival))
        if turn:  # the first warms caches
            turns.append(spent)
    here, there = sorted(turns, key=lambda turn: turn[1] / turn[0])[(len(turns) - 1) // 2]
    with tempfile.TemporaryDirectory() as folder:
        first = _seconds(ours, NUMBA_CACHE_DIR=folder)
    return [
        Row("start-up", here, there, 1, 1 / 1.5, f"`simulate` on the shipped sample, kernels kept; rival: `{IMPORTS}`"),
        Row("first run", first, FIRST_RUN_SECONDS, 1, 1, "the same without a kernel kept; rival: 30 s, as allowed"),
    ]


def _seconds(command: list[str], **environment: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - begin
