"""`make bench`: run the benchmarks and write BENCHMARKS.md anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks import events, growth, kernels, memory, recording, replay, rival_runs, startup, sweep, torch_layers
from benchmarks.rows import Row, table

MEASURES: tuple[Callable[[], list[Row]], ...] = (
    replay.measure,
    rival_runs.measure,
    kernels.measure,
    events.measure,
    sweep.measure,
    startup.measure,
    recording.measure,
    torch_layers.measure,  # last: PyTorch's threads stay
)

if __name__ == "__main__":
    load = os.getloadavg()[0]
    rows = [row for measure in MEASURES for row in measure()]
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    page = "\n".join([table(rows, threads, load), growth.section(), memory.section()])
    (Path(__file__).parents[2] / "BENCHMARKS.md").write_text(page, encoding="utf-8")
    print(page)
