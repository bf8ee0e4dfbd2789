"""The training loop of the applications: early stopping, and a trace of the gate gradients on the way.

>>> from traces.torch_frontend.applications.translation import Translation
>>> from traces.torch_frontend.settings import TrainingSettings, TranslationSettings
>>> from traces.torch_frontend.training import train
>>> training = train(Translation(TranslationSettings()), TrainingSettings(steps=500), "run.npz")  # doctest: +SKIP
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from traces.errors import InputError
from traces.interruption import StopRequest, stop_on_signals
from traces.numpy_frontend.language_model import LOSS_NORMALISATIONS
from traces.progress import Progress
from traces.torch_frontend.applications.application import Application, seeded
from traces.torch_frontend.attachment import Attachment, attach, complete
from traces.torch_frontend.settings import TrainingSettings

Curve = dict[str, list[float]]


@dataclass(frozen=True)
class Training:
    """A finished or interrupted training.

    Attributes
    ----------
    path : Path or None
        The trace, where one was asked for.
    step : int
        Optimiser steps taken.
    stopped : str
        Why it ended: ``"steps"``, ``"patience"`` or ``"signal"``.
    signal_number : int
        Of the signal that ended it; 0 for the other reasons.
    curve : dict
        ``step``, ``train_loss`` and ``valid_loss`` in nats per token, and ``gradient_norm`` before clipping.
    final : dict
        The application's figures of the best weights, and ``step``, at which they were reached; empty after a signal.
    """

    path: Path | None
    step: int
    stopped: str
    signal_number: int
    curve: Curve
    final: dict[str, Any]


def train(
    application: Application,
    settings: TrainingSettings,
    out: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    observer: Callable[[Progress], None] | None = None,
) -> Training:
    """Train an application's model in place and record its gate gradients.

    The same application, settings and seeds give the same numbers on the same machine. SIGINT (Ctrl-C) or SIGTERM
    ends it after the step at hand, with a complete trace. Afterwards the model has its best weights.

    Parameters
    ----------
    application : Application
    settings : TrainingSettings
    out : path, optional
        The trace to write; without one nothing is recorded, but thresholds act all the same.
    force : bool
        Replace an existing trace.
    observer : callable, optional
        Called with a `Progress` after every step.

    Raises
    ------
    InputError
        Where ``out`` exists (without ``force``) or cannot be written, or training diverges: the steps recorded before
        are kept.
    """
    path = None if out is None else Path(out)
    if path is not None:
        _check_destination(path, force)
    run = _Run(application, settings)
    facts = {
        "loss_normalisation": LOSS_NORMALISATIONS[settings.loss_normalisation],
        "optimizer": settings.optimizer_mapping(),
        "seed": settings.seed,
        "settings": settings.to_mapping(),
        **application.header(),
    }
    with (
        stop_on_signals() as stop,
        seeded(settings.seed),
    ):
        with attach(application, settings, run.optimizer, path, facts, run.scaler) as attachment:
            stopped = run.steps(attachment, stop, observer)
        run.restore_best()
        final = {} if stopped == "signal" else {"step": run.best_step, **application.final()}
        if path is not None:
            complete(path, curve=run.curve, stopped=stopped, **({"final": final} if final else {}))
    return Training(path, run.step, stopped, stop.signal_number if stopped == "signal" else 0, run.curve, final)


class _Run:
    """A training on its way: optimiser, curve and best weights."""

    def __init__(self, application: Application, settings: TrainingSettings) -> None:
        self.application, self.settings = application, settings
        self.parameters: list[Tensor] = list(application.model.parameters())
        self.optimizer = make_optimizer(settings, self.parameters)
        self.device = self.parameters[0].device.type
        self.scaler = torch.amp.GradScaler(self.device, enabled=settings.precision == "float16")
        self.curve: Curve = {"step": [], "train_loss": [], "valid_loss": [], "gradient_norm": []}
        # Since the last point of the curve.
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.step = self.best_step = 0
        self.best_loss = math.inf
        self.best_weights: dict[str, Any] | None = None

    def steps(self, attachment: Attachment, stop: StopRequest, observer: Callable[[Progress], None] | None) -> str:
        """Take steps until there is a reason to stop; returns it."""
        settings = self.settings
        worse = 0  # points of the curve since the best
        valid_loss = None
        while self.step < settings.steps:
            loss = self._take_step(attachment)
            if settings.eval_every and self.step % settings.eval_every == 0:
                valid_loss = self._validate()
                attachment.validation(valid_loss)
                worse = 0 if self.best_step == self.step else worse + 1
            if observer is not None:
                observer(Progress(self.step, settings.steps, loss, None, valid_loss))
            if stop:
                return "signal"
            if settings.patience and worse >= settings.patience:
                return "patience"
        return "steps"

    def restore_best(self) -> None:
        """Give the model the weights of its best validation loss; of the last step where none was computed."""
        if self.best_weights is None:
            self.best_step = self.step
        else:
            self.application.model.load_state_dict(self.best_weights)

    def _take_step(self, attachment: Attachment) -> float:
        """Train one step; returns nats per token before it.

        Under a loss scale, a gradient that overflows is no step: the scale is halved, and the next batch is tried.
        """
        settings, number = self.settings, self.step + 1
        low = settings.precision != "float32"
        self.application.model.train()
        while True:
            self.optimizer.zero_grad()
            with torch.autocast(self.device, getattr(torch, settings.precision) if low else None, enabled=low):
                loss = self.application.train_loss()
            self.scaler.scale(loss.normalised(settings.loss_normalisation)).backward()
            self.scaler.unscale_(self.optimizer)
            norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip or math.inf))
            nats = loss.total / loss.tokens
            scale = float(self.scaler.get_scale())
            overflowed = self.scaler.is_enabled() and math.isfinite(nats) and not math.isfinite(norm) and scale > 1
            if not (overflowed or (math.isfinite(nats) and math.isfinite(norm))):
                found = f"a loss of {nats} and a gradient norm of {norm}"
                hint = "a smaller learning rate, or clipping"
                raise InputError.of(f"training step {number}", found, "finite numbers", hint)
            if not overflowed:
                attachment.loss(nats)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if not overflowed:
                break
        self.step = number
        self.losses.append(nats)
        self.norms.append(norm)
        return nats

    def _validate(self) -> float:
        """Add a point to the curve; keep the weights if it is the best."""
        valid_loss = self.application.valid_loss(self.settings.eval_batches)
        self.curve["step"].append(self.step)
        self.curve["train_loss"].append(sum(self.losses) / len(self.losses))
        self.curve["valid_loss"].append(valid_loss)
        self.curve["gradient_norm"].append(sum(self.norms) / len(self.norms))
        self.losses, self.norms = [], []
        if valid_loss < self.best_loss:
            self.best_loss, self.best_step = valid_loss, self.step
            self.best_weights = copy.deepcopy(self.application.model.state_dict())
        return valid_loss


def make_optimizer(settings: TrainingSettings, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """Make PyTorch's optimiser of that name, with its defaults but for the learning rate and the momentum."""
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, settings.rate)
    return torch.optim.SGD(parameters, settings.rate, settings.momentum)


def _check_destination(path: Path, force: bool) -> None:
    if path.is_dir():
        raise InputError.of(str(path), "a directory", "a file to write the trace to")
    if not path.parent.is_dir():
        raise InputError.of(str(path), f"no folder {str(path.parent)!r}", "an existing folder")
    if path.exists() and not force:
        raise InputError.of(str(path), "an existing file", "a new one", "--force replaces it")
