"""The event engine against the plain, cycle-stepped form of MODEL.md, and the identities of any run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import plain.engine
import plain.stalls
from hypothesis import Phase, given, settings
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, write_trace

from simulator.engine.event import _Machine, run
from simulator.mapping import Count, Plan, plan
from simulator.mapping.plan import OUTPUT, SHARED, SKIP
from simulator.workload import lower

# Shrinking a failure takes minutes here, and a drawn case is small enough to read.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def make_plan(network: dict[str, Any], **changes: Any) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        return plan(machine(**changes), lower(trace, trace.step(7)))


@settings(max_examples=30, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_engine_equals_the_plain_form(network, array, skipping, memory):
    p = make_plan(network, array=array, skipping=skipping, memory=memory)
    times, plain_times = run(p), plain.engine.run(p)
    assert times.total_cycles == plain_times["total"]
    for product, planned in enumerate(p.products):
        assert times.start[product] == plain_times["started"][planned.first_job]
        assert times.end[product] == plain_times["stored"][planned.last_job]
    assert times.stalls.tolist() == plain.stalls.stalls(p, plain_times, plain_times["total"])


@settings(max_examples=80, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_engine_keeps_its_identities(network, array, skipping, memory):
    p = make_plan(network, array=array, skipping=skipping, memory=memory)
    times = run(p)
    array_cycles = sum(planned.array_cycles for planned in p.products)
    assert times.busy["array"] == array_cycles == p.job_array_cycles.sum()
    assert array_cycles + times.stalls.sum() == times.total_cycles
    assert times.stalls.min(initial=0) >= 0
    bytes_moved = [*p.load_dram_bytes.tolist(), *p.job_store_bytes.tolist()]
    assert times.busy["dram"] == sum(p.dram.transfer_cycles(b) for b in bytes_moved)
    assert times.busy["vector_unit"] == p.job_vector_cycles.sum()
    assert times.total_cycles >= max(times.busy.values())


@settings(max_examples=60, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_plan_conserves_bytes_and_fits_its_buffers(network, array, skipping, memory):
    p = make_plan(network, array=array, skipping=skipping, memory=memory)
    counts = np.array([planned.counts for planned in p.products], dtype=np.int64).reshape(-1, len(Count))
    assert counts[:, Count.DRAM_READ_BYTES].sum() == p.load_dram_bytes.sum()
    assert counts[:, Count.DRAM_WRITE_BYTES].sum() == p.job_store_bytes.sum()
    loads_of = {SKIP: p.job_load_skip, SHARED: p.job_load_shared, OUTPUT: p.job_load_output}
    for buffer, used in loads_of.items():
        for job, load in enumerate(used.tolist()):
            if load < 0:
                continue
            assert p.load_buffer[load] == buffer
            assert p.load_space_bytes[load] <= p.capacity_bytes[buffer]
            assert load < p.job_first_load[job + 1], "a job's tile is loaded no later than for the job itself"
            assert p.load_last_job[load] >= job, "a tile stays while a job uses it"
    executed, gated, skipped = (counts[:, c] for c in (Count.MACS_EXECUTED, Count.MACS_GATED, Count.MACS_SKIPPED))
    assert np.array_equal(executed + gated + skipped, counts[:, Count.MACS_DENSE])
    for planned, dense in zip(p.products, counts[:, Count.MACS_DENSE], strict=True):
        assert dense == planned.product.m * planned.product.k * planned.product.n


@settings(max_examples=60, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_what_comes_in_goes_out(network, array, skipping, memory):
    """Bytes in = bytes out + resident: of each buffer at every moment, and nothing stays at the end."""
    memory = {**memory, "formats": {"skip": "dense", "skip_on_chip": "dense"}}
    p = make_plan(network, array=array, skipping=skipping, memory=memory)
    counts = np.array([planned.counts for planned in p.products], dtype=np.int64).reshape(-1, len(Count)).sum(axis=0)
    loaded_bits = {b: 8 * int(p.load_dram_bytes[p.load_buffer == b].sum()) for b in (SKIP, SHARED, OUTPUT)}
    assert counts[Count.SHARED_BUFFER_BITS_WRITTEN] == loaded_bits[SHARED]
    # The skip buffer also takes what the vector unit hands over; the output buffer what the array leaves in it.
    handed = sum(16 * x.product.m * x.product.k for x in p.products if x.product.k and x.tiling.skip_on_chip)
    sums = sum(32 * x.product.m * x.product.n * -(-x.product.k // x.tiling.tile_k) for x in p.products if x.product.k)
    assert counts[Count.SKIP_BUFFER_BITS_WRITTEN] == loaded_bits[SKIP] + handed
    assert counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] == loaded_bits[OUTPUT] + sums
    assert counts[Count.OUTPUT_BUFFER_BITS_READ] == counts[Count.OUTPUT_BUFFER_BITS_WRITTEN]

    one = _Machine(p)
    one.run()
    assert one.free_bytes == list(p.capacity_bytes), "every tile gave its room back"
    moments = one.moments()
    for buffer in (SKIP, SHARED, OUTPUT):
        own = np.flatnonzero(p.load_buffer == buffer)
        last = p.load_last_job[own]
        freed = (moments.stored if buffer == OUTPUT else moments.ended)[last]
        moves = sorted(
            [(int(t), 1, int(p.load_space_bytes[i])) for t, i in zip(moments.allocated[own], own, strict=True)]
            + [(int(t), 0, -int(p.load_space_bytes[i])) for t, i in zip(freed, own, strict=True)]
        )
        # What is freed and taken in one cycle is freed first.
        resident = np.cumsum([0] + [size for _, _, size in moves])
        assert resident.max() <= p.capacity_bytes[buffer]
        assert resident[-1] == 0


@settings(max_examples=40, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_more_bandwidth_never_needs_more_dram_time(network, array, skipping, memory):
    slow = make_plan(network, array=array, skipping=skipping, memory=memory)
    faster = {**memory, "dram": {**memory["dram"], "bandwidth_gb_per_s": 1000.0, "latency_ns": 0.0}}
    fast = make_plan(network, array=array, skipping=skipping, memory=faster)
    assert run(fast).busy["array"] <= run(slow).total_cycles


@settings(max_examples=40, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS)
def test_ideal_memory_leaves_only_array_time(network, array, skipping):
    p = make_plan(network, array=array, skipping=skipping, memory="ideal")
    times = run(p)
    assert times.total_cycles == p.job_array_cycles.sum()
    assert times.stalls.sum() == 0
