"""The PyTorch recorder and the embedded numpy front-end say the same of the same layer, sequence and policy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.numpy_frontend.diagnosis import LayerDiagnosis  # noqa: E402
from traces.numpy_frontend.lstm import LSTMLayer, Weights  # noqa: E402
from traces.thresholds import Fixed  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.trace import Trace  # noqa: E402

T, B, D, H = 9, 4, 6, 10


def in_trace_order(parameter):
    i, f, g, o = np.split(parameter.detach().numpy(), 4)
    return np.concatenate([i, f, o, g])


@pytest.mark.parametrize("gain", [1.0, 12.0])  # the second saturates many gates
@pytest.mark.parametrize("threshold", [0.0, 1e-3, 1e-2])
def test_masks_causes_and_cosines_are_the_same(tmp_path, gain, threshold):
    torch.manual_seed(1)
    model = nn.LSTM(D, H).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(gain)
        model.bias_hh_l0.zero_()
    sparsify(model, Fixed(threshold))
    x, weights = torch.randn(T, B, D).double(), torch.randn(T, B, H).double() * 0.1
    weights[-1, 0] = 0  # no gradient arrives there
    with record(model, tmp_path / "t.npz", values=True):
        (model(x)[0] * weights).sum().backward()
    with Trace(tmp_path / "t.npz") as trace:
        step = trace.step(1)

    parts = [in_trace_order(p) for p in (model.weight_ih_l0, model.weight_hh_l0, model.bias_ih_l0)]
    layer = LSTMLayer(Weights(*parts), Weights(*(np.zeros_like(part) for part in parts)), T, B)
    diagnosis = LayerDiagnosis(layer)
    zeros = np.zeros((H, B))
    layer.forward(np.ascontiguousarray(x.numpy().transpose(2, 0, 1)), (zeros, zeros))
    layer.backward(np.ascontiguousarray(weights.numpy().transpose(2, 0, 1)), Fixed(threshold), 1, diagnosis)

    record_of_layer = step.layers["lstm.0"]
    assert record_of_layer.gate_gradient == diagnosis.gradient_mask()
    dG = np.moveaxis(layer.dG, 0, -1)
    np.testing.assert_allclose(record_of_layer.values, dG[dG != 0], rtol=1e-5, atol=1e-15)
    assert step.info["sparsity"]["lstm.0"] == pytest.approx(diagnosis.gate_sparsity())
    natural = diagnosis.natural_zeros()
    assert step.info["natural_zeros"]["lstm.0"] == natural | {"quantised": 0}
    assert (natural["saturated"] > 0) == (gain > 1)
    assert natural["upstream"] > 0
    assert step.info["weight_gradient_cosine"]["lstm.0"] == pytest.approx(diagnosis.weight_gradient_cosine(), rel=1e-6)
    np.testing.assert_allclose(in_trace_order(model.weight_ih_l0.grad), layer.gradients.W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(in_trace_order(model.weight_hh_l0.grad), layer.gradients.U, rtol=1e-9, atol=1e-12)
