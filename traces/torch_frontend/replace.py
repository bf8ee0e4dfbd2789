"""`sparsify`: walk a model and give its layers thresholded backward passes, in place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn, optim

from traces.errors import InputError, Problem, nearest
from traces.thresholds import Policy, from_mapping
from traces.torch_frontend import recurrent_layers as layers
from traces.torch_frontend.attention import PROJECTIONS, SparseMultiheadAttention
from traces.torch_frontend.clock import Clock, scale_of
from traces.torch_frontend.linear import SparseLinear
from traces.torch_frontend.precision import Quantiser
from traces.torch_frontend.tap import Tap

KINDS: dict[type, str] = {
    nn.LSTM: "lstm",
    nn.GRU: "gru",
    nn.RNN: "rnn",
    nn.LSTMCell: "lstm",
    nn.GRUCell: "gru",
    nn.RNNCell: "rnn",
}
CLASSES: dict[type, type] = {
    nn.LSTM: layers.SparseLSTM,
    nn.GRU: layers.SparseGRU,
    nn.RNN: layers.SparseRNN,
    nn.LSTMCell: layers.SparseLSTMCell,
    nn.GRUCell: layers.SparseGRUCell,
    nn.RNNCell: layers.SparseRNNCell,
    nn.Linear: SparseLinear,
    nn.MultiheadAttention: SparseMultiheadAttention,
}


@dataclass(frozen=True)
class Replaced:
    """How a model was sparsified: kept on the model, for the recorder and the trace's header."""

    policy: Policy
    quantiser: Quantiser | None
    clock: Clock
    batch_first: bool


def sparsify(
    model: nn.Module,
    policy: Mapping[str, Any] | Policy | None = None,
    *,
    linear: bool | Collection[str] = False,
    attention: bool = False,
    optimizer: optim.Optimizer | None = None,
    quantize: Mapping[str, Any] | Quantiser | None = None,
    loss_scale: Any = None,
) -> nn.Module:
    """Give layers of a model the same results and thresholded backward passes.

    ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` and their cells are replaced, wherever they are in the model; linear layers
    and attention on request. Modules, parameters and state-dict keys stay what they are, so an optimiser made before
    goes on working; a module that several places share stays shared.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    policy : mapping, Policy or None
        Such as ``{"kind": "fixed", "threshold": 1e-6}``, in units of the gradient; None never drops anything.
    linear : bool or collection of str
        Replace every ``nn.Linear``, too, or those of these module names.
    attention : bool
        Replace the q, k, v and output projections of every ``nn.MultiheadAttention``, too, and the feed-forward layers
        of every ``nn.TransformerEncoderLayer`` and ``nn.TransformerDecoderLayer``.
    optimizer : Optimizer, optional
        Whose steps count as the training's. Without one, each forward and backward pass is a step.
    quantize : mapping, optional
        Quantise dG before its threshold, such as ``{"bits": 8, "kind": "fixed"}``; see
        `traces.torch_frontend.precision.Quantiser`.
    loss_scale : GradScaler, callable or float, optional
        By what the loss is multiplied before it is differentiated; thresholds are in units without it.

    Returns
    -------
    nn.Module
        The model itself.

    Raises
    ------
    InputError
        Where a layer cannot be replaced (an LSTM with projections, a subclass of the user's), none is there, or the
        model is sparsified already. The model is then as it was.
    """
    if any(taps_of(model)):
        raise InputError.of(_named(model), "a model that is sparsified already", "each model once")
    rule, quantiser = from_mapping(policy), Quantiser.from_mapping(quantize)
    problems: list[Problem] = []
    found = [*_recurrent(model), *_linear(model, linear, attention, problems)]
    for path, module in found:
        problems += _problems(path, module)
    if problems:
        raise InputError(problems)
    if not found:
        expected = "an nn.LSTM, nn.GRU or nn.RNN in the model, or linear=True"
        raise InputError.of(_named(model), "no layer to replace", expected)
    clock = Clock()
    if optimizer is not None:
        clock.follow(optimizer)
    if loss_scale is not None:
        clock.loss_scale = scale_of(loss_scale)
    layouts = [getattr(module, "batch_first", None) for module in model.modules()]
    first = next((layout for layout in layouts if isinstance(layout, bool)), False)
    # All of them before the first is used: a policy may refuse a layer, or name one that is not there.
    described = [list(_described(path, module)) for path, module in found]
    asked = iter(rule.for_layers([name for own in described for name, *_ in own]))
    taps = [
        [
            Tap(name, kind, D, H, direction, next(asked), clock, quantiser, batch_first=first)
            for name, kind, D, H, direction in own
        ]
        for own in described
    ]
    for (_, module), own in zip(found, taps, strict=True):
        module.__class__ = CLASSES[type(module)]
        module.taps = own
    model.sparsified = Replaced(rule, quantiser, clock, first)
    return model


