"""`sparsify`: walk a model and give its layers thresholded backward passes, in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn, optim

from traces.errors import InputError, Problem
from traces.thresholds import Policy, from_mapping
from traces.torch_frontend import recurrent_layers as layers
from traces.torch_frontend.clock import Clock, scale_of
from traces.torch_frontend.precision import Quantiser
from traces.torch_frontend.tap import Tap

RECURRENT: dict[type, tuple[type, str]] = {
    nn.LSTM: (layers.SparseLSTM, "lstm"),
    nn.GRU: (layers.SparseGRU, "gru"),
    nn.RNN: (layers.SparseRNN, "rnn"),
    nn.LSTMCell: (layers.SparseLSTMCell, "lstm"),
    nn.GRUCell: (layers.SparseGRUCell, "gru"),
    nn.RNNCell: (layers.SparseRNNCell, "rnn"),
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
    optimizer: optim.Optimizer | None = None,
    quantize: Mapping[str, Any] | Quantiser | None = None,
    loss_scale: Any = None,
) -> nn.Module:
    """Give layers of a model the same results and thresholded backward passes.

    ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` and their cells are replaced, wherever they are in the model. Modules,
    parameters and state-dict keys stay the objects that they are, so an optimiser made before goes on working; a
    module that several places share stays shared.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    policy : mapping, Policy or None
        Such as ``{"kind": "fixed", "threshold": 1e-6}``, in units of the gradient; None never drops anything.
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
    if getattr(model, "sparsified", None) is not None or any(taps_of(model)):
        raise InputError.of(_named(model), "a model that is sparsified already", "each model once")
    rule, quantiser = from_mapping(policy), Quantiser.from_mapping(quantize)
    problems: list[Problem] = []
    found = [(path, module) for path, module in model.named_modules() if isinstance(module, tuple(RECURRENT))]
    for path, module in found:
        problems += _problems(path, module)
    if problems:
        raise InputError(problems)
    if not found:
        raise InputError.of(_named(model), "no layer to replace", "an nn.LSTM, nn.GRU or nn.RNN in the model")
    clock = Clock()
    if optimizer is not None:
        clock.follow(optimizer)
    if loss_scale is not None:
        clock.loss_scale = scale_of(loss_scale)
    for path, module in found:
        _replace(path, module, rule, quantiser, clock)
    first = next((module.batch_first for _, module in found if hasattr(module, "batch_first")), False)
    model.sparsified = Replaced(rule, quantiser, clock, first)
    return model


def taps_of(model: nn.Module) -> Iterator[Tap]:
    """List the layers of the trace in the order in which the model holds them."""
    for module in model.modules():
        yield from getattr(module, "taps", ())


def _problems(path: str, module: nn.Module) -> list[Problem]:
    where = f"module {path or type(module).__name__}"
    if type(module) not in RECURRENT:
        hint = "a module of its own forward pass would lose it"
        return [Problem(where, f"a {type(module).__name__}, a subclass", "one of PyTorch's own layers", hint)]
    if getattr(module, "proj_size", 0):
        return [Problem(where, f"proj_size {module.proj_size}", "an LSTM without projections, proj_size 0")]
    return []


def _replace(path: str, module: Any, policy: Policy, quantiser: Quantiser | None, clock: Clock) -> None:
    kind_class, kind = RECURRENT[type(module)]
    base = path or kind
    taps = []
    if isinstance(module, nn.RNNCellBase):
        taps.append(_tap(base, kind, module.input_size, module.hidden_size, "forward", policy, quantiser, clock))
    else:
        directions = ("forward", "backward") if module.bidirectional else ("forward",)
        for layer in range(module.num_layers):
            width = module.hidden_size * len(directions) if layer else module.input_size
            for direction in directions:
                name = f"{base}.{layer}" + (".reverse" if direction == "backward" else "")
                taps.append(_tap(name, kind, width, module.hidden_size, direction, policy, quantiser, clock))
    module.__class__ = kind_class
    module.taps = taps


def _tap(
    name: str, kind: str, D: int, H: int, direction: str, policy: Policy, quantiser: Quantiser | None, clock: Clock
) -> Tap:
    return Tap(name, kind, D, H, direction, policy.for_layer(name), clock, quantiser)


def _named(model: nn.Module) -> str:
    return f"model {type(model).__name__}"
