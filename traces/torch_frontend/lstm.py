"""LSTM: ``i, f, o = sigmoid of their rows of Z``, ``g = tanh of its rows``, ``c = f c + i g``, ``h = o tanh(c)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from traces.torch_frontend.recurrence import Passed, Walk, join
from traces.torch_frontend.tap import Tensor
from traces.torch_frontend.zero_causes import CauseCount


@dataclass(eq=False)
class _Backward:
    """What the backward walk reads: factors of dG [T, B, 4, H] and of dc [T, B, H], and what they were made of."""

    factors: Tensor
    cell_factor: Tensor
    forget: Tensor
    gates: tuple[Tensor, Tensor, Tensor, Tensor]
    before: Tensor
    cell_tanh: Tensor
    dc: Tensor


class LSTMGates:
    """The gates of ``nn.LSTM``, which PyTorch keeps in the order i, f, g, o."""

    count = 4
    to_trace = (0, 1, 3, 2)
    two_sided = False

    def forward(self, walk: Walk, z: Tensor, h: Tensor, c: Tensor, U: Tensor, b_hh: Tensor | None) -> Passed:
        """Walk over time; see `traces.torch_frontend.recurrence.Gates`."""
        (T, B, _), H = z.shape, U.shape[1]
        if b_hh is not None:
            z += b_hh
        out, before, cells, cell_tanh = (z.new_zeros(T, B, H) for _ in range(4))
        U_transposed = U.T
        for t in walk.times:
            n = walk.sizes[t]
            before[t], cells[t] = h, c
            z_t = z[t, :n]
            z_t.addmm_(h[:n], U_transposed)
            z_t[:, : 2 * H].sigmoid_()
            z_t[:, 2 * H : 3 * H].tanh_()
            z_t[:, 3 * H :].sigmoid_()
            i, f, g, o = z_t.view(n, 4, H).unbind(1)
            c_t = (f * c[:n]).addcmul_(i, g)
            torch.tanh(c_t, out=cell_tanh[t, :n])
            torch.mul(o, cell_tanh[t, :n], out=out[t, :n])
            h, c = join(out[t, :n], h), join(c_t, c)
        return Passed(out, h.clone(), c, before, (z, cells, cell_tanh))

    def begin_backward(self, saved: tuple[Tensor, ...]) -> _Backward:
        """Compute the factors of all time steps at once: none of them needs the gradient."""
        z, cells, cell_tanh = saved
        T, B, H = cells.shape
        i, f, g, o = z.view(T, B, 4, H).unbind(2)
        factors = torch.empty_like(z).view(T, B, 4, H)
        torch.mul(i * (1 - i), g, out=factors[:, :, 0])
        torch.mul(f * (1 - f), cells, out=factors[:, :, 1])
        torch.mul(o * (1 - o), cell_tanh, out=factors[:, :, 2])
        torch.mul(1 - g * g, i, out=factors[:, :, 3])
        cell_factor = (1 - cell_tanh * cell_tanh) * o
        return _Backward(factors, cell_factor, f, (i, f, o, g), cells, cell_tanh, cell_factor)

    def gradient(self, state: _Backward, t: int, n: int, dh: Tensor, dc: Tensor, out: Tensor) -> Tensor:
        """Write dG of a time step; see `traces.torch_frontend.recurrence.Gates`."""
        state.dc = dc = torch.addcmul(dc[:n], dh, state.cell_factor[t, :n])
        factors = state.factors[t, :n]
        torch.mul(factors[:, :2], dc[:, None], out=out[:, :2])
        torch.mul(factors[:, 2], dh, out=out[:, 2])
        torch.mul(factors[:, 3], dc, out=out[:, 3])
        return dc * state.forget[t, :n]

    def hidden_side(self, state: Any, t: int, n: int, dG: Tensor) -> Tensor:
        """Return dG: W x and U h have one gradient."""
        return dG

    def hidden_sides(self, state: Any, dG: Tensor) -> Tensor:
        """Return dG."""
        return dG

    def direct(self, state: Any, t: int, n: int, dh: Tensor) -> None:
        """Return None: h reaches the next time step through the gates alone."""

    def causes(self, state: _Backward, raw: Tensor, dh: Tensor, dc: Tensor, real: Tensor) -> dict[str, int]:
        """Count natural zeros as `traces.numpy_frontend.diagnosis.LayerDiagnosis.natural_zeros` does."""
        count = CauseCount(raw, real)
        (i, f, o, g), tanh_c = state.gates, state.cell_tanh
        no_dh, no_dc = dh == 0, dc == 0
        cell_closed = ((1 - tanh_c * tanh_c) * o == 0) & no_dc
        for gate, zeros in count.gates():
            if gate == 0:
                count.add(zeros, (i * (1 - i) == 0) | cell_closed, g == 0, no_dh & no_dc)
            elif gate == 1:
                count.add(zeros, (f * (1 - f) == 0) | cell_closed, state.before == 0, no_dh & no_dc)
            elif gate == 2:
                count.add(zeros, o * (1 - o) == 0, tanh_c == 0, no_dh)
            else:
                count.add(zeros, (1 - g * g == 0) | (i == 0) | cell_closed, None, no_dh & no_dc)
        return count.counts

    def activations(self, saved: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Name the activations [T, B, H] of the gates."""
        z, cells, _ = saved
        i, f, g, o = z.view(*cells.shape[:2], 4, -1).unbind(2)
        return {"i": i, "f": f, "o": o, "g": g}
