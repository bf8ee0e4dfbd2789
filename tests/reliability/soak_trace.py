"""A trace of very many small steps: recorded, then replayed; each in a process of its own, which is watched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from reliability.soak_sweep import MACHINE, MOST_GROWTH, MOST_MB, MOST_SLOWER, Figures, check
from reliability.watching import MB, Watched, cpu_between, medians, watch

RECORD = """
import sys
from pathlib import Path
import numpy as np
from traces import Layer, TraceWriter
path, steps, far = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
header = {"layers": [Layer("lstm0", "lstm", 32, 32)], "batch_size": 4, "sequence_length": 2}
rng = np.random.default_rng(0)
with TraceWriter(path, header) as writer:
    for number in range(steps):
        mask = rng.random((2, 4, 128)) < 0.2
        writer.add_step(number, {"lstm0": {"gate_gradient": mask}}, loss=float(rng.random()))
        if number % 100 == 0:
            far.write_text(str(number))
"""
REPLAY = """
import sys
from pathlib import Path
from simulator import simulate
from traces import Trace
path, steps, far = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
def tell(done, steps):
    if done % 100 == 0:
        far.write_text(str(done))
with Trace(path) as trace:
    report = simulate(path.with_name("soak.yaml"), trace, progress=tell)
assert len(report.activity.step_cycles) == steps and sum(report.activity.step_cycles.values()) == report.total_cycles
"""
"""Every step of the report is there, and their cycles are those of the whole."""

MOST_BYTES_A_STEP = 4096
"""What a recording keeps of a step until it ends: its entry in the header, and in the directory of the file."""


def recorded_and_replayed(folder: Path, steps: int) -> Figures:
    """Record so many steps, then replay them with the dense twin and the bound."""
    (folder / "soak.yaml").write_text(MACHINE, encoding="utf-8")
    path = folder / "steps.npz"
    recorded = _watched(RECORD, path, steps)
    file_mb = path.stat().st_size / MB
    replayed = _watched(REPLAY, path, steps)
    second, last = medians(replayed.samples, lambda sample: sample.mb, steps)
    check(last <= second * (1 + MOST_GROWTH), f"memory of the replay grew from {second:.0f} to {last:.0f} MB")
    grown = _grown_bytes_a_step(recorded, steps)
    check(grown <= MOST_BYTES_A_STEP, f"the recording grew by {grown:.0f} bytes a step")
    slower = [
        cpu_between(one.samples, 0.9 * steps, steps) / cpu_between(one.samples, 0.2 * steps, 0.3 * steps)
        for one in (recorded, replayed)
    ]
    check(max(slower) <= MOST_SLOWER, f"the last steps took {max(slower):.2f} times the CPU time of the first ones")
    peak = max(recorded.peak_mb, replayed.peak_mb)
    check(peak <= MOST_MB, f"{peak:.0f} MB")
    return {
        "steps": steps,
        "MB of the file": round(file_mb, 1),
        "MB of the replay, second quarter": round(second),
        "MB of the replay, last quarter": round(last),
        "peak MB of the replay": round(replayed.peak_mb),
        "CPU time of a replayed step, last tenth over third": round(slower[1], 2),
        "peak MB of the recording": round(recorded.peak_mb),
        "bytes that the recording keeps of a step": round(grown),
        "CPU time of a recorded step, last tenth over third": round(slower[0], 2),
        "bounds": f"replay {MOST_GROWTH:.0%} over the second quarter, recording {MOST_BYTES_A_STEP:,} bytes a step, "
        f"{MOST_MB:,} MB, {MOST_SLOWER} of the CPU time",
    }


def _watched(program: str, path: Path, steps: int) -> Watched:
    far = path.with_suffix(".far")
    watched = watch([sys.executable, "-c", program, str(path), str(steps), str(far)], _read(far))
    far.unlink()
    check(watched.code == 0, f"exit code {watched.code}: {watched.told[-500:]}")
    return watched


def _read(far: Path) -> Callable[[], int]:
    def done() -> int:
        return int(far.read_text() or 0) if far.exists() else 0  # it is empty while it is written

    return done


def _grown_bytes_a_step(recorded: Watched, steps: int) -> float:
    second, last = medians(recorded.samples, lambda sample: sample.mb, steps)
    return (last - second) * MB / (steps / 2)
