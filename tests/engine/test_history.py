"""The history of a step: its sums are the counts, nothing is in two places, and a window is a part of the whole."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS, machine, networks, write_trace

from simulator.arch import Architecture
from simulator.engine import STALLS, WHOLE, Interval, StepTimes, channels, compiled
from simulator.engine.history import FETCH_UNIT, FETCH_WAITS_UNIT, PASS_UNIT, PORT_UNIT, STALL_UNIT, STORE_UNIT
from simulator.engine.passes import pass_name, row_passes, with_passes
from simulator.mapping import BUFFERS, PassCache, Plan, plan
from simulator.skipping import run_pass
from simulator.values.operands import unpacked
from simulator.workload import lower
from traces import InputError

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def planned(network: dict[str, Any], **changes: Any) -> tuple[Architecture, Plan, PassCache]:
    arch, cache = machine(**changes), PassCache()
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        return arch, plan(arch, lower(trace, trace.step(7)), cache), cache


def by_unit(times: StepTimes) -> dict[str, list[Interval]]:
    found = defaultdict(list)
    for interval in (*times.intervals, *times.history.slices):
        found[interval.unit].append(interval)
    return {unit: sorted(own, key=lambda i: i.start) for unit, own in found.items()}


def cycles(intervals: list[Interval]) -> int:
    return sum(i.end - i.start for i in intervals)


def check(p: Plan, times: StepTimes) -> dict[str, list[Interval]]:
    """What holds on every machine."""
    units = by_unit(times)
    for unit, own in units.items():
        assert all(a.end <= b.start for a, b in pairwise(own)), unit
        assert all(0 <= i.start < i.end <= times.total_cycles for i in own), unit
    for unit in ("array", "vector_unit"):
        assert cycles(units.get(unit, [])) == times.busy[unit]
    stalls = units.get(STALL_UNIT, [])
    for number, reason in enumerate(STALLS):
        own = [i for i in stalls if i.name == reason]
        assert cycles(own) == times.stalls[:, number].sum(), reason
        if reason != "drain":
            for product in range(len(p.products)):
                of_product = [i for i in own if p.job_product[i.job] == product]
                assert cycles(of_product) == times.stalls[product, number]
    # The array works or stands, cycle by cycle.
    together = sorted([*units.get("array", []), *stalls], key=lambda i: i.start)
    assert cycles(together) == times.total_cycles
    assert all(a.end == b.start for a, b in pairwise(together))
    waits = {"data", "queue", *(f"room in the {buffer} buffer" for buffer in BUFFERS)}
    assert {i.name for i in units.get(FETCH_WAITS_UNIT, [])} <= waits
    for arrow in times.history.arrows:
        assert arrow.from_cycle <= arrow.to_cycle
        assert any(i.start <= arrow.from_cycle < i.end for i in units[arrow.from_unit])
        assert any(i.start == arrow.to_cycle for i in units[arrow.to_unit])
    return units


@settings(max_examples=60, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_sums_are_the_counts(network, array, skipping, memory):
    _, p, _ = planned(network, array=array, skipping=skipping, memory=memory)
    times = compiled.run(p, WHOLE)
    units = check(p, times)
    assert cycles(units.get("dram", [])) == times.busy["dram"]
    moved = {kind: [i for i in units.get("dram", []) if i.name.startswith(kind)] for kind in ("read", "write")}
    for kind, prefix, counted in (
        ("read", FETCH_UNIT, p.load_dram_bytes),
        ("write", STORE_UNIT, p.job_store_bytes),
    ):
        under_way = [i for unit, own in units.items() if unit.startswith(f"{prefix} ") for i in own if i.size_bytes]
        assert sum(i.size_bytes for i in moved[kind]) == sum(i.size_bytes for i in under_way) == counted.sum()
        # A transfer is under way until its last byte has crossed the bus, at most `queue` at a time.
        assert sorted((i.end, i.job) for i in moved[kind]) == sorted((i.end, i.job) for i in under_way)
        assert {int(i.unit.split()[1]) for i in under_way} <= set(range(p.dram.queue))
    drained = {i.job: i.end for i in units.get(PORT_UNIT, [])}
    assert all(i.start >= drained.get(i.job, 0) for i in units.get("vector_unit", []))


@settings(max_examples=40, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_reads_wait_out_their_latency_and_tiles_fit_their_buffers(network, array, skipping, memory):
    _, p, _ = planned(network, array=array, skipping=skipping, memory=memory)
    times = compiled.run(p, WHOLE)
    for unit, own in by_unit(times).items():
        if unit.startswith(f"{FETCH_UNIT} ") and unit[-1].isdigit():
            for i in own:
                assert i.end - i.start >= p.dram.latency_cycles + p.dram.transfer_cycles(i.size_bytes)
    for buffer, capacity in zip(BUFFERS, p.capacity_bytes, strict=True):
        own = [i for i in times.history.tiles if i.unit == f"{buffer} buffer"]
        level = np.zeros(times.total_cycles + 1, np.int64)
        for i in own:
            level[i.start : i.end] += i.size_bytes
        assert level.max() <= capacity
        assert level[-1] == 0


@settings(max_examples=40, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, TIMING_SYSTEMS, st.sampled_from([300, 1000, 2400]))
def test_channels_move_every_byte_of_a_dram_with_banks(network, array, skipping, memory, clock_mhz):
    _, p, _ = planned(network, array=array, skipping=skipping, memory=memory, clock_mhz=clock_mhz)
    times = compiled.run(p, WHOLE)
    units = check(p, times)
    own = [i for unit, intervals in units.items() if unit.startswith("dram ") for i in intervals]
    for name, counted in (("reads", p.load_dram_bytes), ("writes", p.job_store_bytes)):
        assert sum(i.size_bytes for i in own if i.name == name) == counted.sum()
        bursts = sum(int(i.about.split()[0]) for i in own if i.name == name)
        assert bursts == times.dram_commands[name]
    busy = np.zeros(times.total_cycles, np.bool_)
    for i in units.get("dram", []):
        busy[i.start : i.end] = True
    assert all(busy[i.start : i.end].all() for i in own)
    if own:
        assert max(i.end for i in own) == max(i.end for i in units["dram"])
        clocks, per_cycles = p.dram.clocks_per_cycle
        taken = int(p.dram.standard.burst_clocks) * per_cycles
        assert all(int(i.about.split()[0]) * taken <= (i.end - i.start) * clocks for i in own)


@settings(max_examples=30, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, st.one_of(SYSTEMS, TIMING_SYSTEMS), st.data())
def test_a_window_tells_what_reaches_into_it(network, array, skipping, memory, data):
    _, p, _ = planned(network, array=array, skipping=skipping, memory=memory)
    whole = compiled.run(p, WHOLE)
    first = data.draw(st.integers(0, max(0, whole.total_cycles - 1)))
    last = data.draw(st.integers(first + 1, whole.total_cycles + 5))
    part = compiled.run(p, (first, last))

    def seen(intervals: tuple[Interval, ...]) -> list[Interval]:
        return [i for i in intervals if i.start < last and i.end > first]

    assert list(part.intervals) == seen(whole.intervals)
    assert list(part.history.slices) == seen(whole.history.slices)
    assert list(part.history.tiles) == seen(whole.history.tiles)
    arrows = [a for a in whole.history.arrows if first <= a.from_cycle and a.to_cycle < last]
    assert list(part.history.arrows) == arrows
    assert part.total_cycles == whole.total_cycles


@settings(max_examples=40, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, st.one_of(st.just("ideal"), SYSTEMS))
def test_passes_are_all_of_the_arrays_work_and_take_what_the_law_says(network, array, skipping, memory):
    arch, p, cache = planned(network, array=array, skipping=skipping, memory=memory)
    times = with_passes(arch, p, cache, compiled.run(p, WHOLE), WHOLE)
    units = check(p, times)
    passes = units.get(PASS_UNIT, [])
    assert cycles(passes) == times.busy["array"]
    overhead = array["pass_overhead_cycles"]
    for one in passes[:40]:
        planned_product = p.products[p.job_product[one.job]]
        product, tiling = planned_product.product, planned_product.tiling
        name, _, number = one.name.rpartition(":")
        q, row = divmod(int(number), row_passes(planned_product))
        assert name == planned_product.label
        mask = np.ones((product.m, product.k), np.bool_) if product.mask is None else unpacked(product.mask)
        own = mask[row * tiling.rows : (row + 1) * tiling.rows, q * tiling.tile_k : (q + 1) * tiling.tile_k]
        assert one.end - one.start == run_pass(own, arch.skipping).cycles + overhead


def test_passes_are_numbered_over_k_tiles_and_tiles_of_rows() -> None:
    product: Any = SimpleNamespace(label="dW", product=SimpleNamespace(m=22), tiling=SimpleNamespace(rows=4))
    assert row_passes(product) == 6
    product.product.m = 24  # so many fill them all
    assert row_passes(product) == 6
    names = [pass_name(product, k_tile, rows) for k_tile in range(3) for rows in range(6)]
    assert names == [f"dW:{number}" for number in range(18)]


def test_more_dram_commands_than_are_kept_are_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    network = {
        "kinds": ["linear"], "sizes": [4, 8], "T": 2, "B": 2, "density": 1.0, "valid_steps": None,
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 0,
    }  # fmt: skip
    _, p, _ = planned(network, memory={"dram": {"level": "timing", "timing": "ddr4_3200"}})
    monkeypatch.setattr(channels, "MOST_COMMANDS", 10)
    assert compiled.run(p).total_cycles
    with pytest.raises(InputError, match=r"DRAM commands.*bandwidth_gb_per_s"):
        compiled.run(p, WHOLE)
