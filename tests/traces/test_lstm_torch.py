"""The layer stack against torch.nn.LSTM, where PyTorch is installed."""

import numpy as np
import pytest

from traces.numpy_frontend.language_model import LanguageModel, Shape, initial_parameters

torch = pytest.importorskip("torch")

T, B, V, H, LAYERS = 20, 8, 11, 24, 3


def from_torch_order(array):
    """Reorder rows from PyTorch's gates i, f, g, o to i, f, o, g."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, f, o, g])


def to_torch_order(array):
    i, f, o, g = np.split(array, 4)
    return np.concatenate([i, f, g, o])


@pytest.mark.parametrize("normalisation", ["mean", "batch", "sum"])
def test_lstm_gradients_equal_pytorchs_to_1e_minus_5_in_float32(normalisation):
    shape = Shape(V, H, LAYERS)
    parameters = initial_parameters(shape, seed=1)
    model = LanguageModel(shape, parameters, T, B)
    symbols = np.random.default_rng(2).integers(0, V, (T + 1, B))
    inputs, targets = symbols[:-1], symbols[1:]
    generator = np.random.default_rng(3)
    state = [tuple(0.3 * generator.standard_normal((H, B)).astype(np.float32) for _ in "hc") for _ in range(LAYERS)]

    lstm = torch.nn.LSTM(V, H, LAYERS)
    classifier = torch.nn.Linear(H, V)
    with torch.no_grad():
        for index in range(LAYERS):
            values = {part: to_torch_order(parameters.values[f"lstm{index}.{part}"]) for part in "WUb"}
            getattr(lstm, f"weight_ih_l{index}").copy_(torch.from_numpy(values["W"]))
            getattr(lstm, f"weight_hh_l{index}").copy_(torch.from_numpy(values["U"]))
            getattr(lstm, f"bias_ih_l{index}").copy_(torch.from_numpy(values["b"]))
            getattr(lstm, f"bias_hh_l{index}").zero_()
        classifier.weight.copy_(torch.from_numpy(parameters.values["classifier.W"]))
        classifier.bias.copy_(torch.from_numpy(parameters.values["classifier.b"]))
    start = tuple(torch.from_numpy(np.stack([layer[part].T for layer in state])).contiguous() for part in range(2))
    hidden, (h_end, c_end) = lstm(torch.from_numpy(np.eye(V, dtype=np.float32)[inputs]), start)
    losses = torch.nn.functional.cross_entropy(
        classifier(hidden).reshape(-1, V), torch.from_numpy(targets.reshape(-1)), reduction="sum"
    )
    (losses / {"mean": T * B, "batch": B, "sum": 1}[normalisation]).backward()

    loss, end = model.forward(inputs, targets, state)
    model.backward(normalisation)

    assert loss == pytest.approx(losses.item() / (T * B), rel=1e-5)
    for index in range(LAYERS):
        np.testing.assert_allclose(end[index][0].T, h_end[index].detach(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(end[index][1].T, c_end[index].detach(), rtol=1e-4, atol=1e-6)
    theirs = {
        f"lstm{index}.{part}": from_torch_order(getattr(lstm, f"{name}_l{index}").grad.numpy())
        for index in range(LAYERS)
        for part, name in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))
    }
    theirs |= {"classifier.W": classifier.weight.grad.numpy(), "classifier.b": classifier.bias.grad.numpy()}
    assert theirs.keys() == parameters.gradients.keys()
    for name, gradient in parameters.gradients.items():
        error = np.linalg.norm(gradient - theirs[name]) / np.linalg.norm(theirs[name])
        assert error < 1e-5, name
