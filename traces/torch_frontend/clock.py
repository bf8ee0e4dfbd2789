"""Which optimiser step it is: the clock that all replaced layers of a model share."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch

from traces.errors import InputError


class Clock:
    """Counts optimiser steps from 1, and tells what else thresholders want to know of a step.

    With an optimiser the count moves after each of its ``step()`` calls. Without one, a training pass counts: the first
    forward pass after a backward pass begins the next step, so that of several micro-batches each is a step. A
    pass that recomputes activations (checkpointing) runs inside a backward pass and begins nothing.

    Attributes
    ----------
    step : int
        Number of the optimiser step at hand.
    passes : int
        Forward passes of layers begun so far.
    loss_scale : callable
        By what the loss was multiplied before it was differentiated; 1 unless a scaler says otherwise.
    ended : list of callable
        Called with the number of a step when it ends.
    """

    def __init__(self) -> None:
        self.step = 1
        self.passes = 0
        self.loss_scale: Callable[[], float] = _one
        self.ended: list[Callable[[int], None]] = []
        self._optimizer: weakref.ref[Any] | None = None
        self._hook: Any = None
        self._backward_seen = False

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Count the steps of this optimiser from now on."""
        if self._hook is not None:
            self._hook.remove()
        self._optimizer = weakref.ref(optimizer)
        self._hook = optimizer.register_step_post_hook(self._after_step)

    @property
    def learning_rate(self) -> float | None:
        """Of the optimiser's first parameter group; None where no optimiser is known."""
        optimizer = None if self._optimizer is None else self._optimizer()
        return None if optimizer is None else float(optimizer.param_groups[0]["lr"])

    @property
    def follows_optimizer(self) -> bool:
        """Whether an optimiser's steps count."""
        return self._optimizer is not None

    def optimizer_mapping(self) -> dict[str, Any] | None:
        """Describe the optimiser as a trace header does."""
        optimizer = None if self._optimizer is None else self._optimizer()
        if optimizer is None:
            return None
        return {"kind": type(optimizer).__name__.lower(), "learning_rate": self.learning_rate}

    def forward_begins(self) -> None:
        """Note that a layer begins a training forward pass."""
        if self._optimizer is None and self._backward_seen and not inside_backward():
            self.advance()
        self.passes += 1

    def backward_begins(self) -> None:
        """Note that a layer begins its backward pass."""
        self._backward_seen = True

    def advance(self) -> None:
        """End the step at hand, if it had a backward pass, and begin the next one."""
        if not self._backward_seen:
            return
        number = self.step
        self._backward_seen = False
        self.step += 1
        for listener in list(self.ended):
            listener(number)

    def _after_step(self, *_: Any) -> None:
        self.advance()

    def __deepcopy__(self, memo: dict[int, Any]) -> Clock:
        # A copied model trains, if at all, with an optimiser of its own.
        copied = Clock()
        copied.step = self.step
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return _at_step, (self.step,)


def scale_of(source: Any) -> Callable[[], float]:
    """Make a callable of what tells the loss scale: a GradScaler, a callable or a number."""
    if hasattr(source, "get_scale"):
        return lambda: float(source.get_scale())
    if callable(source):
        return lambda: float(source())
    if isinstance(source, (int, float)) and not isinstance(source, bool) and source > 0:
        return lambda: float(source)
    raise InputError.of("loss_scale", repr(source), "a GradScaler, a callable or a number above 0")


def inside_backward() -> bool:
    """Say whether this runs within a backward pass, as the recomputation of a checkpoint does."""
    return bool(torch._C._current_graph_task_id() != -1)


def _one() -> float:
    return 1.0


def _at_step(step: int) -> Clock:
    clock = Clock()
    clock.step = step
    return clock
