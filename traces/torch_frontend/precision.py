"""Gate gradients of few bits, as a stand-in for low-precision training: fixed point and powers of two.

Hubara et al. (arXiv 1609.07061) train recurrent networks with quantised weights, activations and gradients. Here dG
alone is quantised, before its threshold, with the range taken anew from each time step's largest element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from traces.errors import InputError, nearest

KINDS = ("fixed", "log")
WHERE = "quantize"


@dataclass(frozen=True)
class Quantiser:
    """Round dG to the numbers that so many bits can tell apart.

    Parameters
    ----------
    bits : int
        From 2 to 16, the sign among them.
    kind : {"fixed", "log"}
        ``fixed``: multiples of largest / (2^(bits-1) - 1). ``log``: zero and powers of two, 2^(bits-1) - 1 of them
        down from the one at or above the largest; what is below the least one becomes it or zero, whichever is nearer.
    stochastic : bool
        Round up with the probability of the rest, from PyTorch's generator, so that the mean is kept.
    """

    bits: int
    kind: str = "fixed"
    stochastic: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 2 <= self.bits <= 16:
            raise InputError.of(f"{WHERE} bits", repr(self.bits), "an integer from 2 to 16")
        if self.kind not in KINDS:
            raise InputError.of(f"{WHERE} kind", repr(self.kind), f"one of {', '.join(KINDS)}")
        if not isinstance(self.stochastic, bool):
            raise InputError.of(f"{WHERE} stochastic", repr(self.stochastic), "true or false")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any] | Quantiser | None) -> Quantiser | None:
        """Read ``{"bits": 8, "kind": "fixed", "stochastic": false}``; only ``bits`` is required."""
        if mapping is None or isinstance(mapping, Quantiser):
            return mapping
        if not isinstance(mapping, Mapping) or "bits" not in mapping:
            raise InputError.of(WHERE, repr(mapping), "a mapping with the key 'bits', such as {'bits': 8}")
        known = ("bits", "kind", "stochastic")
        for key in mapping:
            if key not in known:
                raise InputError.of(f"{WHERE} {key}", "an unknown key", ", ".join(known), nearest(str(key), known))
        return cls(**mapping)

    def to_mapping(self) -> dict[str, Any]:
        """Return it as a trace header has it."""
        return {"bits": self.bits, "kind": self.kind, "stochastic": self.stochastic}

    def quantise(self, gradient: Any) -> Any:
        """Return the quantised gradient, a new tensor of the same shape and dtype."""
        levels = 2 ** (self.bits - 1) - 1
        values = gradient if gradient.dtype == torch.float64 else gradient.float()
        largest = values.abs().amax() if values.numel() else values.new_zeros(())
        if not bool(largest > 0):  # all zero, or NaN: nothing to take a range from
            return gradient.clone()
        if self.kind == "fixed":
            unit = largest / levels
            return (self._round(values / unit) * unit).to(gradient.dtype)
        top = torch.ceil(torch.log2(largest))
        least = top - levels + 1
        size = values.abs()
        floor = torch.exp2(torch.floor(torch.log2(size.clamp_min(torch.finfo(values.dtype).tiny))).clamp(min=least))
        below = size < floor  # beneath the least power: between it and zero
        whole = torch.where(below, torch.zeros_like(size), floor)
        # The rest of the way to the next power of two, from 0 to 1.
        power = whole + floor * self._round((size - whole) / floor).clamp(0, 1)
        return (power * values.sign()).to(gradient.dtype)

    def _round(self, values: Any) -> Any:
        return torch.floor(values + torch.rand_like(values)) if self.stochastic else torch.round(values)
