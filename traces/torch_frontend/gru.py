"""GRU, reset-after form: ``r, z = sigmoid``, ``n = tanh(x part + r (U_n h + b_hn))``, ``h = (1 - z) n + z h``.

The gradients of ``W x`` and of ``U h`` are equal for r and z; for n the hidden side is r times the input side. The
policy is asked once a time step, of the input side; the hidden side is made from what it kept, and so inherits its
zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from traces.torch_frontend.recurrence import Passed, Walk, join
from traces.torch_frontend.tap import Tensor
from traces.torch_frontend.zero_causes import CauseCount


@dataclass(eq=False)
class _Backward:
    """Factors of dG [T, B, 3, H], the gates [T, B, H], and n's hidden part ``U_n h + b_hn``."""

    factors: Tensor
    gates: tuple[Tensor, Tensor, Tensor]
    hidden_part: Tensor
    before: Tensor


class GRUGates:
    """The gates of ``nn.GRU``, r, z, n in PyTorch and in the trace."""

    count = 3
    to_trace = (0, 1, 2)
    two_sided = True

    def forward(self, walk: Walk, z: Tensor, h: Tensor, c: None, U: Tensor, b_hh: Tensor | None) -> Passed:
        """Walk over time; see `traces.torch_frontend.recurrence.Gates`."""
        (T, B, _), H = z.shape, U.shape[1]
        out, before, hidden_part = (z.new_zeros(T, B, H) for _ in range(3))
        U_transposed = U.T
        for t in walk.times:
            m = walk.sizes[t]
            before[t] = h
            recurrent = h[:m] @ U_transposed if b_hh is None else torch.addmm(b_hh, h[:m], U_transposed)
            z_t = z[t, :m]
            z_t[:, : 2 * H].add_(recurrent[:, : 2 * H]).sigmoid_()
            hidden_part[t, :m] = recurrent[:, 2 * H :]
            r, update, n = z_t.view(m, 3, H).unbind(1)
            n.addcmul_(r, hidden_part[t, :m]).tanh_()
            torch.addcmul(n, update, h[:m] - n, out=out[t, :m])
            h = join(out[t, :m], h)
        return Passed(out, h.clone(), None, before, (z, hidden_part, before))

    def begin_backward(self, saved: tuple[Tensor, ...]) -> _Backward:
        """Compute the factors of all time steps at once: dG is dh times them."""
        z, hidden_part, before = saved
        T, B, H = before.shape
        r, update, n = z.view(T, B, 3, H).unbind(2)
        factors = torch.empty_like(z).view(T, B, 3, H)
        torch.mul(1 - update, 1 - n * n, out=factors[:, :, 2])
        torch.mul(update * (1 - update), before - n, out=factors[:, :, 1])
        torch.mul(factors[:, :, 2] * hidden_part, r * (1 - r), out=factors[:, :, 0])
        return _Backward(factors, (r, update, n), hidden_part, before)

    def gradient(self, state: _Backward, t: int, n: int, dh: Tensor, dc: None, out: Tensor) -> None:
        """Write dG of a time step; see `traces.torch_frontend.recurrence.Gates`."""
        torch.mul(state.factors[t, :n], dh[:, None], out=out)

    def hidden_side(self, state: _Backward, t: int, n: int, dG: Tensor) -> Tensor:
        """Multiply n's gradient by r."""
        side = dG.clone()
        side[:, 2] *= state.gates[0][t, :n]
        return side

    def hidden_sides(self, state: _Backward, dG: Tensor) -> Tensor:
        """Multiply n's gradient by r at all time steps."""
        side = dG.clone()
        side[:, :, 2] *= state.gates[0]
        return side

    def direct(self, state: _Backward, t: int, n: int, dh: Tensor) -> Tensor:
        """Give what the update gate lets through."""
        return dh * state.gates[1][t, :n]

    def causes(self, state: _Backward, raw: Tensor, dh: Tensor, dc: None, real: Tensor) -> dict[str, int]:
        """Count natural zeros: a closed update gate or a saturated n closes n and r."""
        count = CauseCount(raw, real)
        r, update, n = state.gates
        closed, no_dh = (1 - n * n == 0) | (1 - update == 0), dh == 0
        for gate, zeros in count.gates():
            if gate == 0:
                count.add(zeros, (r * (1 - r) == 0) | closed, state.hidden_part == 0, no_dh)
            elif gate == 1:
                count.add(zeros, update * (1 - update) == 0, state.before - n == 0, no_dh)
            else:
                count.add(zeros, closed, None, no_dh)
        return count.counts

    def activations(self, saved: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Name the activations [T, B, H] of the gates."""
        z, hidden_part, _ = saved
        r, update, n = z.view(*hidden_part.shape[:2], 3, -1).unbind(2)
        return {"r": r, "z": update, "n": n}
