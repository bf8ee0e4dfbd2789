"""Plain recurrent layer: ``h = tanh(Z)`` or ``h = max(Z, 0)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from traces.torch_frontend.recurrence import Passed, Walk, join
from traces.torch_frontend.tap import Tensor
from traces.torch_frontend.zero_causes import CauseCount


@dataclass(eq=False)
class _Backward:
    """The derivative of the nonlinearity, [T, B, H]."""

    derivative: Tensor


@dataclass(frozen=True)
class RNNGates:
    """The one gate of ``nn.RNN``.

    Parameters
    ----------
    nonlinearity : {"tanh", "relu"}
    """

    nonlinearity: str
    count: int = 1
    to_trace: tuple[int, ...] = (0,)
    two_sided: bool = False

    def forward(self, walk: Walk, z: Tensor, h: Tensor, c: None, U: Tensor, b_hh: Tensor | None) -> Passed:
        """Walk over time; see `traces.torch_frontend.recurrence.Gates`."""
        if b_hh is not None:
            z += b_hh
        (T, B, H), out = z.shape, torch.zeros_like(z)
        before = z.new_zeros(T, B, H)
        U_transposed = U.T
        for t in walk.times:
            n = walk.sizes[t]
            before[t] = h
            z_t = torch.addmm(z[t, :n], h[:n], U_transposed)
            out[t, :n] = z_t.tanh_() if self.nonlinearity == "tanh" else z_t.relu_()
            h = join(out[t, :n], h)
        return Passed(out, h.clone(), None, before, (out,))

    def begin_backward(self, saved: tuple[Tensor, ...]) -> _Backward:
        """Compute the derivative at all time steps at once."""
        (out,) = saved
        return _Backward(1 - out * out if self.nonlinearity == "tanh" else (out > 0).to(out.dtype))

    def gradient(self, state: _Backward, t: int, n: int, dh: Tensor, dc: None, out: Tensor) -> None:
        """Write dG of a time step; see `traces.torch_frontend.recurrence.Gates`."""
        torch.mul(state.derivative[t, :n], dh, out=out[:, 0])

    def hidden_side(self, state: Any, t: int, n: int, dG: Tensor) -> Tensor:
        """Return dG: W x and U h have one gradient."""
        return dG

    def hidden_sides(self, state: Any, dG: Tensor) -> Tensor:
        """Return dG."""
        return dG

    def direct(self, state: Any, t: int, n: int, dh: Tensor) -> None:
        """Return None: h reaches the next time step through the gate alone."""

    def causes(self, state: _Backward, raw: Tensor, dh: Tensor, dc: None, real: Tensor) -> dict[str, int]:
        """Count natural zeros; a rectifier that is off counts as saturated."""
        count = CauseCount(raw, real)
        for _, zeros in count.gates():
            count.add(zeros, state.derivative == 0, None, dh == 0)
        return count.counts

    def activations(self, saved: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Name the activations [T, B, H]."""
        return {"h": saved[0]}
