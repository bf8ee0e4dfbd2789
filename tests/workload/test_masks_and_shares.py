"""Rows of a mask that hold anything, and steps that are dealt out to chips."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.workload.product import OperandMask
from simulator.workload.shares import dealt
from traces import Trace, TraceWriter, synthetic_trace
from traces.trace import Layer


@given(st.integers(1, 9), st.integers(1, 20), st.sampled_from([0.0, 0.05, 0.3, 1.0]), st.integers(0, 99))
def test_nonzero_rows_are_those_of_the_operand(rows: int, bits: int, density: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((rows, bits)) < density
    packed = np.packbits(mask, axis=1, bitorder="little")

    def found(lanes_hold: Literal["rows", "bits"]) -> list[bool]:
        return OperandMask(packed, bits, lanes_hold, ("a",)).nonzero_rows.tolist()

    assert found("rows") == mask.any(axis=1).tolist()
    assert found("bits") == mask.any(axis=0).tolist()


@pytest.mark.parametrize("chips", [1, 2, 3, 5])
def test_sequences_are_dealt_out_one_after_the_other(tmp_path: Any, chips: int) -> None:
    valid = [4, 1, 3, 2, 0]
    path = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=3, input_size=2, sequence_length=4, batch_size=5, valid_steps=valid
    )
    with Trace(path) as trace:
        step = trace.step(trace.steps[0])
        whole = step.layers["lstm0"].gate_gradient.unpack()
        shares = dealt(step, chips)
    assert len(shares) == chips
    for chip, share in enumerate(shares):
        assert share.valid_steps is not None
        assert share.valid_steps.tolist() == list(share.info["valid_steps"]) == valid[chip::chips]
        assert np.array_equal(share.layers["lstm0"].gate_gradient.unpack(), whole[:, chip::chips])


def test_lengths_of_each_layer_are_dealt_out_with_its_sequences(tmp_path: Any) -> None:
    own = {"encoder": [3, 1, 2], "decoder": [2, 2, 1]}
    layers = [Layer("encoder", "lstm", 2, 4), Layer("decoder", "lstm", 4, 4)]
    real = {name: np.arange(3)[:, None] < np.array(steps) for name, steps in own.items()}
    masks = {name: {"gate_gradient": np.repeat(rows[:, :, None], 16, axis=2)} for name, rows in real.items()}
    header = {"layers": layers, "batch_size": 3, "sequence_length": 3}
    with TraceWriter(tmp_path / "t.npz", header) as writer:
        writer.add_step(1, masks, layer_valid_steps=own)
    with Trace(tmp_path / "t.npz") as trace:
        shares = dealt(trace.step(1), 2)
    for chip, share in enumerate(shares):
        for name, steps in own.items():
            lengths = share.valid_steps_of(name)
            assert lengths is not None
            assert lengths.tolist() == steps[chip::2]
            assert np.array_equal(share.layers[name].gate_gradient.unpack()[:, :, 0], real[name][:, chip::2])
