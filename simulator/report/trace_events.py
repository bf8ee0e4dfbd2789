"""The Trace Event Format, as ui.perfetto.dev and chrome://tracing read it.

"Trace Event Format", Google (2016), JSON object form: complete events (``X``) with ``ts`` and ``dur`` in microseconds,
counters (``C``), flow arrows (``s`` within the slice that they leave, ``f`` with ``bp: e`` within the one that they
reach), and metadata (``M``) that names tracks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from simulator.engine import Arrow, Interval
from simulator.mapping.plan import NONE
from simulator.report.counters import Counter

DECIMALS = 6  # of a microsecond: whole picoseconds, below the cycle of any clock

_ARROW = "waits for"

Cut = tuple[Interval, Interval]
"""What is shown of an interval, and the whole of it."""


def document(
    processes: Mapping[str, Mapping[str, Sequence[Cut]]],
    counters: Iterable[Counter],
    arrows: Iterable[Arrow],
    in_us: Callable[[int], float],
    about: Mapping[str, str | int],
) -> Iterator[str]:
    """Give the file in parts, one event a line.

    Parameters
    ----------
    processes : mapping
        Groups of tracks from the top down, which a viewer folds; intervals of a track do not overlap, and no two tracks
        have one name.
    counters : iterable of Counter
        Of the first process.
    arrows : iterable of Arrow
        Between tracks by their names; both ends lie in slices that are shown.
    in_us : callable
        A cycle in microseconds.
    about : mapping
        What the file is of, for ``otherData``.
    """
    yield '{"displayTimeUnit": "ns", "otherData": ' + json.dumps(dict(about)) + ', "traceEvents": [\n'
    heads = []
    places: dict[str, tuple[int, int]] = {}
    for process, (name, tracks) in enumerate(processes.items(), start=1):
        heads.append(_metadata("process_name", process, 0, {"name": name}))
        heads.append(_metadata("process_sort_index", process, 0, {"sort_index": process}))
        places |= {track: (process, thread) for thread, track in enumerate(tracks, start=len(places) + 1)}
    yield ",\n".join(map(_line, heads))

    def moment(cycle: int) -> float:
        # All on one grid, and durations are differences on it, so that a slice ends exactly where the next may start.
        return round(in_us(cycle), DECIMALS)

    shown_on = {track: own for tracks in processes.values() for track, own in tracks.items()}
    for track, (process, thread) in places.items():
        yield ",\n" + _line(_metadata("thread_name", process, thread, {"name": track}))
        yield ",\n" + _line(_metadata("thread_sort_index", process, thread, {"sort_index": thread}))
        for shown, whole in shown_on[track]:
            start, end = moment(shown.start), moment(shown.end)
            yield ",\n" + _line(
                {
                    "ph": "X",
                    "name": whole.name,
                    "cat": track,
                    "pid": process,
                    "tid": thread,
                    "ts": start,
                    "dur": round(end - start, DECIMALS),
                    "args": _said(whole),
                }
            )
    for counter in counters:
        for cycle, value in counter.values:
            event = {"ph": "C", "name": counter.name, "cat": "counters", "pid": 1, "tid": 0}
            yield ",\n" + _line({**event, "ts": moment(cycle), "args": {counter.unit: value}})
    for number, arrow in enumerate(arrows, start=1):
        (from_process, from_thread), (to_process, to_thread) = places[arrow.from_unit], places[arrow.to_unit]
        common = {"name": _ARROW, "cat": _ARROW, "id": number}
        leaves = {"ph": "s", **common, "pid": from_process, "tid": from_thread, "ts": moment(arrow.from_cycle)}
        reaches = {"ph": "f", "bp": "e", **common, "pid": to_process, "tid": to_thread, "ts": moment(arrow.to_cycle)}
        yield ",\n" + _line(leaves) + ",\n" + _line(reaches)
    yield "\n]}\n"


def _metadata(kind: str, process: int, thread: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": args}


def _said(interval: Interval) -> dict[str, str | int]:
    """Say of an interval what a click on its slice shows."""
    cycles = {"start_cycle": interval.start, "end_cycle": interval.end, "cycles": interval.end - interval.start}
    said: dict[str, str | int] = {**cycles}
    if interval.about:
        said["about"] = interval.about
    if interval.job != NONE:
        said["job"] = interval.job
    if interval.size_bytes:
        said["bytes"] = interval.size_bytes
    return said


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event)
