"""A sweep of a thousand design points over one recorded step, with its frontier, against one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, median_seconds
from simulator.arch import Architecture
from simulator.explore import Space, enumerate_grid, run_sweep
from simulator.explore.frontier import Objective, frontier
from simulator.explore.points import Point
from simulator.explore.rows import read_table
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

PRICED_AXES: dict[str, list[Any]] = {
    "energy_table": ["cmos_45nm", "cmos_7nm"],
    "array.rows": [16, 32],
    "array.columns": [16, 32],
    "skipping.depth": [4, 8, 16, 32, 64],
    "memory.buffers.shared.capacity_kib": [512, 1024, 2048, 4096, 8192],
    "memory.dram.bandwidth_gb_per_s": [32, 64, 128, 256, 512],
}
"""500 machines with two energy tables, which change slowest: the machines are to be replayed once nevertheless."""

ALLOWED_SECONDS = 60.0
"""What a sweep of 1,000 points over one step, and its frontier, may take on two cores; the goal is half of it."""

OBJECTIVES = ("cycles_total", "energy_total_pj", "area_mm2")

ONE_PROCESS = "import sys; from simulator import simulate; simulate(sys.argv[1], sys.argv[2])"


def measure(
    hidden: int = 650,
    T: int = 35,
    B: int = 20,
    axes: dict[str, list[Any]] = AXES,
    priced_axes: dict[str, list[Any]] = PRICED_AXES,
    workers: int | None = None,
    processes: int = 3,
) -> list[Row]:
    """Measure sweeps over one step; smaller sizes only for a quick check that it works.

    Parameters
    ----------
    hidden, T, B : int
        Cells of each of two layers, time steps, batch.
    axes : dict
        Of `staged_window`, whose operands lie dense.
    priced_axes : dict
        Of `zero_skip`, whose gate gradients lie encoded.
    workers : int, optional
        Processes of the pool; default: one a core.
    processes : int
        Replays by a process of their own, from which those of all points are extrapolated.
    """
    with tempfile.TemporaryDirectory() as name:
        path = synthetic_trace(
            Path(name) / "t.npz", layers=2, hidden_size=hidden, input_size=hidden, sequence_length=T, batch_size=B
        )
        points, dense_seconds = _swept(path, "staged_window", {"skipping.refill": [4], **axes}, workers)
        priced_points, priced_seconds = _swept(path, "zero_skip", priced_axes, workers)
        one = _mean_seconds(points, 10, lambda point: simulate(point.machine, path))
        alone = _mean_seconds(points, processes, lambda point: _in_a_process(point.machine, path))
    step = (
        f"machines over a step of 2 x {hidden} cells, T {T}, B {B}, each with its dense twin and its bound, in a pool, "
        f"and their frontier in {', '.join(OBJECTIVES)}"
    )
    note = (
        f"{len(points):,} {step}, wall time; rival: the minute that is allowed "
        f"(`simulate()` one by one: {one * len(points):.0f} s)"
    )
    priced_note = (
        f"{len(priced_points):,} {step}, two energy tables as the first axis, encoded dG; "
        "rival: the minute that is allowed"
    )
    alone_note = (
        f"the first row's points; rival: a process for each on one core, which reads its machine and its trace, "
        f"{alone:.2f} s each, extrapolated from {processes}"
    )
    return [
        Row("sweep", dense_seconds, ALLOWED_SECONDS, 2, 1, note),
        Row("sweep, two tables", priced_seconds, ALLOWED_SECONDS, 2, 1, priced_note),
        Row("sweep, to processes", dense_seconds, alone * len(points), 0, 0, alone_note),
    ]


def _swept(path: Path, arch: str, axes: dict[str, list[Any]], workers: int | None) -> tuple[list[Point], float]:
    """Sweep a space and find its frontier; tell its points and the seconds of wall time of both."""
    space = Space.parse({"name": "thousand", "archs": [arch], "traces": [str(path)], "axes": axes}, path.parent)
    points = enumerate_grid(space).points
    begin = time.perf_counter()
    outcome = run_sweep(space, tempfile.mkdtemp(dir=path.parent), workers)  # with an empty store
    assert outcome.path is not None
    best = frontier(read_table(outcome.path), [Objective.parse(name) for name in OBJECTIVES])
    spent = time.perf_counter() - begin
    assert len(outcome.rows) == outcome.points == len(points)
    assert all(row["status"] == "ok" for row in outcome.rows)
    assert len(best.considered) == len(points) >= len(best.kept) > 0
    return points, spent


def _mean_seconds(points: list[Point], times: int, call: Callable[[Point], object]) -> float:
    """Mean wall time in seconds over some points, evenly spread, each called once before."""
    some = points[:: max(1, len(points) // times)][:times]
    return sum(median_seconds(lambda p=point: call(p), 1) for point in some) / len(some)


def _in_a_process(machine: Architecture, path: Path) -> None:
    file = path.with_name("machine.yaml")
    file.write_text(json.dumps(machine.to_dict()), encoding="utf-8")  # JSON is YAML, too
    subprocess.run([sys.executable, "-c", ONE_PROCESS, str(file), str(path)], check=True)
