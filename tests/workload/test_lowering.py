"""The products of a step: shapes, order, masks and what they wait for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from plain.cases import networks, write_trace

from simulator.workload import lower
from traces import Trace, TraceWriter, synthetic_trace
from traces.trace import DenseLayer, Layer

T, B, D, H = 5, 3, 7, 6


def lowered(tmp_path, **options):
    defaults = {"layers": [lstm()], "sequence_length": T, "batch_size": B, "sparsity": 0.8}
    path = synthetic_trace(tmp_path / "t.npz", **{**defaults, **options})
    trace = Trace(path)
    step = trace.step(trace.steps[0])
    return lower(trace, step), step


def lstm(name="lstm0", input_needs_gradient=True, **options):
    return Layer(
        name=name, kind="lstm", input_size=D, hidden_size=H, input_needs_gradient=input_needs_gradient, **options
    )


def macs(products):
    return sum(p.macs_dense for p in products)


def test_lstm_layer_has_the_six_products_of_the_table(tmp_path):
    workload, _ = lowered(tmp_path)
    shapes = [(p.name, p.phase, p.m, p.k, p.n) for p in workload.products]
    assert shapes == [
        ("gates_x", "forward", T * B, D, 4 * H),
        *[("gates_h", "forward", B, H, 4 * H)] * T,
        ("gates_backward", "backward", B, 0, H),
        *[("dh", "backward", B, 4 * H, H)] * T,
        ("dx", "backward", T * B, 4 * H, D),
        ("dW", "backward", 4 * H, T * B, D),
        ("dU", "backward", 4 * H, T * B, H),
    ]
    assert [p.time for p in workload.products if p.name == "gates_h"] == [0, 1, 2, 3, 4]
    assert [p.time for p in workload.products if p.name == "dh"] == [4, 3, 2, 1, 0]


def test_forward_is_half_of_backward(tmp_path):
    workload, _ = lowered(tmp_path)
    forward = macs(p for p in workload.products if p.phase == "forward")
    assert macs(workload.products) == 3 * forward


def test_layer_whose_input_needs_no_gradient_has_no_dx(tmp_path):
    workload, _ = lowered(tmp_path, layers=[lstm(input_needs_gradient=False)])
    assert "dx" not in [p.name for p in workload.products]


def test_backward_direction_walks_time_the_other_way(tmp_path):
    workload, _ = lowered(tmp_path, layers=[lstm(direction="backward")])
    assert [p.time for p in workload.products if p.name == "gates_h"] == [4, 3, 2, 1, 0]
    assert [p.time for p in workload.products if p.name == "dh"] == [0, 1, 2, 3, 4]


def test_masks_lie_on_the_lanes_that_the_table_says(tmp_path):
    workload, step = lowered(tmp_path)
    dG = step.layers["lstm0"].gate_gradient.unpack()
    flat = dG.reshape(T * B, 4 * H)
    for p in workload.products:
        if p.mask is None:
            assert p.phase == "forward" or p.k == 0
            continue
        assert p.mask.shape == (p.m, p.k)
        bits = np.unpackbits(p.mask.packed, axis=-1, count=p.mask.bits, bitorder="little").astype(bool)
        expected = dG[p.time] if p.name == "dh" else flat
        assert np.array_equal(bits, expected)
        assert p.mask.lanes_hold == ("bits" if p.name in ("dW", "dU") else "rows")


def test_weight_gradients_share_one_mask_and_dx_another_layout_of_it(tmp_path):
    workload, _ = lowered(tmp_path)
    masks = {p.name: p.mask for p in workload.products if p.mask is not None}
    assert (masks["dW"].key, masks["dW"].lanes_hold) == (masks["dU"].key, masks["dU"].lanes_hold)
    assert masks["dx"].key == masks["dW"].key


def test_padding_is_absent_work(tmp_path):
    valid = [5, 2, 0]
    workload, step = lowered(tmp_path, valid_steps=valid)
    rows = sum(valid)
    by_name = {p.name: p for p in workload.products}
    assert (by_name["gates_x"].m, by_name["dx"].m) == (rows, rows)
    assert (by_name["dW"].k, by_name["dU"].k) == (rows, rows)
    assert [p.m for p in workload.products if p.name == "gates_h"] == [2, 2, 1, 1, 1]
    assert [p.m for p in workload.products if p.name == "dh"] == [1, 1, 1, 2, 2]
    nonzeros = step.layers["lstm0"].gate_gradient.count()
    assert int(np.bitwise_count(by_name["dW"].mask.packed).sum()) == nonzeros


def test_a_step_of_padding_alone_has_no_work(tmp_path):
    workload, _ = lowered(tmp_path, valid_steps=[0, 0, 0])
    assert workload.products == ()


def test_dense_layers_count_per_token_or_per_sequence(tmp_path):
    dense = [DenseLayer("encoder", 9, 4, per="sequence"), DenseLayer("classifier", H, 11, per="token")]
    workload, _ = lowered(tmp_path, dense_layers=dense, valid_steps=[5, 2, 1])
    shapes = {(p.layer, p.name): (p.m, p.k, p.n) for p in workload.products if not p.recorded}
    assert shapes == {
        ("encoder", "y"): (B, 9, 4),
        ("classifier", "y"): (8, H, 11),
        ("classifier", "dx"): (8, 11, H),
        ("classifier", "dW"): (11, 8, H),
        ("encoder", "dx"): (B, 4, 9),
        ("encoder", "dW"): (4, B, 9),
    }


@pytest.mark.parametrize(("kind", "gates", "products"), [("gru", 3, 6), ("rnn", 1, 6), ("linear", 1, 3)])
def test_other_kinds_have_their_gates(tmp_path, kind, gates, products):
    layer = Layer(name="l", kind=kind, input_size=D, hidden_size=H)
    workload, _ = lowered(tmp_path, layers=[layer])
    by_name = {p.name: p for p in workload.products if p.k}
    assert len(by_name) == products
    assert by_name["dW"].m == gates * H


def test_gru_reads_the_hidden_side_gradient_for_its_recurrent_products(tmp_path):
    with tempfile.TemporaryDirectory() as folder:
        network = {
            "kinds": ["gru"], "sizes": [4, 5], "T": 3, "B": 2, "density": 0.5, "valid_steps": None,
            "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 3,
        }  # fmt: skip
        trace = write_trace(Path(folder) / "t.npz", network)
        step = trace.step(7)
        workload = lower(trace, step)
    record = step.layers["gru0"]
    by_name = {p.name: p for p in workload.products}
    count = lambda p: int(np.bitwise_count(p.mask.packed).sum())  # noqa: E731
    assert record.gate_gradient.count() != record.gate_gradient_hidden.count()
    assert count(by_name["dW"]) == count(by_name["dx"]) == record.gate_gradient.count()
    assert count(by_name["dU"]) == record.gate_gradient_hidden.count()
    assert sum(count(p) for p in workload.products if p.name == "dh") == record.gate_gradient_hidden.count()


@settings(max_examples=80)
@given(networks())
def test_every_product_waits_only_for_earlier_ones(network):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    for i, p in enumerate(workload.products):
        assert all(0 <= after.product < i for after in p.after)
        assert p.m > 0
        assert p.n > 0
        if p.k == 0:
            assert p.name == "gates_backward"
            assert p.epilogue.gate_backward_values > 0
        if p.mask is not None:
            assert p.mask.shape == (p.m, p.k)
    # Each gate gradient is made exactly once, by the vector unit.
    tokens = T_valid(network)
    for i, kind in enumerate(network["kinds"]):
        gates = {"lstm": 4, "gru": 3, "rnn": 1, "linear": 1}[kind]
        made = sum(p.epilogue.gate_backward_values for p in workload.products if p.layer == f"{kind}{i}")
        assert made == tokens * gates * network["sizes"][i + 1]


def T_valid(network):  # noqa: N802
    steps = network["valid_steps"]
    return network["T"] * network["B"] if steps is None else sum(steps)


@settings(max_examples=60)
@given(networks())
def test_weight_gradients_carry_the_recorded_mask_of_their_shared_operand(network):
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        step = trace.step(trace.steps[0])
        valid = np.ones((network["T"], network["B"]), dtype=bool)
        if network["valid_steps"] is not None:
            valid = np.arange(network["T"])[:, None] < np.array(network["valid_steps"])
        for p in lower(trace, step).products:
            tensor = {"dW": "input", "dU": "hidden"}.get(p.name) if p.recorded else None
            recorded = tensor and getattr(step.layers[p.layer], tensor)
            if not recorded:
                assert p.shared_mask is None
                continue
            assert p.shared_mask.lanes_hold == "bits"
            assert p.shared_mask.shape == (p.n, p.k)
            bits = np.unpackbits(p.shared_mask.packed, axis=-1, count=p.n, bitorder="little")
            assert np.array_equal(bits.astype(bool), recorded.unpack()[valid])


def encoder_decoder(path, source, target):
    """Write a trace of an encoder and a decoder with their own real rows, and a classifier on the decoder's."""
    layers = [Layer("encoder", "lstm", D, H), Layer("decoder", "lstm", H, H)]
    own = {"encoder": source, "decoder": target, "classifier": target}
    rng = np.random.default_rng(5)
    tensors = {
        name: {"gate_gradient": (rng.random((T, B, 4 * H)) < 0.5) & (np.arange(T)[:, None] < own[name])[:, :, None]}
        for name in ("encoder", "decoder")
    }
    header = {
        "layers": layers,
        "dense_layers": [DenseLayer("classifier", H, 11)],
        "batch_size": B,
        "sequence_length": T,
    }
    with TraceWriter(path, header) as writer:
        writer.add_step(7, tensors, layer_valid_steps=own)
    return Trace(path)


