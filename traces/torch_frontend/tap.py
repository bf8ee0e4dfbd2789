"""The place in a layer's backward pass where its gate gradient is thresholded and looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from traces.errors import InputError
from traces.header import Layer
from traces.thresholds import Moment, Thresholder
from traces.torch_frontend.clock import Clock
from traces.torch_frontend.precision import Quantiser

Tensor = Any
"""A `torch.Tensor`; mypy does not look into torch."""


@dataclass(eq=False)
class Seen:
    """What one backward pass of a layer had: T time steps, batch B, G gates of H units in the trace's order.

    Attributes
    ----------
    call : int
        Which forward pass of the layer within the step it belongs to, from 0.
    gate_gradient : floating [T, B, G, H]
        As computed with: quantised and thresholded.
    raw : floating [T, B, G, H]
        As the backward pass made it.
    quantised : floating [T, B, G, H] or None
        After quantisation and before the threshold; None where nothing is quantised.
    gate_gradient_hidden : floating [T, B, G, H] or None
        GRU: the hidden-side gradient.
    raw_hidden : floating [T, B, G, H] or None
        GRU: the hidden-side gradient of ``raw``.
    x : floating [T, B, D]
    hidden : floating [T, B, H] or None
        h_{t-1}; None in a layer without time.
    lengths : int list [B] or None
        How many time steps of each sequence are real; None: all of them.
    rows : bool
        The rows are tokens in no order of time: T and B mean nothing but their product.
    loss_scale : float
        By which the gradients are too large.
    causes : callable
        Counts the zeros of ``raw`` by their cause, in the rows that its argument, bool [T, B], says are real.
    activations : dict of str to floating [T, B, H]
        The gates' activations by name.
    order : integers [B] or None
        Where each of the user's sequences lies in the batch.
    """

    call: int
    gate_gradient: Tensor
    raw: Tensor
    quantised: Tensor | None
    gate_gradient_hidden: Tensor | None
    raw_hidden: Tensor | None
    x: Tensor
    hidden: Tensor | None
    lengths: list[int] | None
    rows: bool
    loss_scale: float
    causes: Callable[[Tensor], dict[str, int]]
    activations: dict[str, Tensor] = field(default_factory=dict)
    order: Tensor | None = None


@dataclass(eq=False)
class Tap:
    """One layer of the trace within a model: who thresholds its gate gradient, and who looks at it.

    Attributes
    ----------
    name, kind, direction : str
        As the trace's header has them.
    input_size, hidden_size : int
    thresholder : Thresholder or None
    clock : Clock
        Shared by all layers of the model.
    quantiser : Quantiser or None
    observer : callable or None
        Called with what each backward pass had, while a recorder wants it.
    calls : int
        Training forward passes of this step so far.
    batch_first : bool
        Whether an input of three axes is [B, T, D], in layers that do not know it themselves.
    place : int
        When its first forward pass of this step began: the layers of the trace stand in this order.
    input_needs_gradient : bool
        Whether the last forward pass's input had one.
    """

    name: str
    kind: str
    input_size: int
    hidden_size: int
    direction: str
    thresholder: Thresholder | None
    clock: Clock
    quantiser: Quantiser | None = None
    observer: Callable[[Tap, Seen], None] | None = None
    batch_first: bool = False
    calls: int = 0
    place: int = 0
    input_needs_gradient: bool = False
    _calls_of_step: int = 0

    def layer(self) -> Layer:
        """Describe the layer as the header does."""
        sizes = self.input_size, self.hidden_size
        return Layer(self.name, self.kind, *sizes, (), self.direction, self.input_needs_gradient)

    def forward_begins(self, x: Tensor) -> int:
        """Note a training forward pass; returns which one of the step it is, from 0."""
        self.clock.forward_begins()
        if self._calls_of_step != self.clock.step:
            self._calls_of_step, self.calls, self.place = self.clock.step, 0, self.clock.passes
            self.input_needs_gradient = False
        self.input_needs_gradient |= bool(x.requires_grad)
        self.calls += 1
        return self.calls - 1

    @property
    def changes(self) -> bool:
        """Whether dG may become another than the backward pass made it."""
        return self.thresholder is not None or self.quantiser is not None

    def sparsify(self, gradient: Tensor, time: int) -> tuple[Tensor, Tensor | None]:
        """Quantise and threshold a time step's dG [G, H, B].

        Time goes on through the forward passes of a step, as it does in the trace: a cell that is called token by token
        looks to the policy as a layer does.

        Thresholds are in units of the gradient without loss scaling. A gradient of low precision is compared as
        float32: dividing float16 by the scale would make zeros of its own.

        Returns
        -------
        kept : floating [G, H, B]
        quantised : floating [G, H, B] or None
            What was thresholded, where it was quantised.
        """
        quantised = None
        if self.quantiser is not None:
            gradient = quantised = self.quantiser.quantise(gradient)
        if self.thresholder is None:
            return gradient, quantised
        moment = Moment(self.clock.step, time, self.clock.learning_rate)
        scale = self.clock.loss_scale()
        if gradient.dtype in (torch.float16, torch.bfloat16):
            kept = (self.thresholder.sparsify(gradient.float() / scale, moment) * scale).to(gradient.dtype)
        elif scale != 1:
            kept = self.thresholder.sparsify(gradient / scale, moment) * scale
        else:
            kept = self.thresholder.sparsify(gradient, moment)
        return kept, quantised

    def __getstate__(self) -> dict[str, Any]:
        # A copy of the model is another model: no recorder looks at it.
        return self.__dict__ | {"observer": None}


def refuse_reentrant(tap: Tap) -> None:
    """Refuse to record a layer whose forward pass ran within a backward pass: its place in the step is not known."""
    raise InputError.of(
        f"layer {tap.name}",
        "activation checkpointing that runs the layer anew as another one (re-entrant)",
        "a layer that is run once, or torch.utils.checkpoint.checkpoint(..., use_reentrant=False)",
    )
