"""Language modelling: predict the next character or word of a running text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from traces import corpora
from traces.corpora import Corpus
from traces.corpora.batching import Integers
from traces.corpora.vocabulary import SPECIALS, Vocabulary, split_words
from traces.errors import InputError
from traces.numpy_frontend.language_model import Vocabulary as Characters
from traces.numpy_frontend.language_model import log_frequencies
from traces.numpy_frontend.training import Windows
from traces.torch_frontend.applications.application import Loss, evaluating, seeded
from traces.torch_frontend.metrics import bits_per_character, perplexity
from traces.torch_frontend.models.language_model import RecurrentLanguageModel
from traces.torch_frontend.models.transformer import TransformerLanguageModel
from traces.torch_frontend.settings import LanguageModelSettings

CASES = ("small", "capital", "capitals")
"""How a word is written: the classes of the second task."""


@dataclass(frozen=True)
class Text:
    """One part of a corpus as numbers.

    Attributes
    ----------
    symbols : int64 [tokens]
    cases : int64 [tokens] or None
        Index into `CASES`; None without the second task.
    """

    symbols: Integers
    cases: Integers | None


class LanguageModelling:
    """A language model on a corpus; see `Application`.

    The text is read as B parallel streams in windows of T tokens; a recurrent model's state goes on from window to
    window, a Transformer begins each anew.

    Parameters
    ----------
    settings : LanguageModelSettings
    seed : int
        Of the initial parameters.

    Raises
    ------
    InputError
        Where the corpus is missing or too short.
    """

    def __init__(self, settings: LanguageModelSettings, seed: int = 0) -> None:
        self.settings = settings
        self.task = f"{settings.unit}-lm"
        self.token = {"char": "character", "word": "word"}[settings.unit]
        self.batch, self.sequence = settings.batch, settings.sequence
        self.corpus: Corpus = corpora.load(settings.corpus)
        self._number()
        self._check_length()
        self.windows = Windows(self.train.symbols, settings.sequence, settings.batch)
        with seeded(seed):
            self.model = self._make_model()
        self.position = 0
        self.state: Any = None

    def header(self) -> dict[str, Any]:
        """Make what the trace's header says of corpus and model."""
        tasks = [f"next {self.token}"] + (["its case"] if self.settings.case_task else [])
        return {"corpus": self.corpus.provenance, "model": self.settings.to_mapping(), "tasks": tasks}

    def train_loss(self) -> Loss:
        """Run the model on the next window; at the end of the text, begin anew with no state."""
        if self.position == len(self.windows):
            self.position, self.state = 0, None
        losses, self.state = self._losses(self.train, self.windows, self.position, self.sequence, self.state)
        self.position += 1
        tokens = self.sequence * self.batch
        return Loss(torch.stack(losses).sum(), tokens, self.batch)

    def valid_loss(self, most_batches: int) -> float:
        """Compute nats per token on the validation text; of both tasks together where there are two."""
        return sum(self._evaluate(self.valid, most_batches))

    def final(self) -> dict[str, Any]:
        """Judge the model: nats, and bits per character or perplexity per word."""
        figures: dict[str, Any] = {}
        for part, text in (("valid", self.valid), ("test", self.test)):
            first, *others = self._evaluate(text, 0)
            figures[f"{part}_loss"] = first
            if self.settings.unit == "char":
                figures[f"{part}_bits_per_character"] = bits_per_character(first)
            else:
                figures[f"{part}_perplexity"] = perplexity(first)
            for other in others:
                figures[f"{part}_case_loss"] = other
        return figures

    def _number(self) -> None:
        """Turn the three texts into numbers, of symbols that the training text has."""
        settings, corpus = self.settings, self.corpus
        texts = (corpus.train, corpus.valid, corpus.test)
        if settings.unit == "char":
            characters = Characters(corpus.train)
            self.symbols = len(characters)
            self.train, self.valid, self.test = (Text(characters.encode(text), None) for text in texts)
            return
        split = [split_words(text, corpus.tokenised) for text in texts]
        cases: list[Integers | None] = [None, None, None]
        if settings.case_task:
            cases = [np.array([case_of(word) for word in words], np.int64) for words in split]
            split = [[word if word in SPECIALS else word.lower() for word in words] for words in split]
        vocabulary = Vocabulary(split[0], settings.least_count, settings.largest_vocabulary)
        self.symbols = len(vocabulary)
        self.train, self.valid, self.test = (
            Text(vocabulary.encode(words), case) for words, case in zip(split, cases, strict=True)
        )

    def _check_length(self) -> None:
        where, tokens = f"corpus {self.corpus.name}", f"{self.token}s"
        needed = self.batch * self.sequence + 1
        if self.train.symbols.size < needed:
            expected = f"at least {needed}, one window of {self.sequence} in each of {self.batch} streams"
            hint = "a longer text, a smaller batch or a shorter sequence"
            raise InputError.of(where, f"{self.train.symbols.size} {tokens} to train on", expected, hint)
        for part, text in (("validation", self.valid), ("test", self.test)):
            if text.symbols.size < 2:
                raise InputError.of(where, f"a {part} text of {text.symbols.size} {tokens}", "2 or more")

    def _make_model(self) -> nn.Module:
        s = self.settings
        outputs = (self.symbols, len(CASES)) if s.case_task else (self.symbols,)
        model: nn.Module
        if s.cell == "transformer":
            model = TransformerLanguageModel(
                self.symbols, s.hidden, s.layers, s.heads, s.sequence, outputs, s.dropout, s.tied
            )
        else:
            model = RecurrentLanguageModel(
                s.cell, self.symbols, s.embedding, s.hidden, s.layers, outputs, s.dropout, s.tied
            )
        # An untrained model that predicts the frequencies saturates no cells to learn them: see `log_frequencies`.
        texts = [self.train.symbols, self.train.cases]
        with torch.no_grad():
            for classifier, numbers, classes in zip(model.classifiers, texts, outputs, strict=False):
                assert numbers is not None
                classifier.bias.copy_(torch.from_numpy(log_frequencies(numbers, classes)))
        return model

    def _losses(self, text: Text, windows: Windows, index: int, length: int, state: Any) -> tuple[list[Tensor], Any]:
        """Compute the summed nats of each task on a window, and the state behind it."""
        inputs, targets = (torch.from_numpy(part) for part in windows.window(index, length))
        logits, state = self.model(inputs, state)
        goals = [targets]
        if text.cases is not None:
            _, cases = Windows(text.cases, windows.T, windows.B).window(index, length)
            goals.append(torch.from_numpy(cases))
        losses = [
            cross_entropy(one.flatten(0, 1), goal.flatten(), reduction="sum")
            for one, goal in zip(logits, goals, strict=True)
        ]
        return losses, None if state is None else tuple(part.detach() for part in state)

    def _evaluate(self, text: Text, most_windows: int) -> list[float]:
        """Compute nats per token of each task, as `traces.numpy_frontend.training.evaluate` does."""
        T = self.sequence
        B = min(self.batch, max(1, (text.symbols.size - 1) // T))
        windows = Windows(text.symbols, T, B)
        whole, rest = divmod(windows.stream_length, T)
        if most_windows and whole >= most_windows:
            whole, rest = most_windows, 0
        lengths = [T] * whole + ([rest] if rest else [])
        totals: list[float] = []
        state: Any = None
        with evaluating(self.model):
            for index, length in enumerate(lengths):
                losses, state = self._losses(text, windows, index, length, state)
                totals = [a + float(b) for a, b in zip(totals or [0.0] * len(losses), losses, strict=True)]
        return [total / (B * sum(lengths)) for total in totals]


def case_of(word: str) -> int:
    """Tell how a word is written, as an index into `CASES`; one capital alone is ``capital``."""
    if len(word) > 1 and word.isupper():
        return 2
    return int(word[:1].isupper())
