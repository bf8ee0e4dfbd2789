"""Replaced layers against PyTorch's own: outputs, states, gradients and training steps, without a threshold."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence  # noqa: E402

from traces.torch_frontend.replace import sparsify  # noqa: E402

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

shapes = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(sorted(KINDS)),
        "D": st.integers(1, 5),
        "H": st.integers(1, 6),
        "T": st.integers(1, 6),
        "B": st.integers(1, 5),
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "batch_first": st.booleans(),
        "bias": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.4]),
        "relu": st.booleans(),
        "packed": st.sampled_from(["no", "sorted", "unsorted"]),
        "state": st.booleans(),
        "batched": st.booleans(),
        "policy": st.sampled_from([None, {"kind": "fixed", "threshold": 0}]),
        "dtype": st.sampled_from([torch.float64, torch.float32]),
        "seed": st.integers(0, 999),
    }
)


def layer_of(case):
    options = {key: case[key] for key in ("num_layers", "bidirectional", "batch_first", "bias")}
    if case["num_layers"] > 1:
        options["dropout"] = case["dropout"]
    if case["kind"] == "rnn":
        options["nonlinearity"] = "relu" if case["relu"] else "tanh"
    torch.manual_seed(case["seed"])
    return KINDS[case["kind"]](case["D"], case["H"], **options).to(case["dtype"])


def inputs_of(case):
    """Make the input, with its leaves that want a gradient, and the states."""
    generator = torch.Generator().manual_seed(case["seed"])

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=case["dtype"]).requires_grad_()

    T, B, batched = case["T"], case["B"], case["batched"] or case["packed"] != "no"
    states = case["num_layers"] * (1 + case["bidirectional"])
    shape = (B, T) if case["batch_first"] else (T, B)
    x = draw(*shape, case["D"]) if batched else draw(T, case["D"])
    leaves, given_x = [x], x
    if case["packed"] != "no":
        lengths = torch.randint(1, T + 1, (B,), generator=generator)
        if case["packed"] == "sorted":
            lengths = lengths.sort(descending=True).values
        given_x = pack_padded_sequence(x, lengths, case["batch_first"], enforce_sorted=case["packed"] == "sorted")
    hx = None
    if case["state"]:
        parts = [draw(states, B, case["H"]) if batched else draw(states, case["H"]) for _ in "hc"]
        leaves += parts if case["kind"] == "lstm" else parts[:1]
        hx = tuple(parts) if case["kind"] == "lstm" else parts[0]
    return given_x, hx, leaves


def run(layer, case):
    """Forward and backward of a weighted sum of everything that comes out; returns all results and gradients."""
    x, hx, leaves = inputs_of(case)
    torch.manual_seed(1)  # of dropout
    y, end = layer(x, hx)
    ends = list(end) if isinstance(end, tuple) else [end]
    data = y.data if isinstance(y, PackedSequence) else y
    generator = torch.Generator().manual_seed(7)
    outs = [data, *ends]
    loss = sum((o * torch.randn(o.shape, generator=generator, dtype=o.dtype)).sum() for o in outs)
    layer.zero_grad()
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in layer.named_parameters()}
    return [o.detach() for o in outs], [leaf.grad for leaf in leaves], gradients, y


def assert_close(ours, theirs, dtype):
    torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@given(shapes)
@settings(max_examples=150)
def test_outputs_states_and_gradients_equal_pytorchs(case):
    theirs = layer_of(case)
    ours = sparsify(copy.deepcopy(theirs), case["policy"])
    (outs, leaves, gradients, y), expected = run(ours, case), run(theirs, case)
    assert_close(outs, expected[0], case["dtype"])
    assert_close(leaves, expected[1], case["dtype"])
    assert_close(gradients, expected[2], case["dtype"])
    if isinstance(y, PackedSequence):
        for mine, its in zip(y[1:], expected[3][1:], strict=True):
            assert mine is its or torch.equal(mine, its)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_training_steps_equal_those_of_the_untouched_model(kind):
    torch.manual_seed(3)
    theirs = nn.Sequential(KINDS[kind](4, 6, 2, bidirectional=True, batch_first=True)).double()
    ours = copy.deepcopy(theirs)
    optimizers = [torch.optim.Adam(model.parameters(), 0.01) for model in (ours, theirs)]
    sparsify(ours, {"kind": "fixed", "threshold": 0})  # after the optimiser was made: it goes on with its parameters
    x, target = torch.randn(3, 7, 4).double(), torch.randn(3, 7, 12).double()
    for _ in range(5):
        losses = []
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            loss = (model(x)[0] - target).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        assert_close(*losses, torch.float64)
    assert_close(dict(ours.named_parameters()), dict(theirs.named_parameters()), torch.float64)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("state", [True, False])
def test_cells_called_in_a_loop_equal_pytorchs(kind, bias, state):
    torch.manual_seed(4)
    theirs = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}[kind](3, 5, bias).double()
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": 0})
    x, first = torch.randn(6, 2, 3).double(), torch.randn(2, 2, 5).double()
    results = []
    for cell in (ours, theirs):
        hx = (tuple(first) if kind == "lstm" else first[0]) if state else None
        outs = []
        for x_t in x:
            hx = cell(x_t, hx)
            outs.append(hx[0] if kind == "lstm" else hx)
        torch.stack(outs).square().sum().backward()
        results.append((torch.stack(outs).detach(), [p.grad for p in cell.parameters()]))
    assert_close(*results, torch.float64)


def test_a_layer_used_twice_sums_its_gradients():
    torch.manual_seed(5)
    theirs = nn.GRU(4, 4).double()
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": 0})
    x = torch.randn(5, 2, 4).double()
    for layer in (ours, theirs):
        layer(layer(x)[0])[0].square().sum().backward()
    assert_close([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()], torch.float64)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_state_dicts_load_both_ways(kind):
    theirs = nn.ModuleDict({"rnn": KINDS[kind](4, 6, 2), "top": nn.Linear(6, 3)})
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": 1e-3})
    fresh = nn.ModuleDict({"rnn": KINDS[kind](4, 6, 2), "top": nn.Linear(6, 3)})
    fresh.load_state_dict(ours.state_dict())
    ours.load_state_dict(fresh.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(5, 2, 4)
    assert_close(fresh["rnn"](x)[0], ours["rnn"](x)[0], torch.float32)


def test_a_saved_state_dict_is_of_tensors_alone(tmp_path):
    ours = sparsify(nn.LSTM(4, 6), {"kind": "fixed", "threshold": 1e-3})
    torch.save(ours.state_dict(), tmp_path / "model.pt")
    theirs = nn.LSTM(4, 6)
    theirs.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert all(torch.equal(saved, ours.state_dict()[name]) for name, saved in theirs.state_dict().items())


def test_a_copy_in_another_dtype_trains_on_its_own():
    ours = sparsify(nn.LSTM(4, 6), {"kind": "fixed", "threshold": 1e-3})
    copied = copy.deepcopy(ours).double()
    copied(torch.randn(5, 2, 4).double())[0].sum().backward()
    assert all(p.grad is None for p in ours.parameters())
    assert all(p.grad.dtype == torch.float64 for p in copied.parameters())
    assert copied.taps[0] is not ours.taps[0]
    assert copied.taps[0].clock is not ours.taps[0].clock


def test_a_model_saved_whole_comes_back_with_its_policy(tmp_path):
    ours = sparsify(nn.LSTM(4, 6), {"kind": "fixed", "threshold": 1e-3})
    torch.save(ours, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    x = torch.randn(5, 2, 4)
    for model in (ours, loaded):
        model(x)[0].square().mean().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours.parameters(), loaded.parameters(), strict=True))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_long_sequences_of_wide_layers_stay_within_1e_minus_5_in_float32(kind):
    torch.manual_seed(8)
    theirs = KINDS[kind](64, 96, 2)
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": 0})
    x = torch.randn(60, 8, 64)
    results = []
    for layer in (ours, theirs):
        layer(x)[0].square().mean().backward()
        results.append([p.grad for p in layer.parameters()])
    for mine, its in zip(*results, strict=True):
        assert float((mine - its).norm() / its.norm()) < 1e-5


def test_without_gradients_the_forward_pass_is_pytorchs_own_to_the_bit():
    theirs = nn.LSTM(4, 6, 2, dropout=0.5).eval()
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": 1e-3})
    x = torch.randn(5, 2, 4)
    with torch.no_grad():
        assert torch.equal(ours(x)[0], theirs(x)[0])
    assert not ours.training


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_bfloat16_autocast_computes_what_a_layer_of_that_dtype_does(kind):
    torch.manual_seed(6)
    theirs = KINDS[kind](4, 6)
    ours = sparsify(copy.deepcopy(theirs), None)
    whole = sparsify(copy.deepcopy(theirs).bfloat16(), None)
    x = torch.randn(5, 2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = ours(x)
    y.float().square().sum().backward()
    z, _ = whole(x.bfloat16())
    z.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, z)
    for mine, its in zip(ours.parameters(), whole.parameters(), strict=True):
        assert mine.grad.dtype == torch.float32
        assert torch.equal(mine.grad, its.grad.float())
    torch.testing.assert_close(y.float(), theirs(x)[0], rtol=0.05, atol=0.02)
