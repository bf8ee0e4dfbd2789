"""Every gradient of the language model against central finite differences, in float64."""

import numpy as np
import pytest

from traces.numpy_frontend.language_model import LanguageModel, Shape, initial_parameters

T, B, V, H = 4, 3, 5, 3
STEP = 1e-5


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("normalisation", ["mean", "batch", "sum"])
def test_lstm_gradients_agree_with_finite_differences_for_every_parameter(layers, normalisation):
    shape = Shape(V, H, layers)
    parameters = initial_parameters(shape, seed=layers, dtype=np.float64)
    generator = np.random.default_rng(9)
    parameters.flat += 0.3 * generator.standard_normal(parameters.flat.size)
    model = LanguageModel(shape, parameters, T, B)
    symbols = generator.integers(0, V, (T + 1, B))
    state = [(0.5 * generator.standard_normal((H, B)), generator.standard_normal((H, B))) for _ in range(layers)]
    factor = {"mean": 1, "batch": T, "sum": T * B}[normalisation]

    def loss():
        return model.forward(symbols[:-1], symbols[1:], state)[0] * factor

    loss()
    model.backward(normalisation)
    found = parameters.flat_gradient.copy()
    expected = np.empty_like(found)
    for index in range(found.size):
        value = parameters.flat[index]
        parameters.flat[index] = value + STEP
        above = loss()
        parameters.flat[index] = value - STEP
        expected[index] = (above - loss()) / (2 * STEP)
        parameters.flat[index] = value
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * factor)
    assert np.count_nonzero(found) > 0.9 * found.size
