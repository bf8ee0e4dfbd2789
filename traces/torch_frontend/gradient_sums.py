"""Sums over the gate gradients of a step: where zeros come from, how large the rest is, what a threshold costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from traces.torch_frontend.tap import Seen, Tensor

FIRST_EXPONENT, EXPONENTS = -64, 80
"""The histogram's bins: bin k counts elements with 2^(k - 64) <= |dG| < 2^(k - 63), k from 0 to 79. Smaller and larger
elements are in the outermost bins, zeros in none."""

COSINE_UNITS = 16
"""Units of each gate whose rows of dW and dU are compared, as `traces.numpy_frontend.diagnosis` does."""

Counts = npt.NDArray[np.int64]


@dataclass(eq=False)
class GradientSums:
    """Sums over one backward pass, or over several of a step; without loss scaling.

    Attributes
    ----------
    causes : dict of str to int
        Zeros of dG by their first cause: natural ones, and those of quantisation (``quantised``).
    thresholded : int
        Elements that the threshold made zero.
    elements : int
        Real ones.
    square_sum : float
        Of dG before quantisation and threshold.
    exponents : int64 [80]
        Histogram of log2 |dG|, before quantisation and threshold.
    products : dict of str to (floating [rows, n], floating [rows, n])
        Rows of dW and dU: of the dG before quantisation and threshold, and of the one that was computed with.
    """

    causes: dict[str, int]
    thresholded: int
    elements: int
    square_sum: float
    exponents: Counts
    products: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, seen: Seen, real: Tensor) -> GradientSums:
        """Sum over a backward pass; ``real`` bool [T, B] says which rows are no padding."""
        raw, rounded, dG = seen.raw, seen.quantised, seen.gate_gradient
        real_elements = real[:, :, None, None]
        causes = seen.causes(real)
        causes["quantised"] = 0
        before = raw
        if rounded is not None:
            causes["quantised"] = int(((rounded == 0) & (raw != 0) & real_elements).sum())
            before = rounded
        thresholded = int(((dG == 0) & (before != 0) & real_elements).sum())
        values = raw[real].double() / seen.loss_scale  # (rows, G, H)
        magnitudes = values.abs()
        magnitudes = magnitudes[(magnitudes > 0) & magnitudes.isfinite()]
        bins = (torch.frexp(magnitudes).exponent.long() - 1 - FIRST_EXPONENT).clamp(0, EXPONENTS - 1)
        return cls(
            causes,
            thresholded,
            values.numel(),
            float(values.square().sum()),
            torch.bincount(bins, minlength=EXPONENTS).cpu().numpy(),
            _products(seen),
        )

    def plus(self, other: GradientSums | None) -> GradientSums:
        """Add another backward pass of the same layer and step."""
        if other is None:
            return self
        return GradientSums(
            {cause: self.causes.get(cause, 0) + count for cause, count in other.causes.items()},
            self.thresholded + other.thresholded,
            self.elements + other.elements,
            self.square_sum + other.square_sum,
            self.exponents + other.exponents,
            {
                name: (raw + other.products[name][0], kept + other.products[name][1])
                for name, (raw, kept) in self.products.items()
            },
        )

    @property
    def rms(self) -> float:
        """Root of the mean square of dG before quantisation and threshold."""
        return math.sqrt(self.square_sum / self.elements) if self.elements else 0.0

    @property
    def histogram(self) -> dict[str, Any]:
        """The histogram as a step's entry has it."""
        return {"first_exponent": FIRST_EXPONENT, "counts": self.exponents.tolist()}

    def cosine(self, name: str) -> float | None:
        """Compare the rows of dW ("W") or dU ("U") with those without quantisation and threshold; None if undefined."""
        if name not in self.products:
            return None
        raw, kept = (product.flatten().double() for product in self.products[name])
        norms = math.sqrt(float(raw @ raw)) * math.sqrt(float(kept @ kept))
        if not norms or not math.isfinite(norms):
            return None
        return max(-1.0, min(1.0, float(raw @ kept) / norms))


def _products(seen: Seen) -> dict[str, tuple[Tensor, Tensor]]:
    T, B, G, H = seen.raw.shape
    units = min(H, COSINE_UNITS)
    within = torch.arange(units, device=seen.raw.device) * H // units
    hidden = seen.gate_gradient if seen.gate_gradient_hidden is None else seen.gate_gradient_hidden
    raw_hidden = seen.raw if seen.raw_hidden is None else seen.raw_hidden

    def rows(gradient: Tensor, other: Tensor) -> Tensor:
        chosen = gradient[:, :, :, within].reshape(T * B, G * units).float() / seen.loss_scale
        return chosen.T @ other.reshape(T * B, -1).float()

    x = seen.x.detach()
    products = {"W": (rows(seen.raw, x), rows(seen.gate_gradient, x))}
    if seen.hidden is not None:
        products["U"] = rows(raw_hidden, seen.hidden), rows(hidden, seen.hidden)
    return products
