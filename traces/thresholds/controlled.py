"""A target sparsity that is held by a controller: the threshold runs along with the gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from traces.errors import InputError
from traces.thresholds.arrays import Floats, masked
from traces.thresholds.magnitude import PER
from traces.thresholds.policy import Moment, Policy, Rule
from traces.thresholds.values import WHERE, choice, positive, share

LARGEST_EXPONENT = 709.0
"""Of e, in float64."""


class Controller:
    """A running threshold for each group of elements, which holds their share of zeros at a goal.

    The threshold is ``exp(u) * (mean of sqrt |dG|)^2`` of the time step, so a gradient that grows or shrinks as a whole
    (as it does along a backward pass) moves nothing; of roots, because gradients spread over decades and their plain
    mean is that of the few largest. After each time step::

        u += gain * (goal - share of zeros)

    the online estimator of a quantile (stochastic approximation, Robbins and Monro 1951; recalled), with a constant
    gain, so that it follows a drifting distribution. The updates add up: over N time steps the mean share of zeros is
    off by exactly ``(u_N - u_0) / (gain * N)``. And u is bounded, for it rises only while the threshold is below the
    largest magnitude (of `Stochastic`: while it has not cleared enough yet, as every large one does) and falls only
    while something non-zero is dropped. So the mean meets the goal as 1 / N, whatever the gradients do, wherever
    their natural zeros leave it within reach; where these alone are more than the goal, u rests.
    Nothing is sorted but the first gradient, from which u starts at its quantile.

    Parameters
    ----------
    gain : float
    """

    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.u: Floats = np.empty(0)  # [groups], NaN where no gradient has been seen; empty before the first time step

    def limits(self, rows: Floats, goal: float) -> Floats | None:
        """Return the thresholds for magnitudes [groups, n], of their dtype [groups]; None where one is not finite."""
        # Infinity stays infinite, and the root of what is finite cannot overflow in a sum. A layer has few groups:
        # Python's numbers are quicker with them than arrays.
        means = [total / rows.shape[1] for total in np.add.reduce(np.sqrt(rows), axis=1).tolist()]
        if not all(map(math.isfinite, means)):
            return None
        if self.u.size != len(rows):
            self.u = np.full(len(rows), np.nan)
        most = float(np.finfo(rows.dtype).max)
        limits = []
        for group, (u, mean) in enumerate(zip(self.u.tolist(), means, strict=True)):
            if mean == 0:
                limits.append(0.0)
                continue
            if math.isnan(u):
                u = self.u[group] = _start(rows[group], mean, goal)
            limits.append(min(most, math.exp(min(LARGEST_EXPONENT, u + 2 * math.log(mean)))))
        return np.array(limits, rows.dtype)

    def learn(self, rows: Floats, kept: Sequence[int], goal: float) -> None:
        """Move the thresholds, given how many elements of each group are non-zero now."""
        n = rows.shape[1]
        for group, count in enumerate(kept):
            change = self.gain * (goal - (n - count) / n)
            # Natural zeros alone are more than the goal: a lower threshold would give no fewer.
            if change < 0 and count == np.count_nonzero(rows[group] > 0):  # four times as fast as of floats
                continue
            self.u[group] += change

    def state(self) -> dict[str, Floats]:
        """Return u under its name; nothing before the first time step."""
        return {"u": self.u.copy()} if self.u.size else {}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        u = np.asarray(state.get("u", np.empty(0)), np.float64)
        if set(state) - {"u"} or u.ndim != 1 or np.isinf(u).any():
            raise InputError.of(f"{WHERE} state", ", ".join(state), "one array u [groups] of a controller")
        self.u = u.copy()


def _start(row: Floats, mean_root: float, goal: float) -> float:
    """Choose u so that the first gradient meets the goal."""
    nth = min(row.size - 1, max(0, math.ceil(goal * row.size) - 1))
    quantile = float(np.partition(row, nth)[nth])
    # Where zeros alone meet the goal, just below everything that is not zero.
    wanted = math.log(quantile) if quantile else math.log(float(row[row > 0].min())) - math.log(2)
    return wanted - 2 * math.log(mean_root)


@dataclass(frozen=True)
class Target(Policy):
    """Hold a share of zeros, by a threshold that a controller moves along with the gradients.

    The share is met on average over time steps and optimiser steps, not in each one (`top_k` does that, and
    must sort); see `Controller` for the estimator and why it converges. A time step that is not finite is left as
    it is.

    Parameters
    ----------
    sparsity : share from 0 to below 1
        Of all elements, natural zeros included. 0 changes nothing.
    gain : number above 0 to 10
        How fast the threshold follows: its logarithm moves by the gain times the error of a time step. At 1 it does
        not overshoot unless the magnitudes lie closer together than evenly spread ones.
    per : layer or gate
        Whether there is one threshold for the whole [G, H, B] or one for each gate.
    """

    sparsity: float
    gain: float = 1.0
    per: str = "layer"

    kind: ClassVar[str] = "target"
    source: ClassVar[str] = "dynamic threshold; online quantile estimation"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparsity", share("sparsity", self.sparsity))
        object.__setattr__(self, "gain", positive("gain", self.gain, 10))
        choice("per", self.per, PER)

    def for_layer(self, name: str) -> Held:
        """Make a thresholder with a controller of its own."""
        return Held(self)

    def ramps(self) -> bool:
        """Return True: the sparsity ramps."""
        return True


class Held(Rule):
    """Keeps what is above the running threshold of a `Target`."""

    def __init__(self, target: Target) -> None:
        self.target, self.controller = target, Controller(target.gain)

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        goal = self.target.sparsity * moment.strength
        magnitudes = np.abs(gradient)
        rows = magnitudes.reshape(len(gradient) if self.target.per == "gate" else 1, -1)  # [groups, n]
        limits = self.controller.limits(rows, goal) if goal > 0 else None
        if limits is None:
            return gradient.copy()
        keep = rows > limits[:, None]
        self.controller.learn(rows, [int(np.count_nonzero(row)) for row in keep], goal)
        return masked(gradient, keep.reshape(gradient.shape))

    def state(self) -> dict[str, Floats]:
        """Return the controller's state."""
        return self.controller.state()

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        self.controller.restore(state)
