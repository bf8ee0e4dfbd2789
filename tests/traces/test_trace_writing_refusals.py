"""The writer refuses what the reader would."""

from __future__ import annotations

import numpy as np
import pytest
from plain.wrong_headers import HEADER, WRONG_HEADERS

from traces import BitMask, InputError, Layer, Trace, TraceWriter

SIZES = {"layers": [Layer("a", "lstm", 3, 2)], "batch_size": 2, "sequence_length": 4}
GOOD = np.zeros((4, 2, 8), np.bool_)


@pytest.mark.parametrize(
    ("header", "found"),
    [case for case in WRONG_HEADERS if case[0]["steps"] == HEADER["steps"]],
)
def test_a_wrong_header_is_refused_and_leaves_no_file(tmp_path, header, found):
    with pytest.raises(InputError) as caught:
        TraceWriter(tmp_path / "x.npz", header | {"steps": []})
    assert found in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_has_steps_already_is_refused(tmp_path):
    with pytest.raises(InputError, match="added one by one"):
        TraceWriter(tmp_path / "x.npz", HEADER)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({}, "a/gate_gradient: found nothing"),
        ({"gate_gradients": GOOD}, "did you mean 'gate_gradient'?"),
        ({"gate_gradient": GOOD[:3]}, "shape (3, 2, 8); expected (4, 2, 8)"),
        ({"gate_gradient": BitMask.ones(4, 2, 7)}, "shape (4, 2, 7)"),
        ({"gate_gradient": GOOD.astype(np.uint8)}, "uint8 array"),
        ({"gate_gradient": BitMask.ones(4, 2, 8)}, "time step 3 of sequence 1"),
        ({"gate_gradient": GOOD, "gate_gradient_hidden": GOOD}, "a tensor of a lstm layer"),
        ({"gate_gradient": GOOD, "input": np.ones((4, 2, 4), np.bool_)}, "expected (4, 2, 3)"),
        ({"gate_gradient": GOOD, "gate_gradient_values": np.zeros(1, np.float32)}, "shape (1,)"),
        ({"gate_gradient": GOOD, "gate_gradient_values": np.zeros(0)}, "float64"),
    ],
)
def test_a_wrong_tensor_is_refused_and_nothing_of_its_step_recorded(tmp_path, tensors, found):
    with TraceWriter(tmp_path / "x.npz", SIZES) as writer:
        with pytest.raises(InputError) as caught:
            writer.add_step(1, {"a": tensors}, valid_steps=[4, 3])
        assert found in str(caught.value)
        writer.add_step(1, {"a": {"gate_gradient": GOOD}})
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.steps == (1,)
        assert trace.step(1).layers["a"].gate_gradient.count() == 0


@pytest.mark.parametrize(
    ("number", "layers", "info", "found"),
    [
        (0, {"a": {"gate_gradient": GOOD}}, {}, "already recorded"),
        (-1, {"a": {"gate_gradient": GOOD}}, {}, "found -1"),
        (True, {"a": {"gate_gradient": GOOD}}, {}, "found True"),
        (1, {}, {}, "a: found no tensors"),
        (1, {"a": {"gate_gradient": GOOD}, "b": {}}, {}, "b: found an unknown layer"),
        (1, {"a": {"gate_gradient": GOOD}}, {"valid_steps": [4]}, "a list of 1"),
        (1, {"a": {"gate_gradient": GOOD}}, {"valid_steps": [4, 5]}, "found 5"),
        (1, {"a": {"gate_gradient": GOOD}}, {"loss": "x"}, "a string"),
        (1, {"a": {"gate_gradient": GOOD}}, {"note": object()}, "a object"),
        (1, {"a": {"gate_gradient": GOOD}}, {"note": {1: 2}}, "the key 1"),
    ],
)
def test_a_wrong_step_is_refused(tmp_path, number, layers, info, found):
    with TraceWriter(tmp_path / "x.npz", SIZES) as writer:
        writer.add_step(0, {"a": {"gate_gradient": GOOD}})
        with pytest.raises(InputError) as caught:
            writer.add_step(number, layers, **info)
    assert found in str(caught.value)
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.steps == (0,)
