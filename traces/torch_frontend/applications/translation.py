"""Machine translation, and how well its attention aligns words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from traces.corpora.batching import Integers, ordered_batches, pad, shuffled_batches
from traces.corpora.pairs import Pair, load_pairs
from traces.corpora.vocabulary import BEGIN, END, Vocabulary
from traces.errors import InputError
from traces.torch_frontend.applications.application import Loss, evaluating, masked_loss, seeded
from traces.torch_frontend.metrics import Links, alignment_error_rate, bleu, exact_matches
from traces.torch_frontend.models.decoding import beam_search, greedy
from traces.torch_frontend.models.transformer import TransformerTranslator
from traces.torch_frontend.models.translation import Translator
from traces.torch_frontend.settings import TranslationSettings


class Translation:
    """A translator on sentence pairs; see `Application`.

    Parameters
    ----------
    settings : TranslationSettings
    seed : int
        Of the initial parameters and the batches.

    Raises
    ------
    InputError
        Where the corpus is missing or too small.
    """

    task = "translation"
    token = "word"

    def __init__(self, settings: TranslationSettings, seed: int = 0) -> None:
        self.settings = settings
        self.batch = settings.batch
        self.corpus = load_pairs(settings.corpus, settings.source, settings.target, settings.data)
        longest = settings.longest
        self.train = [p for p in self.corpus.train if max(len(p.source), len(p.target)) <= longest]
        if len(self.train) < settings.batch:
            found = f"{len(self.train)} pairs of at most {longest} words to train on"
            raise InputError.of(f"corpus {self.corpus.name}", found, f"at least a batch of {settings.batch}")
        # With a begin mark; the longest of the corpus, so that a trace has no time steps that never are.
        self.sequence = max(max(len(pair.source), len(pair.target) + 1) for pair in self.train)
        self.source = Vocabulary((word for pair in self.train for word in pair.source), settings.least_count)
        self.target = Vocabulary((word for pair in self.train for word in pair.target), settings.least_count)
        with seeded(seed):
            self.model = self._make_model()
        self._batches = self._shuffled(seed)

    def header(self) -> dict[str, Any]:
        """Make what the trace's header says of corpus and model."""
        return {"corpus": self.corpus.provenance, "model": self.settings.to_mapping()}

    def train_loss(self) -> Loss:
        """Run the model on the next batch."""
        loss, _ = self._loss([self.train[index] for index in next(self._batches)])
        return loss

    def valid_loss(self, most_batches: int) -> float:
        """Compute nats per target word, ends included, on the validation pairs."""
        return self._mean_loss(self.corpus.valid, most_batches)

    def final(self) -> dict[str, Any]:
        """Judge the model: nats per word, BLEU in lower case, exact translations, alignment error."""
        figures: dict[str, Any] = {}
        for part, pairs in (("valid", self.corpus.valid), ("test", self.corpus.test)):
            figures[f"{part}_loss"] = self._mean_loss(pairs, 0)
            if part == "test" or self.settings.beam == 1:
                written = self.translate(pairs)
                figures[f"{part}_bleu"], figures["bleu_signature"] = bleu(written, [[p.reference] for p in pairs])
                figures[f"{part}_exact_matches"] = exact_matches(written, [[" ".join(p.target)] for p in pairs])
        aligned = [pair for pair in self.corpus.test if pair.links]
        if aligned and self.settings.cell != "transformer":
            gold = [pair.links for pair in aligned]
            figures["test_alignment_error"] = alignment_error_rate(self.align(aligned), gold, gold)
            diagonal = [diagonal_links(pair) for pair in aligned]
            figures["test_alignment_error_of_diagonal"] = alignment_error_rate(diagonal, gold, gold)
        return figures

    def translate(self, pairs: Sequence[Pair]) -> list[str]:
        """Write a translation of each source, words separated by blanks."""
        width = self.settings.beam
        written: dict[int, str] = {}
        with evaluating(self.model):
            batches = ordered_batches([len(pair.source) for pair in pairs], self.batch if width == 1 else 1)
            for indices in batches:
                source, lengths = pad([self.source.encode(pairs[i].source) for i in indices])
                state = self.model.start(torch.from_numpy(source), torch.from_numpy(lengths))
                # A translation is seldom twice as long as its source.
                longest = 2 * int(lengths.max()) + 10
                if width == 1:
                    found = greedy(self.model.advance, state, longest)
                else:
                    found = [beam_search(self.model.advance, state, width, longest)]
                for index, numbers in zip(indices.tolist(), found, strict=True):
                    written[index] = " ".join(self.target.decode(numbers))
        return [written[index] for index in range(len(pairs))]

    def align(self, pairs: Sequence[Pair]) -> list[Links]:
        """Link each target word to the source word that the attention weighs most when it is predicted.

        For recurrent models, which have one attention. The known target is read. Punctuation marks get no link: gold
        alignments have none for them.
        """
        links: dict[int, Links] = {}
        with evaluating(self.model):
            for indices in ordered_batches([len(pair.target) for pair in pairs], self.batch):
                _, weights = self._loss([pairs[index] for index in indices])
                places = weights.argmax(dim=2)
                for column, index in enumerate(indices.tolist()):
                    words = pairs[index].target
                    links[index] = {(int(places[t, column]), t) for t in range(len(words)) if is_word(words[t])}
        return [links[index] for index in range(len(pairs))]

    def _make_model(self) -> nn.Module:
        s = self.settings
        vocabularies = (len(self.source), len(self.target))
        if s.cell == "transformer":
            return TransformerTranslator(*vocabularies, s.hidden, s.layers, s.heads, s.dropout)
        return Translator(s.cell, *vocabularies, s.embedding, s.hidden, s.layers, s.dropout)

    def _shuffled(self, seed: int) -> Iterator[Integers]:
        lengths = [len(pair.target) for pair in self.train]
        epoch = 0
        while True:
            yield from shuffled_batches(lengths, self.batch, seed, epoch)
            epoch += 1

    def _mean_loss(self, pairs: Sequence[Pair], most_batches: int) -> float:
        nats, tokens = 0.0, 0
        with evaluating(self.model):
            for indices in ordered_batches([len(pair.target) for pair in pairs], self.batch, most_batches):
                loss, _ = self._loss([pairs[index] for index in indices])
                nats, tokens = nats + loss.total, tokens + loss.tokens
        return nats / tokens

    def _loss(self, pairs: Sequence[Pair]) -> tuple[Loss, Any]:
        source, source_lengths = pad([self.source.encode(pair.source) for pair in pairs])
        numbers = [self.target.encode(pair.target) for pair in pairs]
        inputs, lengths = pad([np.append(BEGIN, one) for one in numbers])
        targets, _ = pad([np.append(one, END) for one in numbers])
        arrays = (torch.from_numpy(one) for one in (source, source_lengths, inputs, lengths))
        logits, weights = self.model(*arrays)
        return masked_loss(logits, torch.from_numpy(targets)), weights


def is_word(token: str) -> bool:
    """Tell a word from a punctuation mark."""
    return any(character.isalnum() for character in token)


def diagonal_links(pair: Pair) -> Links:
    """Link each target word to the source word at the same share of the sentence: what needs no model."""
    S, T = len(pair.source), len(pair.target)
    return {(min(S - 1, (2 * t + 1) * S // (2 * T)), t) for t in range(T) if is_word(pair.target[t])}
