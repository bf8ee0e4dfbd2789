"""The compiled engine returns what the event engine returns, to the last count."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS, machine, networks, write_trace

from simulator.arch import arch_names, load_arch
from simulator.engine import WHOLE, compiled, event
from simulator.engine.bounds import bounds
from simulator.engine.times import DeadlockError
from simulator.mapping import PassCache, plan
from simulator.workload import lower
from traces import InputError, Trace

SAMPLES = Path(__file__).parents[2] / "traces" / "samples"


def assert_same(p, window=WHOLE):
    a, b = event.run(p, window), compiled.run(p, window)
    for field in fields(a):
        if field.name != "events":
            x, y = getattr(a, field.name), getattr(b, field.name)
            assert np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y, field.name
    return a


@settings(max_examples=150, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_engines_agree_on_random_machines_and_traces(network, array, skipping, memory):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    assert_same(plan(machine(array=array, skipping=skipping, memory=memory), workload))
    assert_same(plan(machine(array=array, skipping=skipping), workload))


@settings(max_examples=60, phases=(Phase.explicit, Phase.generate))
@given(networks(), SHAPED_ARRAYS, MECHANISMS, TIMING_SYSTEMS, st.sampled_from([300, 1000, 2400]))
def test_engines_agree_where_the_dram_has_banks(network, array, skipping, memory, clock_mhz):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    p = plan(machine(array=array, skipping=skipping, memory=memory, clock_mhz=clock_mhz), workload)
    times = assert_same(p)
    commands = times.dram_commands
    assert commands["bytes"] == p.load_dram_bytes.sum() + p.job_store_bytes.sum()
    burst_bytes = p.dram.standard.burst_bytes
    assert (commands["reads"] + commands["writes"]) * burst_bytes >= commands["bytes"]
    assert times.total_cycles >= bounds(p).largest[1]
    # The timeline's slices last while any transfer is under way: they do not overlap, and hold every transfer once.
    slices = [i for i in times.intervals if i.unit == "dram"]
    assert all(a.end <= b.start for a, b in itertools.pairwise(slices))
    transfers = int((p.load_dram_bytes > 0).sum() + (p.job_store_bytes > 0).sum())
    assert sum(int(i.name.split()[0]) for i in slices) == transfers


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*.npz")))
def test_engines_agree_on_every_shipped_machine_and_sample(sample):
    with Trace(SAMPLES / sample) as trace:
        workload, cache = lower(trace, trace.step(trace.steps[-1])), PassCache()
    for name in arch_names():
        machine = load_arch(name)
        if machine.skipping.mechanism == "structured":
            with pytest.raises(InputError, match="structured 2:4"):  # the samples have no such pattern
                plan(machine, workload, cache)
            continue
        assert_same(plan(machine, workload, cache), window=None)  # what a window shows is made of these times


def test_both_engines_name_who_waits_in_a_deadlock(tmp_path):
    network = {
        "kinds": ["linear"], "sizes": [4, 8], "T": 2, "B": 2, "density": 1.0, "valid_steps": None,
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 0,
    }  # fmt: skip
    trace = write_trace(tmp_path / "t.npz", network)
    stuck = replace(plan(machine(memory={}), lower(trace, trace.step(7))), capacity_bytes=(1 << 20, 3, 1 << 20))
    for engine in (event, compiled):
        with pytest.raises(DeadlockError, match=r"DMA in waits for .* bytes of the shared buffer"):
            engine.run(stuck)
