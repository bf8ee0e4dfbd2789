"""Values of operands: recorded ones in their places, seeded ones that are small integers, never zero on the mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plain.cases import machine, write_trace

from simulator.values.operands import LARGEST, StepValues, unpacked
from simulator.workload import Product, lower
from traces import InputError, Trace, TraceWriter

NETWORK = {
    "kinds": ["lstm", "gru"], "sizes": [5, 6, 4], "T": 3, "B": 4, "density": 0.4, "valid_steps": [3, 2, 0, 1],
    "first_needs_gradient": True, "backward": True, "masks": True, "dense_layers": 1, "seed": 5,
}  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return write_trace(tmp_path / "t.npz", NETWORK)


def products(trace: Trace) -> list[Product]:
    return [p for p in lower(trace, trace.step(7)).products if p.k]


def test_seeded_values_are_small_integers_and_zero_exactly_where_the_mask_is(trace: Trace) -> None:
    values = StepValues(trace.step(7), "t")
    for product in products(trace):
        skip, recorded = values.skip(product)
        shared, mask = values.shared(product, machine())
        assert not recorded
        assert skip.shape == (product.m, product.k)
        assert shared.shape == (product.k, product.n)
        expected = np.ones(skip.shape, bool) if product.mask is None else unpacked(product.mask)
        assert np.array_equal(skip != 0, expected)
        known = np.ones(shared.shape, bool) if mask is None else mask
        assert np.array_equal(shared != 0, known)
        assert (mask is None) == (product.shared_mask is None)
        for operand in (skip, shared):
            assert np.array_equal(operand, np.rint(operand))
            assert np.abs(operand).max(initial=0) <= LARGEST


def test_seeded_values_are_the_same_each_time_and_differ_between_operands_and_steps(trace: Trace) -> None:
    product = next(p for p in products(trace) if p.name == "dx")
    one, other = (StepValues(trace.step(7), "t") for _ in range(2))
    assert np.array_equal(one.skip(product)[0], other.skip(product)[0])
    assert np.array_equal(one.shared(product, machine())[0], other.shared(product, machine())[0])
    drawn = {one._seeded(name, (50,)).tobytes() for name in ("a", "b")}
    later = StepValues(trace.step(7), "t")
    later.step = type(later.step)(8, {}, None, later.step.layers)
    assert len(drawn | {later._seeded("a", (50,)).tobytes()}) == 3


def test_products_of_one_gradient_share_its_values(trace: Trace) -> None:
    values = StepValues(trace.step(7), "t")
    of = {p.name: p for p in products(trace) if p.layer == "lstm0" and p.time in (None, 2)}
    dx, dW = values.skip(of["dx"])[0], values.skip(of["dW"])[0]
    assert np.array_equal(dx, dW.T)
    assert np.array_equal(dx[-of["dh"].m :], values.skip(of["dh"])[0])  # the last rows are those of the last time step


def test_pruned_weights_are_zero_and_transposes_agree(trace: Trace) -> None:
    skipping = {"mechanism": "ideal_two_sided", "multipliers": 16, "weights": {"density": 0.3, "seed": 2}}
    arch = machine(skipping=skipping)
    values = StepValues(trace.step(7), "t")
    of = {p.name: p for p in products(trace) if p.layer == "lstm0"}
    W, forward = values.shared(of["gates_x"], arch)
    _, backward = values.shared(of["dx"], arch)
    assert np.array_equal(forward, backward.T)
    assert np.array_equal(W != 0, forward)
    assert 0 < forward.mean() < 1


def recorded_trace(path: Path, gradient: np.ndarray, values: np.ndarray) -> Trace:
    T, B, bits = gradient.shape
    header = {
        "layers": [{"name": "y", "kind": "linear", "input_size": 3, "hidden_size": bits, "input_needs_gradient": True}],
        "batch_size": B,
        "sequence_length": T,
    }
    with TraceWriter(path, header) as writer:
        tensors = {"gate_gradient": gradient, "gate_gradient_values": values}
        writer.add_step(7, {"y": tensors}, valid_steps=[T, T - 1])
    return Trace(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_recorded_values_stand_in_c_order_of_the_mask(tmp_path: Path, dtype: type) -> None:
    rng = np.random.default_rng(1)
    dG = rng.standard_normal((3, 2, 4)).astype(dtype) * (rng.random((3, 2, 4)) < 0.5)
    dG[2:, 1] = 0
    trace = recorded_trace(tmp_path / "t.npz", dG != 0, dG[dG != 0])
    values = StepValues(trace.step(7), "t")
    of = {p.name: p for p in products(trace)}
    rows = dG.astype(np.float64)[[0, 0, 1, 1, 2], [0, 1, 0, 1, 0]]
    assert values.skip(of["dx"])[1] is True
    assert np.array_equal(values.skip(of["dx"])[0], rows)
    assert np.array_equal(values.skip(of["dW"])[0], rows.T)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_recorded_value_that_is_not_finite_is_refused(tmp_path: Path, bad: float) -> None:
    mask = np.ones((2, 2, 4), bool)
    mask[1, 1] = False
    values = np.ones(12, np.float32)
    values[5] = bad
    trace = recorded_trace(tmp_path / "t.npz", mask, values)
    dx = next(p for p in products(trace) if p.name == "dx")
    with pytest.raises(InputError, match=r"^t\.npz: steps/000007/y/gate_gradient_values: found a value that is not f"):
        StepValues(trace.step(7), "t.npz").skip(dx)
