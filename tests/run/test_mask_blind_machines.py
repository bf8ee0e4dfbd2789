"""A machine that reads no mask takes the same for steps of the same rows, so it is replayed once for all of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks

import simulator.run as module
from simulator.arch import Architecture
from simulator.engine import run
from simulator.mapping import plan
from simulator.workload import lower
from traces import Trace, TraceWriter

ROWS = st.lists(st.integers(0, 2), min_size=1, max_size=5)


def written(path: Path, network: dict[str, Any], rows: list[int]) -> Path:
    """Write a trace whose steps have random masks, and the real rows that the numbers in `rows` stand for."""
    rng = np.random.default_rng(network["seed"])
    T, B = network["T"], network["B"]
    layer = {"name": "l", "kind": "lstm", "input_size": 3, "hidden_size": 5}
    header = {"layers": [layer], "batch_size": B, "sequence_length": T, "dense_layers": []}
    with TraceWriter(path, header) as writer:
        for step, choice in enumerate(rows):
            ends = [None, [(b + 1) % (T + 1) for b in range(B)], [T] * B][choice]
            real = np.arange(T)[:, None] < (np.full(B, T) if ends is None else np.array(ends))
            masks = {"gate_gradient": (rng.random((T, B, 20)) < rng.random()) & real[:, :, None]}
            if rng.random() < 0.5:
                masks["hidden"] = rng.random((T, B, 5)) < 0.5
            writer.add_step(step, {"l": masks}, valid_steps=ends)
    return path


@settings(max_examples=60, deadline=None)
@given(networks(), ROWS, SHAPED_ARRAYS, MECHANISMS, st.one_of(st.just("ideal"), SYSTEMS))
def test_steps_replayed_together_are_those_replayed_alone(
    network: dict[str, Any], rows: list[int], array: dict[str, Any], skipping: dict[str, Any], memory: Any
) -> None:
    own = machine(array=array, skipping=skipping, memory=memory)
    machines = [own, module.dense_twin(own), module.bound_of(own)]
    with tempfile.TemporaryDirectory() as folder, Trace(written(Path(folder) / "t.npz", network, rows)) as trace:
        together = module.replay(machines, module.KeptSteps(trace, most_bytes=0), trace.steps)
        for arch, replayed in zip(machines, together, strict=True):
            start = 0
            for number in trace.steps:
                p = plan(arch, lower(trace, trace.step(number)))
                times = run(p, "compiled")
                at = [i for i, key in enumerate(replayed.activity.keys) if key.step == number]
                assert replayed.activity.step_cycles[number] == times.total_cycles
                assert replayed.activity.counts[at].tolist() == [list(one.counts) for one in p.products]
                assert replayed.activity.stalls[at].tolist() == times.stalls.tolist()
                assert replayed.activity.end[at].tolist() == (times.end + start).tolist()
                start += times.total_cycles


def test_the_dense_twin_is_planned_once_for_alike_steps_and_a_skipping_machine_for_each(
    tmp_path: Path, monkeypatch: Any
) -> None:
    trace = written(tmp_path / "t.npz", {"seed": 0, "T": 3, "B": 2}, [0, 0, 2, 1, 0])
    planned: list[str] = []

    def counted(arch: Architecture, *rest: Any) -> Any:
        planned.append(arch.skipping.mechanism)
        return plan(arch, *rest)

    monkeypatch.setattr(module, "plan", counted)
    module.simulate(machine(skipping={"mechanism": "vector_skip"}), trace)
    assert planned.count("vector_skip") == planned.count("ideal") == 5
    assert planned.count("dense") == 3  # all rows, three times in a row; then fewer; then all again


def test_a_timeline_of_a_machine_that_reads_no_mask_has_every_step(tmp_path: Path) -> None:
    trace = written(tmp_path / "t.npz", {"seed": 1, "T": 3, "B": 2}, [0, 0, 0])
    report = module.simulate(machine(memory={}), trace, record_intervals=True, baseline=False)
    starts = [i.start for i in report.activity.intervals if i.unit == "array"]
    third = report.total_cycles / 3
    assert {int(start // third) for start in starts} == {0, 1, 2}


def test_formats_make_a_dense_array_read_masks() -> None:
    assert not machine().reads_masks
    assert not machine(memory={}).replaced("memory.formats.skip", "dense").reads_masks
    assert machine(memory={}).replaced("memory.formats.skip", "bitmap").reads_masks
    assert machine(skipping={"mechanism": "gated"}).reads_masks
