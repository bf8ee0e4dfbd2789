"""What each unit did when, as a trace-event file that ui.perfetto.dev and chrome://tracing open.

A track for each unit, and a lane for each place in the DRAM's queues, so that no slices of a track overlap; the
array's stalls by reason; counters of what lies in the buffers and of the DRAM's traffic; arrows from what was waited
for to what waited. `simulator.report.trace_events` writes the format.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.engine import UNITS, Activity, Interval, Window
from simulator.engine.history import FETCH_UNIT, FETCH_WAITS_UNIT, PASS_UNIT, PORT_UNIT, STALL_UNIT, STORE_UNIT
from simulator.report.counters import Counter, buffer_counters, traffic_counters
from simulator.report.files import write_text_atomically
from simulator.report.result import Report
from simulator.report.trace_events import document
from traces.errors import InputError

STEP_TRACK = "steps"

_ORDER = (
    STEP_TRACK,
    "array",
    PASS_UNIT,
    STALL_UNIT,
    PORT_UNIT,
    "vector_unit",
    FETCH_WAITS_UNIT,
    FETCH_UNIT,
    "dram",
    STORE_UNIT,
)
"""Tracks from the top down; those with a number stand where their name without it stands."""


_GROUPS = {
    "array": "passes of each array",
    FETCH_UNIT: "reads under way",
    "dram": "DRAM channels",
    STORE_UNIT: "writes under way",
}
"""What tracks with a number are together, by their names without it."""


@dataclass(frozen=True)
class _Scale:
    """How cycles become the microseconds of the file, and bytes of a cycle a rate."""

    in_us: Callable[[int], float]
    rate_unit: str
    rate_per_byte_of_cycle: float


def write_timeline(source: Report | Activity, path: str | os.PathLike[str]) -> Path:
    """Write the timeline of a run.

    Parameters
    ----------
    source : Report or Activity
        Of a run with ``record_intervals=True`` or a window. An `Activity` knows no clock: its cycles are shown as
        microseconds.
    path : str or path-like
        The JSON file; written whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written, or the run ended before the window.
    ValueError
        If the run recorded no intervals.
    """
    activity = source if isinstance(source, Activity) else source.activity
    window = recorded_window(activity)
    about: dict[str, str | int] = {"cycles": f"{window[0]}:{window[1]}"}
    if isinstance(source, Activity):
        scale, name, capacities = _Scale(float, "bytes per cycle", 1.0), "cycles (1 us each)", {}
    else:
        arch = source.arch
        scale, name = _Scale(arch.cycles_to_us, "GB/s", arch.clock_mhz / 1000), arch.name
        about |= {"machine": arch.name, "digest": arch.digest, "clock_mhz": arch.clock_mhz}
        about |= {"trace_sha256": source.trace_sha256}
        buffers = {} if arch.ideal_memory else dict(arch.system.buffers)
        capacities = {f"{buffer} buffer": spec.capacity_kib for buffer, spec in buffers.items()}
    shown: list[Counter] = buffer_counters(activity.history.tiles, window, capacities)
    shown += traffic_counters(_traffic(activity), window, scale.rate_unit, scale.rate_per_byte_of_cycle)
    processes: dict[str, dict[str, list[tuple[Interval, Interval]]]] = {name: {}}
    for track, intervals in tracks(activity).items():
        group = f"{name}: {_GROUPS[track.split()[0]]}" if any(map(str.isdigit, track.split())) else name
        processes.setdefault(group, {})[track] = [_cut(i, window) for i in intervals]
    return write_text_atomically(path, document(processes, shown, activity.history.arrows, scale.in_us, about))


def recorded_window(activity: Activity) -> Window:
    """Give the cycles for which a run recorded what each unit did: its window, cut at its end.

    Raises
    ------
    InputError
        If the run ended before it.
    ValueError
        If nothing was recorded.
    """
    if activity.window is None:
        raise ValueError("no intervals to write: call simulate(..., record_intervals=True)")
    first, last = activity.window
    if first and first >= activity.total_cycles:
        raise InputError.of(
            f"--timeline-cycles {first}:{last}", f"a run of {activity.total_cycles:,} cycles", "cycles of the run"
        )
    return first, min(last, activity.total_cycles)


def tracks(activity: Activity) -> dict[str, list[Interval]]:
    """Sort the intervals by track, as far as they reach into the window; each in order of time.

    ``array stalls`` hold every cycle in which the array stood, by reason: they sum to the stalls of the activity.
    """
    first, last = recorded_window(activity)
    found: dict[str, list[Interval]] = {STEP_TRACK: _steps(activity), **{unit: [] for unit in UNITS}, STALL_UNIT: []}
    for interval in (*activity.intervals, *activity.history.slices):
        found.setdefault(interval.unit, []).append(interval)
    for track, intervals in found.items():
        seen = (i for i in intervals if i.start < last and i.end > first)
        found[track] = sorted(seen, key=lambda interval: (interval.start, interval.end))
    return {track: found[track] for track in sorted(found, key=_place)}


def _steps(activity: Activity) -> list[Interval]:
    steps, now = [], 0
    for number, cycles in activity.step_cycles.items():
        if cycles:
            steps.append(Interval(STEP_TRACK, f"step {number}", now, now + cycles))
        now += cycles
    return steps


def _place(track: str) -> tuple[int, int, str]:
    """Order tracks; ``dram 2 reads`` comes below ``dram``, by its number."""
    if track in _ORDER:
        return _ORDER.index(track), -1, track
    unit, number, *_ = [*track.split(), "", ""]
    return (_ORDER.index(unit) if unit in _ORDER else len(_ORDER)), int(number) if number.isdigit() else -1, track


def _traffic(activity: Activity) -> dict[str, list[Interval]]:
    """Sort what crossed the DRAM's pins into reads and writes; at the level `timing` channels know, else the bus."""
    channels = [i for i in activity.history.slices if i.unit.startswith("dram ")]
    moved = channels or [i for i in activity.intervals if i.unit == "dram"]
    kinds = {"DRAM reads": "read", "DRAM writes": "write"}
    return {name: [i for i in moved if i.name.startswith(kind)] for name, kind in kinds.items()} if moved else {}


def _cut(interval: Interval, window: Window) -> tuple[Interval, Interval]:
    """Give what of an interval lies in the window, and the whole of it."""
    start, end = max(interval.start, window[0]), min(interval.end, window[1])
    return replace(interval, start=start, end=end), interval
