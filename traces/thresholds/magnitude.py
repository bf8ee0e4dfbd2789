"""Element by element, by magnitude: a fixed threshold, one relative to the gradient, the k largest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from traces.errors import InputError
from traces.thresholds.arrays import Floats, keep_largest, masked
from traces.thresholds.policy import Moment, Policy, Rule
from traces.thresholds.values import WHERE, choice, exactly_one, share, size, whole

PER = ("layer", "gate")


@dataclass(frozen=True)
class Fixed(Policy):
    """The paper's rule, with the absolute value it omits: keep where ``|dG| > threshold``.

    Parameters
    ----------
    threshold : number from 0
        In units of the gradient, so it depends on how the loss is normalised. It is compared in the precision of
        the gradient. 0 changes nothing.

    Raises
    ------
    InputError
        Where the threshold is negative or not a finite number.
    """

    threshold: float

    kind: ClassVar[str] = "fixed"
    source: ClassVar[str] = "ICLR 2017 submission HJWzXsKxx"

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", size("threshold", self.threshold))

    def for_layer(self, name: str) -> Fixed:
        """Return the policy itself: it holds no state."""
        return self

    def ramps(self) -> bool:
        """Return True: the threshold ramps."""
        return True

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """Keep where ``|gradient| > threshold``; see `Thresholder.sparsify`."""
        # A product and not an assignment of 0: a NaN stays one, and threshold 0 changes no bit.
        return gradient * (abs(gradient) > self.threshold * moment.strength)


@dataclass(frozen=True)
class Relative(Policy, Rule):
    """Keep where ``|dG| > factor * size``, of the gradient's own size or of the learning rate.

    A gradient whose size is not finite is left as it is.

    Parameters
    ----------
    of : rms, l2 or learning_rate
        The root of the mean square of the time step's gradient, its L2 norm, or the learning rate of the optimiser
        step.
    factor : number from 0
        0 changes nothing. Relative to rms it has no unit and depends on no normalisation of the loss.
    per : layer or gate
        Whether rms or l2 are of the whole [G, H, B] or of each gate.
    """

    of: str
    factor: float
    per: str = "layer"

    kind: ClassVar[str] = "relative"
    source: ClassVar[str] = "scale-free form of fixed"

    def __post_init__(self) -> None:
        choice("of", self.of, ("rms", "l2", "learning_rate"))
        object.__setattr__(self, "factor", size("factor", self.factor))
        choice("per", self.per, PER)

    def for_layer(self, name: str) -> Relative:
        """Return the policy itself: it holds no state."""
        return self

    def ramps(self) -> bool:
        """Return True: the factor ramps."""
        return True

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        factor = self.factor * moment.strength
        if self.of == "learning_rate":
            if moment.learning_rate is None:
                hint = "another size, or a training loop that states it in Moment"
                raise InputError.of(f"{WHERE} of", "learning_rate", "a learning rate that is known", hint)
            limit = _limits([factor * moment.learning_rate], gradient.dtype)
        else:
            rows = gradient.reshape(len(gradient) if self.per == "gate" else 1, -1)
            elements = rows.shape[1] if self.of == "rms" else 1
            limit = _limits([factor * _l2(row) / math.sqrt(elements) for row in rows], gradient.dtype)
        return masked(gradient, np.abs(gradient) > limit)


@dataclass(frozen=True)
class TopK(Policy, Rule):
    """Keep exactly the k largest magnitudes of each time step.

    Of equal magnitudes those of lowest index stay, in the order of [G, H, B]. Zeros among the k largest stay zeros.

    Parameters
    ----------
    sparsity : share from 0 to below 1, or null
        Of the elements, natural zeros included, are zero: of n elements the ``n - round(sparsity * n)`` largest stay.
        0 changes nothing. Exactly one of sparsity and k is given.
    k : whole number from 1, or null
        Elements that stay; all where there are no more.
    per : layer, gate or row
        Of what the k largest are chosen: the whole [G, H, B], each gate [H, B], or each sequence's [G, H], a row of
        the trace's mask, as meProp does.
    """

    sparsity: float | None = None
    k: int | None = None
    per: str = "row"

    kind: ClassVar[str] = "top_k"
    source: ClassVar[str] = "meProp (Sun et al., ICML 2017; recalled)"

    def __post_init__(self) -> None:
        exactly_one(sparsity=self.sparsity, k=self.k)
        if self.sparsity is not None:
            object.__setattr__(self, "sparsity", share("sparsity", self.sparsity))
        else:
            whole("k", self.k, 1)
        choice("per", self.per, (*PER, "row"))

    def for_layer(self, name: str) -> TopK:
        """Return the policy itself: it holds no state."""
        return self

    def ramps(self) -> bool:
        """Tell whether there is a sparsity, which ramps; a number of elements does not."""
        return self.sparsity is not None

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        G, H, B = gradient.shape
        magnitudes = np.abs(gradient)
        if self.per == "row":
            keep = keep_largest(magnitudes.reshape(G * H, B).T, self._count(G * H, moment)).T  # [GH, B]
        else:
            rows = magnitudes.reshape(G if self.per == "gate" else 1, -1)
            keep = keep_largest(rows, self._count(rows.shape[1], moment))
        return masked(gradient, keep.reshape(G, H, B))

    def _count(self, elements: int, moment: Moment) -> int:
        if self.sparsity is None:
            assert self.k is not None
            return min(self.k, elements)
        return elements - round(self.sparsity * moment.strength * elements)


def _l2(row: Floats) -> float:
    """Compute the L2 norm of [n]; in float64 where squares leave the range of the gradient's precision."""
    # BLAS reads the row once; squares of what is far below the sum may underflow, they do not count in it either.
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.dot(row, row))
    limits = np.finfo(row.dtype)
    if math.isfinite(square) and square > row.size * float(limits.tiny) / float(limits.eps):
        return math.sqrt(square)
    largest = float(np.max(np.abs(row), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = row.astype(np.float64) / largest
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def _limits(limits: list[float], dtype: np.dtype[Any]) -> Floats:
    """Round thresholds to the gradient's dtype, [groups, 1, 1]; 0 where one is not finite."""
    most = float(np.finfo(dtype).max)
    rounded = [min(limit, most) if math.isfinite(limit) else 0.0 for limit in limits]
    return np.array(rounded, dtype)[:, None, None]
