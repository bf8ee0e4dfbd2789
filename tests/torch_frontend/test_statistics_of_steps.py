"""What a step's entry says beside the masks, against plain sums over the same backward pass."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.histograms import EXPONENTS, FIRST_EXPONENT  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.torch_frontend.gradient_sums import exponent_counts  # noqa: E402
from traces.trace import Trace  # noqa: E402

T, B, D, H = 7, 3, 5, 6
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def step_of(path, model, x, **options):
    with record(model, path, values=True, **options):
        model(x)[0].square().mean().backward()
    with Trace(path) as trace:
        return trace.step(1)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_sums_without_a_threshold_are_those_of_the_recorded_values(tmp_path, kind):
    torch.manual_seed(1)
    model = sparsify(KINDS[kind](D, H), None)
    step, name = step_of(tmp_path / "t.npz", model, torch.randn(T, B, D)), f"{kind}.0"
    values, size = step.layers[name].values.astype(np.float64), T * B * GATES[kind] * H
    assert step.info["gradient_rms"][name] == pytest.approx(math.sqrt((values**2).sum() / size))
    histogram = step.info["gradient_histogram"][name]
    bins = np.floor(np.log2(np.abs(values))).astype(int) - histogram["first_exponent"]
    assert histogram["counts"] == np.bincount(bins, minlength=80).tolist()
    assert step.info["weight_gradient_cosine"][name] == pytest.approx(1)
    assert step.info["recurrent_weight_gradient_cosine"][name] == pytest.approx(1)
    assert step.info["thresholded_zeros"][name] == 0
    # h and c before the first time step are zero: of an LSTM f sees c, of a GRU r sees U h + b.
    expected = {"saturated": 0, "zero_state": B * H if kind == "lstm" else 0, "upstream": 0, "underflow": 0}
    assert step.info["natural_zeros"][name] == expected | {"padding": 0, "quantised": 0}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_zero_is_natural_or_the_thresholds(tmp_path, kind):
    torch.manual_seed(2)
    model, name = sparsify(KINDS[kind](D, H), {"kind": "fixed", "threshold": 2e-3}), f"{kind}.0"
    with torch.no_grad():
        model.weight_ih_l0.mul_(200)  # saturates most gates
    step = step_of(tmp_path / "t.npz", model, torch.randn(T, B, D))
    mask = step.layers[name].gate_gradient
    causes = step.info["natural_zeros"][name]
    assert causes["saturated"] > 0
    assert step.info["thresholded_zeros"][name] > 0
    assert sum(causes.values()) + step.info["thresholded_zeros"][name] == mask.unpack().size - mask.count()
    columns = ~mask.unpack().any(axis=1)
    assert step.info["zero_columns"][name] == pytest.approx(columns.mean())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_cosines_compare_the_weight_gradients_of_one_backward_pass(tmp_path, kind):
    torch.manual_seed(3)
    threshold = 5e-4 if kind == "lstm" else 4e-3
    model, name = sparsify(KINDS[kind](D, H).double(), {"kind": "fixed", "threshold": threshold}), f"{kind}.0"
    seen = []
    with record(model, tmp_path / "t.npz"):
        (tap,) = model.taps
        observer = tap.observer
        tap.observer = lambda tap, what: (seen.append(what), observer(tap, what))
        model(torch.randn(T, B, D).double())[0].square().mean().backward()
    with Trace(tmp_path / "t.npz") as trace:
        info = trace.step(1).info
    (what,) = seen
    raw = what.raw.flatten(2).flatten(0, 1)
    kept = what.gate_gradient.flatten(2).flatten(0, 1)
    pairs = {"weight_gradient_cosine": (raw.T @ what.x.flatten(0, 1), kept.T @ what.x.flatten(0, 1))}
    # H is below the number of units that are compared, so the rows are all of dW; PyTorch's order does not matter.
    assert pairs["weight_gradient_cosine"][1].square().sum() == pytest.approx(model.weight_ih_l0.grad.square().sum())
    before = what.hidden.flatten(0, 1)
    if kind == "gru":
        raw, kept = (x.flatten(2).flatten(0, 1) for x in (what.raw_hidden, what.gate_gradient_hidden))
    pairs["recurrent_weight_gradient_cosine"] = raw.T @ before, kept.T @ before
    assert (kept.T @ before).square().sum() == pytest.approx(model.weight_hh_l0.grad.square().sum())
    for key, (a, b) in pairs.items():
        expected = float((a * b).sum() / a.norm() / b.norm())
        assert 0 < expected < 1 - 1e-6
        assert info[key][name] == pytest.approx(expected, rel=1e-5)


def test_sums_of_several_passes_are_added(tmp_path):
    torch.manual_seed(4)
    model, x = sparsify(nn.GRU(D, H), {"kind": "fixed", "threshold": 2e-3}), torch.randn(T, B, D)
    one = step_of(tmp_path / "a.npz", model, x).info
    model = model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with record(model, tmp_path / "b.npz", optimizer=optimizer):
        for _ in range(2):
            model(x)[0].square().mean().backward()
        optimizer.step()
    with Trace(tmp_path / "b.npz") as trace:
        (two,) = (step.info for step in trace)
    assert two["thresholded_zeros"]["gru.0"] == 2 * one["thresholded_zeros"]["gru.0"]
    assert two["gradient_rms"]["gru.0"] == pytest.approx(one["gradient_rms"]["gru.0"])
    counts = np.array(one["gradient_histogram"]["gru.0"]["counts"])
    assert two["gradient_histogram"]["gru.0"]["counts"] == (2 * counts).tolist()
    assert two["weight_gradient_cosine"]["gru.0"] == pytest.approx(one["weight_gradient_cosine"]["gru.0"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponents_are_counted_as_their_logarithms_say(dtype):
    torch.manual_seed(6)
    values = torch.randn(500, dtype=dtype) * torch.exp2(torch.randint(-100, 40, (500,)).to(dtype))
    odd = [0.0, -0.0, float("inf"), float("nan"), 1e-40, -1.0, 2.0**-64, -(2.0**16)]
    values = torch.cat([values, torch.tensor(odd, dtype=dtype)])
    expected = [0] * EXPONENTS
    for value in values.double().tolist():
        if value and math.isfinite(value):
            place = math.frexp(abs(value))[1] - 1 - FIRST_EXPONENT
            expected[min(max(place, 0), EXPONENTS - 1)] += 1
    assert exponent_counts(values, int((values == 0).sum())).tolist() == expected


def test_activations_are_counted_at_the_beginning_after_a_tenth_and_at_the_end(tmp_path):
    torch.manual_seed(5)
    model = nn.LSTM(D, H)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    sparsify(model, None)
    with record(model, tmp_path / "t.npz", every=1000, optimizer=optimizer, total_steps=20):
        for _ in range(20):
            model(torch.randn(T, B, D))[0].square().mean().backward()
            optimizer.step()
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1, 2, 20)
        for step in trace:
            histograms = step.info["gate_histograms"]["lstm.0"]
            assert list(histograms) == ["f", "g", "i", "o"]
            assert all(sum(counts) == T * B * H for counts in histograms.values())
            assert all(not any(histograms[gate][:10]) for gate in "ifo")  # sigmoids are above 0
            assert any(histograms["g"][:10])
