"""What a recorded step says beside its masks, against whole arrays; all units of these layers are looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plain.diagnosis import Copies

from traces.histograms import ACTIVATION_BINS, EXPONENTS, FIRST_EXPONENT, activation_histogram, gradient_histogram
from traces.numpy_frontend.diagnosis import COSINE_UNITS, LayerDiagnosis
from traces.numpy_frontend.language_model import Shape, initial_parameters
from traces.numpy_frontend.lstm import GATES, LSTMLayer, Weights
from traces.thresholds import Fixed

T, B, D, H = 6, 5, 4, 7


@pytest.fixture(scope="module", params=[0.0, 0.02, 10.0])
def looked_at(request):
    """A backward pass of a random layer: the layer, what the diagnosis says, and copies of everything."""
    parameters = initial_parameters(Shape(D, H, 1), seed=3)
    layer = LSTMLayer(
        Weights(*(parameters.values[f"lstm0.{part}"] for part in "WUb")),
        Weights(*(parameters.gradients[f"lstm0.{part}"] for part in "WUb")),
        T,
        B,
    )
    rng = np.random.default_rng(0)
    layer.forward(rng.standard_normal((D, T, B), np.float32), (np.zeros((H, B), np.float32),) * 2)
    diagnosis, copies = LayerDiagnosis(layer), Copies(layer)

    class Both:
        def observe(self, *seen):
            diagnosis.observe(*seen)
            copies.observe(*seen)

    layer.backward(rng.standard_normal((H, T, B), np.float32) / 10, Fixed(request.param), observer=Both())
    return layer, diagnosis, copies.gate_gradient


def test_all_units_of_these_layers_are_looked_at():
    assert H <= COSINE_UNITS


def test_rms_and_histogram_are_of_the_gradient_before_the_threshold(looked_at):
    _, diagnosis, raw = looked_at
    assert diagnosis.gradient_rms() == pytest.approx(math.sqrt(np.mean(raw.astype(float) ** 2)), rel=1e-6)
    expected = [0] * EXPONENTS
    for value in raw.ravel().tolist():
        if value:
            expected[min(max(math.frexp(abs(value))[1] - 1 - FIRST_EXPONENT, 0), EXPONENTS - 1)] += 1
    assert diagnosis.gradient_histogram() == {"first_exponent": FIRST_EXPONENT, "counts": expected}


def test_zeros_of_the_threshold_are_those_that_were_none_before(looked_at):
    layer, diagnosis, raw = looked_at
    assert diagnosis.thresholded_zeros() == np.count_nonzero((layer.dG == 0) & (raw != 0))


def test_zero_columns_are_zero_in_the_whole_batch(looked_at):
    layer, diagnosis, _ = looked_at
    assert diagnosis.zero_columns() == pytest.approx(np.mean((layer.dG == 0).all(axis=2)))


def test_recurrent_cosine_is_of_the_whole_matrices(looked_at):
    layer, diagnosis, raw = looked_at
    before = layer.hidden[:, :-1].reshape(H, -1).astype(float)
    one, other = ((g.reshape(4 * H, -1).astype(float) @ before.T).ravel() for g in (raw, layer.dG))
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    found = diagnosis.recurrent_weight_gradient_cosine()
    assert found is None if not norms else found == pytest.approx(one @ other / norms, rel=1e-5)


def test_gate_histograms_hold_every_activation_of_each_gate(looked_at):
    layer, diagnosis, _ = looked_at
    found = diagnosis.gate_histograms()
    assert list(found) == list(GATES)
    for g, gate in enumerate(GATES):
        values = layer.gates[:, g * H : (g + 1) * H].ravel().tolist()
        expected = [0] * ACTIVATION_BINS
        for value in values:
            expected[min(int((value + 1) * ACTIVATION_BINS / 2), ACTIVATION_BINS - 1)] += 1
        assert found[gate] == expected


def test_what_lies_beyond_the_bins_is_in_the_outermost_and_what_is_no_number_in_none():
    counts = gradient_histogram(np.array([0.0, 1e-300, -1e300, 1.0, np.inf, np.nan]))["counts"]
    assert (counts[0], counts[-1], counts[-FIRST_EXPONENT], sum(counts)) == (1, 1, 1, 3)
    assert activation_histogram(np.array([-9.0, -1.0, 0.999, 9.0])) == [2, *[0] * (ACTIVATION_BINS - 2), 2]
