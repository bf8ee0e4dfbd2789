"""A sweep of very many points on two cores, watched; the same one interrupted, killed and resumed; many at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from reliability.watching import Lines, Sample, Watched, cpu_between, medians, skipstone, watch
from traces.synthetic import synthetic_trace

MACHINE = """\
name: soak
clock_mhz: 1000
precision: {operand: fp16, accumulator: fp32}
array: {rows: 32, columns: 32, pass_overhead_cycles: 0}
skipping: {mechanism: lookahead, depth: 8, refill: 4, banks: null}
memory: ideal
energy_table: cmos_45nm
"""
AXES: dict[str, list[int]] = {
    "array.rows": [4, 8, 16, 32],
    "array.columns": [4, 8, 16, 32, 64],
    "skipping.depth": [4, 8, 16, 32, 64],
    "skipping.refill": [1, 2, 3, 4],
}
POINTS_OF_A_CLOCK = 400
"""Each clock has the same arrays and windows, so the work is as much at the end of a sweep as at its beginning."""
OBJECTIVES = ("cycles_total", "energy_total_pj", "area_mm2")

MOST_GROWTH = 0.10
"""Memory is flat where the median of the last quarter is at most so much more than that of the second one."""
MOST_SLOWER = 1.5
"""CPU time of a point in the last tenth over that in the second one; other programs on the cores change it, too."""
MOST_MB = 1000
"""What any of the commands may take, 100,000 rows or not."""

Figures = dict[str, Any]


class BrokenError(Exception):
    """A promise that is not kept."""


def check(kept: bool, what: str) -> None:
    """Stop where a promise is broken."""
    if not kept:
        raise BrokenError(what)


def space(folder: Path, name: str, clocks: range) -> Path:
    """Write a space over some clocks in MHz, its machine and its trace: one small step."""
    trace = folder / "soak.npz"
    if not trace.exists():
        synthetic_trace(trace, layers=1, hidden_size=8, input_size=8, sequence_length=2, batch_size=2)
        (folder / "soak.yaml").write_text(MACHINE, encoding="utf-8")
    data = {"name": name, "archs": ["soak.yaml"], "traces": ["soak.npz"], "axes": {"clock_mhz": list(clocks), **AXES}}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML, too
    return path


def large_sweep(folder: Path, points: int) -> Figures:
    """Sweep so many points into one store, then make tables and a frontier of them."""
    clocks = range(500, 500 + points // POINTS_OF_A_CLOCK)
    points = len(clocks) * POINTS_OF_A_CLOCK
    path, out = space(folder, "large", clocks), folder / "large"
    sweep = skipstone("sweep", path, "--out", out, "--workers", 2, "--quiet")
    seen = _succeeded(watch(sweep, Lines(lambda: _store(out / "store"))))
    keys = _keys(out / "store")
    check(len(keys) == len(set(keys)) == points, f"{len(keys)} lines, {len(set(keys))} keys of {points} points")
    parent, worker = (medians(seen.samples, of, points) for of in (_own, _largest_worker))
    slower = _slower(seen.samples, points)
    for who, (second, last) in (("the sweep", parent), ("its workers", worker)):
        check(last <= second * (1 + MOST_GROWTH), f"memory of {who} grew from {second:.0f} to {last:.0f} MB")
    check(slower <= MOST_SLOWER, f"the last points took {slower:.2f} times the CPU time of the first ones")
    parquet = folder / "parquet"
    again = skipstone("sweep", path, "--out", parquet, "--store", out / "store", "--format", "parquet", "--quiet")
    exported = _succeeded(watch(again))
    options = [word for name in OBJECTIVES for word in ("--objective", name)]
    found = _succeeded(watch(skipstone("frontier", out / "results.csv", *options, "--quiet")))
    check(_front(out / "results.csv") == _front(parquet / "results.parquet"), "other frontiers of CSV and Parquet")
    largest = max(one.peak_mb for one in (seen, exported, found))
    check(largest <= MOST_MB, f"a command took {largest:.0f} MB")
    thousands = points / 2 / 1000  # from the middle of the second quarter to that of the last one
    return {
        "points": points,
        "CPU ms a point": round(1000 * seen.samples[-1].cpu_seconds / points, 2),
        "CPU time of a point, last tenth over second": round(slower, 2),
        "MB of the sweep, second quarter": round(parent[0]),
        "MB of the sweep, last quarter": round(parent[1]),
        "MB of a worker, second quarter": round(worker[0]),
        "MB of a worker, last quarter": round(worker[1]),
        "MB that a worker grows in 1,000 points": round((worker[1] - worker[0]) / thousands, 3),
        "peak MB of the sweep with its CSV": round(seen.peak_mb),
        "peak MB of the export to Parquet from the store": round(exported.peak_mb),
        "peak MB of the frontier in three objectives": round(found.peak_mb),
        "bounds": f"{MOST_GROWTH:.0%} over the second quarter, {MOST_MB:,} MB, {MOST_SLOWER} of the CPU time",
    }


def interrupted_sweep(folder: Path, points: int) -> Figures:
    """Take 70 % of what a sweep left, go on, stop by SIGINT, go on, kill, go on to the end: the same bytes."""
    points = points // POINTS_OF_A_CLOCK * POINTS_OF_A_CLOCK
    path = space(folder, "whole", range(4000, 4000 + points // POINTS_OF_A_CLOCK))
    whole, out = folder / "whole", folder / "interrupted"
    _succeeded(watch(skipstone("sweep", path, "--out", whole, "--workers", 2, "--quiet")))
    (out / "store").mkdir(parents=True)
    lines = _store(whole / "store").read_bytes().splitlines(keepends=True)
    check(len(lines) == points, f"{len(lines)} lines of {points} points")
    left = 7 * points // 10
    torn = [*lines[:left], lines[left][:100]]  # the last one as a kill leaves it
    (out / "store" / _store(whole / "store").name).write_bytes(b"".join(torn))
    command = skipstone("sweep", path, "--out", out, "--workers", 2, "--quiet")
    codes = []
    for number, share in ((signal.SIGINT, 0.8), (signal.SIGKILL, 0.9)):
        sent: list[int] = []

        def send(pid: int, done: int, number: int = number, share: float = share, sent: list[int] = sent) -> None:
            if done >= share * points and not sent:
                sent.append(done)
                os.kill(pid, number)

        codes.append(watch(command, Lines(lambda: _store(out / "store")), send).code)
        check(0 < len(_keys(out / "store")) < points, "a sweep that was not stopped in time")
    check(codes == [128 + signal.SIGINT, -signal.SIGKILL], f"exit codes {codes}")
    _succeeded(watch(command))
    keys = _keys(out / "store")
    check(len(keys) == len(set(keys)) == points, f"{len(keys)} lines, {len(set(keys))} keys of {points} points")
    same = (out / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    check(same, "another table after an interruption and a kill")
    return {"points": points, "interruptions": 1, "kills": 1, "torn lines": 1, "duplicate rows": 0, "same bytes": "yes"}


def sweeps_at_once(folder: Path, sweeps: int, clocks_each: int = 4) -> Figures:
    """Start many sweeps at one time on one store, each with half of its points in common with the next one."""
    store, half = folder / "shared", clocks_each // 2
    windows = [range(2000 + half * number, 2000 + half * number + clocks_each) for number in range(sweeps)]
    paths = [space(folder, f"shared{number}", clocks) for number, clocks in enumerate(windows)]
    commands = [
        skipstone("sweep", path, "--out", folder / path.stem, "--store", store, "--workers", 1) for path in paths
    ]
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for c in commands]
    told = [one.communicate()[1] for one in running]
    for one, words in zip(running, told, strict=True):
        check(one.returncode == 0 and "Traceback" not in words, words)
    keys = _keys(store)
    points = len(set().union(*windows)) * POINTS_OF_A_CLOCK
    check(len(keys) == len(set(keys)) == points, f"{len(keys)} lines, {len(set(keys))} keys of {points} points")
    alone = folder / "alone"
    middle = paths[len(paths) // 2]
    _succeeded(watch(skipstone("sweep", middle, "--out", alone, "--workers", 1, "--quiet")))
    same = (alone / "results.csv").read_bytes() == (folder / middle.stem / "results.csv").read_bytes()
    check(same, "another table than that of a sweep alone")
    shutil.rmtree(alone)
    return {
        "sweeps": sweeps,
        "points of all": sweeps * clocks_each * POINTS_OF_A_CLOCK,
        "different points": points,
        "lines of the store": len(keys),
        "lost, torn or duplicate": 0,
    }


def _own(sample: Sample) -> float:
    return sample.mb


def _largest_worker(sample: Sample) -> float:
    return sample.worker_mb


def _slower(samples: list[Sample], points: int) -> float:
    return cpu_between(samples, 0.9 * points, points) / cpu_between(samples, 0.1 * points, 0.2 * points)


def _succeeded(watched: Watched) -> Watched:
    check(watched.code == 0, f"exit code {watched.code}: {watched.told[-500:]}")
    return watched


def _store(folder: Path) -> Path:
    """Give a store's file, which is there as soon as there is an outcome."""
    return next(iter(folder.glob("*.jsonl")), folder / "none.jsonl")


def _keys(folder: Path) -> list[str]:
    with _store(folder).open(encoding="utf-8") as file:
        return [json.loads(line)["key"] for line in file]


def _front(table: Path) -> str:
    options = [word for name in OBJECTIVES for word in ("--objective", name)]
    command = skipstone("frontier", table, *options, "--format", "csv", "--quiet")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
