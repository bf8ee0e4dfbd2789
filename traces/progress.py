"""Where a training stands: what both front-ends tell who watches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a recording stands after a step.

    Attributes
    ----------
    step, steps : int
        Steps taken and to be taken.
    loss : float
        Of this step, nats per token (a character or a word).
    sparsity : float or None
        Share of zeros in dG over all layers at the last recorded step; None before it, and where the trace alone tells
        it.
    valid_loss : float or None
        Nats per token at the last point of the curve; None before it.
    """

    step: int
    steps: int
    loss: float
    sparsity: float | None
    valid_loss: float | None
