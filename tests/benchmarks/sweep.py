"""A sweep of a thousand design points over one recorded step, against one simulation after the other."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, median_seconds
from simulator.explore import Space, enumerate_grid, run_sweep
from simulator.explore.points import Point
from simulator.run import simulate
from traces.synthetic import synthetic_trace

AXES: dict[str, list[Any]] = {
    "array.rows": [16, 32],
    "array.columns": [16, 32],
    "skipping.depth": [4, 8, 16, 32, 64],
    "skipping.banks": [None, 8],
    "memory.buffers.shared.capacity_kib": [512, 1024, 2048, 4096, 8192],
    "memory.dram.bandwidth_gb_per_s": [32, 64, 128, 256, 512],
}
"""What a designer would vary: 1,000 machines, each with its dense twin and its bound."""


ALLOWED_SECONDS = 60.0


def measure(
    hidden: int = 650, T: int = 35, B: int = 20, axes: dict[str, list[Any]] = AXES, workers: int | None = None
) -> list[Row]:
    """Measure a sweep; smaller sizes only for a quick check that it works."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = synthetic_trace(
            folder / "t.npz", layers=2, hidden_size=hidden, input_size=hidden, sequence_length=T, batch_size=B
        )
        base = {"name": "thousand", "archs": ["staged_window"], "traces": [str(path)]}
        space = Space.parse({**base, "axes": {"skipping.refill": [4], **axes}}, folder)
        points = [entry for entry in enumerate_grid(space).entries if isinstance(entry, Point)]
        begin = time.perf_counter()
        outcome = run_sweep(space, folder / "out", workers)
        ours = time.perf_counter() - begin
        assert len(outcome.rows) == outcome.points == len(points)
        assert all(row["status"] == "ok" for row in outcome.rows)
        some = points[:: max(1, len(points) // 10)]
        one = sum(median_seconds(lambda p=point: simulate(p.machine, path), 1) for point in some) / len(some)
    one_by_one = one * len(points)
    note = (
        f"{len(points):,} machines over a step of 2 x {hidden} cells, T {T}, B {B}, each with its dense twin and its "
        f"bound, in a pool; rival: the minute that is allowed (`simulate()` one by one: {one_by_one:.0f} s)"
    )
    return [Row("sweep", ours, ALLOWED_SECONDS, 2, 1, note)]
