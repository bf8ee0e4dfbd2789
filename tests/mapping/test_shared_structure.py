"""Steps that share a structure are lowered and planned as if each were alone."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks
from plain.plan_writer import plain_plan

from simulator.mapping import Plan, plan
from simulator.workload import OperandMask, Structure, Workload, lower
from traces import Trace, TraceWriter
from traces.synthetic import synthetic_trace

ROWS = st.lists(st.integers(0, 2), min_size=2, max_size=5)


def written(path: Path, network: dict[str, Any], rows: list[int]) -> Path:
    """Write steps whose share of zeros, recorded tensors and real rows differ."""
    rng = np.random.default_rng(network["seed"])
    T, B = network["T"], network["B"]
    layers = [
        {"name": name, "kind": kind, "input_size": 5, "hidden_size": 5} for name, kind in (("a", "lstm"), ("b", "gru"))
    ]
    with TraceWriter(path, {"layers": layers, "batch_size": B, "sequence_length": T, "dense_layers": []}) as writer:
        for step, choice in enumerate(rows):
            ends = [None, [(b + 1) % (T + 1) for b in range(B)], [T] * B][choice]
            real = (np.arange(T)[:, None] < (np.full(B, T) if ends is None else np.array(ends)))[:, :, None]
            masks = {}
            for name, bits in (("a", 20), ("b", 15)):
                masks[name] = {"gate_gradient": (rng.random((T, B, bits)) < rng.choice([0.05, 0.4, 0.95])) & real}
                if name == "b":
                    masks[name]["gate_gradient_hidden"] = (rng.random((T, B, bits)) < 0.3) & real
                if rng.random() < 0.3:
                    masks[name]["input"] = rng.random((T, B, 5)) < 0.5
            writer.add_step(step, masks, valid_steps=ends)
    return path


def assert_same_masks(a: OperandMask | None, b: OperandMask | None) -> None:
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        assert (a.bits, a.lanes_hold, a.key) == (b.bits, b.lanes_hold, b.key)
        np.testing.assert_array_equal(a.packed, b.packed)


def assert_same_workloads(shared: Workload, alone: Workload) -> None:
    assert (shared.step, shared.rows) == (alone.step, alone.rows)
    for p, q in zip(shared.products, alone.products, strict=True):
        assert_same_masks(p.mask, q.mask)
        assert_same_masks(p.shared_mask, q.shared_mask)
        assert_same_masks(p.epilogue.store_skip, q.epilogue.store_skip)
        assert p.epilogue[:-1] == q.epilogue[:-1]
        for name in ("layer", "name", "phase", "time", "m", "k", "n", "recorded", "after", "shared_operand"):
            assert getattr(p, name) == getattr(q, name)
        np.testing.assert_array_equal(p.made_by, q.made_by)


def assert_same_plans(shared: Plan, alone: Plan) -> None:
    for field in fields(Plan):
        mine, other = getattr(shared, field.name), getattr(alone, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
    for a, b in zip(shared.products, alone.products, strict=True):
        assert a[1:-1] == b[1:-1]
        np.testing.assert_array_equal(a.counts, b.counts)


@settings(max_examples=60)
@given(networks(), ROWS, SHAPED_ARRAYS, MECHANISMS, st.one_of(st.just("ideal"), SYSTEMS))
def test_steps_that_share_a_structure_are_planned_as_alone(
    network: dict[str, Any], rows: list[int], array: dict[str, Any], skipping: dict[str, Any], memory: Any
) -> None:
    arch = machine(array=array, skipping=skipping, memory=memory)
    known: Structure | None = None
    with tempfile.TemporaryDirectory() as folder, Trace(written(Path(folder) / "t.npz", network, rows)) as trace:
        for number in trace.steps:
            step = trace.step(number)
            shared, alone = lower(trace, step, known), lower(trace, step)
            known = shared.structure
            assert_same_workloads(shared, alone)
            assert_same_plans(plan(arch, shared), plan(arch, alone))
    if memory != "ideal":
        assert_same_plans(plan(arch, shared), plain_plan(arch, alone))


def test_steps_of_the_same_rows_share_a_structure_and_others_do_not(tmp_path: Path) -> None:
    sizes = {"layers": 2, "hidden_size": 8, "input_size": 8, "sequence_length": 3, "batch_size": 2}
    with (
        Trace(synthetic_trace(tmp_path / "a.npz", steps=2, **sizes)) as trace,
        Trace(synthetic_trace(tmp_path / "b.npz", steps=1, **sizes)) as other,
        Trace(written(tmp_path / "c.npz", {"seed": 0, "T": 3, "B": 2}, [0, 1])) as ragged,
    ):
        first = lower(trace, trace.step(0))
        assert lower(trace, trace.step(1), first.structure).structure is first.structure
        assert lower(other, other.step(0), first.structure).structure is not first.structure
        full = lower(ragged, ragged.step(0))
        assert lower(ragged, ragged.step(1), full.structure).structure is not full.structure


def test_a_structure_keeps_no_mask_of_a_step(tmp_path: Path) -> None:
    path = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=8, input_size=4, sequence_length=3, batch_size=2, steps=2
    )
    with Trace(path) as trace:
        workload = lower(trace, trace.step(0))
        again = lower(trace, trace.step(1), workload.structure)
    known = [p for p in vars(workload.structure)["_products"] if p.mask or p.shared_mask or p.epilogue.store_skip]
    assert not known
    assert any(p.mask for p in again.products)
