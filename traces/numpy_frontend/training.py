"""Stateful truncated back-propagation through time over a text, and evaluation on a held-out one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traces.errors import InputError
from traces.numpy_frontend.language_model import LanguageModel, Shape
from traces.numpy_frontend.lstm import BackwardObserver, State
from traces.numpy_frontend.optimizers import Optimizer, clip
from traces.numpy_frontend.parameters import Integers, Parameters
from traces.thresholds import Policy, Thresholder


@dataclass(frozen=True)
class Windows:
    """A text as B parallel streams, cut into windows of T characters.

    Stream b is the b-th contiguous part of the text, and window k of a stream follows window k - 1, so a
    state carried from window to window reads each stream as one long text. A rest that fills no window in
    every stream is left out.

    Parameters
    ----------
    symbols : int64 [characters]
    T, B : int
    """

    symbols: Integers
    T: int
    B: int

    @property
    def stream_length(self) -> int:
        """Characters of each stream that have a successor in the text."""
        return max(0, self.symbols.size - 1) // self.B

    def __len__(self) -> int:
        return self.stream_length // self.T

    def window(self, index: int, length: int | None = None) -> tuple[Integers, Integers]:
        """Return inputs and targets [T, B] of a window; ``length`` time steps where it is not T."""
        starts = index * self.T + self.stream_length * np.arange(self.B)
        places = starts + np.arange(length or self.T)[:, None]
        return self.symbols[places], self.symbols[places + 1]


class Trainer:
    """Takes optimiser steps, window after window.

    At the end of the text the state returns to zero and the windows begin anew: the first window continues no
    text. Nothing here is random (a policy's random numbers are a function of where it is asked), so parameters,
    optimiser, carried state, position and what the policy's thresholders hold are all there is to a training run.

    Parameters
    ----------
    model : LanguageModel
    optimizer : Optimizer
        Of the model's parameters.
    windows : Windows
        Of the model's T and B; at least one.
    policy : Policy
        One that names a layer which the model does not have is refused (`InputError`).
    normalisation : str
        A key of `LOSS_NORMALISATIONS`.
    clip_norm : float
        Largest norm of the whole gradient; 0 does not clip.

    Attributes
    ----------
    step : int
        Optimiser steps taken so far.
    position : int
        Index of the next window.
    state : list of State
        The state that the next window begins with.
    gradient_norm : float
        Norm of the last step's whole gradient, before clipping; NaN before the first.
    """

    def __init__(
        self,
        model: LanguageModel,
        optimizer: Optimizer,
        windows: Windows,
        policy: Policy,
        normalisation: str,
        clip_norm: float,
    ) -> None:
        self.model, self.optimizer, self.windows = model, optimizer, windows
        self.normalisation, self.clip_norm = normalisation, clip_norm
        self.thresholders: list[Thresholder | None] = policy.for_layers(model.shape.layer_names)
        self.step, self.position = 0, 0
        self.gradient_norm = math.nan
        self.state: Sequence[State] = model.zero_state()

    def take_step(self, observers: Mapping[str, BackwardObserver] | None = None) -> float:
        """Train on the next window.

        Parameters
        ----------
        observers : mapping of str to BackwardObserver, optional
            By layer name: who looks at its backward pass.

        Returns
        -------
        float
            Loss before the update, in nats per character.

        Raises
        ------
        InputError
            Where loss or gradient are no longer finite; the parameters are then as they were.
        """
        if self.position == len(self.windows):
            self.position, self.state = 0, self.model.zero_state()
        number = self.step + 1
        # A diverging run overflows on its way; what matters is said below, once.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, state = self.model.forward(*self.windows.window(self.position), self.state)
            rate = self.optimizer.learning_rate
            self.model.backward(self.normalisation, self.thresholders, number, observers, rate)
            parameters = self.model.parameters
            norm = self.gradient_norm = clip(parameters.flat_gradient, self.clip_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            found = f"a loss of {loss} and a gradient norm of {norm}"
            hint = "a smaller learning rate, or clipping"
            raise InputError.of(f"training step {number}", found, "finite numbers", hint)
        with np.errstate(over="ignore", invalid="ignore"):
            self.optimizer.update(parameters.flat, parameters.flat_gradient)
        self.step, self.position, self.state = number, self.position + 1, state
        return loss


def evaluate(shape: Shape, parameters: Parameters, symbols: Integers, T: int, B: int, most_windows: int = 0) -> float:
    """Compute the loss on a text, the state carried from its beginning to its end.

    Parameters
    ----------
    shape : Shape
    parameters : Parameters
        Not changed.
    symbols : int64 [characters]
        At least 2.
    T, B : int
        Window length and parallel streams; fewer streams where the text is too short for B windows. Each
        stream begins with a zero state. The last, shorter window counts too.
    most_windows : int
        Read at most so many windows; 0 reads the whole text, but for less than B characters at its end.

    Returns
    -------
    float
        Nats per character; not a finite number where the model has diverged.
    """
    B = min(B, max(1, (symbols.size - 1) // T))
    windows = Windows(symbols, T, B)
    whole, rest = divmod(windows.stream_length, T)
    if most_windows and whole >= most_windows:
        whole, rest = most_windows, 0
    lengths = [T] * whole + ([rest] if rest else [])
    total = 0.0
    state: Sequence[State] | None = None
    model: LanguageModel | None = None
    for index, length in enumerate(lengths):
        if model is None or length != model.T:
            model = LanguageModel(shape, parameters, length, B)
        with np.errstate(over="ignore", invalid="ignore"):  # as in training: the loss tells it
            loss, state = model.forward(*windows.window(index, length), state or model.zero_state())
        total += loss * length
    return total / sum(lengths)


def bits_per_character(nats: float) -> float:
    """Convert a loss from nats to bits."""
    return nats / math.log(2)
