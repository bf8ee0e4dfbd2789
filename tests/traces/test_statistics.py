from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import BitMask, Layer, LayerRecord, Step, Trace, statistics, synthetic_trace

KINDS = st.sampled_from(["lstm", "gru", "rnn", "linear"])


@st.composite
def steps(draw):
    """Draw a layer, its mask and the real time steps, with sizes on both sides of a whole byte."""
    layer = Layer("a", draw(KINDS), 3, draw(st.sampled_from([1, 3, 8, 11, 16])))
    T, B = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    valid = draw(st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B).map(np.array))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = rng.random((T, B, layer.gate_bits)) < draw(st.sampled_from([0.0, 0.1, 0.7, 1.0]))
    if valid is not None:
        mask &= (np.arange(T)[:, None] < valid)[:, :, None]
    return layer, mask, valid


def plain_rows(layer, mask, valid):
    """Count element by element, walking every sequence to its end."""
    T, B, _ = mask.shape
    valid = np.full(B, T) if valid is None else valid
    rows = []
    for g, gate in enumerate(layer.gate_order):
        zeros = elements = zero_columns = columns = 0
        for k in range(g * layer.hidden_size, (g + 1) * layer.hidden_size):
            for t in range(T):
                column = [mask[t, b, k] for b in range(B) if t < valid[b]]
                elements += len(column)
                zeros += column.count(False)
                columns += bool(column)
                zero_columns += bool(column) and not any(column)
        rows.append(
            {
                "step": 7,
                "layer": "a",
                "gate": gate,
                "zeros": zeros,
                "elements": elements,
                "sparsity": zeros / elements if elements else 0.0,
                "zero_columns": zero_columns / columns if columns else 0.0,
            }
        )
    return rows


@settings(derandomize=True, deadline=None)
@given(steps())
def test_layer_rows_equal_counting_element_by_element(case):
    layer, mask, valid = case
    record = LayerRecord(BitMask.pack(mask))
    assert statistics.layer_rows(7, layer, record, valid) == plain_rows(layer, mask, valid)


@settings(derandomize=True, deadline=None)
@given(steps())
def test_density_is_the_share_of_ones_in_real_time_steps(case):
    _, mask, valid = case
    T, B, bits = mask.shape
    ends = np.full(B, T) if valid is None else valid
    # A mask that is set beyond the end too, as an input mask may be, must give the same.
    beyond = mask | ~(np.arange(T)[:, None] < ends)[:, :, None]
    expected = mask.sum() / (ends.sum() * bits) if ends.sum() else 0.0
    assert statistics.density(BitMask.pack(beyond), valid) == expected


def test_total_weighs_rows_by_their_elements():
    rows = [{"zeros": 1, "elements": 1, "sparsity": 1.0}, {"zeros": 0, "elements": 9, "sparsity": 0.0}]
    assert statistics.total(rows) == {"zeros": 1, "elements": 10, "sparsity": 0.1}
    assert statistics.total([]) == {"zeros": 0, "elements": 0, "sparsity": 0.0}


def test_step_sparsity_has_the_form_of_the_header():
    layers = [Layer("a", "lstm", 2, 2), Layer("b", "gru", 2, 2)]
    mask = np.zeros((1, 1, 8), np.bool_)
    mask[0, 0, [0, 2, 3]] = True
    records = {"a": LayerRecord(BitMask.pack(mask)), "b": LayerRecord(BitMask.ones(1, 1, 6))}
    assert statistics.step_sparsity(Step(0, {}, None, records), layers) == {
        "a": {"i": 0.5, "f": 0.0, "o": 1.0, "g": 1.0},
        "b": {"r": 0.0, "z": 0.0, "n": 0.0},
    }


def test_trace_rows_list_every_step_layer_and_gate_in_order(tmp_path):
    path = synthetic_trace(
        tmp_path / "x.npz",
        layers=2,
        input_size=3,
        hidden_size=5,
        sequence_length=4,
        batch_size=3,
        steps=[4, 9],
    )
    with Trace(path) as trace:
        rows = statistics.trace_rows(trace)
        noted = [trace.entry(number)["sparsity"] for number in trace.steps]
    assert [(row["step"], row["layer"], row["gate"]) for row in rows] == [
        (step, layer, gate) for step in (4, 9) for layer in ("lstm0", "lstm1") for gate in "ifog"
    ]
    assert [statistics.nested(rows[:8]), statistics.nested(rows[8:])] == noted
    assert statistics.total(rows)["sparsity"] == pytest.approx(0.8, abs=0.01)
