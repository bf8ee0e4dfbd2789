"""What never makes a given plan slower, and what sometimes does (MODEL.md, "Bounds and anomalies")."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, write_trace

from simulator.engine import compiled
from simulator.mapping import Plan, plan
from simulator.workload import lower

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def planned(network: dict[str, Any], **changes: Any) -> Plan:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        return plan(machine(**changes), lower(trace, trace.step(7)))


@settings(max_examples=100, phases=NO_SHRINKING)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS, st.integers(1, 8), st.integers(1, 40), st.integers(1, 4000))
def test_a_higher_rate_never_costs_time_and_latency_and_room_hardly_ever(
    network: Any, array: Any, skipping: Any, memory: Any, eighths: int, sooner: int, more_bytes: int
) -> None:
    p = planned(network, array=array, skipping=skipping, memory=memory)
    total, dram = compiled.run(p).total_cycles, p.dram
    faster = replace(
        dram, rate_numerator=dram.rate_numerator * (8 + eighths), rate_denominator=dram.rate_denominator * 8
    )
    assert compiled.run(replace(p, dram=faster)).total_cycles <= total
    nearer = replace(dram, latency_cycles=max(0, dram.latency_cycles - sooner))
    assert compiled.run(replace(p, dram=nearer)).total_cycles <= 1.05 * total
    roomier = tuple(capacity + more_bytes for capacity in p.capacity_bytes)
    assert compiled.run(replace(p, capacity_bytes=roomier)).total_cycles <= 1.05 * total


def test_a_quicker_array_may_take_longer() -> None:
    """The counter-examples that MODEL.md speaks of exist, and are small."""
    rng = np.random.default_rng(0)
    slower: dict[str, list[float]] = {"array": [], "vector": [], "queue": []}
    for seed in range(120):
        network = {
            "kinds": ["lstm", "lstm"], "sizes": rng.integers(1, 10, 3).tolist(), "T": int(rng.integers(1, 5)),
            "B": int(rng.integers(1, 6)), "density": 0.5, "valid_steps": None, "first_needs_gradient": True,
            "backward": False, "masks": False, "dense_layers": 1, "seed": seed,
        }  # fmt: skip
        memory = {
            "dram": {"bandwidth_gb_per_s": 0.7, "latency_ns": 3.0, "queue": int(rng.integers(1, 5))},
            "vector_unit": {"lanes": 2, "latency_cycles": 9},
            "buffers": {name: {"capacity_kib": 1} for name in ("skip", "shared", "output")},
        }
        p = planned(network, array={"rows": 2, "columns": 2, "pass_overhead_cycles": 3}, memory=memory)
        total = compiled.run(p).total_cycles
        changed = {
            "array": replace(p, job_array_cycles=p.job_array_cycles // 2),
            "vector": replace(p, vector_latency_cycles=0),
            "queue": replace(p, dram=replace(p.dram, queue=p.dram.queue + 1)),
        }
        for name, quicker in changed.items():
            ratio = compiled.run(quicker).total_cycles / total
            if ratio > 1:
                slower[name].append(ratio)
    found = [ratio for ratios in slower.values() for ratio in ratios]
    assert found, "no anomaly any more: say so in MODEL.md"
    assert max(found) < 1.1