def taps_of(model: nn.Module) -> Iterator[Tap]:
    """List the layers of the trace."""
    module: Any
    for module in model.modules():
        if type(module) in CLASSES.values():
            yield from module.taps


def _recurrent(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(path, module) for path, module in model.named_modules() if isinstance(module, tuple(KINDS))]


def _linear(
    model: nn.Module, linear: bool | Collection[str], attention: bool, problems: list[Problem]
) -> list[tuple[str, nn.Module]]:
    """Find the linear layers and attentions that were asked for; names that no linear layer has are problems."""
    modules = dict(model.named_modules())
    every = [path for path, module in modules.items() if type(module) is nn.Linear]
    chosen = (every if linear else []) if isinstance(linear, bool) else list(linear)
    for path in chosen:
        if not isinstance(modules.get(path), nn.Linear):
            where, expected = f"sparsify linear {path}", "the name of an nn.Linear"
            problems.append(Problem(where, "no nn.Linear of this name", expected, nearest(path, every)))
    paths = set(chosen)
    for path, module in modules.items() if attention else ():
        if isinstance(module, nn.MultiheadAttention):
            paths.add(path)
        if isinstance(module, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
            paths |= {f"{path}.{part}" if path else part for part in ("linear1", "linear2")}
    return [(path, modules[path]) for path in sorted(paths) if path in modules]


def _problems(path: str, module: nn.Module) -> list[Problem]:
    where = f"module {path or type(module).__name__}"
    if type(module) not in CLASSES:
        hint = "a module of its own forward pass would lose it"
        return [Problem(where, f"a {type(module).__name__}, a subclass", "one of PyTorch's own layers", hint)]
    if getattr(module, "proj_size", 0):
        return [Problem(where, f"proj_size {module.proj_size}", "an LSTM without projections, proj_size 0")]
    if isinstance(module, nn.MultiheadAttention) and (module.bias_k is not None or module.add_zero_attn):
        return [Problem(where, "add_bias_kv or add_zero_attn", "attention without them")]
    return []


def _described(path: str, module: Any) -> list[tuple[str, str, int, int, str]]:
    """Describe the layers of the trace that a module is: name, kind, input and hidden size, direction."""
    if isinstance(module, nn.Linear):
        return [(path or "linear", "linear", module.in_features, module.out_features, "forward")]
    if isinstance(module, nn.MultiheadAttention):
        E = module.embed_dim
        sizes = (E, module.kdim, module.vdim, E)
        base = path or "attention"
        return [(f"{base}.{part}", "linear", D, E, "forward") for part, D in zip(PROJECTIONS, sizes, strict=True)]
    kind, H = KINDS[type(module)], module.hidden_size
    base = path or kind
    if isinstance(module, nn.RNNCellBase):
        return [(base, kind, module.input_size, H, "forward")]
    directions = ("forward", "backward") if module.bidirectional else ("forward",)
    return [
        (
            f"{base}.{layer}" + (".reverse" if direction == "backward" else ""),
            kind,
            H * len(directions) if layer else module.input_size,
            H,
            direction,
        )
        for layer in range(module.num_layers)
        for direction in directions
    ]


def _named(model: nn.Module) -> str:
    return f"model {type(model).__name__}"
