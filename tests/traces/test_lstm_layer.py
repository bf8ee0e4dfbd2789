"""The fast layer against its plain form, and the properties of its threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.diagnosis import Copies
from plain.lstm import lstm_backward, lstm_forward

from traces.numpy_frontend.lstm import LSTMLayer, Weights
from traces.thresholds import Fixed


def random_layer(generator, T, B, D, H, dtype=np.float64, one_hot=False, scale=0.5):
    shapes = ((4 * H, D), (4 * H, H), (4 * H,))
    weights = Weights(*((scale * generator.standard_normal(shape)).astype(dtype) for shape in shapes))
    gradients = Weights(*(np.full(shape, np.nan, dtype) for shape in shapes))
    return LSTMLayer(weights, gradients, T, B, one_hot)


def feature_first(array):
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


def batch_first(array):
    return np.moveaxis(array, 0, -1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    T=st.integers(1, 5),
    B=st.integers(1, 4),
    D=st.integers(1, 5),
    H=st.integers(1, 5),
    threshold=st.sampled_from([0.0, 1e-3, 0.05, 0.3, 1e9]),
    seed=st.integers(0, 1000),
    one_hot=st.booleans(),
)
def test_lstm_layer_equals_its_plain_form_under_any_threshold(T, B, D, H, threshold, seed, one_hot):
    generator = np.random.default_rng(seed)
    layer = random_layer(generator, T, B, D, H, one_hot=one_hot)
    symbols = generator.integers(0, D, (T, B))
    x = np.eye(D)[symbols] if one_hot else generator.standard_normal((T, B, D))
    h, c, d_hidden = (generator.standard_normal(shape) for shape in ((B, H), (B, H), (T, B, H)))
    W, U, b = layer.weights.W, layer.weights.U, layer.weights.b

    hidden, steps = lstm_forward(W, U, b, x, h, c)
    dG, dx, dW, dU, db = lstm_backward(W, U, x, steps, d_hidden, threshold)
    out, (h_end, c_end) = layer.forward(symbols if one_hot else feature_first(x), (h.T, c.T))
    dx_fast = layer.backward(feature_first(d_hidden), Fixed(threshold))

    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(batch_first(out), hidden, **close)
    np.testing.assert_allclose(h_end.T, hidden[-1], **close)
    np.testing.assert_allclose(c_end.T, [step[5] for step in steps[-1]], **close)
    np.testing.assert_array_equal(batch_first(layer.dG) != 0, dG != 0)
    np.testing.assert_allclose(batch_first(layer.dG), dG, **close)
    np.testing.assert_allclose(layer.gradients.W, dW, **close)
    np.testing.assert_allclose(layer.gradients.U, dU, **close)
    np.testing.assert_allclose(layer.gradients.b, db, **close)
    if one_hot:
        assert dx_fast.size == 0
    else:
        np.testing.assert_allclose(batch_first(dx_fast), dx, **close)


@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-13), (np.float32, 2e-6)])
def test_lstm_layer_equals_the_float64_loop_within_rounding_whatever_its_input_is_a_part_of(dtype, within):
    T, B, D, H = 12, 5, 19, 17
    generator = np.random.default_rng(10)
    layer = random_layer(generator, T, B, D, H, dtype, scale=0.2)
    longer = generator.standard_normal((D, T + 3, B)).astype(dtype)
    below, above = longer[:, 2 : 2 + T], generator.standard_normal((H, T, B)).astype(dtype)
    W, U, b = (part.astype(np.float64) for part in (layer.weights.W, layer.weights.U, layer.weights.b))
    x, d_hidden = (batch_first(part).astype(np.float64) for part in (below, above))
    hidden, steps = lstm_forward(W, U, b, x, np.zeros((B, H)), np.zeros((B, H)))
    dG, dx, dW, dU, db = lstm_backward(W, U, x, steps, d_hidden, 0.0)

    out, _ = layer.forward(below, (np.zeros((H, B), dtype),) * 2)
    dx_fast = layer.backward(above, None)
    gradients = layer.gradients
    found = (batch_first(out), batch_first(layer.dG), batch_first(dx_fast), gradients.W, gradients.U, gradients.b)
    for one, other in zip(found, (hidden, dG, dx, dW, dU, db), strict=True):
        assert one.dtype == dtype
        assert np.linalg.norm(one - other) < within * np.linalg.norm(other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lstm_threshold_zero_is_bit_identical_to_no_threshold(dtype):
    generator = np.random.default_rng(3)
    layer = random_layer(generator, 7, 3, 5, 6, dtype)
    x, d_hidden = (generator.standard_normal(shape).astype(dtype) for shape in ((5, 7, 3), (6, 7, 3)))
    layer.forward(x, (np.zeros((6, 3), dtype),) * 2)
    results = []
    for thresholder in (None, Fixed(0.0)):
        dx = layer.backward(d_hidden, thresholder)
        parts = (layer.dG, dx, layer.gradients.W, layer.gradients.U, layer.gradients.b)
        results.append([part.tobytes() for part in parts])
    assert results[0] == results[1]


def test_lstm_dropped_elements_are_exact_zeros_of_either_sign_of_gradient():
    generator = np.random.default_rng(4)
    layer = random_layer(generator, 6, 4, 5, 8)
    layer.forward(generator.standard_normal((5, 6, 4)), (np.zeros((8, 4)),) * 2)
    copies = Copies(layer)
    layer.backward(generator.standard_normal((8, 6, 4)), Fixed(0.05), observer=copies)
    small = np.abs(copies.gate_gradient) <= 0.05
    assert small.any()
    np.testing.assert_array_equal(layer.dG, np.where(small, 0, copies.gate_gradient))
    assert (layer.dG < 0).any()  # the rule as the paper prints it would have dropped these


def test_lstm_threshold_feeds_zeros_back_through_time_but_leaves_the_cell_path_alone():
    generator = np.random.default_rng(5)
    T, B, D, H = 4, 2, 3, 5
    layer = random_layer(generator, T, B, D, H)
    layer.forward(generator.standard_normal((D, T, B)), (np.zeros((H, B)),) * 2)
    d_hidden = np.zeros((H, T, B))
    d_hidden[:, -1] = generator.standard_normal((H, B))
    copies = Copies(layer)
    layer.backward(d_hidden, Fixed(1e9), observer=copies)
    assert not layer.dG.any()
    assert not layer.gradients.W.any()
    assert not copies.hidden_gradient[:, :-1].any()  # nothing of dG came back through U
    for t in range(T - 1):  # with dh = 0, dc is what the forget gate lets through
        forget = layer.gates[t + 1, H : 2 * H]
        np.testing.assert_array_equal(copies.cell_gradient[:, t], copies.cell_gradient[:, t + 1] * forget)
    assert copies.cell_gradient[:, 0].any()


def test_lstm_state_carried_over_a_cut_equals_one_long_sequence():
    generator = np.random.default_rng(6)
    x = generator.standard_normal((4, 6, 3))
    whole = random_layer(np.random.default_rng(7), 6, 3, 4, 5)
    half = random_layer(np.random.default_rng(7), 3, 3, 4, 5)
    expected, end = whole.forward(x, (np.zeros((5, 3)),) * 2)
    first, state = half.forward(np.ascontiguousarray(x[:, :3]), (np.zeros((5, 3)),) * 2)
    first = first.copy()
    second, state = half.forward(np.ascontiguousarray(x[:, 3:]), state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected, rtol=1e-12)
    np.testing.assert_allclose(state[1], end[1], rtol=1e-12)


def test_lstm_saturated_gates_give_no_warning_and_exact_zeros_in_float32():
    layer = random_layer(np.random.default_rng(8), 3, 2, 2, 2, np.float32)
    layer.weights.b[:] = [-200, -200, 200, 200, 200, -200, 30, 30]
    out, _ = layer.forward(np.zeros((2, 3, 2), np.float32), (np.zeros((2, 2), np.float32),) * 2)
    layer.backward(np.ones((2, 3, 2), np.float32), None)
    assert np.isfinite(out).all()
    assert not layer.dG.any()
