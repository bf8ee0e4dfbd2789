"""The chain of a plan: time steps one after the other, each with all of its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plain.cases import machine

from simulator.engine import compiled
from simulator.engine.bounds import bounds
from simulator.mapping import Plan, plan
from simulator.workload import lower
from traces import Trace, synthetic_trace

CELLS, SEQUENCES = 8, 4


def chain_plan(path: Path, time_steps: int, **memory: Any) -> Plan:
    """A layer of 8 cells on an array of 4 x 4: dh is 4 x 32 x 8, two jobs of 32 cycles where tiles are 4 columns."""
    synthetic_trace(
        path, hidden_size=CELLS, input_size=CELLS, sequence_length=time_steps, batch_size=SEQUENCES, sparsity=0.0
    )
    mapping = {"tile_m": 4, "tile_n": 4, "order": "mnk", "overlap": False}
    with Trace(path) as trace:
        return plan(machine(memory={"mapping": mapping, **memory}), lower(trace, trace.step(0)))


def of_name(p: Plan, name: str) -> list[int]:
    return [i for i, planned in enumerate(p.products) if planned.product.name == name]


@pytest.mark.parametrize(
    ("vector_unit", "port", "cycles"),
    [
        # 2 jobs of 32 cycles; 16 sums leave in 1 cycle; 64 gate values on 64 lanes, 2 cycles each; a pipeline of 7.
        ({"lanes": 64, "gate_backward_cycles_per_value": 2, "latency_cycles": 7}, 16, 2 * 32 + 1 + 2 + 7),
        # 16 sums leave in 8 cycles.
        ({"lanes": 64, "gate_backward_cycles_per_value": 3, "latency_cycles": 0}, 2, 2 * 32 + 8 + 3 + 0),
    ],
)
def test_each_time_step_lengthens_the_chain_by_its_jobs_and_the_way_back(
    vector_unit: dict[str, int], port: int, cycles: int, tmp_path: Path
) -> None:
    memory = {"vector_unit": vector_unit, "buffers": {"output": {"port_values_per_cycle": port}}}
    chains = []
    for time_steps in (3, 4, 7):
        p = chain_plan(tmp_path / f"{time_steps}.npz", time_steps, **memory)
        own = of_name(p, "dh")
        assert [len(p.jobs_of(p.products[i])) for i in own] == [2] * time_steps
        chains.append(bounds(p, own).chain)
        assert bounds(p).chain >= chains[-1]
        assert compiled.run(p).total_cycles >= bounds(p).chain
    assert chains[1] - chains[0] == cycles
    assert chains[2] - chains[1] == 3 * cycles


def test_bounds_of_some_products_are_those_of_their_jobs(tmp_path: Path) -> None:
    p = chain_plan(tmp_path / "t.npz", 3)
    own = of_name(p, "dh")
    each = [bounds(p, i) for i in own]
    together = bounds(p, own)
    assert (together.array, together.dram, together.vector_unit) == (
        sum(b.array for b in each),
        sum(b.dram for b in each),
        sum(b.vector_unit for b in each),
    )
    assert bounds(p, [own[0]]) == each[0]
    assert bounds(p, range(len(p.products))) == bounds(p)
    assert bounds(p, []).largest[1] == 0


def test_the_chain_of_what_is_loaded_first_waits_out_the_latency_of_the_dram(tmp_path: Path) -> None:
    chains = []
    for latency_ns in (50, 150):
        dram = {"bandwidth_gb_per_s": 4.0, "latency_ns": float(latency_ns), "queue": 4}
        p = chain_plan(tmp_path / f"{latency_ns}.npz", 2, dram=dram)
        first = bounds(p, of_name(p, "gates_x"))
        assert first.chain > first.array + latency_ns  # at 1 GHz; and the bytes themselves
        chains.append(first.chain)
    assert chains[1] - chains[0] == 100


def test_bounds_of_units_are_the_cycles_for_which_they_are_busy(tmp_path: Path) -> None:
    p = chain_plan(tmp_path / "t.npz", 2)
    busy, found = compiled.run(p).busy, bounds(p)
    assert found.dram == busy["dram"] > 0
    assert found.vector_unit == busy["vector_unit"] > 0
    assert found.array >= busy["array"] > 0


def test_the_chain_of_one_job_is_added_up_by_hand(tmp_path: Path) -> None:
    p = chain_plan(tmp_path / "t.npz", 1, mapping={"tile_m": 4, "tile_n": 32, "order": "mnk", "overlap": False})
    (product,) = of_name(p, "gates_x")
    assert [int(job) for job in p.jobs_of(p.products[product])] == [0]
    took = p.dram.transfer_cycles
    loads = [int(load) for load in (p.job_load_shared[0], p.job_load_skip[0], p.job_load_output[0]) if load >= 0]
    ready = p.dram.latency_cycles + max(took(int(p.load_dram_bytes[load])) for load in loads)
    done = ready + int(p.job_array_cycles[0] + p.job_feed_cycles[0])
    drained = max(done + int(p.job_tail_cycles[0]), ready + int(p.job_drain_cycles[0]))
    assert p.job_vector_cycles[0] == 0
    assert bounds(p, product).chain == drained + took(int(p.job_store_bytes[0]))
