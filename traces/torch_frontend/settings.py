"""What a user chooses for an application: the training, and the model of each; checked in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from traces.errors import InputError, Problem, nearest
from traces.numpy_frontend.language_model import LOSS_NORMALISATIONS
from traces.numpy_frontend.optimizers import LEARNING_RATES, optimizer_mapping, optimizer_problems
from traces.schema import LARGEST_SIZE
from traces.thresholds import Fixed, Policy

RECURRENT_CELLS = ("lstm", "gru")
CELLS = (*RECURRENT_CELLS, "transformer")
UNITS = ("char", "word")
PRECISIONS = ("float32", "bfloat16", "float16")


class Settings:
    """Base of the frozen settings: what they have in common is that all their problems are told at once."""

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise an `InputError` of the problems, if there are any."""
        if problems:
            raise InputError(problems)

    def integers(self, least: Mapping[str, int]) -> list[Problem]:
        """List the fields that are no integers of at least so much."""
        problems = []
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= LARGEST_SIZE:
                problems.append(Problem(_words(name), repr(value), f"an integer from {low} to {LARGEST_SIZE}"))
        return problems

    def choices(self, known: Mapping[str, Sequence[str]]) -> list[Problem]:
        """List the fields that are none of the known words."""
        problems = []
        for name, words in known.items():
            value = getattr(self, name)
            if value not in words:
                problems.append(
                    Problem(_words(name), repr(value), f"one of {', '.join(words)}", nearest(str(value), words))
                )
        return problems

    def share(self, name: str) -> list[Problem]:
        """Say whether a field is no number from 0 to below 1."""
        value = getattr(self, name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1:
            return []
        return [Problem(_words(name), repr(value), "a number from 0 to below 1")]

    def to_mapping(self) -> dict[str, Any]:
        """Return the settings as a trace header has them; a path of the user's is left to the corpus's name."""
        left_out = ("corpus", "data", "policy")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How a model is trained, and what is recorded of it.

    Parameters
    ----------
    policy : Policy
        When a gate gradient counts as zero.
    steps : int
        Most optimiser steps.
    record_every : int
        The first step is recorded, and then every so manyth.
    eval_every : int
        Steps between points of the curve, 0 for none.
    eval_batches : int
        Batches of the validation part that a point of the curve reads, 0 for all.
    patience : int
        Stop after so many points of the curve without a better validation loss, 0 for never. The weights of the best
        point are those that the test sees.
    optimizer : {"adam", "sgd"}
    learning_rate : float, optional
        Left out: 0.002 for Adam, 1 for SGD.
    momentum : float
        For SGD alone.
    clip : float
        Largest norm of the whole gradient, 0 for none. It scales the weights' gradients, after the thresholds.
    seed : int
        Of initial parameters, batches and dropout.
    loss_normalisation : {"mean", "batch", "sum"}
        The loss that is differentiated: the mean over all tokens, the mean over the batch of the sum over tokens, or
        the sum. An absolute threshold means something only together with it.
    precision : {"float32", "bfloat16", "float16"}
        Of products and activations, by PyTorch's autocast; float16 with a loss scale that adapts itself. Parameters
        and optimiser stay float32.
    quantize_bits : int
        Quantise dG to so many bits before its threshold, 2 to 16; 0 for not at all.
    quantize_kind : {"fixed", "log"}
        See `traces.torch_frontend.precision.Quantiser`.

    Raises
    ------
    InputError
        With every setting that is out of range.
    """

    policy: Policy = field(default_factory=lambda: Fixed(1e-6))
    steps: int = 1000
    record_every: int = 100
    eval_every: int = 100
    eval_batches: int = 10
    patience: int = 0
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float = 0.0
    clip: float = 5.0
    seed: int = 0
    loss_normalisation: str = "mean"
    precision: str = "float32"
    quantize_bits: int = 0
    quantize_kind: str = "fixed"

    def __post_init__(self) -> None:
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES.get(self.optimizer, 1.0))
        problems = self.integers({"steps": 1, "record_every": 1})
        problems += self.integers({"eval_every": 0, "eval_batches": 0, "patience": 0, "seed": 0})
        problems += self.choices({"loss_normalisation": tuple(LOSS_NORMALISATIONS), "precision": PRECISIONS})
        problems += self.choices({"quantize_kind": ("fixed", "log")}) + self.integers({"quantize_bits": 0})
        if not problems and self.quantize_bits and not 2 <= self.quantize_bits <= 16:
            problems.append(Problem("quantize bits", repr(self.quantize_bits), "from 2 to 16, or 0 for none"))
        if not (math.isfinite(self.clip) and self.clip >= 0):
            problems.append(Problem("clip", repr(self.clip), "a finite number of at least 0, 0 for none"))
        if self.patience and not self.eval_every:
            problems.append(Problem("patience", repr(self.patience), "0 where eval every is 0: nothing is validated"))
        self.refuse(problems + optimizer_problems(self.optimizer, self.rate, self.momentum))

    @property
    def quantize(self) -> dict[str, Any] | None:
        """How dG is quantised, as `sparsify` takes it."""
        return {"bits": self.quantize_bits, "kind": self.quantize_kind} if self.quantize_bits else None

    @property
    def rate(self) -> float:
        """The learning rate, the optimiser's default where none was given."""
        assert self.learning_rate is not None
        return self.learning_rate

    def optimizer_mapping(self) -> dict[str, Any]:
        """Describe optimiser and clipping as a trace header has them."""
        return optimizer_mapping(self.optimizer, self.rate, self.momentum) | {"clip_norm": self.clip}


@dataclass(frozen=True)
class LanguageModelSettings(Settings):
    """A language model over characters or words.

    Parameters
    ----------
    corpus : str
        A name or a path, as `traces.corpora.load` takes it.
    unit : {"char", "word"}
    cell : {"lstm", "gru", "transformer"}
    layers, hidden : int
    embedding : int
        Its size; 0 for one-hot input. A Transformer's is ``hidden`` wide whatever stands here.
    heads : int
        Heads of a Transformer's attention.
    dropout : float
    tied : bool
        The classifier's weights are the embedding's.
    case_task : bool
        Words in lower case, and a second classifier on the same layers that tells how the next word is written: small,
        with a capital, in capitals. Its loss is added to the first's.
    least_count, largest_vocabulary : int
        Words that are rarer are ``<unk>``; 0 for no largest.
    sequence, batch : int
        Time steps T of a window and parallel streams B.
    """

    corpus: str = "shakespeare"
    unit: str = "char"
    cell: str = "lstm"
    layers: int = 2
    hidden: int = 128
    embedding: int = 0
    heads: int = 4
    dropout: float = 0.0
    tied: bool = False
    case_task: bool = False
    least_count: int = 2
    largest_vocabulary: int = 10_000
    sequence: int = 50
    batch: int = 32

    def __post_init__(self) -> None:
        problems = self.integers(dict.fromkeys(("layers", "hidden", "heads", "sequence", "batch", "least_count"), 1))
        problems += self.integers({"embedding": 0, "largest_vocabulary": 0})
        problems += self.choices({"unit": UNITS, "cell": CELLS}) + self.share("dropout")
        if not problems and self.cell == "transformer" and self.hidden % self.heads:
            problems.append(Problem("hidden", repr(self.hidden), f"a multiple of the {self.heads} heads"))
        if self.tied and self.cell != "transformer" and self.embedding != self.hidden:
            found, expected = f"{self.embedding} with tied weights", f"hidden, {self.hidden}"
            problems.append(Problem("embedding", found, expected))
        if self.case_task and self.unit != "word":
            problems.append(Problem("case task", f"unit {self.unit!r}", "'word'"))
        self.refuse(problems)


@dataclass(frozen=True)
class CaptioningSettings(Settings):
    """An image captioner.

    Parameters
    ----------
    corpus : str
        A name or a path, as `traces.corpora.captions.load_captions` takes it.
    cell : {"lstm", "gru"}
    layers, hidden, embedding : int
        Of the decoder.
    channels : int
        Of the first convolution.
    image_size : int
        Pixels in height and width.
    dropout : float
    least_count : int
        Words that are rarer are ``<unk>``.
    longest : int
        Words of a caption; longer ones are cut in training.
    batch : int
    """

    corpus: str = "emoji"
    cell: str = "lstm"
    layers: int = 1
    hidden: int = 128
    embedding: int = 64
    channels: int = 16
    image_size: int = 32
    dropout: float = 0.1
    least_count: int = 1
    longest: int = 20
    batch: int = 32

    def __post_init__(self) -> None:
        names = ("layers", "hidden", "embedding", "channels", "image_size", "least_count", "longest", "batch")
        self.refuse(
            self.integers(dict.fromkeys(names, 1)) + self.choices({"cell": RECURRENT_CELLS}) + self.share("dropout")
        )


@dataclass(frozen=True)
class TranslationSettings(Settings):
    """A translator.

    Parameters
    ----------
    corpus : str
        A name or a path, as `traces.corpora.pairs.load_pairs` takes it.
    source, target : str
        Languages.
    data : str, optional
        Folder of the wheel of ``bible-alignments``.
    cell : {"lstm", "gru", "transformer"}
    layers, hidden, embedding : int
        Of encoder and decoder; ``hidden`` is even, half of it for each direction of a recurrent encoder. A
        Transformer's embedding is ``hidden`` wide whatever stands here.
    heads : int
        Heads of a Transformer's attention.
    dropout : float
    least_count : int
        Words that are rarer are ``<unk>``.
    longest : int
        Words of a sentence; training pairs with a longer side are left out, held-out ones are kept.
    beam : int
        Width of the search that writes the test's translations; 1 takes the best word each time.
    batch : int
    """

    corpus: str = "emoji"
    source: str = "en"
    target: str = "de"
    data: str | None = None
    cell: str = "lstm"
    layers: int = 1
    hidden: int = 128
    embedding: int = 64
    heads: int = 4
    dropout: float = 0.2
    least_count: int = 1
    longest: int = 30
    beam: int = 1
    batch: int = 32

    def __post_init__(self) -> None:
        names = ("layers", "hidden", "embedding", "heads", "least_count", "longest", "beam", "batch")
        problems = self.integers(dict.fromkeys(names, 1)) + self.choices({"cell": CELLS})
        if not problems and self.hidden % 2:
            problems.append(Problem("hidden", repr(self.hidden), "an even number, half for each direction"))
        elif not problems and self.cell == "transformer" and self.hidden % self.heads:
            problems.append(Problem("hidden", repr(self.hidden), f"a multiple of the {self.heads} heads"))
        self.refuse(problems + self.share("dropout"))


def _words(name: str) -> str:
    return name.replace("_", " ")
