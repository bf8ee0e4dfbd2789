"""Timelines of tiny machines, computed by hand; the first is the worked example of MODEL.md."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace

import numpy as np
import pytest
import simpy
from plain.cases import TINY_MEMORY, tiny_machine

from simulator.engine import STALLS, WHOLE, compiled
from simulator.engine.event import run
from simulator.engine.times import DeadlockError
from simulator.mapping import plan
from simulator.workload import After, Epilogue, Product, Workload
from traces import InputError


def product(name="dx", m=2, k=8, n=4, after=(), time=None, shared="l.W", **epilogue):
    return Product("l", name, "backward", time, m, k, n, None, True, after, shared, Epilogue(**epilogue))


def stalls(times, reason):
    return int(times.stalls[:, STALLS.index(reason)].sum())


def test_worked_example_of_the_model_page():
    p = plan(tiny_machine(), Workload(0, (product(store_operand_values=8),)))
    assert len(p.job_product) == 2
    times = run(p, WHOLE)
    by_unit = {unit: [(i.start, i.end) for i in times.intervals if i.unit == unit] for unit in ("dram", "array")}
    assert by_unit["array"] == [(18, 26), (26, 34)]
    assert by_unit["dram"] == [(10, 14), (14, 18), (18, 22), (27, 28), (35, 36)]
    assert times.total_cycles == 36
    assert times.all_reduce_cycles == 0  # of a single chip
    assert {r: stalls(times, r) for r in STALLS if stalls(times, r)} == {"load_shared": 14, "load_skip": 4, "drain": 2}
    assert (times.start[0], times.end[0]) == (18, 36)
    told = {}
    for i in times.history.slices:
        told.setdefault(i.unit, []).append((i.name, i.start, i.end))
    assert told["array stalls"] == [("load_shared", 0, 14), ("load_skip", 14, 18), ("drain", 34, 36)]
    assert [span[1:] for span in told["output_port"]] == [(18, 27), (27, 35)]
    assert told["dma_in 1"] == [("skip tile (job 0)", 0, 18)]
    assert sorted(i.size_bytes for i in times.history.tiles) == [16] * 5


def test_queue_of_one_read_exposes_every_latency():
    slow = {"dram": {**TINY_MEMORY["dram"], "queue": 1}}
    times = run(plan(tiny_machine(**slow), Workload(0, (product(store_operand_values=8),))), WHOLE)
    # Each read is asked for only when the one before is there: 10 + 4, 10 + 4, 10 + 4.
    assert [(i.start, i.end) for i in times.intervals if i.unit == "dram"][:3] == [(10, 14), (24, 28), (38, 42)]
    assert [(i.start, i.end) for i in times.intervals if i.unit == "array"] == [(28, 36), (42, 50)]
    assert stalls(times, "load_shared") == 14 + 6
    assert stalls(times, "load_skip") == 14


def test_serial_chain_waits_for_the_vector_unit():
    # gates_backward makes the first dG; dh (t = 1) makes the second; dh (t = 0) ends the chain.
    first = product("gates_backward", k=0, n=2, time=1, shared="l.", gate_backward_values=16)
    dh1 = product("dh", n=2, after=(After(0, True),), time=1, shared="l.U'", gate_backward_values=16)
    dh0 = product("dh", n=2, after=(After(1, True),), time=0, shared="l.U'")
    times = run(plan(tiny_machine(), Workload(0, (first, dh1, dh0))), WHOLE)
    units = {u: [(i.start, i.end) for i in times.intervals if i.unit == u] for u in ("array", "vector_unit", "dram")}
    # 16 gate values on 2 lanes: 8 cycles, and 3 of latency. U' (16 bytes) is loaded once, at 10 to 14.
    assert units["vector_unit"][0] == (0, 8)
    assert units["dram"] == [(10, 14)]
    # dh1 starts when U' is there (14; its dG was made at 11) and runs 8 cycles, drains 1, vector 8, latency 3.
    assert units["array"] == [(14, 22), (34, 42)]
    assert units["vector_unit"][1] == (23, 31)
    assert times.total_cycles == 43
    assert stalls(times, "dependency") == 11 + (34 - 22)
    assert stalls(times, "load_shared") == 14 - 11
    assert stalls(times, "drain") == 1


def test_full_output_buffer_stalls_the_array():
    # One output tile (2 x 2 int32 = 16 bytes) at a time: job 1 waits until job 0 is stored.
    p = plan(tiny_machine(), Workload(0, (product(store_operand_values=8),)))
    times = run(replace(p, capacity_bytes=(1024, 1024, 16)), WHOLE)
    assert [(i.start, i.end) for i in times.intervals if i.unit == "array"] == [(18, 26), (28, 36)]
    assert stalls(times, "output_full") == 2


def test_resident_weights_load_once_and_streamed_ones_every_time():
    chain = [product("gates_backward", k=0, n=40, time=3, shared="l.", gate_backward_values=16)]
    chain += [product("dh", k=40, n=40, after=(After(t, True),), time=3 - t, shared="l.U'") for t in range(3)]
    weights_bytes = 40 * 40
    fits = {**TINY_MEMORY["buffers"], "shared": {"capacity_kib": 2}}
    slow = {**TINY_MEMORY["dram"], "bandwidth_gb_per_s": 1.0}
    resident = plan(tiny_machine(buffers=fits, dram=slow), Workload(0, tuple(chain)))
    streamed = plan(tiny_machine(dram=slow), Workload(0, tuple(chain)))
    shared = lambda p: int(p.load_dram_bytes[p.load_buffer == 1].sum())  # noqa: E731
    assert shared(resident) == weights_bytes
    assert shared(streamed) == 3 * weights_bytes
    assert run(streamed).total_cycles > run(resident).total_cycles


def test_skip_operand_too_large_to_hand_over_goes_through_dram():
    wide = {**TINY_MEMORY["buffers"], "skip": {"capacity_kib": 1, "double": True}}
    k = 600  # 2 x 600 bytes do not fit half of 1 KiB, so dG is stored and loaded back in two K tiles
    first = product("gates_backward", k=0, n=2, time=1, shared="l.", gate_backward_values=16, store_operand_values=4)
    dh = product("dh", k=k, n=2, after=(After(0, True),), time=1, shared="l.U'")
    p = plan(tiny_machine(buffers=wide), Workload(0, (first, dh)))
    assert p.waits_on_chip.tolist() == [0]
    skip = p.load_buffer == 0
    assert p.load_dram_bytes[skip].sum() == 2 * k
    assert set(p.load_after_job[skip].tolist()) == {0}
    times = run(p)
    assert times.start[1] >= times.end[0]


def test_a_plan_that_cannot_be_held_is_a_deadlock_that_names_who_waits():
    p = plan(tiny_machine(), Workload(0, (product(store_operand_values=8),)))
    stuck = replace(p, capacity_bytes=(8, 1024, 1024))
    with pytest.raises(DeadlockError, match=r"DMA in waits for 16 bytes of the skip buffer \(8 free\).*array waits"):
        run(stuck)


def test_result_does_not_depend_on_which_process_starts_first(monkeypatch):
    chain = [product("gates_backward", k=0, n=8, time=3, shared="l.", gate_backward_values=64, store_operand_values=64)]
    chain += [
        product("dh", k=16, n=8, after=(After(t, True),), time=3 - t, shared="l.U'", store_operand_values=9)
        for t in range(3)
    ]
    chain.append(product("dW", m=16, k=6, n=8, after=(After(2, False),), store_accumulator_values=128))
    p = plan(tiny_machine(), Workload(0, tuple(chain)))
    expected = run(p)

    # Of one instant and priority, handle the youngest event first instead of the oldest.
    youngest_first = itertools.count(0, -1)

    class Reversed(simpy.Environment):
        def schedule(self, event, priority=1, delay=0):
            heapq.heappush(self._queue, (self._now + delay, priority, next(youngest_first), event))

    monkeypatch.setattr(simpy, "Environment", Reversed)
    turned = run(p)
    assert turned.total_cycles == expected.total_cycles
    assert np.array_equal(turned.start, expected.start)
    assert np.array_equal(turned.end, expected.end)
    assert np.array_equal(turned.stalls, expected.stalls)


def test_number_of_events_is_what_it_was():
    # SimPy's cost is its events: 2 jobs with 5 loads and 2 stores. A change here is a change of speed; say why.
    one_product = plan(tiny_machine(), Workload(0, (product(store_operand_values=8),)))
    assert run(one_product).events == EVENTS_OF_WORKED_EXAMPLE
    without = compiled.run(one_product)
    assert (without.events, without.all_reduce_cycles) == (0, 0)


EVENTS_OF_WORKED_EXAMPLE = 55


def test_a_step_too_long_for_a_dram_that_counts_clocks_is_refused(monkeypatch):
    p = plan(tiny_machine(dram={"level": "timing", "timing": "ddr4_3200"}), Workload(0, (product(),)))
    total = compiled.run(p).total_cycles
    monkeypatch.setattr("simulator.engine.times.MOST_TIMED_CYCLES", total + 1)
    assert compiled.run(p).total_cycles == total
    monkeypatch.setattr("simulator.engine.times.MOST_TIMED_CYCLES", total)
    with pytest.raises(InputError, match=r"level timing.*steps of less than 2\^44 cycles"):
        compiled.run(p)


def test_the_whole_of_a_step_is_every_cycle_that_can_be_told():
    assert WHOLE[0] == 0
    assert WHOLE[1] > 2**53
