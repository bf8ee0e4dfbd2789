"""What the training loop asks of an application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from traces.corpora.vocabulary import PAD


@dataclass(frozen=True)
class Loss:
    """Cross-entropy of one batch.

    Attributes
    ----------
    nats : Tensor []
        Summed over all tokens.
    tokens : int
        Predicted tokens, without padding.
    sequences : int
        Sequences B of the batch.
    """

    nats: Tensor
    tokens: int
    sequences: int

    @property
    def total(self) -> float:
        """The sum in nats, as a number."""
        return float(self.nats.detach())

    def normalised(self, how: str) -> Tensor:
        """Return what is differentiated under a key of `LOSS_NORMALISATIONS`."""
        return self.nats / {"mean": self.tokens, "batch": self.sequences, "sum": 1}[how]


class Application(Protocol):
    """A corpus, a model over it, and how the model is judged.

    Attributes
    ----------
    task : str
        Its name in trace headers.
    model : nn.Module
    token : str
        What a loss per token is per: a character or a word.
    batch, sequence : int
        Sequences of a training batch, and the most time steps of one.
    """

    task: str
    model: nn.Module
    token: str
    batch: int
    sequence: int

    def header(self) -> dict[str, Any]:
        """Make what the trace's header says of corpus and model."""

    def train_loss(self) -> Loss:
        """Take the next training batch and run the model on it, in training mode."""

    def valid_loss(self, most_batches: int) -> float:
        """Compute nats per token on the validation part, or on so many batches of it where the number is not 0."""

    def final(self) -> dict[str, Any]:
        """Judge the model as it is on the whole validation and test part."""


def masked_loss(logits: Tensor, targets: Tensor) -> Loss:
    """Compute the loss of predicting words, int64 [T, B], from logits [T, B, V]; padding counts nothing."""
    nats = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PAD, reduction="sum")
    return Loss(nats, int((targets != PAD).sum()), targets.shape[1])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off for a while."""
    before = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw PyTorch's random numbers from a seed for a while, and then go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
