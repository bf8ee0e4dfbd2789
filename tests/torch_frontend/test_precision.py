"""Low precision: what float16 and bfloat16 make of dG, loss scaling, and gradients of few bits."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.torch_frontend.precision import Quantiser  # noqa: E402
from traces.trace import Trace  # noqa: E402

T, B, D, H = 6, 4, 5, 8


def recorded(path, model, x, scale=1.0, autocast=None, **options):
    with record(model, path, values=True, **options):
        with torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None):
            y, _ = model(x)
        (y.float().square().mean() * scale).backward()
    with Trace(path) as trace:
        return trace.step(1), trace.header


def zeros(step):
    mask = step.layers["lstm.0"].gate_gradient
    return mask.unpack().size - mask.count()


def accounted(step):
    causes = step.info["natural_zeros"]["lstm.0"]
    return sum(causes.values()) + step.info["thresholded_zeros"]["lstm.0"]


@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16])
def test_autocast_records_what_was_computed_and_every_zero_has_one_cause(tmp_path, autocast):
    torch.manual_seed(0)
    model = sparsify(nn.LSTM(D, H), {"kind": "fixed", "threshold": 1e-5})
    # A loss so small that float16 loses part of dG; bfloat16 has the exponents of float32.
    step, header = recorded(tmp_path / "t.npz", model, torch.randn(T, B, D), 1e-3, autocast)
    assert header["precision"] == str(autocast).removeprefix("torch.")
    causes = step.info["natural_zeros"]["lstm.0"]
    assert (causes["underflow"] + causes["upstream"] > 0) == (autocast is torch.float16)
    assert causes["zero_state"] >= B * H  # c before the first time step
    assert step.info["thresholded_zeros"]["lstm.0"] > 0
    assert accounted(step) == zeros(step)
    assert all(p.grad.dtype == torch.float32 for p in model.parameters())


def test_a_threshold_is_in_units_without_the_loss_scale(tmp_path):
    torch.manual_seed(1)
    first = nn.LSTM(D, H)
    x, policy = torch.randn(T, B, D), {"kind": "fixed", "threshold": 1e-4}
    plain, _ = recorded(tmp_path / "a.npz", sparsify(copy.deepcopy(first), policy), x)
    scaled_model = sparsify(copy.deepcopy(first), policy, loss_scale=1024.0)
    scaled, _ = recorded(tmp_path / "b.npz", scaled_model, x, 1024.0)
    assert 0.05 < plain.layers["lstm.0"].gate_gradient.count() / (T * B * 4 * H) < 0.95
    assert plain.layers["lstm.0"].gate_gradient == scaled.layers["lstm.0"].gate_gradient
    np.testing.assert_array_equal(plain.layers["lstm.0"].values, scaled.layers["lstm.0"].values)
    assert scaled.info["loss_scale"] == 1024.0
    for key in ("gradient_rms", "gradient_histogram", "natural_zeros", "thresholded_zeros"):
        assert plain.info[key] == scaled.info[key]


def test_a_scaler_keeps_small_gradients_of_float16(tmp_path):
    torch.manual_seed(2)
    first, x = nn.LSTM(D, H), torch.randn(T, B, D)
    counts = []
    for scale in (1.0, 2.0**14):
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        model = sparsify(copy.deepcopy(first), None)
        step, _ = recorded(tmp_path / "t.npz", model, x, 1e-4 * scale, torch.float16, loss_scale=scaler)
        counts.append(step.info["natural_zeros"]["lstm.0"]["underflow"])
    assert counts[1] < counts[0]


values = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30)


@given(values, st.integers(2, 8), st.booleans())
def test_fixed_point_gives_few_equidistant_numbers_no_further_than_a_unit(numbers, bits, stochastic):
    x = torch.tensor(numbers)
    q = Quantiser(bits, "fixed", stochastic).quantise(x)
    unit = x.abs().max().double() / (2 ** (bits - 1) - 1)
    assert q.shape == x.shape
    if not unit:
        assert not q.any()
        return
    steps = q.double() / unit
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert ((q.double() - x.double()).abs() <= unit * (1.001 if stochastic else 0.501)).all()


@given(values, st.integers(2, 8), st.booleans())
def test_powers_of_two_are_what_the_logarithmic_kind_gives(numbers, bits, stochastic):
    x = torch.tensor(numbers)
    q = Quantiser(bits, "log", stochastic).quantise(x)
    found = q[q != 0].abs()
    mantissas, exponents = torch.frexp(found)
    assert (mantissas == 0.5).all()
    assert len(exponents.unique()) <= 2 ** (bits - 1) - 1
    assert ((q == 0) | (q.sign() == x.sign())).all()
    large = x.abs() >= found.min() if len(found) else torch.zeros(len(x), dtype=torch.bool)
    assert ((q[large].abs() <= 2 * x[large].abs() * 1.0001) & (q[large].abs() >= x[large].abs() / 2.0001)).all()


@pytest.mark.parametrize("kind", ["fixed", "log"])
def test_stochastic_rounding_keeps_the_mean(kind):
    torch.manual_seed(3)
    x = torch.tensor([1.0, 0.3, -0.013, 0.0]).repeat(20000, 1)
    q = Quantiser(4, kind, True).quantise(x).mean(0)
    torch.testing.assert_close(q, x[0], atol=0.005, rtol=0)


def test_zeros_of_quantisation_and_of_the_threshold_are_told_apart(tmp_path):
    torch.manual_seed(4)
    model = sparsify(nn.LSTM(D, H), {"kind": "fixed", "threshold": 2e-3}, quantize={"bits": 5})
    step, header = recorded(tmp_path / "t.npz", model, torch.randn(T, B, D))
    assert header["quantize"] == {"bits": 5, "kind": "fixed", "stochastic": False}
    assert step.info["natural_zeros"]["lstm.0"]["quantised"] > 0
    assert step.info["thresholded_zeros"]["lstm.0"] > 0
    assert accounted(step) == zeros(step)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"bits": 1}, "bits: found 1"),
        ({"bits": 8, "kind": "linear"}, "kind: found 'linear'"),
        ({"bits": 8, "rounding": "up"}, "rounding: found an unknown key"),
        ({}, "a mapping with the key 'bits'"),
    ],
)
def test_wrong_quantisation_is_refused(mapping, message):
    with pytest.raises(InputError, match=message):
        sparsify(nn.LSTM(D, H), None, quantize=mapping)
