"""Passes dealt out to several arrays: work is conserved, no array idles while passes wait, and both writers agree."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, tiny_machine, write_trace
from plain.plan_writer import plain_plan

from simulator.arch import Architecture, load_arch
from simulator.engine import STALLS, compiled, event
from simulator.mapping import Count, PassCache, choices, plan
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS
from simulator.workload import Workload, lower
from traces import Trace, TraceWriter

SAMPLES = Path(__file__).parents[2] / "traces" / "samples"
TILES = [
    {"mechanism": "outer_product", "rows": 2, "columns": 2},
    {"mechanism": "packed", "multipliers": 4},
    {"mechanism": "broadcast_fifo", "pes": 4, "depth": 2, "index_bits": 2, "weights": {"density": 0.4}},
]
ARRAYS = st.integers(2, 9)


def lowered(network: dict[str, Any]) -> Workload:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        return lower(trace, trace.step(7))


def assert_same(arch: Architecture, workload: Workload) -> None:
    fast, plain = plan(arch, workload), plain_plan(arch, workload)
    columns = [f"job_{name}" for name in JOB_COLUMNS] + [f"load_{name}" for name in LOAD_COLUMNS]
    for name in [*columns, "waits_job", "waits_for", "waits_on_chip"]:
        assert np.array_equal(getattr(fast, name), getattr(plain, name)), name
    assert [p.array_cycles for p in fast.products] == [p.array_cycles for p in plain.products]


@settings(max_examples=40, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS, ARRAYS)
def test_plans_are_those_of_the_plain_form(network: Any, array: Any, skipping: Any, memory: Any, arrays: int) -> None:
    assert_same(machine(array=array, skipping=skipping, memory=memory, arrays=arrays), lowered(network))


@settings(max_examples=30, phases=(Phase.explicit, Phase.generate))
@given(networks(), st.sampled_from(TILES), SYSTEMS, ARRAYS)
def test_plans_of_mechanisms_with_tiles_are_those_of_the_plain_form(
    network: Any, skipping: Any, memory: Any, arrays: int
) -> None:
    roomy = {name: {**buffer, "capacity_kib": 64} for name, buffer in memory["buffers"].items()}
    memory = {**memory, "buffers": roomy, "formats": {}, "mapping": {}}
    assert_same(
        machine(array={"rows": 2, "columns": 2}, skipping=skipping, memory=memory, arrays=arrays), lowered(network)
    )


@settings(max_examples=40, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS, ARRAYS)
def test_engines_agree(network: Any, array: Any, skipping: Any, memory: Any, arrays: int) -> None:
    for kind in (memory, "ideal"):
        p = plan(machine(array=array, skipping=skipping, memory=kind, arrays=arrays), lowered(network))
        a, b = event.run(p), compiled.run(p)
        assert a.total_cycles == b.total_cycles
        assert np.array_equal(a.stalls, b.stalls)
        assert a.total_cycles == sum(planned.array_cycles for planned in p.products) + a.stalls.sum()


@settings(max_examples=40, deadline=None)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, ARRAYS)
def test_arrays_share_the_work_and_lose_no_more_than_a_pass(
    network: Any, array: Any, skipping: Any, arrays: int
) -> None:
    workload = lowered(network)
    one = plan(machine(array=array, skipping=skipping), workload)
    many = plan(machine(array=array, skipping=skipping, arrays=arrays), workload)
    more = plan(machine(array=array, skipping=skipping, arrays=arrays + 1), workload)
    for a, b, c in zip(one.products, many.products, more.products, strict=True):
        assert -(-a.array_cycles // arrays) <= b.array_cycles <= a.array_cycles
        assert c.array_cycles <= b.array_cycles
        kept = [Count.MACS_DENSE, Count.MACS_EXECUTED]  # which zeros take a slot depends on the shape that is chosen
        assert np.array_equal(a.counts[kept], b.counts[kept])
        if (a.tiling.rows, a.tiling.columns) == (b.tiling.rows, b.tiling.columns):
            assert np.array_equal(a.counts, b.counts)


@settings(max_examples=40, deadline=None)
@given(networks(), MECHANISMS, SYSTEMS, ARRAYS)
def test_a_job_takes_no_longer_on_more_arrays_and_waits_for_the_same_words(
    network: Any, skipping: Any, memory: Any, arrays: int
) -> None:
    pinned = {**memory, "mapping": {"tile_m": 4, "tile_n": 4, "tile_k": 9, "order": "mnk", "overlap": False}}
    one, many = (
        plan(machine(array={"rows": 2, "columns": 2}, skipping=skipping, memory=pinned, arrays=n), lowered(network))
        for n in (1, arrays)
    )
    spent, shared = (p.job_array_cycles + p.job_feed_cycles for p in (one, many))
    assert np.all(many.job_array_cycles <= one.job_array_cycles)
    assert np.all(many.job_array_cycles >= -(-one.job_array_cycles // arrays))
    assert np.all((many.job_feed_cycles >= 0) & (shared <= spent) & (shared >= -(-spent // arrays)))
    # Nothing but the array's time has changed.
    for name in ("load_dram_bytes", "load_space_bytes", "job_store_bytes", "job_vector_cycles", "job_drain_cycles"):
        assert np.array_equal(getattr(one, name), getattr(many, name)), name


def test_passes_go_to_the_array_that_is_free_first(tmp_path: Path) -> None:
    """Row passes of 5, 1, 1, 1, 4 cycles on two arrays: 5 on one and 1 + 1 + 1 + 4 on the other."""
    nonzeros = [5, 1, 1, 1, 4]
    mask = np.array([[[k < many for k in range(5)] for many in nonzeros]])
    path = tmp_path / "t.npz"
    layer = {"name": "l", "kind": "linear", "input_size": 3, "hidden_size": 5}
    with TraceWriter(path, {"layers": [layer], "batch_size": 5, "sequence_length": 1, "dense_layers": []}) as writer:
        writer.add_step(7, {"l": {"gate_gradient": mask}})
    independent = {"mechanism": "lookahead", "depth": None, "refill": None, "banks": None}
    arch = machine(array={"rows": 1, "columns": 3}, skipping=independent, arrays=2)
    with Trace(path) as trace:
        dx = next(p for p in plan(arch, lower(trace, trace.step(7))).products if p.product.name == "dx")
    assert dx.array_cycles == max(5, 1 + 1 + 1 + 4)


def test_buffers_that_feed_one_array_keep_several_waiting() -> None:
    """2 x 8 x 4 in one tile: two passes of 8 cycles and 16 bytes each, of a buffer with 16 bits a cycle."""
    network = {
        "kinds": ["linear"], "sizes": [8, 4], "T": 1, "B": 2, "density": 1.0, "valid_steps": None, "seed": 0,
        "first_needs_gradient": False, "backward": False, "masks": False, "dense_layers": 0,
    }  # fmt: skip
    shared = {"capacity_kib": 1, "width_bits": 16}
    buffers = {"skip": {"capacity_kib": 1}, "shared": shared, "output": {"capacity_kib": 1, "port_values_per_cycle": 4}}
    tiny = tiny_machine(buffers=buffers, mapping={"tile_m": 2, "tile_n": 4, "order": "mnk"})
    both = Architecture.parse({**tiny.to_dict(), "arrays": 2})
    workload = lowered(network)
    alone, together = (plan(arch, workload).products[0] for arch in (tiny, both))
    assert (alone.product.name, alone.array_cycles, together.array_cycles) == ("y", 16, 8)
    times = compiled.run(plan(both, workload))
    assert times.stalls[0, STALLS.index("operand_bandwidth")] == 8  # 32 bytes at 2 a cycle


@pytest.mark.parametrize("arrays", [2, 3, 16])
def test_the_planner_prices_the_array_as_the_plan_has_it_where_passes_are_alike(arrays: int) -> None:
    arch = load_arch("dense", [f"arrays={arrays}"])
    with Trace(SAMPLES / "charlm_t1e-6.npz") as trace:
        workload, cache = lower(trace, trace.step(2000)), PassCache()
    planned = {(p.product.layer, p.product.name): p for p in plan(arch, workload, cache).products}
    for choice in choices(arch, workload, cache):
        one = planned[choice.product.layer, choice.product.name]
        assert one.tiling.order == choice.candidates[0].tiling.order
        assert choice.candidates[0].cost.array_cycles == one.array_cycles
