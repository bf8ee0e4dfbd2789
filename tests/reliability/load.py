"""Many points, long traces, many at once.

`make soak`, or ``python -m reliability.load POINTS STEPS SWEEPS``: watches real commands, and stops where a promise is
broken.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reliability.promises import Promise, keep
from reliability.soak_sweep import BrokenError, Figures, interrupted_sweep, large_sweep, sweeps_at_once
from reliability.soak_trace import recorded_and_replayed

COMMAND = "make soak"
MANY_POINTS = Promise(
    "many-points",
    5,
    "A sweep of 100,000 points into one store on two cores takes flat memory, in the sweep and in its workers, and no "
    "more CPU time for the last points than for the first; its CSV, its Parquet and its frontier take less than 1 GB.",
    (
        "tests/explore/test_many_points.py",
        "tests/explore/test_pool.py::test_lots_are_made_when_there_is_room",
        "tests/explore/test_order.py",
    ),
    COMMAND,
)
INTERRUPTED = Promise(
    "interrupted-sweep",
    5,
    "A large sweep that is interrupted, killed and resumed has no row lost or twice, and the same bytes.",
    (
        "tests/explore/test_store.py::test_a_killed_sweep_goes_on_where_it_was_to_the_same_bytes",
        "tests/explore/test_store.py::test_a_sweep_killed_with_its_workers_under_way_goes_on_to_the_same_bytes",
        "tests/explore/test_store.py::test_wherever_a_kill_cuts_the_file_the_whole_lines_are_kept",
        "tests/explore/test_sweep.py::test_ctrl_c_with_workers_keeps_what_came_and_exits_as_a_shell_says",
    ),
    COMMAND,
)
AT_ONCE = Promise(
    "sweeps-at-once",
    5,
    "Eight sweeps at one time on one store, of overlapping spaces: each point once, none lost, torn or twice, no "
    "deadlock, and each table is that of the sweep alone.",
    (
        "tests/explore/test_sweeps_at_once.py",
        "tests/explore/test_store.py::test_many_writers_at_once_lose_nothing_and_write_nothing_twice",
    ),
    COMMAND,
)
LONG_TRACE = Promise(
    "long-trace",
    5,
    "A trace of 50,000 steps is replayed in flat memory, and recorded with what its header and directory say of a step "
    "and nothing else; the last step takes no more CPU time than the first.",
    (
        "tests/engine/test_activity_memory.py",
        "tests/benchmarks/test_memory_and_growth.py",
    ),
    COMMAND,
)
PROMISES: tuple[Promise, ...] = (MANY_POINTS, INTERRUPTED, AT_ONCE, LONG_TRACE)


def run(points: int = 100_000, steps: int = 50_000, sweeps: int = 8, write: bool = True) -> dict[str, Figures]:
    """Do all of it, one after the other; give the figures, and write them for RELIABILITY.md.

    Interrupted is a sweep of a tenth of the points.
    """
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole: list[tuple[Promise, Callable[[], Figures]]] = [
            (MANY_POINTS, lambda: large_sweep(folder, points)),
            (INTERRUPTED, lambda: interrupted_sweep(folder, points // 10)),
            (LONG_TRACE, lambda: recorded_and_replayed(folder, steps)),
            (AT_ONCE, lambda: sweeps_at_once(folder, sweeps)),
        ]
        for promise, measure in whole:
            begin = time.perf_counter()
            figures[promise.key] = found = measure()
            seconds = time.perf_counter() - begin
            print(f"{promise.key}: {found}, {seconds:.0f} s", flush=True)
            if write:
                keep(promise, found, seconds)
    return figures


if __name__ == "__main__":
    try:
        run(*map(int, sys.argv[1:4]), write="--no-figures" not in sys.argv)
    except BrokenError as error:
        sys.exit(f"broken: {error}")
