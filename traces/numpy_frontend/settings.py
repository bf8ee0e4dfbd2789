"""What a user chooses for a recorded training run, checked in one place."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import Any

from traces.errors import InputError, Problem, nearest
from traces.numpy_frontend.language_model import LOSS_NORMALISATIONS, Shape
from traces.numpy_frontend.optimizers import LEARNING_RATES, optimizer_mapping, optimizer_problems
from traces.schema import LARGEST_SIZE
from traces.thresholds import Fixed, Policy

PRECISIONS = ("float32", "float64")
OUTPUT_BIASES = ("log-frequency", "zero")


@dataclass(frozen=True)
class CharLMSettings:
    """Settings of a character language model and of what is recorded of its training.

    The defaults of model and threshold are the paper's (3 layers of 256 cells, 100 time steps, 1e-6).

    Parameters
    ----------
    corpus : str
        A name or a path, as `traces.corpora.load` takes it.
    layers, hidden, sequence, batch : int
        LSTM layers, cells of each, time steps T, parallel sequences B.
    policy : Policy
        When a gate gradient counts as zero.
    steps : int
        Optimiser steps to train.
    record_every : int
        The first step is recorded, and then every so manyth.
    optimizer : {"adam", "sgd"}
    learning_rate : float, optional
        Left out: 0.002 for Adam, 1 for SGD.
    momentum : float
        For SGD alone.
    clip : float
        Largest norm of the whole gradient, 0 for none. 5 is what Zaremba et al. (arXiv 1409.2329) train
        LSTM language models with, for a loss "normalized by minibatch size", here ``batch``; under ``mean``
        it acts only on an explosion. It scales the weights' gradients, after the thresholds.
    seed : int
        Of the initial parameters; nothing after them is random.
    precision : {"float32", "float64"}
    loss_normalisation : {"mean", "batch", "sum"}
        The loss that is differentiated: the mean over batch and time, the mean over the batch of the sum over
        time, or the sum. An absolute threshold means something only together with it.
    forget_bias : float
        Initial bias of the forget gates.
    output_bias : {"log-frequency", "zero"}
        Initial bias of the classifier; see `traces.numpy_frontend.language_model.log_frequencies`, which says
        what ``zero`` does to the sparsity.
    eval_every : int, optional
        Steps between points of the curve, 0 for none; left out, as ``record_every``.
    eval_windows : int
        Windows of the validation text that a point of the curve reads, 0 for the whole text. The final
        figures always read all of it.
    record_values : bool
        Record the non-zero gradients themselves too, as float32; this makes a trace large.

    Raises
    ------
    InputError
        With every setting that is out of range.
    """

    corpus: str = "shakespeare"
    layers: int = 3
    hidden: int = 256
    sequence: int = 100
    batch: int = 32
    policy: Policy = field(default_factory=lambda: Fixed(1e-6))
    steps: int = 2000
    record_every: int = 100
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float = 0.0
    clip: float = 5.0
    seed: int = 0
    precision: str = "float32"
    loss_normalisation: str = "mean"
    forget_bias: float = 1.0
    output_bias: str = "log-frequency"
    eval_every: int | None = None
    eval_windows: int = 10
    record_values: bool = False

    def __post_init__(self) -> None:
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES.get(self.optimizer, 1.0))
        if self.eval_every is None:
            object.__setattr__(self, "eval_every", self.record_every)
        problems = self._problems()
        if problems:
            raise InputError(problems)

    @property
    def rate(self) -> float:
        """The learning rate, the optimiser's default where none was given."""
        assert self.learning_rate is not None
        return self.learning_rate

    def fixed(self) -> dict[str, Any]:
        """Return the settings that a resumed run must share: all but ``corpus`` and ``steps``.

        The corpus is compared by its content instead, and a finished run may go on for more steps.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("corpus", "steps", "policy")}
        return values | {"policy": self.policy.to_mapping()}

    def optimizer_mapping(self) -> dict[str, Any]:
        """Describe optimiser and clipping as a trace header has them."""
        return optimizer_mapping(self.optimizer, self.rate, self.momentum) | {"clip_norm": self.clip}

    def check_memory(self, shape: Shape) -> None:
        """Refuse a model that cannot fit into this machine's memory, before anything is allocated."""
        parameters = sum(math.prod(s) for s in shape.parameter_shapes().values())
        per_time_step = self.layers * 20 * self.hidden + 4 * shape.vocabulary
        numbers = 6 * parameters + self.sequence * self.batch * per_time_step
        needed = numbers * {"float32": 4, "float64": 8}[self.precision]
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > present:
            found = f"a model of about {needed / 2**30:.0f} GiB with its buffers"
            expected = f"less than the {present / 2**30:.0f} GiB of this machine"
            raise InputError.of("layers, hidden, sequence and batch", found, expected)

    def _problems(self) -> list[Problem]:
        problems = []
        least = {"layers": 1, "hidden": 1, "sequence": 1, "batch": 1, "steps": 1, "record_every": 1}
        for name, low in (least | {"seed": 0, "eval_every": 0, "eval_windows": 0}).items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= LARGEST_SIZE:
                expected = f"an integer from {low} to {LARGEST_SIZE}"
                problems.append(Problem(name.replace("_", " "), repr(value), expected))
        choices = {"precision": PRECISIONS, "loss_normalisation": tuple(LOSS_NORMALISATIONS)} | {
            "output_bias": OUTPUT_BIASES
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                expected, hint = f"one of {', '.join(known)}", nearest(str(value), known)
                problems.append(Problem(name.replace("_", " "), repr(value), expected, hint))
        if not (math.isfinite(self.clip) and self.clip >= 0):
            problems.append(Problem("clip", repr(self.clip), "a finite number of at least 0, 0 for none"))
        if not math.isfinite(self.forget_bias):
            problems.append(Problem("forget bias", repr(self.forget_bias), "a finite number"))
        return problems + optimizer_problems(self.optimizer, self.rate, self.momentum)
