"""What the recurrent models share: PyTorch's LSTM or GRU, its first biases, sequences of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}

State = tuple[Tensor, ...]
"""Of an LSTM (h, c), of a GRU (h,); each [layers * directions, B, H]."""


def recurrent_layers(
    cell: str, input_size: int, hidden: int, layers: int, dropout: float = 0.0, bidirectional: bool = False
) -> nn.Module:
    """Make a stack of recurrent layers over [T, B, input_size].

    An LSTM's forget gates begin with a bias of 1, which keeps the cells open at first (Jozefowicz et al., ICML
    2015). Dropout is between the layers.
    """
    between = dropout if layers > 1 else 0.0  # PyTorch warns of dropout that is nowhere
    stack = CELLS[cell](input_size, hidden, layers, dropout=between, bidirectional=bidirectional)
    if cell == "lstm":
        with torch.no_grad():
            for name, bias in stack.named_parameters():
                if name.startswith("bias"):
                    # The two biases of a gate are added; only one of them opens it.
                    bias[hidden : 2 * hidden] = 1.0 if name.startswith("bias_ih") else 0.0
    return stack


def run(stack: nn.Module, inputs: Tensor, state: State | None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
    """Run recurrent layers over a batch.

    Parameters
    ----------
    stack : nn.LSTM or nn.GRU
    inputs : Tensor [T, B, D]
    state : tuple of Tensor or None
        None is zero.
    lengths : int64 Tensor [B], optional
        Real time steps of each sequence. The rest is not computed: its outputs are zero, a backward direction
        begins at the real end, and the state returned is the one there.

    Returns
    -------
    outputs : Tensor [T, B, directions * H]
    state : tuple of Tensor
    """
    first = state if state is None or len(state) == 2 else state[0]
    if lengths is None:
        outputs, last = stack(inputs, first)
    else:
        packed = pack_padded_sequence(inputs, lengths.cpu(), enforce_sorted=False)
        outputs, last = stack(packed, first)
        outputs, _ = pad_packed_sequence(outputs, total_length=inputs.shape[0])
    return outputs, last if isinstance(last, tuple) else (last,)
