"""Traces of PyTorch models are replayed by the simulator: the products have the shapes of the model's own work."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from simulator import load_arch, simulate  # noqa: E402
from simulator.workload import lower  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.trace import Trace  # noqa: E402

B, V, H, SOURCE, TARGET = 3, 7, 8, 6, 4


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(V, H, bidirectional=True)
        self.decoder = nn.LSTM(V, 2 * H)
        self.attend = nn.MultiheadAttention(2 * H, 2)
        self.out = nn.Linear(2 * H, V)

    def forward(self, source, target):
        seen, _ = self.encoder(source)
        h, _ = self.decoder(target)
        return self.out(self.attend(h, seen, seen)[0])


def test_a_translation_models_macs_are_those_of_its_own_shapes(tmp_path):
    torch.manual_seed(0)
    model = sparsify(Translator(), {"kind": "fixed", "threshold": 1e-4}, attention=True)
    with record(model, tmp_path / "t.npz"):
        model(torch.randn(SOURCE, B, V), torch.randn(TARGET, B, V)).square().mean().backward()
    with Trace(tmp_path / "t.npz") as trace:
        workload = lower(trace, trace.step(1))
        report = simulate(load_arch("zero_skip"), trace, baseline=False)

    def recurrent(tokens, gates, width, dx):
        D = V
        forward = tokens * gates * width * (D + width)
        return 2 * forward + tokens * gates * width * width + dx * tokens * gates * width * D

    def linear(tokens, D, N, dx=True):
        return tokens * D * N * (2 + dx)

    source, target, E = SOURCE * B, TARGET * B, 2 * H
    expected = 2 * recurrent(source, 3, H, False) + recurrent(target, 4, E, False)
    expected += 2 * linear(target, E, E) + 2 * linear(source, E, E) + linear(target, E, V)
    assert sum(p.macs_dense for p in workload.products) == expected
    macs = report.to_dict()["macs"]
    assert macs["dense"] == expected
    assert macs["executed"] < expected
    order = list(dict.fromkeys(p.layer for p in workload.products))
    assert order[:3] == ["encoder.0", "encoder.0.reverse", "decoder.0"]
