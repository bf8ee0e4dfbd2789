"""The compiled writer of plans against its plain form: the same jobs, loads, waits and counts, column by column."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, write_trace
from plain.plan_writer import plain_plan

from simulator.arch import Architecture, arch_names, load_arch
from simulator.mapping import plan
from simulator.mapping.plan import JOB_COLUMNS, LOAD_COLUMNS
from simulator.workload import Workload, lower
from traces import Trace

SAMPLES = Path(__file__).parents[2] / "traces" / "samples"


def assert_same(arch: Architecture, workload: Workload) -> None:
    fast, plain = plan(arch, workload), plain_plan(arch, workload)
    columns = [f"job_{name}" for name in JOB_COLUMNS] + [f"load_{name}" for name in LOAD_COLUMNS]
    for name in [*columns, "waits_job", "waits_for", "waits_on_chip"]:
        assert np.array_equal(getattr(fast, name), getattr(plain, name)), name
    for a, b in zip(fast.products, plain.products, strict=True):
        assert (a.tiling, a.first_job, a.last_job, a.array_cycles) == (
            b.tiling,
            b.first_job,
            b.last_job,
            b.array_cycles,
        )
        assert np.array_equal(a.counts, b.counts), a.label


@settings(max_examples=150, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_plans_are_those_of_the_plain_form(network: Any, array: Any, skipping: Any, memory: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        workload = lower(trace, trace.step(7))
    assert_same(machine(array=array, skipping=skipping, memory=memory), workload)


@pytest.mark.parametrize("name", [n for n in arch_names() if not load_arch(n).ideal_memory])
def test_shipped_machines_plan_a_sample_as_the_plain_form_does(name: str) -> None:
    arch = load_arch(name)
    if arch.skipping.mechanism == "structured":
        pytest.skip("the samples have no n:m pattern")
    with Trace(SAMPLES / "charlm_t1e-6.npz") as trace:
        assert_same(arch, lower(trace, trace.step(1000)))
