"""The timeline: valid trace events, no overlap on a track, sums that are the report's counts, windows."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain import trace_events
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS, machine, networks, write_trace

from simulator.engine import STALLS
from simulator.engine.history import PASS_UNIT, STALL_UNIT
from simulator.report import Report
from simulator.report.counters import MOST_BINS, bin_cycles
from simulator.report.timeline import STEP_TRACK, tracks, write_timeline
from simulator.run import simulate
from traces import InputError

Event = dict[str, Any]


def events(path: Path) -> list[Event]:
    found: list[Event] = trace_events.load(path)["traceEvents"]
    return found


def slices(path: Path) -> dict[str, list[Event]]:
    """Complete events by the name of their track."""
    every = events(path)
    names = {e["tid"]: e["args"]["name"] for e in every if e["name"] == "thread_name"}
    found: dict[str, list[Event]] = {name: [] for name in names.values()}
    for event in every:
        if event["ph"] == "X":
            found[names[event["tid"]]].append(event)
    return found


def counters(path: Path) -> dict[str, list[tuple[Decimal, float]]]:
    """Values by the name of their counter: (microseconds, value)."""
    found: dict[str, list[tuple[Decimal, float]]] = {}
    for event in events(path):
        if event["ph"] == "C":
            (value,) = event["args"].values()
            found.setdefault(event["name"], []).append((event["ts"], float(value)))
    return found


def integral(values: list[tuple[Decimal, float]]) -> float:
    """GB/s times microseconds, in bytes."""
    return sum(float(after - at) * value * 1000 for (at, value), (after, _) in pairwise(values))


@pytest.fixture(scope="module")
def timeline(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_timeline(report, tmp_path_factory.mktemp("timeline") / "run.json")


def test_the_file_keeps_the_rules_of_its_format(timeline: Path) -> None:
    data = trace_events.load(timeline)
    assert trace_events.violations(data) == []
    assert {event["ph"] for event in data["traceEvents"]} == {"X", "M", "C", "s", "f"}


BROKEN: dict[str, Any] = {
    "an unknown phase": lambda e: e["X"].update(ph="Q"),
    "a text for a time": lambda e: e["X"].update(ts="1"),
    "a slice of no length": lambda e: e["X"].update(dur=0),
    "a negative time": lambda e: e["C"].update(ts=-1),
    "a field too many": lambda e: e["X"].update(colour="red"),
    "a counter's text": lambda e: e["C"].update(args={"KiB": "4"}),
    "a counter that goes back": lambda e: e["C"].update(ts=10**9),
    "an arrow without an end": lambda e: e["f"].update(id=10**9),
    "an arrow back in time": lambda e: e["s"].update(ts=10**9),
    "an arrow from nowhere": lambda e: e["s"].update(tid=10**9),
    "a slice over another": lambda e: e["X"].update(dur=10**9),
    "a track without a name": lambda e: e["X"].update(tid=10**9),
    "wrong metadata": lambda e: e["M"].update(args={"nam": "x"}),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_checker_sees_a_broken_rule(fault: str, timeline: Path) -> None:
    data = trace_events.load(timeline)
    # Of each kind the second: of the array's slices that is one which another one follows.
    own = [e for e in data["traceEvents"] if e["ph"] != "X" or e["cat"] == "array"]
    BROKEN[fault]({kind: [e for e in own if e["ph"] == kind][1] for kind in "XMCsf"})
    assert trace_events.violations(data) != []


def test_there_is_a_track_for_each_unit_and_place_in_a_queue(timeline: Path, report: Report) -> None:
    found = slices(timeline)
    queue = report.arch.system.dram.queue
    places = [f"{dma} {place}" for dma in ("dma_in", "dma_out") for place in range(queue)]
    alone = {STEP_TRACK, "array", PASS_UNIT, STALL_UNIT, "output_port", "vector_unit", "dma_in waits", "dram"}
    assert alone <= set(found) <= alone | set(places)
    assert {"dma_in 0", "dma_out 0"} <= set(found)
    assert list(found)[:4] == [STEP_TRACK, "array", PASS_UNIT, STALL_UNIT]
    assert all(found.values())


def test_times_are_the_cycles_at_the_machines_clock(timeline: Path, report: Report) -> None:
    for event in slices(timeline)["array"]:
        assert float(event["ts"]) == pytest.approx(report.arch.cycles_to_us(event["args"]["start_cycle"]))
        assert float(event["dur"]) == pytest.approx(report.arch.cycles_to_us(event["args"]["cycles"]))


def check_sums(path: Path, report: Report) -> None:
    """What a whole timeline must sum to."""
    found, activity = slices(path), report.activity
    cycles = {name: sum(e["args"]["cycles"] for e in own) for name, own in found.items()}
    assert cycles["array"] == cycles.get(PASS_UNIT, 0) == activity.busy_cycles["array"]
    assert cycles["vector_unit"] == activity.busy_cycles["vector_unit"]
    assert cycles[STEP_TRACK] == report.total_cycles
    for reason in STALLS:
        stalled = sum(e["args"]["cycles"] for e in found[STALL_UNIT] if e["name"] == reason)
        assert stalled == report.stalls.get(reason, 0), reason
    totals = activity.totals()
    shown = counters(path)
    for direction, counted in (("reads", "dram_read_bytes"), ("writes", "dram_write_bytes")):
        (values,) = [own for name, own in shown.items() if name.startswith(f"DRAM {direction}")] or [[]]
        # Times of the file are whole picoseconds: each value lasts up to one more or less.
        rounding = sum(value for _, value in values) * 1e-6 * 1000
        assert integral(values) == pytest.approx(totals[counted], rel=1e-9, abs=rounding)
    if not report.arch.ideal_memory:
        for name, spec in dict(report.arch.system.buffers).items():
            for own in (own for counter, own in shown.items() if counter.startswith(f"{name} buffer")):
                assert min(v for _, v in own) >= 0
                assert max(v for _, v in own) <= spec.capacity_kib


def test_sums_are_the_reports_counts(timeline: Path, report: Report) -> None:
    check_sums(timeline, report)
    assert sum(e["args"]["cycles"] for e in slices(timeline)["dram"]) == report.activity.busy_cycles["dram"]


# Shrinking a failure takes minutes here, and a drawn case is small enough to read.
@settings(max_examples=30, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, st.one_of(st.just("ideal"), SYSTEMS, TIMING_SYSTEMS), st.data())
def test_any_machine_has_a_valid_timeline(tmp_path_factory, network, array, skipping, memory, data):
    folder = tmp_path_factory.mktemp("any")
    trace = write_trace(folder / "t.npz", network)
    clock_mhz = data.draw(st.sampled_from([300, 1000, 3333]))
    arch = machine(array=array, skipping=skipping, memory=memory, clock_mhz=clock_mhz)
    report = simulate(arch, trace, baseline=False, record_intervals=True)
    path = write_timeline(report, folder / "whole.json")
    assert trace_events.violations(trace_events.load(path)) == []
    check_sums(path, report)
    if report.total_cycles:
        first = data.draw(st.integers(0, report.total_cycles - 1))
        window = first, data.draw(st.integers(first + 1, report.total_cycles))
        part = write_timeline(simulate(arch, trace, baseline=False, record_intervals=window), folder / "part.json")
        assert trace_events.violations(trace_events.load(part)) == []
        check_window(path, part, window)


def check_window(whole: Path, part: Path, window: tuple[int, int]) -> None:
    """A windowed file has what the whole one has there, cut at its ends."""
    first, last = window
    every, some = slices(whole), slices(part)
    for track, own in every.items():
        seen = [e["args"] for e in own if e["args"]["start_cycle"] < last and e["args"]["end_cycle"] > first]
        assert [e["args"] for e in some.get(track, [])] == seen, track
    steps = some[STEP_TRACK]
    assert min(e["ts"] for own in some.values() for e in own) == steps[0]["ts"]
    assert max(e["ts"] + e["dur"] for own in some.values() for e in own) == steps[-1]["ts"] + steps[-1]["dur"]


def test_a_window_spans_steps(report: Report, small_trace: Path, tmp_path: Path, timeline: Path) -> None:
    middle = next(iter(report.activity.step_cycles.values()))
    window = middle - 150, middle + 150
    part = simulate(report.arch, small_trace, record_intervals=window)
    assert part.to_dict() == report.to_dict()
    check_window(timeline, write_timeline(part, tmp_path / "t.json"), window)
    assert [i.name for i in tracks(part.activity)[STEP_TRACK]] == ["step 3", "step 7"]
    level = counters(tmp_path / "t.json")
    for name, values in counters(timeline).items():
        if "buffer" in name:  # what lies there when the window begins is told
            before = [value for at, value in values if at <= level[name][0][0]]
            assert level[name][0][1] == before[-1]


def test_a_window_beyond_the_run_is_the_users_mistake(report: Report, small_trace: Path, tmp_path: Path) -> None:
    end = report.total_cycles
    late = simulate(report.arch, small_trace, baseline=False, record_intervals=(end, end + 5))
    with pytest.raises(InputError, match=f"a run of {end:,} cycles"):
        write_timeline(late, tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 10**12))
def test_means_are_over_few_round_numbers_of_cycles(cycles: int) -> None:
    size = bin_cycles(cycles)
    assert str(size).rstrip("0") in ("1", "2", "5")
    assert -(-cycles // size) <= MOST_BINS
    assert size == 1 or -(-cycles // (size / 2.5)) > MOST_BINS - 1


@pytest.mark.parametrize("clock_mhz", [1, 7, 940, 3333, 100_000])
def test_no_clock_makes_slices_overlap_or_vanish(report: Report, clock_mhz: int, tmp_path: Path) -> None:
    other = replace(report, arch=report.arch.replaced("clock_mhz", clock_mhz))
    data = trace_events.load(write_timeline(other, tmp_path / "t.json"))
    assert trace_events.violations(data) == []


def test_an_activity_alone_is_shown_a_cycle_a_microsecond(report: Report, tmp_path: Path) -> None:
    path = write_timeline(report.activity, tmp_path / "t.json")
    assert trace_events.violations(trace_events.load(path)) == []
    for event in slices(path)["array"]:
        assert (event["ts"], event["dur"]) == (event["args"]["start_cycle"], event["args"]["cycles"])


def test_the_same_run_gives_the_same_bytes(timeline: Path, report: Report, small_trace: Path, tmp_path: Path) -> None:
    again = simulate(report.arch, small_trace, record_intervals=True, engine="event")
    assert write_timeline(again, tmp_path / "again.json").read_bytes() == timeline.read_bytes()


def test_a_pass_has_the_name_that_waves_are_asked_for(timeline: Path) -> None:
    names = [e["name"] for e in slices(timeline)[PASS_UNIT]]
    assert "lstm1 dh t=2:0" in names
    assert "classifier y:0" in names


def test_a_hostile_name_stays_a_name(report: Report, tmp_path: Path) -> None:
    name = 'a"}]}\n<script>\u2028'
    path = write_timeline(replace(report, arch=report.arch.replaced("name", name)), tmp_path / "t.json")
    first = json.loads(path.read_text(encoding="utf-8"))["traceEvents"][0]
    assert first["args"] == {"name": name}


def test_a_run_without_intervals_is_refused(lone_report: Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="record_intervals=True"):
        write_timeline(lone_report, tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_the_users_mistake(report: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        write_timeline(report, tmp_path / "missing" / "t.json")
