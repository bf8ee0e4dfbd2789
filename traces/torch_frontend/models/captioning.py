"""An image captioner: a small convolutional encoder gives a recurrent decoder its first state."""

from __future__ import annotations

# mypy: allow-subclassing-any
from itertools import pairwise

from torch import Tensor, nn

from traces.corpora.vocabulary import PAD
from traces.torch_frontend.models.recurrent import State, recurrent_layers, run

GRID = 4
"""The encoder's last map is averaged to so many places in height and width, which keeps left from right."""


class Captioner(nn.Module):
    """Convolutions over the image, then an LSTM or GRU over the caption (after Vinyals et al., CVPR 2015).

    Parameters
    ----------
    cell : {"lstm", "gru"}
    vocabulary, embedding, hidden, layers : int
        Of the decoder.
    channels : int
        Of the first convolution; each of the three halves the image and doubles them.
    dropout : float
    """

    def __init__(
        self,
        cell: str,
        vocabulary: int,
        embedding: int,
        hidden: int,
        layers: int,
        channels: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers, self.hidden = layers, hidden
        self.states = 2 if cell == "lstm" else 1
        widths = [3, channels, 2 * channels, 4 * channels]
        blocks: list[nn.Module] = []
        for before, after in pairwise(widths):
            blocks += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(1, after), nn.ReLU()]
        self.encoder = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(GRID), nn.Flatten(), nn.Dropout(dropout))
        self.bridge = nn.Linear(widths[-1] * GRID * GRID, self.states * layers * hidden)
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.decoder = recurrent_layers(cell, embedding, hidden, layers, dropout)
        self.classifier = nn.Linear(hidden, vocabulary)

    def start(self, images: Tensor) -> State:
        """Make the decoder's first state from images, float [B, 3, S, S] in 0 to 1."""
        states = self.bridge(self.encoder(images - 0.5)).tanh()
        states = states.view(-1, self.states, self.layers, self.hidden).permute(1, 2, 0, 3).contiguous()
        return tuple(states)

    def forward(self, images: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
        """Predict each next word; words int64 [T, B] begin with `BEGIN`. Returns logits [T, B, V]."""
        outputs, _ = run(self.decoder, self.dropout(self.embedding(words)), self.start(images), lengths)
        return self.classifier(self.dropout(outputs))

    def advance(self, words: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one word of each sequence, int64 [B]; returns logits [B, V] and the state after it."""
        outputs, state = run(self.decoder, self.embedding(words[None]), state)
        return self.classifier(outputs[0]), state
