"""``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` whose training passes go through `recurrence`: stacks, directions, packing.

A replaced module stays the object that it was, with its parameters, buffers, hooks and training flag; only its class
changes, to a subclass of its own. Without gradients it runs PyTorch's own forward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from traces.torch_frontend.gru import GRUGates
from traces.torch_frontend.lstm import LSTMGates
from traces.torch_frontend.recurrence import Gates, recur
from traces.torch_frontend.rnn import RNNGates
from traces.torch_frontend.tap import Tap, Tensor


class SparseLSTM(nn.LSTM):
    """An ``nn.LSTM`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.LSTM`` does."""
        return run(self, LSTMGates(), input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


class SparseGRU(nn.GRU):
    """An ``nn.GRU`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.GRU`` does."""
        return run(self, GRUGates(), input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


class SparseRNN(nn.RNN):
    """An ``nn.RNN`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.RNN`` does."""
        gates = RNNGates(self.nonlinearity)
        return run(self, gates, input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


class SparseLSTMCell(nn.LSTMCell):
    """An ``nn.LSTMCell`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.LSTMCell`` does."""
        return run_cell(self, LSTMGates(), input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


class SparseGRUCell(nn.GRUCell):
    """An ``nn.GRUCell`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.GRUCell`` does."""
        return run_cell(self, GRUGates(), input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


class SparseRNNCell(nn.RNNCell):
    """An ``nn.RNNCell`` whose gate gradients are thresholded."""

    taps: list[Tap]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Compute what ``nn.RNNCell`` does."""
        gates = RNNGates(self.nonlinearity)
        return run_cell(self, gates, input, hx) if torch.is_grad_enabled() else super().forward(input, hx)


def run(module: Any, gates: Gates, input: Any, hx: Any) -> Any:
    """Run a stack of recurrent layers, as the module's own class would.

    Parameters
    ----------
    module : nn.LSTM, nn.GRU or nn.RNN with ``taps``
        Layer by layer from the input upward, the backward direction after the forward one.
    gates : Gates
    input : floating [T, B, D], [B, T, D] or [T, D], or PackedSequence
    hx : floating [layers * directions, B, H] or, for an LSTM, two of them; None: zeros
    """
    order = inverse = None
    if isinstance(input, PackedSequence):
        data, batch_sizes, order, inverse = input
        x, _ = pad_packed_sequence(PackedSequence(data, batch_sizes))
        sizes = tuple(batch_sizes.tolist())
        batched, checked = True, data
    else:
        batch_sizes = None
        if input.dim() not in (2, 3):
            raise ValueError(f"{module._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        batched = input.dim() == 3
        checked = input if batched else input.unsqueeze(0 if module.batch_first else 1)
        x = checked.transpose(0, 1) if module.batch_first else checked
        sizes = (x.shape[1],) * x.shape[0]
    states = _states(module, hx, x, batched)
    module.check_forward_args(checked, states if len(states) == 2 else states[0], batch_sizes)
    if order is not None:
        states = tuple(state[:, order] for state in states)
    if not x.shape[0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    last: list[tuple[Tensor, ...]] = []
    directions = 2 if module.bidirectional else 1
    for layer in range(module.num_layers):
        outs = []
        for direction in range(directions):
            index = layer * directions + direction
            out, *after = recur(
                gates,
                module.taps[index],
                x,
                tuple(state[index] for state in states),
                _weights(module, f"_l{layer}" + ("_reverse" if direction else "")),
                sizes,
                reverse=bool(direction),
                order=inverse,
            )
            outs.append(out)
            last.append(tuple(after))
        x = outs[0] if directions == 1 else torch.cat(outs, -1)
        if module.dropout and module.training and layer < module.num_layers - 1:
            x = _dropped(x, module.dropout, sizes)
    ends = tuple(torch.stack([after[part] for after in last]) for part in range(len(states)))
    if batch_sizes is not None:
        lengths = (batch_sizes[:, None] > torch.arange(int(batch_sizes[0]))).sum(0)
        packed = pack_padded_sequence(x, lengths)
        output: Any = PackedSequence(packed.data, batch_sizes, order, inverse)
        if inverse is not None:
            ends = tuple(end[:, inverse] for end in ends)
    else:
        output = x.transpose(0, 1) if module.batch_first else x
        if not batched:
            output, ends = output.squeeze(0 if module.batch_first else 1), tuple(end.squeeze(1) for end in ends)
    return output, ends if len(ends) == 2 else ends[0]


def run_cell(module: Any, gates: Gates, input: Tensor, hx: Any) -> Any:
    """Run a recurrent cell for one time step, as the module's own class would.

    Parameters
    ----------
    module : nn.LSTMCell, nn.GRUCell or nn.RNNCell with one tap
    gates : Gates
    input : floating [B, D] or [D]
    hx : floating [B, H] or [H] or, for an LSTM, two of them; None: zeros
    """
    if input.dim() not in (1, 2):
        raise ValueError(f"{module._get_name()}: Expected input to be 1D or 2D, got {input.dim()}D instead")
    batched = input.dim() == 2
    x = input if batched else input.unsqueeze(0)
    parts = 2 if isinstance(module, nn.LSTMCell) else 1
    if hx is None:
        states = tuple(x.new_zeros(len(x), module.hidden_size) for _ in range(parts))
    else:
        states = tuple(hx) if parts == 2 else (hx,)
        states = states if batched else tuple(state.unsqueeze(0) for state in states)
    _, *ends = recur(gates, module.taps[0], x[None], states, _weights(module, ""), (len(x),))
    ends = ends if batched else [end.squeeze(0) for end in ends]
    return tuple(ends) if parts == 2 else ends[0]


def _weights(module: Any, suffix: str) -> tuple[Tensor, ...]:
    names = ["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ())]
    return tuple(getattr(module, name + suffix) for name in names)


def _states(module: Any, hx: Any, x: Tensor, batched: bool) -> tuple[Tensor, ...]:
    """Give the first states, [layers * directions, B, H] each, in the user's order of sequences."""
    parts = 2 if isinstance(module, nn.LSTM) else 1
    if hx is None:
        shape = (module.num_layers * (2 if module.bidirectional else 1), x.shape[1], module.hidden_size)
        return tuple(x.new_zeros(shape) for _ in range(parts))
    states = tuple(hx) if parts == 2 else (hx,)
    expected = 3 if batched else 2
    for state in states:
        if state.dim() != expected:
            raise RuntimeError(
                f"{module._get_name()}: Expected hx to be {expected}-D beside this input, got {state.dim()}-D"
            )
    return states if batched else tuple(state.unsqueeze(1) for state in states)


def _dropped(x: Tensor, share: float, sizes: tuple[int, ...]) -> Tensor:
    """Drop out as PyTorch does, which of packed sequences knows the real rows alone: the same random numbers."""
    if all(size == x.shape[1] for size in sizes):
        return functional.dropout(x, share, True)
    real = torch.arange(x.shape[1], device=x.device) < torch.tensor(sizes, device=x.device)[:, None]
    dropped = torch.zeros_like(x)
    dropped[real] = functional.dropout(x[real], share, True)
    return dropped
