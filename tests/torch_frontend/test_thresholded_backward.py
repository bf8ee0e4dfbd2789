"""The written-out backward pass against autograd over a plain loop whose linear gates carry a thresholding hook."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.torch_frontend.replace import sparsify  # noqa: E402

cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["lstm", "gru", "rnn"]),
        "D": st.integers(1, 4),
        "H": st.integers(1, 5),
        "T": st.integers(1, 6),
        "lengths": st.lists(st.integers(1, 6), min_size=1, max_size=4),
        "threshold": st.sampled_from([0.0, 1e-3, 0.02, 0.1, 1e9]),
        "reverse": st.booleans(),
        "seed": st.integers(0, 999),
    }
)


def thresholded(tensor, threshold):
    tensor.register_hook(lambda gradient: gradient * (gradient.abs() > threshold))
    return tensor


def plain_step(kind, layer, suffix, x, state, threshold):
    """One time step of one sequence in plain operations; the gradient of its linear gates is thresholded."""
    W, U, b, d = (getattr(layer, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = state[0]
    if kind == "gru":
        x_r, x_z, x_n = (W @ x + b).chunk(3)
        h_r, h_z, h_n = (U @ h + d).chunk(3)
        r = torch.sigmoid(thresholded(x_r + h_r, threshold))
        z = torch.sigmoid(thresholded(x_z + h_z, threshold))
        kept = {}
        x_n, h_n_used = x_n * 1, h_n * 1
        pre = x_n + r * h_n_used

        def note(gradient):
            kept["mask"] = gradient.abs() > threshold

        # What leads to r is elementwise and not thresholded before r's own gradient is; the two linear parts are.
        pre.register_hook(note)
        x_n.register_hook(lambda gradient: gradient * kept["mask"])
        h_n_used.register_hook(lambda gradient: gradient * kept["mask"])
        n = torch.tanh(pre)
        return ((1 - z) * n + z * h,)
    gates = thresholded(W @ x + b + U @ h + d, threshold)
    if kind == "rnn":
        return (torch.tanh(gates),)
    i, f, g, o = gates.chunk(4)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@given(cases)
@settings(max_examples=80)
def test_gradients_equal_those_of_a_plain_loop_with_hooks(case):
    kind, H, lengths = case["kind"], case["H"], case["lengths"]
    torch.manual_seed(case["seed"])
    theirs = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind](case["D"], H, bidirectional=True).double()
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": case["threshold"]})
    T, B = max(lengths), len(lengths)
    xs = [torch.randn(T, B, case["D"]).double().requires_grad_() for _ in range(1)] * 2
    parts = 2 if kind == "lstm" else 1
    first = [torch.randn(2, B, H).double().requires_grad_() for _ in range(parts)]
    weights = torch.randn(T, B, 2 * H).double()
    results = []
    for layer, x in zip((ours, theirs), xs, strict=True):
        x.grad = None
        for state in first:
            state.grad = None
        layer.zero_grad()
        if layer is ours:
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
            y, end = layer(packed, tuple(first) if parts == 2 else first[0])
            y, _ = nn.utils.rnn.pad_packed_sequence(y)
            total = (y * weights).sum() + sum((e**2).sum() for e in (end if parts == 2 else [end]))
        else:
            total = torch.zeros((), dtype=torch.float64)
            for b, length in enumerate(lengths):
                for direction, suffix in enumerate(("", "_reverse")):
                    state = tuple(s[direction, b] for s in first)
                    for t in range(length) if not direction else range(length - 1, -1, -1):
                        state = plain_step(kind, layer, suffix, x[t, b], state, case["threshold"])
                        total = total + (state[0] * weights[t, b, direction * H : (direction + 1) * H]).sum()
                    total = total + sum((s**2).sum() for s in state)
        total.backward()
        results.append([x.grad, *(s.grad for s in first), *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_a_threshold_above_everything_leaves_no_weight_gradient_but_the_cell_path():
    layer = sparsify(nn.LSTM(3, 4).double(), {"kind": "fixed", "threshold": 1e9})
    c = torch.randn(1, 2, 4).double().requires_grad_()
    layer(torch.randn(5, 2, 3).double(), (torch.zeros_like(c), c))[0].sum().backward()
    assert all(not p.grad.any() for p in layer.parameters())
    assert c.grad.all()


def test_a_nan_stays_one():
    layer = sparsify(nn.LSTM(3, 4), {"kind": "fixed", "threshold": 1e-3})
    (layer(torch.randn(5, 2, 3))[0].sum() * float("nan")).backward()
    assert all(p.grad.isnan().any() for p in layer.parameters())
