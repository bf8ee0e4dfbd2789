"""Why a gate gradient was zero before its threshold, by gate."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from traces.torch_frontend.tap import Tensor

CAUSES = ("saturated", "zero_state", "upstream", "underflow")


class CauseCount:
    """Counts each natural zero of a backward pass once, for the first cause that holds.

    Parameters
    ----------
    raw : floating [T, B, G, H]
        dG before quantisation and threshold.
    real : bool [T, B]
        Rows that are not padding; the elements of the others count as ``padding``.

    Attributes
    ----------
    counts : dict of str to int
        ``saturated``: a derivative is an exact zero; ``zero_state``: what the gate is multiplied with is; ``upstream``:
        no gradient arrives; ``underflow``: any other zero, whose factors are not zero and their product is.
    """

    def __init__(self, raw: Tensor, real: Tensor) -> None:
        padding = real.numel() - int(torch.count_nonzero(real))
        self.counts = dict.fromkeys(CAUSES, 0) | {"padding": padding * raw.shape[2] * raw.shape[3]}
        self._raw, self._real = raw, real[:, :, None]

    def gates(self) -> Iterator[tuple[int, Tensor]]:
        """Give the number of each gate that has zeros, with where they are, bool [T, B, H]."""
        for gate, raw in enumerate(self._raw.unbind(2)):
            zeros = (raw == 0).logical_and_(self._real)
            if bool(zeros.any()):
                yield gate, zeros

    def add(self, zeros: Tensor, saturated: Tensor, zero_state: Tensor | None, upstream: Tensor) -> None:
        """Count the zeros of a gate, given where each cause holds, bool [T, B, H]; None: nowhere."""
        left = zeros
        for cause, holds in (("saturated", saturated), ("zero_state", zero_state), ("upstream", upstream)):
            if holds is not None:
                self.counts[cause] += int(torch.count_nonzero(left & holds))
                left = left & ~holds
        self.counts["underflow"] += int(torch.count_nonzero(left))
