"""Linear layers, the case G = 1: dG is the gradient of the pre-activation output, thresholded before dx, dW and db."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from traces.torch_frontend.clock import inside_backward
from traces.torch_frontend.tap import Seen, Tap, Tensor, refuse_reentrant


class SparseLinear(nn.Linear):
    """An ``nn.Linear`` whose output's gradient is thresholded."""

    taps: list[Tap]

    def forward(self, input: Any) -> Any:
        """Compute what ``nn.Linear`` does."""
        return gated_linear(input, self.weight, self.bias, self.taps[0])


def gated_linear(x: Tensor, W: Tensor, b: Tensor | None, tap: Tap, time_first: bool | None = None) -> Tensor:
    """Compute ``x W' + b`` such that its backward pass reads a thresholded dG.

    Parameters
    ----------
    x : floating [..., D]
    W : floating [H, D]
    b : floating [H] or None
    tap : Tap
    time_first : bool, optional
        Whether an x of three axes is [T, B, D]; the tap's own layout if left out.
    """
    y = functional.linear(x, W, b)
    if not (torch.is_grad_enabled() and y.requires_grad):
        return y
    time_first = not tap.batch_first if time_first is None else time_first
    return Gate.apply(y, x.detach(), tap, tap.forward_begins(x), time_first, inside_backward())


class Gate(torch.autograd.Function):
    """The identity, whose backward pass thresholds: what comes before reads the thresholded gradient alone."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, tap: Tap, call: int, time_first: bool, recomputed: bool) -> Tensor:
        """Return y."""
        ctx.tap, ctx.call, ctx.time_first, ctx.recomputed = tap, call, time_first, recomputed
        ctx.save_for_backward(x)
        return y.view_as(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, raw: Tensor) -> tuple[Tensor | None, ...]:
        """Threshold dG, all rows of a forward pass at once."""
        tap: Tap = ctx.tap
        tap.clock.backward_begins()
        kept, quantised = raw, None
        if tap.changes:
            H = raw.shape[-1]
            rows, rounded = tap.sparsify(raw.reshape(-1, 1, H).permute(1, 2, 0), ctx.call)
            kept = rows.permute(2, 0, 1).reshape(raw.shape)
            quantised = None if rounded is None else rounded.permute(2, 0, 1).reshape(raw.shape)
        if tap.observer is not None:
            if ctx.recomputed:
                refuse_reentrant(tap)
            tap.observer(tap, _seen(ctx, tap, raw, kept, quantised))
        return kept, None, None, None, None, None


def _seen(ctx: Any, tap: Tap, raw: Tensor, kept: Tensor, quantised: Tensor | None) -> Seen:
    def laid(tensor: Tensor) -> Tensor:
        """Lay [..., F] out as [T, B, F]; rows without an order of time as [rows, 1, F]."""
        if tensor.dim() != 3:
            return tensor.reshape(-1, 1, tensor.shape[-1])
        return tensor if ctx.time_first else tensor.transpose(0, 1)

    def gate(tensor: Tensor) -> Tensor:
        return laid(tensor)[:, :, None]

    def causes(real: Tensor) -> dict[str, int]:
        zeros = int(((gate(raw) == 0) & real[:, :, None, None]).sum())
        padding = int((~real).sum()) * raw.shape[-1]
        return {"saturated": 0, "zero_state": 0, "upstream": zeros, "underflow": 0, "padding": padding}

    (x,) = ctx.saved_tensors
    return Seen(
        call=ctx.call,
        gate_gradient=gate(kept),
        raw=gate(raw),
        quantised=None if quantised is None else gate(quantised),
        gate_gradient_hidden=None,
        raw_hidden=None,
        x=laid(x),
        hidden=None,
        lengths=None,
        rows=raw.dim() != 3,
        loss_scale=tap.clock.loss_scale(),
        causes=causes,
    )
