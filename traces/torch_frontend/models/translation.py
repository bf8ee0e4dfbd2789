"""A translator: bidirectional encoder, decoder, and attention between them."""

from __future__ import annotations

# mypy: allow-subclassing-any
import math

import torch
from torch import Tensor, nn

from traces.corpora.vocabulary import PAD
from traces.torch_frontend.models.recurrent import State, recurrent_layers, run


class Translator(nn.Module):
    """LSTM or GRU encoder and decoder with global attention, score "general" (Luong et al., EMNLP 2015), scaled.

    The attention lies after the decoder's layers and does not feed back into them, so that one call of the
    recurrent layers does all time steps of a known target.

    Parameters
    ----------
    cell : {"lstm", "gru"}
    source_vocabulary, target_vocabulary, embedding, hidden, layers : int
        ``hidden`` is the decoder's; each direction of the encoder has half of it, so it is even.
    dropout : float
    """

    def __init__(
        self,
        cell: str,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocabulary, embedding, padding_idx=PAD)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.encoder = recurrent_layers(cell, embedding, hidden // 2, layers, dropout, bidirectional=True)
        self.decoder = recurrent_layers(cell, embedding, hidden, layers, dropout)
        self.score = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)
        self.classifier = nn.Linear(hidden, target_vocabulary)

    def start(self, source: Tensor, lengths: Tensor) -> State:
        """Read a source, int64 [S, B].

        Returns
        -------
        tuple of Tensor, the batch in axis 1 of each
            The decoder's first state, the source's outputs [S, B, H], and where they are real, bool [S, B].
        """
        outputs, last = run(self.encoder, self.dropout(self.source_embedding(source)), None, lengths)
        # [layers * 2, B, H/2] of both directions side by side -> [layers, B, H]
        joined = tuple(torch.cat((state[0::2], state[1::2]), dim=2) for state in last)
        return (*joined, outputs, source != PAD)

    def attend(self, outputs: Tensor, memory: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Look from decoder outputs [T, B, H] at the source; returns logits [T, B, V] and weights [T, B, S]."""
        # Divided as Vaswani et al. do (NeurIPS 2017): undivided, the weights saturate early on one end of the source,
        # whose state sums up the sentence, and learn no more.
        scores = torch.einsum("tbh,sbh->tbs", self.score(outputs), memory) / math.sqrt(outputs.shape[2])
        weights = scores.masked_fill(~real.T[None], -torch.inf).softmax(dim=2)
        context = torch.einsum("tbs,sbh->tbh", weights, memory)
        attended = self.combine(torch.cat((context, outputs), dim=2)).tanh()
        return self.classifier(self.dropout(attended)), weights

    def forward(self, source: Tensor, source_lengths: Tensor, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Predict each next target word; words int64 [T, B] begin with `BEGIN`.

        Returns
        -------
        logits : Tensor [T, B, V]
        weights : Tensor [T, B, S]
            Where the attention was when the word after ``words[t]`` was predicted.
        """
        *state, memory, real = self.start(source, source_lengths)
        outputs, _ = run(self.decoder, self.dropout(self.target_embedding(words)), tuple(state), lengths)
        return self.attend(outputs, memory, real)

    def advance(self, words: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one word of each sequence, int64 [B]; returns logits [B, V] and the state after it."""
        *inner, memory, real = state
        outputs, last = run(self.decoder, self.target_embedding(words[None]), tuple(inner))
        logits, _ = self.attend(outputs, memory, real)
        return logits[0], (*last, memory, real)