def test_layers_of_other_lengths_have_their_own_rows_and_wait_for_all_of_the_layer_before(tmp_path):
    source, target = [3, 2, 1], [5, 4, 0]
    with encoder_decoder(tmp_path / "t.npz", source, target) as trace:
        step = trace.step(7)
        workload = lower(trace, step)
    assert step.valid_steps is None
    assert step.valid_steps_of("encoder").tolist() == source
    rows = {(p.layer, p.name): p.m for p in workload.products}
    assert (rows["encoder", "gates_x"], rows["decoder", "gates_x"], rows["classifier", "y"]) == (6, 9, 9)
    by_name = {(p.layer, p.name): p for p in workload.products}
    for layer in ("encoder", "decoder"):
        ones = int(np.bitwise_count(by_name[layer, "dW"].mask.packed).sum())
        assert ones == step.layers[layer].gate_gradient.count()
    last = max(i for i, p in enumerate(workload.products) if (p.layer, p.name) == ("encoder", "gates_h"))
    gates_x = by_name["decoder", "gates_x"]
    assert gates_x.made_by is None
    assert [(after.product, after.rows) for after in gates_x.after] == [(last, None)]
    for p in workload.products:
        for after in p.after:
            assert after.rows is None or after.rows[1] <= workload.products[after.product].m


def test_lengths_by_layer_that_say_the_same_change_nothing(tmp_path):
    same = [4, 2, 1]
    with encoder_decoder(tmp_path / "t.npz", same, same) as trace:
        ours = lower(trace, trace.step(7)).products
    header = {"layers": [Layer("encoder", "lstm", D, H), Layer("decoder", "lstm", H, H)], "batch_size": B}
    header |= {"sequence_length": T, "dense_layers": [DenseLayer("classifier", H, 11)]}
    with Trace(tmp_path / "t.npz") as trace, TraceWriter(tmp_path / "u.npz", header) as writer:
        masks = {name: record.tensors for name, record in trace.step(7).layers.items()}
        writer.add_step(7, masks, valid_steps=same)
    with Trace(tmp_path / "u.npz") as trace:
        theirs = lower(trace, trace.step(7)).products
    for a, b in zip(ours, theirs, strict=True):
        assert (a.layer, a.name, a.time, a.m, a.k, a.n, a.after) == (b.layer, b.name, b.time, b.m, b.k, b.n, b.after)
        assert (a.made_by is None) == (b.made_by is None)
