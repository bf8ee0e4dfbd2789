"""Where the applications meet the drop-in layers and the recorder: thresholds into a model, its trace out of it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from traces.thresholds import Off
from traces.torch_frontend.applications.application import Application
from traces.torch_frontend.settings import TrainingSettings
from traces.writer import TraceWriter


class Attachment:
    """What a training tells the trace beside its gradients; nothing where there is no trace.

    Parameters
    ----------
    recorder : object, optional
        What `traces.torch_frontend.record` yields.
    """

    def __init__(self, recorder: Any = None) -> None:
        self._recorder = recorder

    def loss(self, nats: float) -> None:
        """Tell the loss of the step at hand, nats per token, before the optimiser's step."""
        if self._recorder is not None:
            self._recorder.loss(nats)

    def validation(self, nats: float) -> None:
        """Tell a validation loss after a step, nats per token."""
        if self._recorder is not None:
            self._recorder.log(valid_loss=nats)


@contextmanager
def attach(
    application: Application,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    path: Path | None,
    facts: Mapping[str, Any],
    loss_scale: Any = None,
) -> Iterator[Attachment]:
    """Threshold a model's gate gradients from now on, and record them for a while.

    Parameters
    ----------
    application : Application
        The layers of its model are replaced in place by layers with the same parameters.
    settings : TrainingSettings
    optimizer : Optimizer
        Whose steps are counted.
    path : Path or None
        The trace; None records nothing. The layers then stay PyTorch's own where the policy never drops anything.
    facts : mapping
        What the trace's header says beside what the recorder knows.
    loss_scale : GradScaler, optional
        By what the loss is multiplied before it is differentiated.

    Yields
    ------
    Attachment
    """
    if path is None and isinstance(settings.policy, Off) and settings.quantize is None:
        yield Attachment()
        return
    frontend = importlib.import_module("traces.torch_frontend")
    # What a Transformer has in place of recurrent layers must be asked for.
    attends = any(isinstance(module, nn.MultiheadAttention) for module in application.model.modules())
    frontend.sparsify(
        application.model, settings.policy,
        optimizer=optimizer, attention=attends, quantize=settings.quantize, loss_scale=loss_scale,
    )  # fmt: skip
    if path is None:
        yield Attachment()
        return
    with frontend.record(
        application.model,
        path,
        every=settings.record_every,
        optimizer=optimizer,
        total_steps=settings.steps,
        task=application.task,
        about=facts,
        sequence_length=application.sequence,
        batch_size=application.batch,
    ) as recorder:
        yield Attachment(recorder)


def complete(path: Path, **facts: Any) -> None:
    """Put facts that are known only after the training into the header of a finished trace."""
    with TraceWriter.resume(path, checkpoint_every_seconds=None) as writer:
        writer.update_header(**facts)
