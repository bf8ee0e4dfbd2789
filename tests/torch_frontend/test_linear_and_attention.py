"""Linear layers and attention: equal to PyTorch's without a threshold, thresholded as a hook on the output would."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.torch_frontend.replace import taps_of  # noqa: E402
from traces.trace import Trace  # noqa: E402

NOTHING = {"kind": "fixed", "threshold": 0}

attentions = st.fixed_dictionaries(
    {
        "L": st.integers(1, 5),
        "S": st.integers(1, 5),
        "N": st.integers(1, 3),
        "heads": st.sampled_from([1, 2]),
        "batch_first": st.booleans(),
        "batched": st.booleans(),
        "bias": st.booleans(),
        "sizes": st.sampled_from([(None, None), (3, 5)]),
        "dropout": st.sampled_from([0.0, 0.3]),
        "attention_mask": st.sampled_from(["no", "bool", "float", "by head", "causal"]),
        "padding_mask": st.sampled_from(["no", "bool", "float"]),
        "need_weights": st.booleans(),
        "average": st.booleans(),
        "seed": st.integers(0, 999),
    }
)


def masks_of(case):
    L, S, N = case["L"], case["S"], case["N"]
    batched = case["batched"]
    generator = torch.Generator().manual_seed(case["seed"])
    kind, options = case["attention_mask"], {}
    heads = (N if batched else 1) * case["heads"]
    shape = (heads, L, S) if kind == "by head" else (L, S)
    mask = torch.rand(shape, generator=generator) < 0.4
    mask[..., 0] = False  # a row without any place to look at is NaN for both
    if kind == "causal":
        mask = torch.ones(L, S, dtype=torch.bool).triu(1)
        options["is_causal"] = True
    if kind != "no":
        options["attn_mask"] = mask.double() * -3 if kind == "float" else mask
    if case["padding_mask"] != "no":
        padding = torch.rand((N, S) if batched else (S,), generator=generator) < 0.4
        padding[..., 0] = False
        options["key_padding_mask"] = padding.double() * -2 if case["padding_mask"] == "float" else padding
    return options


@given(attentions)
@settings(max_examples=120)
@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_attention_equals_pytorchs(case):
    E, (kdim, vdim) = 4, case["sizes"]
    torch.manual_seed(case["seed"])
    theirs = nn.MultiheadAttention(
        E, case["heads"], case["dropout"], case["bias"], kdim=kdim, vdim=vdim, batch_first=case["batch_first"]
    ).double()
    ours = sparsify(copy.deepcopy(theirs), NOTHING, attention=True)

    def shape(length, width):
        if not case["batched"]:
            return length, width
        return (case["N"], length, width) if case["batch_first"] else (length, case["N"], width)

    inputs = [
        torch.randn(shape(length, width), dtype=torch.float64).requires_grad_()
        for length, width in ((case["L"], E), (case["S"], kdim or E), (case["S"], vdim or E))
    ]
    options = {"need_weights": case["need_weights"], "average_attn_weights": case["average"], **masks_of(case)}
    results = []
    for module in (ours, theirs):
        for x in inputs:
            x.grad = None
        torch.manual_seed(2)
        y, weights = module(*inputs, **options)
        loss = y.square().sum() + (0 if weights is None else weights.square().sum())
        loss.backward()
        gradients = [x.grad for x in inputs] + [p.grad for p in module.parameters()]
        results.append([y.detach(), weights if weights is None else weights.detach(), *gradients])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_equals_one_with_a_hook_on_its_output(threshold, bias):
    torch.manual_seed(3)
    theirs = nn.Linear(5, 7, bias).double()
    ours = sparsify(copy.deepcopy(theirs), {"kind": "fixed", "threshold": threshold}, linear=True)
    for shape in ((4, 5), (3, 4, 5), (2, 3, 4, 5)):
        x, weights = torch.randn(shape).double(), torch.randn(*shape[:-1], 7).double() * 0.1
        results = []
        for layer in (ours, theirs):
            layer.zero_grad()
            own = x.clone().requires_grad_()
            y = layer(own)
            if layer is theirs:
                y.register_hook(lambda gradient: gradient * (gradient.abs() > threshold))
            (y * weights).sum().backward()
            results.append([y.detach(), own.grad, *(p.grad for p in layer.parameters())])
        torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def transformer(batch_first=True, **options):
    torch.manual_seed(4)
    return nn.Transformer(8, 2, 1, 1, 16, 0.0, batch_first=batch_first, **options)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_transformer_trains_as_the_untouched_one(batch_first):
    theirs = transformer(batch_first).double()
    ours = sparsify(copy.deepcopy(theirs), NOTHING, attention=True)
    shapes = ((2, 5, 8), (2, 3, 8)) if batch_first else ((5, 2, 8), (3, 2, 8))
    source, target = (torch.randn(shape).double() for shape in shapes)
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
    for model in (ours, theirs):
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        for _ in range(3):
            optimizer.zero_grad()
            model(source, target, tgt_mask=mask, tgt_is_causal=True).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(dict(ours.named_parameters()), dict(theirs.named_parameters()), rtol=1e-10, atol=1e-12)
    ours.eval(), theirs.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(source, target), theirs(source, target), rtol=1e-9, atol=1e-9)


def test_attention_replaces_projections_and_feed_forward_layers_and_no_others():
    model = nn.ModuleDict({"body": transformer(), "top": nn.Linear(8, 3)})
    names = [tap.name for tap in taps_of(sparsify(model, NOTHING, attention=True))]
    layer = "body.encoder.layers.0"
    assert names[:6] == [f"{layer}.self_attn.{part}" for part in ("q", "k", "v", "out")] + [
        f"{layer}.linear1",
        f"{layer}.linear2",
    ]
    assert len(names) == 6 + 10


def test_a_transformers_trace_has_its_own_lengths_and_other_linear_layers_as_dense_work(tmp_path):
    model = nn.ModuleDict({"body": transformer(), "top": nn.Linear(8, 3)})
    sparsify(model, {"kind": "fixed", "threshold": 1e-4}, attention=True)
    with record(model, tmp_path / "t.npz"):
        y = model["body"](torch.randn(2, 5, 8), torch.randn(2, 3, 8))
        model["top"](y).square().mean().backward()
    with Trace(tmp_path / "t.npz") as trace:
        step = trace.step(1)
        assert (trace.sequence_length, trace.batch_size) == (5, 2)
        decoder = "body.decoder.layers.0"
        assert step.valid_steps_of(f"{decoder}.self_attn.q").tolist() == [3, 3]
        assert step.valid_steps_of(f"{decoder}.multihead_attn.q").tolist() == [3, 3]
        assert step.valid_steps_of(f"{decoder}.multihead_attn.k") is None
        assert [d.name for d in trace.dense_layers] == ["top"]
        assert step.valid_steps_of("top").tolist() == [3, 3]
        assert step.layers[f"{decoder}.linear2"].input.count() < 2 * 3 * 16  # behind a rectifier


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("flattened", [True, False])
def test_the_rows_of_a_linear_layer_are_laid_out_as_the_batch(tmp_path, batch_first, flattened):
    model = nn.ModuleDict({"rnn": nn.RNN(3, 4, batch_first=batch_first), "top": nn.Linear(4, 6)})
    sparsify(model, None, linear=["top"])
    x = torch.randn((2, 5, 3) if batch_first else (5, 2, 3))
    keep = torch.rand(5, 2, 6) < 0.5  # of dG, by time and sequence
    laid = keep.transpose(0, 1) if batch_first else keep
    with record(model, tmp_path / "t.npz"):
        h = model["rnn"](x)[0]
        y = model["top"](h.flatten(0, 1)).view(*h.shape[:2], 6) if flattened else model["top"](h)
        (y * laid).sum().backward()
    with Trace(tmp_path / "t.npz") as trace:
        assert np.array_equal(trace.step(1).layers["top"].gate_gradient.unpack(), keep.numpy())


def test_wrong_names_and_attention_with_extra_keys_are_refused():
    model = nn.ModuleDict({"rnn": nn.RNN(3, 4), "top": nn.Linear(4, 6)})
    with pytest.raises(InputError, match="did you mean 'top'"):
        sparsify(model, NOTHING, linear=["tip"])
    with pytest.raises(InputError, match="add_bias_kv"):
        sparsify(nn.MultiheadAttention(4, 2, add_bias_kv=True), NOTHING, attention=True)
