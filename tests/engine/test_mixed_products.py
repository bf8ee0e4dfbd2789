"""Products in the pauses of a chain, partial sums by DRAM, buffers that feed the array too slowly: by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from plain.cases import (
    MECHANISMS,
    SHAPED_ARRAYS,
    SYSTEMS,
    TINY_MEMORY,
    machine,
    networks,
    tiny_machine,
    write_trace,
)

from simulator.engine import STALLS, WHOLE, compiled
from simulator.engine.bounds import bounds
from simulator.engine.event import run
from simulator.engine.times import StepTimes
from simulator.mapping import Count, Plan, plan
from simulator.mapping.plan import OUTPUT
from simulator.workload import After, Epilogue, Product, Workload, lower
from traces import Trace

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def product(name: str = "dx", m: int = 2, k: int = 8, n: int = 4, after: Any = (), **other: Any) -> Product:
    shared, time = other.pop("shared", "l.W"), other.pop("time", None)
    return Product("l", name, "backward", time, m, k, n, None, True, after, shared, Epilogue(**other))


def array_work(plan_: Plan, times: StepTimes) -> list[tuple[str, int, int]]:
    names = [
        plan_.products[i].product.name
        for i, k in zip(plan_.job_product.tolist(), plan_.job_array_cycles, strict=True)
        if k
    ]
    spans = [(i.start, i.end) for i in times.intervals if i.unit == "array"]
    return [(name, *span) for name, span in zip(names, spans, strict=True)]


def stalls(times: StepTimes, reason: str) -> int:
    return int(times.stalls[:, STALLS.index(reason)].sum())


def chain_with_weight_gradient() -> Workload:
    """A dW that nobody waits for, then two dh with pauses of 1 + 8 + 3 cycles (drain, vector unit, latency)."""
    d_w = product("dW", n=6, store_accumulator_values=12)
    first = product("gates_backward", k=0, n=2, time=1, shared="l.", gate_backward_values=16)
    dh1 = product("dh", n=2, after=(After(1, True),), time=1, shared="l.U'", gate_backward_values=16)
    dh0 = product("dh", n=2, after=(After(2, True),), time=0, shared="l.U'")
    return Workload(0, (d_w, first, dh1, dh0))


def test_a_product_that_nobody_waits_for_stands_in_the_pauses_of_a_chain() -> None:
    workload = chain_with_weight_gradient()
    mappings = ({**TINY_MEMORY["mapping"], "overlap": overlap} for overlap in (True, False))
    mixed, apart = (plan(tiny_machine(mapping=mapping), workload) for mapping in mappings)
    names = lambda p: [p.products[i].product.name for i in p.job_product.tolist()]  # noqa: E731
    assert names(apart) == ["dW", "dW", "dW", "gates_backward", "dh", "dh"]
    # A job of 8 cycles is put into a pause as long as half of it is covered: two into the first, one into the second.
    assert names(mixed) == ["gates_backward", "dW", "dW", "dh", "dW", "dh"]
    a, b = run(apart, WHOLE), run(mixed, WHOLE)
    # Apart: dW waits for its tiles (18) and runs to 42. Its last tile has drained at 43; then the vector unit makes the
    # first dG: 43 + 8 + 3 = 54. dh1 takes 8 and its dG 1 + 8 + 3, dh0 8 and its drain 1.
    assert array_work(apart, a) == [("dW", 18, 26), ("dW", 26, 34), ("dW", 34, 42), ("dh", 54, 62), ("dh", 74, 82)]
    # Mixed: the first dG is made at 11, while dW waits for its tiles; the second at 42 + 1 + 8 + 3, while dW goes on.
    assert array_work(mixed, b) == [("dW", 18, 26), ("dW", 26, 34), ("dh", 34, 42), ("dW", 42, 50), ("dh", 54, 62)]
    assert (a.total_cycles, b.total_cycles) == (83, 63)
    assert stalls(b, "dependency") == 54 - 50


def test_a_row_tile_runs_as_soon_as_the_chain_has_made_it(tmp_path: Path) -> None:
    network = {
        "kinds": ["lstm", "lstm"], "sizes": [8, 8, 8], "T": 6, "B": 4, "density": 0.5, "valid_steps": None,
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 3,
    }  # fmt: skip
    trace = write_trace(tmp_path / "t.npz", network)
    memory = {"vector_unit": {"lanes": 1, "latency_cycles": 40}, "dram": {"latency_ns": 5.0}}
    p = plan(machine(memory=memory), lower(trace, trace.step(7)))
    dx = next(x for x in p.products if x.product.name == "dx" and x.product.layer == "lstm1")
    last_dh = max(x.last_job for x in p.products if x.product.name == "dh" and x.product.layer == "lstm1")
    assert dx.first_job < last_dh < dx.last_job
    assert dx.tiling.descending
    # It never runs before what it reads is stored.
    times = run(p)
    stored_at = {x.last_job: t for x, t in zip(p.products, times.end.tolist(), strict=True)}
    awaited = p.waits_for[p.waits_job == dx.first_job]
    assert times.start[p.products.index(dx)] >= max(stored_at[int(j)] for j in awaited)


def test_partial_sums_go_to_dram_and_come_back() -> None:
    """M = 4, N = 4 and K in two tiles, order nkm: with room for one of the two output tiles, sums travel."""
    mapping = {"tile_m": 2, "tile_n": 4, "tile_k": 4, "order": "nkm"}
    roomy = plan(tiny_machine(mapping=mapping), Workload(0, (product(m=4, store_operand_values=16),)))
    assert roomy.job_store_bytes.tolist() == [0, 0, 8, 8]
    assert roomy.products[0].tiling.sums_stay
    # 128 of 1024 bytes are in use; a buffer of 1 KiB holds 256 sums, half of it 128: M x tile_n = 64 x 4 do not fit.
    many = product(m=64, store_operand_values=256)
    spilled = plan(tiny_machine(mapping=mapping), Workload(0, (many,)))
    assert not spilled.products[0].tiling.sums_stay
    jobs = spilled.jobs
    assert jobs == 32 * 2
    assert spilled.job_drains.all()
    sums_bytes = 2 * 4 * 4
    assert set(spilled.job_store_bytes[: jobs // 2].tolist()) == {sums_bytes}
    back = spilled.load_buffer == OUTPUT
    assert spilled.load_dram_bytes[back].tolist() == [0] * 32 + [sums_bytes] * 32
    assert spilled.load_after_job[back].tolist() == [-1] * 32 + list(range(32))
    assert spilled.load_address_bytes[back][32:].tolist() == spilled.job_store_address_bytes[:32].tolist()
    counts = spilled.products[0].counts
    assert counts[Count.DRAM_WRITE_BYTES] == 64 * 4 * 4 + 256
    assert run(spilled).total_cycles == compiled.run(spilled).total_cycles


def test_narrow_buffers_make_the_array_wait_for_words() -> None:
    """A pass of 8 positions needs 8 words of 2 bytes: at 8 bits a cycle 16 cycles, 8 of them beyond the array's own."""
    buffers = {**TINY_MEMORY["buffers"], "shared": {"capacity_kib": 1, "width_bits": 8}}
    p = plan(tiny_machine(buffers=buffers), Workload(0, (product(store_operand_values=8),)))
    assert p.job_feed_cycles.tolist() == [8, 8]
    times = run(p, WHOLE)
    assert [(i.start, i.end) for i in times.intervals if i.unit == "array"] == [(18, 26), (34, 42)]
    assert stalls(times, "operand_bandwidth") == 16
    banked = {**buffers, "shared": {"capacity_kib": 1, "width_bits": 8, "banks": 2}}
    twice = plan(tiny_machine(buffers=banked), Workload(0, (product(),)))
    assert twice.job_feed_cycles.tolist() == [0, 0]
    # The skip buffer hands out 2 x 8 values: at 12 bits a cycle 11 cycles.
    slow = {**TINY_MEMORY["buffers"], "skip": {"capacity_kib": 1, "width_bits": 12}}
    assert plan(tiny_machine(buffers=slow), Workload(0, (product(),))).job_feed_cycles.tolist() == [3, 3]


