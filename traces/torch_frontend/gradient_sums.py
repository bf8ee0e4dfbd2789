"""Sums over the gate gradients of a step: where zeros come from, how large the rest is, what a threshold costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from traces.histograms import EXPONENTS, FIRST_EXPONENT
from traces.torch_frontend.tap import Seen, Tensor

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
        if not bool(real.all()):
            raw, dG = raw[real], dG[real]  # (rows, G, H)
            rounded = None if rounded is None else rounded[real]
        nonzero = raw != 0
        elements, nonzeros = raw.numel(), int(torch.count_nonzero(nonzero))
        causes = seen.causes(real)
        causes["quantised"], before = 0, nonzero
        if rounded is not None:
            before = rounded != 0
            causes["quantised"] = int(torch.count_nonzero(nonzero & ~before))
        thresholded = int(torch.count_nonzero(before & (dG == 0)))
        values = raw if raw.dtype == torch.float64 else raw.float()
        values = values / seen.loss_scale if seen.loss_scale != 1 else values
        square_sum = float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2
        exponents = exponent_counts(values, elements - nonzeros)
        return cls(causes, thresholded, elements, square_sum, exponents, _products(seen))

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


def exponent_counts(values: Tensor, zeros: int) -> Counts:
    """Count elements of float32 or float64 by the exponent in their bits; not those that are zero or not finite.

    Subnormal numbers have the least exponent, far below the first bin, as zeros have: ``zeros`` says how many those
    are.
    """
    if values.dtype == torch.float64:
        biased, bias = (values.contiguous().view(torch.int64) >> 52) & 0x7FF, 1023
    else:
        biased, bias = (values.contiguous().view(torch.int32) >> 23) & 0xFF, 127
    counts = torch.bincount(biased.flatten(), minlength=2 * bias + 2).cpu().numpy()
    counts[0] -= zeros
    first = bias + FIRST_EXPONENT
    finite = counts[: 2 * bias + 1]
    inner = finite[first : first + EXPONENTS].copy()
    inner[0] += finite[:first].sum()
    inner[-1] += finite[first + EXPONENTS :].sum()
    return np.asarray(inner, np.int64)


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
