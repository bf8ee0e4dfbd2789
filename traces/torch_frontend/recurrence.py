"""A recurrent layer's walk over time as one autograd function, its backward pass written out.

Forward, for t in the order of the layer's direction: ``Z_t = W x_t + U h_{t-1} + b``, and the gates' own formulas
(`lstm.py`, `gru.py`, `rnn.py`). Backward, in the opposite order::

    dh_t = (from above) + U' dG_{t+1} + (what does not pass a gate)
    dG_t = dh_t, dc_t times the gates' derivatives
    dG_t = dG_t where the policy keeps it, else an exact 0

and over all time steps ``dx = W' dG``, ``dW = dG x'``, ``dU = dG h'`` and ``db = sum of dG``: every product reads the
thresholded dG, as `traces.numpy_frontend.lstm` does. The cell path dc of an LSTM is not thresholded.

Sequences of different lengths lie in descending order of length, so that those that reach time step t are the first
``sizes[t]`` of the batch; the others keep their state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.autograd.function import once_differentiable

from traces.torch_frontend.clock import inside_backward
from traces.torch_frontend.tap import Seen, Tap, Tensor, refuse_reentrant


class Gates(Protocol):
    """What is particular to a kind of layer."""

    @property
    def count(self) -> int:
        """Number of gates G."""

    @property
    def to_trace(self) -> tuple[int, ...]:
        """For each gate of the trace its place in PyTorch's order."""

    @property
    def two_sided(self) -> bool:
        """Whether the gradients of ``W x`` and ``U h`` differ (GRU)."""

    def forward(self, walk: Walk, z: Tensor, h: Tensor, c: Tensor | None, U: Tensor, b_hh: Tensor | None) -> Passed:
        """Walk over time; ``z`` [T, B, G*H] holds W x + b and becomes the activations."""

    def begin_backward(self, saved: tuple[Tensor, ...]) -> Any:
        """Make what the backward walk reads, from what the forward walk saved."""

    def gradient(self, state: Any, t: int, n: int, dh: Tensor, dc: Tensor | None, out: Tensor) -> Tensor | None:
        """Write dG of a time step to ``out`` [n, G, H] in the trace's order; returns dc of the time step before.

        ``state.dc`` is then the dc that dG was computed from.
        """

    def hidden_side(self, state: Any, t: int, n: int, dG: Tensor) -> Tensor:
        """Make the gradient of ``U h`` [n, G, H] from dG; asked where the layer is two-sided."""

    def hidden_sides(self, state: Any, dG: Tensor) -> Tensor:
        """Make it of all time steps, [T, B, G, H]."""

    def direct(self, state: Any, t: int, n: int, dh: Tensor) -> Tensor | None:
        """Give the part of dh of the time step before that passes no gate, [n, H]; None where there is none."""

    def causes(self, state: Any, raw: Tensor, dh: Tensor, dc: Tensor | None, real: Tensor) -> dict[str, int]:
        """Count the zeros of ``raw`` [T, B, G, H] in the ``real`` [T, B] rows by their first cause."""

    def activations(self, saved: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Name the activations [T, B, H] of the gates."""


@dataclass(frozen=True)
class Walk:
    """How a layer goes over its sequence.

    Attributes
    ----------
    gates : Gates
    tap : Tap
    call : int
        Which forward pass of the step it is.
    reverse : bool
        From the last time step to the first.
    sizes : tuple of int [T]
        How many sequences reach each time step.
    order : integers [B] or None
        Where each of the user's sequences lies in the batch.
    recomputed : bool
        Whether it runs within a backward pass.
    """

    gates: Gates
    tap: Tap
    call: int
    reverse: bool
    sizes: tuple[int, ...]
    order: Tensor | None
    recomputed: bool

    @property
    def times(self) -> range:
        """Time steps in the order of the forward pass."""
        return range(len(self.sizes) - 1, -1, -1) if self.reverse else range(len(self.sizes))

    def lengths(self, batch: int) -> list[int] | None:
        """Real time steps of each sequence; None where all are."""
        if all(size == batch for size in self.sizes):
            return None
        return [sum(size > b for size in self.sizes) for b in range(batch)]


@dataclass(frozen=True)
class Passed:
    """What a forward walk returns: outputs [T, B, H], last states [B, H], and what the backward walk reads."""

    out: Tensor
    h: Tensor
    c: Tensor | None
    before: Tensor
    saved: tuple[Tensor, ...]


def join(new: Tensor, old: Tensor) -> Tensor:
    """Give the state of a batch [B, H] of which the first sequences moved on."""
    return new if len(new) == len(old) else torch.cat([new, old[len(new) :]])


def recur(
    gates: Gates,
    tap: Tap,
    x: Tensor,
    state: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    sizes: tuple[int, ...],
    reverse: bool = False,
    order: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Run one layer in one direction.

    Parameters
    ----------
    x : floating [T, B, D]
        Zero where a sequence has ended.
    state : tuple of floating [B, H]
        h, and c of an LSTM.
    weights : tuple of floating
        W [G*H, D], U [G*H, H] and, unless the layer has none, b_ih and b_hh [G*H]; gates in PyTorch's order.
    sizes, reverse, order
        See `Walk`.

    Returns
    -------
    out : floating [T, B, H]
    h, c : floating [B, H]
        The last states; c of an LSTM alone.
    """
    device = x.device.type
    low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    if low is not None:
        # As `module.to(low)` would: the products, the gates and the states are all of the low precision.
        x, state, weights = x.to(low), tuple(s.to(low) for s in state), tuple(w.to(low) for w in weights)
    walk = Walk(gates, tap, tap.forward_begins(x), reverse, sizes, order, inside_backward())
    h, c = state if len(state) == 2 else (state[0], None)
    W, U, *biases = weights
    b_ih, b_hh = biases if biases else (None, None)
    with torch.autocast(device, enabled=False):
        out, h, c = Recurrence.apply(walk, x, h, c, W, U, b_ih, b_hh)
    return (out, h) if c is None else (out, h, c)


class Recurrence(torch.autograd.Function):
    """See the module's text; `recur` is how it is called."""

    @staticmethod
    def forward(
        ctx: Any,
        walk: Walk,
        x: Tensor,
        h: Tensor,
        c: Tensor | None,
        W: Tensor,
        U: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Walk forward over time."""
        T, B, D = x.shape
        flat = x.reshape(T * B, D)
        z = flat @ W.T if b_ih is None else torch.addmm(b_ih, flat, W.T)
        passed = walk.gates.forward(walk, z.view(T, B, -1), h, c, U, b_hh)
        ctx.walk, ctx.has_bias, ctx.has_cell = walk, b_ih is not None, c is not None
        ctx.save_for_backward(x, W, U, passed.before, *passed.saved)
        return passed.out, passed.h, passed.c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor | None) -> tuple[Tensor | None, ...]:
        """Walk backward over time, then take the products."""
        with torch.autocast(d_out.device.type, enabled=False):
            return _backward(ctx, d_out, d_h, d_c)


def _backward(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor | None) -> tuple[Tensor | None, ...]:
    walk: Walk = ctx.walk
    gates, tap = walk.gates, walk.tap
    x, W, U, before, *saved = ctx.saved_tensors
    _, need_x, need_h, need_c, need_W, need_U, need_b_ih, need_b_hh = ctx.needs_input_grad
    (T, B, H), G = before.shape, gates.count
    order = list(gates.to_trace)
    U_trace = U.view(G, H, H)[order].view(G * H, H)
    state = gates.begin_backward(tuple(saved))
    tap.clock.backward_begins()
    observed = tap.observer is not None
    # Time steps that a sequence does not reach stay zero.
    dG = d_out.new_zeros(T, B, G, H) if walk.sizes[-1] < B else d_out.new_empty(T, B, G, H)
    dG_hidden = torch.zeros_like(dG) if gates.two_sided else dG
    raw = torch.zeros_like(dG) if observed else None
    quantised = torch.zeros_like(dG) if observed and tap.quantiser is not None else None
    seen_dh = d_out.new_zeros(T, B, H) if observed else None
    seen_dc = d_out.new_zeros(T, B, H) if observed and ctx.has_cell else None
    dh, dc = d_h, d_c
    times = walk.times[::-1]
    for t in times:
        n = walk.sizes[t]
        whole_dh = dh[:n] + d_out[t, :n]
        dG_t = dG[t, :n]  # (n, G, H)
        dc_before = gates.gradient(state, t, n, whole_dh, dc, dG_t)
        if raw is not None and seen_dh is not None:
            raw[t, :n], seen_dh[t, :n] = dG_t, whole_dh
            if seen_dc is not None:
                seen_dc[t, :n] = state.dc
        if tap.changes:
            kept, rounded = tap.sparsify(dG_t.permute(1, 2, 0), t + walk.call * T)
            dG_t.copy_(kept.permute(2, 0, 1))
            if quantised is not None and rounded is not None:
                quantised[t, :n] = rounded.permute(2, 0, 1)
        side = dG_t
        if gates.two_sided:
            side = dG_hidden[t, :n]
            side.copy_(gates.hidden_side(state, t, n, dG_t))
        if dc is not None and dc_before is not None:
            dc = join(dc_before, dc)
        if need_h or t != times[-1]:
            back = side.reshape(n, G * H) @ U_trace
            direct = gates.direct(state, t, n, whole_dh)
            dh = join(back if direct is None else back.add_(direct), dh)
    flat, flat_hidden = dG.view(T * B, G * H), dG_hidden.view(T * B, G * H)
    in_torch_order = [order.index(gate) for gate in range(G)]

    def reordered(product: Tensor) -> Tensor:
        return product.view(G, H, *product.shape[1:])[in_torch_order].view(product.shape)

    dx = dW = dU = db_ih = db_hh = None
    if need_x:
        dx = (flat @ W.view(G, H, -1)[order].view(G * H, -1)).view(T, B, -1)
    if need_W:
        dW = reordered(flat.T @ x.reshape(T * B, -1))
    if need_U:
        dU = reordered(flat_hidden.T @ before.view(T * B, H))
    if need_b_ih or need_b_hh:
        db_ih = reordered(flat.sum(0))
        db_hh = reordered(flat_hidden.sum(0)) if gates.two_sided else db_ih.clone()
    if tap.observer is not None and raw is not None and seen_dh is not None:
        if walk.recomputed:
            refuse_reentrant(tap)
        gradients = seen_dh, seen_dc
        two = (dG_hidden, gates.hidden_sides(state, raw)) if gates.two_sided else (None, None)
        seen = Seen(
            call=walk.call,
            gate_gradient=dG,
            raw=raw,
            quantised=quantised,
            gate_gradient_hidden=two[0],
            raw_hidden=two[1],
            x=x,
            hidden=before,
            lengths=walk.lengths(B),
            rows=False,
            loss_scale=tap.clock.loss_scale(),
            causes=lambda real: gates.causes(state, raw, *gradients, real),
            activations=gates.activations(tuple(saved)),
            order=walk.order,
        )
        tap.observer(tap, seen)
    return None, dx, dh if need_h else None, dc if need_c else None, dW, dU, db_ih, db_hh
