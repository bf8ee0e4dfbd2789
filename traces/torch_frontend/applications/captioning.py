"""Image captioning: write what an image shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from traces.corpora.batching import Integers, ordered_batches, pad, shuffled_batches
from traces.corpora.captions import Captioned, load_captions, read_image
from traces.corpora.vocabulary import BEGIN, END, Vocabulary
from traces.errors import InputError
from traces.torch_frontend.applications.application import Loss, evaluating, masked_loss, seeded
from traces.torch_frontend.metrics import bleu, exact_matches
from traces.torch_frontend.models.captioning import Captioner
from traces.torch_frontend.models.decoding import greedy
from traces.torch_frontend.settings import CaptioningSettings


class Captioning:
    """A captioner on captioned images; see `Application`.

    Parameters
    ----------
    settings : CaptioningSettings
    seed : int
        Of the initial parameters and the batches.

    Raises
    ------
    InputError
        Where the corpus is missing or too small.
    """

    task = "captioning"
    token = "word"

    def __init__(self, settings: CaptioningSettings, seed: int = 0) -> None:
        self.settings = settings
        self.batch = settings.batch
        self.corpus = load_captions(settings.corpus)
        # An image with several captions is as many training items.
        self.train = [(item, words) for item in self.corpus.train for words in item.words if words]
        if len(self.train) < settings.batch:
            found = f"{len(self.train)} captions to train on"
            raise InputError.of(f"corpus {self.corpus.name}", found, f"at least a batch of {settings.batch}")
        # With a begin mark; the longest of the corpus, so that a trace has no time steps that never are.
        self.sequence = 1 + min(settings.longest, max(len(words) for _, words in self.train))
        self.vocabulary = Vocabulary((word for _, words in self.train for word in words), settings.least_count)
        s = settings
        with seeded(seed):
            self.model = Captioner(s.cell, len(self.vocabulary), s.embedding, s.hidden, s.layers, s.channels, s.dropout)
        self._batches = self._shuffled(seed)

    def header(self) -> dict[str, Any]:
        """Make what the trace's header says of corpus and model."""
        return {"corpus": self.corpus.provenance, "model": self.settings.to_mapping()}

    def train_loss(self) -> Loss:
        """Run the model on the next batch."""
        indices = next(self._batches)
        return self._loss([self.train[index][0] for index in indices], [self.train[index][1] for index in indices])

    def valid_loss(self, most_batches: int) -> float:
        """Compute nats per word, ends included, on the first caption of each validation image."""
        return self._mean_loss(self.corpus.valid, most_batches)

    def final(self) -> dict[str, Any]:
        """Judge the model: nats per word, BLEU, and the share of images whose caption is right in every word."""
        figures: dict[str, Any] = {}
        for part, items in (("valid", self.corpus.valid), ("test", self.corpus.test)):
            figures[f"{part}_loss"] = self._mean_loss(items, 0)
            written = self.describe(items)
            references = [[" ".join(words) for words in item.words] for item in items]
            figures[f"{part}_bleu"], figures["bleu_signature"] = bleu(written, references)
            figures[f"{part}_exact_matches"] = exact_matches(written, references)
        return figures

    def describe(self, items: Sequence[Captioned]) -> list[str]:
        """Write a caption for each image, the most probable word each time."""
        written: list[str] = []
        with evaluating(self.model):
            for start in range(0, len(items), self.batch):
                state = self.model.start(self._images(items[start : start + self.batch]))
                for numbers in greedy(self.model.advance, state, self.settings.longest):
                    written.append(" ".join(self.vocabulary.decode(numbers)))
        return written

    def _shuffled(self, seed: int) -> Iterator[Integers]:
        lengths = [len(words) for _, words in self.train]
        epoch = 0
        while True:
            yield from shuffled_batches(lengths, self.batch, seed, epoch)
            epoch += 1

    def _mean_loss(self, items: Sequence[Captioned], most_batches: int) -> float:
        nats, tokens = 0.0, 0
        captions = [item.words[0] for item in items]
        with evaluating(self.model):
            for indices in ordered_batches([len(words) for words in captions], self.batch, most_batches):
                loss = self._loss([items[i] for i in indices], [captions[i] for i in indices])
                nats, tokens = nats + loss.total, tokens + loss.tokens
        return nats / tokens

    def _loss(self, items: Sequence[Captioned], captions: Sequence[tuple[str, ...]]) -> Loss:
        numbers = [self.vocabulary.encode(words[: self.settings.longest]) for words in captions]
        inputs, lengths = pad([np.append(BEGIN, one) for one in numbers])
        targets, _ = pad([np.append(one, END) for one in numbers])
        logits = self.model(self._images(items), torch.from_numpy(inputs), torch.from_numpy(lengths))
        return masked_loss(logits, torch.from_numpy(targets))

    def _images(self, items: Sequence[Captioned]) -> Tensor:
        pixels = np.stack([read_image(item.path, self.settings.image_size) for item in items])
        return torch.from_numpy(pixels).float() / 255
