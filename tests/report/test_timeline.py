"""The timeline: valid trace events, no overlap on a track, stalls where the array stands still."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine import STALLS, Activity, Interval
from simulator.mapping import COUNTS
from simulator.report import Report
from simulator.report.timeline import STALL_TRACK, STEP_TRACK, tracks, write_timeline
from traces import InputError


def events(path: Path) -> list[dict[str, Any]]:
    """Events of a file, its numbers as exact decimals."""
    data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_constant=pytest.fail)
    found: list[dict[str, Any]] = data["traceEvents"]
    return found


def slices(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Complete events by the name of their track."""
    every = events(path)
    names = {e["tid"]: e["args"]["name"] for e in every if e["name"] == "thread_name"}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for event in every:
        if event["ph"] == "X":
            found[names[event["tid"]]].append(event)
    return found


@pytest.fixture(scope="module")
def timeline(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_timeline(report, tmp_path_factory.mktemp("timeline") / "run.json")


def test_events_are_complete_or_metadata_with_the_fields_viewers_need(timeline: Path) -> None:
    for event in events(timeline):
        assert event["ph"] in ("X", "M")
        assert isinstance(event["name"], str)
        assert event["pid"] == 1
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] > 0
            assert event["args"]["end_cycle"] - event["args"]["start_cycle"] == event["args"]["cycles"]


def test_no_slices_of_a_track_overlap(timeline: Path) -> None:
    found = slices(timeline)
    assert set(found) == {STEP_TRACK, "array", STALL_TRACK, "dram", "vector_unit"}
    for track, one in found.items():
        assert one, track
        for before, after in pairwise(one):
            assert before["ts"] + before["dur"] <= after["ts"], (track, before, after)


def test_times_are_the_cycles_at_the_machines_clock(timeline: Path, report: Report) -> None:
    for event in slices(timeline)["array"]:
        assert float(event["ts"]) == pytest.approx(report.arch.cycles_to_us(event["args"]["start_cycle"]))
        assert float(event["dur"]) == pytest.approx(report.arch.cycles_to_us(event["args"]["cycles"]))


def test_tracks_sum_to_the_counts_of_the_run(report: Report) -> None:
    found = tracks(report.activity)
    cycles = {name: sum(i.end - i.start for i in intervals) for name, intervals in found.items()}
    assert cycles["array"] == int(report.activity.array_cycles.sum())
    assert cycles[STALL_TRACK] == int(report.activity.stalls.sum())
    assert cycles[STEP_TRACK] == report.total_cycles
    assert cycles["dram"] == report.activity.busy_cycles["dram"]
    drained = sum(i.end - i.start for i in found[STALL_TRACK] if i.name == "drain")
    assert drained == report.stalls["drain"]


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    """Activities that are nothing but steps in which an array works now and then."""
    step_cycles, intervals, now = {}, [], 0
    for step in range(draw(st.integers(1, 4))):
        begin = now
        for job in range(draw(st.integers(0, 5))):
            now += draw(st.integers(0, 7))
            cycles = draw(st.integers(1, 9))
            intervals.append(Interval("array", f"job {job}", now, now + cycles))
            now += cycles
        now += draw(st.integers(0, 5))
        step_cycles[step] = now - begin
    none = np.zeros(0, dtype=np.int64)
    return Activity(
        keys=(),
        steps=none,
        counts=none.reshape(0, len(COUNTS)),
        array_cycles=none,
        start=none,
        end=none,
        stalls=none.reshape(0, len(STALLS)),
        total_cycles=now,
        busy_cycles={},
        dram_commands={},
        step_cycles=step_cycles,
        step_counts=np.zeros((len(step_cycles), len(COUNTS)), dtype=np.int64),
        events=0,
        intervals=tuple(intervals),
    )


@settings(derandomize=True)
@given(activities())
def test_stalls_are_exactly_the_cycles_in_which_the_array_does_nothing(activity: Activity) -> None:
    found = tracks(activity)
    # The plain form: one cycle at a time.
    works = {cycle for i in activity.intervals for cycle in range(i.start, i.end)}
    stalled = [cycle for i in found[STALL_TRACK] for cycle in range(i.start, i.end)]
    assert stalled == [cycle for cycle in range(activity.total_cycles) if cycle not in works]
    ends = {i.end for i in found[STEP_TRACK]}
    for gap in found[STALL_TRACK]:
        assert (gap.name == "drain") == (gap.end in ends)
        assert not any(gap.start < end < gap.end for end in ends)


@pytest.mark.parametrize("clock_mhz", [1, 7, 940, 3333, 100_000])
def test_no_clock_makes_slices_overlap_or_vanish(report: Report, clock_mhz: int, tmp_path: Path) -> None:
    other = replace(report, arch=report.arch.replaced("clock_mhz", clock_mhz))
    for one in slices(write_timeline(other, tmp_path / "t.json")).values():
        assert all(event["dur"] > 0 for event in one)
        assert all(a["ts"] + a["dur"] <= b["ts"] for a, b in pairwise(one))


def test_an_activity_alone_is_shown_a_cycle_a_microsecond(report: Report, tmp_path: Path) -> None:
    for event in slices(write_timeline(report.activity, tmp_path / "t.json"))["array"]:
        assert (event["ts"], event["dur"]) == (event["args"]["start_cycle"], event["args"]["cycles"])


def test_the_same_run_gives_the_same_bytes(timeline: Path, report: Report, tmp_path: Path) -> None:
    assert write_timeline(report, tmp_path / "again.json").read_bytes() == timeline.read_bytes()


def test_a_run_without_intervals_is_refused(lone_report: Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="record_intervals=True"):
        write_timeline(lone_report, tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_the_users_mistake(report: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        write_timeline(report, tmp_path / "missing" / "t.json")
