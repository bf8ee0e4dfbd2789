"""Recurrent language models over characters or words, with one task or two."""

from __future__ import annotations

# mypy: allow-subclassing-any
from torch import Tensor, nn
from torch.nn.functional import one_hot

from traces.torch_frontend.models.recurrent import State, recurrent_layers, run


class RecurrentLanguageModel(nn.Module):
    """Embedding or one-hot input, a stack of LSTM or GRU layers, a softmax classifier for each task.

    Parameters
    ----------
    cell : {"lstm", "gru"}
    vocabulary : int
        Symbols V.
    embedding : int
        Size of the embedding; 0 for one-hot input, which the first layer then multiplies with.
    hidden, layers : int
    outputs : tuple of int
        Classes of each task; the first is the next symbol, V.
    dropout : float
        Of the input, between the layers and of the output (Zaremba et al., arXiv 1409.2329), not within the
        recurrence.
    tied : bool
        The classifier's weights are the embedding's (Press and Wolf, EACL 2017); needs ``embedding == hidden``.
    """

    def __init__(
        self,
        cell: str,
        vocabulary: int,
        embedding: int,
        hidden: int,
        layers: int,
        outputs: tuple[int, ...],
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, embedding) if embedding else None
        self.dropout = nn.Dropout(dropout)
        self.recurrent = recurrent_layers(cell, embedding or vocabulary, hidden, layers, dropout)
        self.classifiers = nn.ModuleList(nn.Linear(hidden, classes) for classes in outputs)
        if tied and self.embedding is not None:
            # Logits of a usual size need small weights, and nn.Embedding begins with a deviation of 1.
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            self.classifiers[0].weight = self.embedding.weight

    def forward(self, symbols: Tensor, state: State | None) -> tuple[list[Tensor], State]:
        """Read symbols, int64 [T, B]; returns the logits of each task, [T, B, classes], and the last state."""
        if self.embedding is None:
            inputs = one_hot(symbols, self.vocabulary).to(self.classifiers[0].weight.dtype)
        else:
            inputs = self.dropout(self.embedding(symbols))
        outputs, state = run(self.recurrent, inputs, state)
        outputs = self.dropout(outputs)
        return [classifier(outputs) for classifier in self.classifiers], state