def made_plan(network: dict[str, Any], **changes: Any) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        trace: Trace = write_trace(Path(folder) / "t.npz", network)
        return plan(machine(**changes), lower(trace, trace.step(7)))


@settings(max_examples=80, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_no_run_beats_its_bounds(network: Any, array: Any, skipping: Any, memory: Any) -> None:
    p = made_plan(network, array=array, skipping=skipping, memory=memory)
    limits, times = bounds(p), compiled.run(p)
    assert times.total_cycles >= limits.largest[1]
    assert limits.array == p.job_array_cycles.sum() + p.job_feed_cycles.sum()
    for index in range(len(p.products)):
        own = bounds(p, index)
        assert times.end[index] >= own.chain
        assert own.array <= limits.array


@settings(max_examples=60, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_mixing_products_changes_the_order_and_nothing_else(
    network: Any, array: Any, skipping: Any, memory: Any
) -> None:
    """Same jobs for the same tilings: pinned tiles, so that only the program order differs."""
    rows, columns = array["rows"], array["columns"]
    memory = {**memory, "mapping": {"tile_m": rows, "tile_n": columns, "order": "mnk", "shape": [rows, columns]}}
    both = [
        made_plan(
            network, array=array, skipping=skipping, memory={**memory, "mapping": {**memory["mapping"], "overlap": o}}
        )
        for o in (True, False)
    ]
    mixed, apart = both
    for p in both:
        waits = zip(p.waits_job.tolist(), p.waits_for.tolist(), strict=True)
        assert all(awaited < job for job, awaited in waits), "a job waits only for earlier ones"
        assert (np.diff(p.job_first_load) >= 0).all()
        assert (p.load_after_job < np.repeat(np.arange(p.jobs), np.diff(p.job_first_load))).all()
    assert np.array_equal(np.sort(mixed.job_array_cycles), np.sort(apart.job_array_cycles))
    for a, b in zip(mixed.products, apart.products, strict=True):
        assert a.array_cycles == b.array_cycles
        assert a.counts[Count.DRAM_WRITE_BYTES] == b.counts[Count.DRAM_WRITE_BYTES]
