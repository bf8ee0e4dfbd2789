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
from traces.torch_frontend.settings import TrainingSettings


class Attachment:
    """What a training tells the trace beside its steps; nothing where there is no trace.

    Parameters
    ----------
    recorder : object, optional
        What `traces.torch_frontend.record` yields.
    """

    def __init__(self, recorder: Any = None) -> None:
        self._recorder = recorder

    def loss(self, nats: float) -> None:
        """Tell the loss of the step just taken, nats per token."""
        if self._recorder is not None:
            self._recorder.loss(nats)

    def note(self, **facts: Any) -> None:
        """Put facts into the trace's header."""
        if self._recorder is not None:
            self._recorder.update_header(**facts)


@contextmanager
def attach(
    model: nn.Module,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    path: Path | None,
    facts: Mapping[str, Any],
) -> Iterator[Attachment]:
    """Threshold a model's gate gradients from now on, and record them for a while.

    Parameters
    ----------
    model : nn.Module
        Its recurrent layers are replaced in place by layers with the same parameters.
    settings : TrainingSettings
    optimizer : Optimizer
        Whose steps are counted.
    path : Path or None
        The trace; None records nothing. The layers then stay PyTorch's own where the policy never drops anything.
    facts : mapping
        What the trace's header says beside what the recorder knows.

    Yields
    ------
    Attachment
    """
    if path is None and isinstance(settings.policy, Off):
        yield Attachment()
        return
    frontend = importlib.import_module("traces.torch_frontend")
    frontend.sparsify(model, settings.policy, optimizer=optimizer)
    if path is None:
        yield Attachment()
        return
    options = {"every": settings.record_every, "optimizer": optimizer, "total_steps": settings.steps}
    with frontend.record(model, path, **options, **facts) as recorder:
        yield Attachment(recorder)
