"""A small Transformer language model: causal, normalised before each sub-layer."""

from __future__ import annotations

# mypy: allow-subclassing-any
import torch
from torch import Tensor, nn


class TransformerLanguageModel(nn.Module):
    """Embedding plus learned positions, causal self-attention layers, a softmax classifier for each task.

    It carries nothing from window to window: what lies before a window's first symbol is not known to it.

    Parameters
    ----------
    vocabulary, hidden, layers, heads : int
        Symbols V, width, layers, and heads of attention, of which ``hidden`` is a multiple.
    longest : int
        Largest number of time steps.
    outputs : tuple of int
        Classes of each task; the first is the next symbol, V.
    dropout : float
    tied : bool
        The first classifier's weights are the embedding's.
    """

    def __init__(
        self,
        vocabulary: int,
        hidden: int,
        layers: int,
        heads: int,
        longest: int,
        outputs: tuple[int, ...],
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(longest, hidden)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=0.02)  # as GPT-2 begins (recalled)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, dropout, norm_first=True)
        norm = nn.LayerNorm(hidden)
        self.layers = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        self.classifiers = nn.ModuleList(nn.Linear(hidden, classes) for classes in outputs)
        if tied:
            self.classifiers[0].weight = self.embedding.weight

    def forward(self, symbols: Tensor, state: None = None) -> tuple[list[Tensor], None]:
        """Read symbols, int64 [T, B]; returns the logits of each task, [T, B, classes], and no state."""
        T = symbols.shape[0]
        places = torch.arange(T, device=symbols.device)
        inputs = self.dropout(self.embedding(symbols) + self.positions(places)[:, None])
        mask = nn.Transformer.generate_square_subsequent_mask(T, device=symbols.device)
        outputs = self.layers(inputs, mask=mask, is_causal=True)
        return [classifier(outputs) for classifier in self.classifiers], None
