"""Small Transformers, normalised before each sub-layer: a causal language model and a translator."""

from __future__ import annotations

import math

# mypy: allow-subclassing-any
import torch
from torch import Tensor, nn

from traces.corpora.vocabulary import PAD
from traces.torch_frontend.models.recurrent import State


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


class TransformerTranslator(nn.Module):
    """Encoder and decoder of Vaswani et al. (NeurIPS 2017), with sinusoidal positions, which have no longest sentence.

    Parameters
    ----------
    source_vocabulary, target_vocabulary, hidden, layers, heads : int
        ``hidden`` is a multiple of ``heads``, and even.
    dropout : float
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        hidden: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.source_embedding = nn.Embedding(source_vocabulary, hidden, padding_idx=PAD)
        self.target_embedding = nn.Embedding(target_vocabulary, hidden, padding_idx=PAD)
        for table in (self.source_embedding, self.target_embedding):
            nn.init.normal_(table.weight, std=1 / math.sqrt(hidden))
        self.dropout = nn.Dropout(dropout)
        encoder = nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, dropout, norm_first=True)
        decoder = nn.TransformerDecoderLayer(hidden, heads, 4 * hidden, dropout, norm_first=True)
        self.encoder = nn.TransformerEncoder(encoder, layers, nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, layers, nn.LayerNorm(hidden))
        self.classifier = nn.Linear(hidden, target_vocabulary)

    def start(self, source: Tensor, lengths: Tensor) -> State:
        """Read a source, int64 [S, B].

        Returns
        -------
        tuple of Tensor, the batch in axis 1 of each
            The words read so far (none), the source's outputs [S, B, H], and where they are real, bool [S, B].
        """
        real = source != PAD
        memory = self.encoder(self._embed(self.source_embedding, source), src_key_padding_mask=~real.T)
        return source.new_zeros((0, source.shape[1])), memory, real

    def forward(self, source: Tensor, source_lengths: Tensor, words: Tensor, lengths: Tensor) -> tuple[Tensor, None]:
        """Predict each next target word; words int64 [T, B] begin with `BEGIN`.

        Returns
        -------
        logits : Tensor [T, B, V]
        None
            Several heads in several layers make no one alignment.
        """
        _, memory, real = self.start(source, source_lengths)
        return self._decode(words, memory, real), None

    def advance(self, words: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one word of each sequence, int64 [B], and all before it again; returns logits [B, V] and the state."""
        before, memory, real = state
        read = torch.cat((before, words[None]))
        return self._decode(read, memory, real)[-1], (read, memory, real)

    def _decode(self, words: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(words.shape[0], device=words.device)
        inputs = self._embed(self.target_embedding, words)
        # Padding lies behind the last real word, where no real word looks.
        outputs = self.decoder(inputs, memory, tgt_mask=mask, tgt_is_causal=True, memory_key_padding_mask=~real.T)
        return self.classifier(outputs)

    def _embed(self, table: nn.Embedding, words: Tensor) -> Tensor:
        positions = sinusoids(words.shape[0], self.hidden).to(table.weight)
        return self.dropout(table(words) * math.sqrt(self.hidden) + positions[:, None])


def sinusoids(length: int, width: int) -> Tensor:
    """Return positions as sines and cosines of falling frequency, float [length, width]; ``width`` is even."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length)[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)
