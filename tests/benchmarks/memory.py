"""Peak resident memory of a replay: of a trace far larger than memory, of very many steps, and of one large step.

Each replay runs in a process of its own, which tells the largest resident set that it ever had (VmHWM of
``/proc/self/status``): Python, numpy and compiled kernels included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.repeated import Size, repeated_trace

LIMIT_MB = 1000
"""What a replay may take of memory, however long its trace: 1 GB."""

MB = 10**6
LARGE = Size(layers=4, hidden=2048, T=100, B=64)
SMALL = Size(layers=1, hidden=32, T=4, B=4)

_REPLAY = """
import json, sys, time
from simulator import simulate
from traces import Trace
begin = time.perf_counter()
with Trace(sys.argv[2]) as trace:
    report = simulate(sys.argv[1], trace)
seconds = time.perf_counter() - begin
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
rows, cycles = len(report.activity.keys), report.total_cycles
print(json.dumps({"peak_kib": int(peak.split()[1]), "seconds": seconds, "rows": rows, "cycles": cycles}))
"""


@dataclass(frozen=True)
class Peak:
    """What one replay took.

    Attributes
    ----------
    name : str
    steps : int
    masks_mb, file_mb : float
        The trace's masks unpacked (a byte for each gate gradient), and its file.
    peak_mb : float
        Largest resident set.
    seconds : float
        Wall time from opening the trace to the report, with the dense twin and the bound.
    rows : int
        Rows of the activity.
    cycles : int
    """

    name: str
    steps: int
    masks_mb: float
    file_mb: float
    peak_mb: float
    seconds: float
    rows: int
    cycles: int


def replay(name: str, size: Size, steps: int, machine: str = "staged_window", values: bool = False) -> Peak:
    """Write a trace of so many steps, replay it in a new process, and remove it."""
    with tempfile.TemporaryDirectory() as folder:
        path = repeated_trace(Path(folder) / "t.npz", size, steps, values)
        file_mb = path.stat().st_size / MB
        done = subprocess.run(
            [sys.executable, "-c", _REPLAY, machine, str(path)], check=True, capture_output=True, text=True
        )
    told = json.loads(done.stdout)
    masks_mb = steps * size.mask_elements / MB
    peak_mb = told["peak_kib"] * 1024 / MB
    return Peak(name, steps, masks_mb, file_mb, peak_mb, told["seconds"], told["rows"], told["cycles"])


def measure(
    large: Size = LARGE, large_steps: int = 96, small: Size = SMALL, small_steps: int = 10_000, values: bool = False
) -> list[Peak]:
    """Measure one large step, as many as make 20 GB, and very many small ones, once and twice as many.

    Parameters
    ----------
    large, small : Size
    large_steps, small_steps : int
    values : bool
        Whether the many large steps record values too: with the usual sizes their file is 17 GB then.
    """
    return [
        replay("one large step", large, 1),
        replay("many large steps", large, large_steps, values=values),
        replay("small steps", small, small_steps),
        replay("twice as many", small, 2 * small_steps),
    ]


def growth_bytes(fewer: Peak, more: Peak) -> float:
    """Bytes of memory for each further step."""
    return (more.peak_mb - fewer.peak_mb) * MB / (more.steps - fewer.steps)


def section(peaks: Sequence[Peak] | None = None) -> str:
    """Lay the peaks out as a section of a Markdown page; measures them unless they are given."""
    found = measure() if peaks is None else list(peaks)
    lines = [
        "## Memory",
        "",
        f"Peak resident memory of a replay with its dense twin and bound; the limit is {LIMIT_MB:,} MB.",
        "",
        "| trace | steps | masks unpacked | file | peak | of the limit | time |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for p in found:
        share = f"{p.peak_mb / LIMIT_MB:.0%}" + ("" if p.peak_mb <= LIMIT_MB else " **over**")
        lines.append(
            f"| {p.name} | {p.steps:,} | {p.masks_mb:,.1f} MB | {p.file_mb:,.1f} MB | {p.peak_mb:,.0f} MB | {share} "
            f"| {p.seconds:.3g} s |"
        )
    if len(found) > 1 and found[-1].steps > found[-2].steps:
        grown = growth_bytes(found[-2], found[-1])
        lines += ["", f"From {found[-2].steps:,} to {found[-1].steps:,} small steps: {grown:,.0f} bytes a step."]
    return "\n".join(lines) + "\n"
