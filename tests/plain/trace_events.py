"""The rules of the "Trace Event Format" (Google, 2016) for the events that timelines have, checked one by one."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

Event = dict[str, Any]

# What an event must have, and what it may have beside that.
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "X": ({"name", "cat", "ph", "ts", "dur", "pid", "tid"}, {"args"}),
    "C": ({"name", "ph", "ts", "pid", "args"}, {"cat", "tid", "id"}),
    "M": ({"name", "ph", "pid", "args"}, {"tid", "cat", "ts"}),
    "s": ({"name", "cat", "ph", "ts", "pid", "tid", "id"}, {"args"}),
    "f": ({"name", "cat", "ph", "ts", "pid", "tid", "id"}, {"args", "bp"}),
}
METADATA = {
    "process_name": ("name", str),
    "thread_name": ("name", str),
    "process_labels": ("labels", str),
    "process_sort_index": ("sort_index", int),
    "thread_sort_index": ("sort_index", int),
}
OBJECT = {"traceEvents", "displayTimeUnit", "otherData"}


def load(path: Path) -> dict[str, Any]:
    """Read a file, its numbers as exact decimals; NaN and Infinity are no JSON."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    data: dict[str, Any] = json.loads(
        path.read_text(encoding="utf-8"), parse_float=Decimal, parse_constant=refuse, object_pairs_hook=_once
    )
    return data


def violations(data: dict[str, Any]) -> list[str]:
    """List what breaks a rule."""
    found = []
    if not set(data) <= OBJECT or "traceEvents" not in data:
        found.append(f"keys {sorted(data)}")
    if data.get("displayTimeUnit", "ms") not in ("ms", "ns"):
        found.append("displayTimeUnit")
    events: list[Event] = data["traceEvents"]
    for event in events:
        found += [f"{wrong}: {event}" for wrong in _of_one(event)]
    if not found:
        found = [*_slices(events), *_counters(events), *_flows(events), *_names(events)]
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), "a key twice"
    return dict(pairs)


def _of_one(event: Event) -> list[str]:
    kind = event.get("ph")
    if kind not in FIELDS:
        return [f"phase {kind}"]
    must, may = FIELDS[kind]
    wrong = []
    if not must <= set(event) or not set(event) <= must | may:
        return [f"fields {sorted(set(event) ^ must)}"]
    for key in ("pid", "tid"):
        if key in event and type(event[key]) is not int:
            wrong.append(key)
    for key in ("name", "cat"):
        if key in event and (type(event[key]) is not str or not event[key]):
            wrong.append(key)
    for key in ("ts", "dur"):
        if key in event and (type(event[key]) not in (int, Decimal) or event[key] < 0):
            wrong.append(key)
    if kind == "X" and event["dur"] == 0:
        wrong.append("a slice without a length")
    if kind == "C" and (not event["args"] or any(type(v) not in (int, Decimal) for v in event["args"].values())):
        wrong.append("a counter's values are numbers")
    if kind == "f" and event.get("bp") not in (None, "e"):
        wrong.append("binding point")
    if kind == "M":
        key, type_ = METADATA.get(event["name"], ("", type(None)))
        if set(event["args"]) != {key} or type(event["args"].get(key)) is not type_:
            wrong.append("metadata")
    return wrong


def slices_of(events: list[Event]) -> dict[tuple[int, int], list[Event]]:
    """Complete events by process and thread, in order of time."""
    threads: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        if event["ph"] == "X":
            threads.setdefault((event["pid"], event["tid"]), []).append(event)
    for own in threads.values():
        own.sort(key=lambda event: event["ts"])
    return threads


def _slices(events: list[Event]) -> list[str]:
    """Slices of a thread do not overlap, not even nested: these tracks are units that do one thing at a time."""
    found = []
    for own in slices_of(events).values():
        for before, after in pairwise(own):
            if before["ts"] + before["dur"] > after["ts"]:
                found.append(f"overlap: {before} {after}")
    return found


def _counters(events: list[Event]) -> list[str]:
    """The values of a counter come in order of time, one at a time, and always have the same keys."""
    found, last = [], dict[tuple[int, str], Event]()
    for event in events:
        if event["ph"] != "C":
            continue
        before = last.get((event["pid"], event["name"]))
        if before is not None and (before["ts"] >= event["ts"] or set(before["args"]) != set(event["args"])):
            found.append(f"counter: {before} {event}")
        last[event["pid"], event["name"]] = event
    return found


def _flows(events: list[Event]) -> list[str]:
    """An arrow has one start and one later end, of one name and category, each within a slice of its thread."""
    threads = slices_of(events)
    starts = [event for event in events if event["ph"] == "s"]
    ends = {(event["cat"], event["name"], event["id"]): event for event in events if event["ph"] == "f"}
    found = []
    if len({e["id"] for e in starts}) != len(starts) or len(starts) != sum(e["ph"] == "f" for e in events):
        found.append("arrows without one start and one end each")
    for start in starts:
        end = ends.get((start["cat"], start["name"], start["id"]))
        if end is None or end["ts"] < start["ts"] or end.get("bp") != "e":
            found.append(f"arrow: {start} {end}")
            continue
        found += [f"arrow in no slice: {e}" for e in (start, end) if not _in_slice(e, threads)]
    return found


def _in_slice(event: Event, threads: dict[tuple[int, int], list[Event]]) -> bool:
    own = threads.get((event["pid"], event["tid"]), [])
    return any(s["ts"] <= event["ts"] < s["ts"] + s["dur"] for s in own)


def _names(events: list[Event]) -> list[str]:
    """Every process and thread that has a slice has a name, told once."""
    named = [(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"]
    used = set(slices_of(events))
    return [] if used <= set(named) and len(set(named)) == len(named) else [f"tracks without names: {used}"]
