"""What each unit did when, as a trace-event file that ui.perfetto.dev and chrome://tracing open.

Format: "Trace Event Format", Google (2016): complete events (``ph: X``) with ``ts`` and ``dur`` in
microseconds, and metadata events (``ph: M``) that name the tracks. Viewers show no overlapping slices on one
track, so each unit has its own, and no unit does two things at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from simulator.engine import UNITS, Activity, Interval
from simulator.report.files import write_text_atomically
from simulator.report.result import Report

STEP_TRACK, STALL_TRACK = "steps", "array stalls"
DECIMALS = 6  # of a microsecond: whole picoseconds, below the cycle of any clock

_PROCESS = 1


def write_timeline(source: Report | Activity, path: str | os.PathLike[str]) -> Path:
    """Write the timeline of a run.

    Parameters
    ----------
    source : Report or Activity
        Of a run with ``record_intervals=True``. An `Activity` knows no clock: its cycles are shown as
        microseconds.
    path : str or path-like
        The JSON file; written whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    ValueError
        If the run recorded no intervals.
    """
    activity = source if isinstance(source, Activity) else source.activity
    if activity.total_cycles and not activity.intervals:
        raise ValueError("no intervals to write: call simulate(..., record_intervals=True)")
    in_us = float if isinstance(source, Activity) else source.arch.cycles_to_us
    name = "cycles (1 us each)" if isinstance(source, Activity) else source.arch.name
    return write_text_atomically(path, _document(activity, in_us, name))


def tracks(activity: Activity) -> dict[str, list[Interval]]:
    """Sort the intervals by track: steps, the array, its stalls, then the other units; each in order of time.

    Stalls are the gaps between the array's intervals, cut at the ends of steps. The gap before a step's end is the
    drain of its last results, and of several chips the wait for their links, too. Gaps sum to the stalled cycles of the
    activity.
    """
    by_unit: dict[str, list[Interval]] = {unit: [] for unit in ("array", *(unit for unit in UNITS if unit != "array"))}
    for interval in activity.intervals:
        by_unit.setdefault(interval.unit, []).append(interval)
    for intervals in by_unit.values():
        intervals.sort(key=lambda interval: (interval.start, interval.end))
    steps = _steps(activity)
    array = by_unit.pop("array")
    return {STEP_TRACK: steps, "array": array, STALL_TRACK: _gaps(array, steps), **by_unit}


def _steps(activity: Activity) -> list[Interval]:
    steps, now = [], 0
    for number, cycles in activity.step_cycles.items():
        if cycles:
            steps.append(Interval(STEP_TRACK, f"step {number}", now, now + cycles))
        now += cycles
    return steps


def _gaps(array: list[Interval], steps: list[Interval]) -> list[Interval]:
    """Find when the array stood still; both lists are in order, and no job crosses the end of a step."""
    gaps: list[Interval] = []
    jobs = iter(array)
    job = next(jobs, None)
    for step in steps:
        free_at = step.start
        while job is not None and job.start < step.end:
            if job.start > free_at:
                gaps.append(Interval(STALL_TRACK, f"before {job.name}", free_at, job.start))
            free_at = job.end
            job = next(jobs, None)
        if free_at < step.end:
            gaps.append(Interval(STALL_TRACK, "drain", free_at, step.end))
    return gaps


def _document(activity: Activity, in_us: Callable[[int], float], name: str) -> Iterator[str]:
    """Give the file in parts, one event a line."""
    yield '{"displayTimeUnit": "ns", "traceEvents": [\n'
    yield _line(_metadata("process_name", 0, {"name": name}))
    for thread, (track, intervals) in enumerate(tracks(activity).items(), start=1):
        yield ",\n" + _line(_metadata("thread_name", thread, {"name": track}))
        yield ",\n" + _line(_metadata("thread_sort_index", thread, {"sort_index": thread}))
        for interval in intervals:
            yield ",\n" + _line(_slice(interval, track, thread, in_us))
    yield "\n]}\n"


def _metadata(kind: str, thread: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": _PROCESS, "tid": thread, "args": args}


def _slice(interval: Interval, track: str, thread: int, in_us: Callable[[int], float]) -> dict[str, Any]:
    # Both ends are rounded to the same grid and the duration is their difference on it, so that a slice ends
    # exactly where the next one may start.
    start = round(in_us(interval.start), DECIMALS)
    return {
        "ph": "X",
        "name": interval.name,
        "cat": track,
        "pid": _PROCESS,
        "tid": thread,
        "ts": start,
        "dur": round(round(in_us(interval.end), DECIMALS) - start, DECIMALS),
        "args": {
            "start_cycle": interval.start,
            "end_cycle": interval.end,
            "cycles": interval.end - interval.start,
        },
    }


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event)
