"""Unbiased pruning: small gradients become zero or the threshold, by chance, so that their mean stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from traces.thresholds.arrays import Floats, as_array, like, unchanged
from traces.thresholds.controlled import Controller
from traces.thresholds.policy import Moment, Policy
from traces.thresholds.values import exactly_one, share, size, whole


@dataclass(frozen=True)
class Stochastic(Policy):
    """Prune without bias: ``|dG| <= t`` becomes ``sign(dG) * t`` with probability ``|dG| / t``, else 0.

    t is the threshold. This changes values: the small ones that stay. What is above the threshold is unchanged.
    Random numbers are a function of seed, layer, optimiser step and time step alone (the counter-based generator
    Philox): they need no state, and are the same for numpy and PyTorch. The mean is exact to the 24 bits (float64:
    53) of a random number. The threshold is rounded to the gradient's precision first; where that makes it 0, nothing
    is pruned.

    Parameters
    ----------
    threshold : number from 0, or null
        0 changes nothing. Exactly one of threshold and sparsity is given.
    sparsity : share from 0 to below 1, or null
        Of all elements, natural zeros included, held by the controller of `target`, which moves the threshold. 0
        changes nothing.
    seed : whole number from 0
        Of the random numbers.
    """

    threshold: float | None = None
    sparsity: float | None = None
    seed: int = 0

    kind: ClassVar[str] = "stochastic"
    source: ClassVar[str] = "SparseTrain (Ye et al., 2020; recalled)"
    keeps_values: ClassVar[bool] = False

    def __post_init__(self) -> None:
        exactly_one(threshold=self.threshold, sparsity=self.sparsity)
        if self.threshold is not None:
            object.__setattr__(self, "threshold", size("threshold", self.threshold))
        else:
            object.__setattr__(self, "sparsity", share("sparsity", self.sparsity))
        whole("seed", self.seed, 0, 2**64 - 1)

    def for_layer(self, name: str) -> Chance:
        """Make a thresholder with random numbers, and a controller if there is a sparsity to hold, of its own."""
        return Chance(self, name)

    def ramps(self) -> bool:
        """Return True: the threshold or the sparsity ramps."""
        return True


class Chance:
    """Prunes the gradients of one layer by chance."""

    GAIN = 1.0

    def __init__(self, policy: Stochastic, layer: str) -> None:
        self.policy = policy
        # Not Python's own hash, which differs between processes.
        self._stream = int.from_bytes(hashlib.blake2b(layer.encode(), digest_size=8).digest(), "little")
        self.controller = Controller(self.GAIN)

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """Prune without bias; see `Thresholder.sparsify` and `Stochastic`."""
        values = as_array(gradient)
        magnitudes = np.abs(values)
        rows = magnitudes.reshape(1, -1)
        goal = 0.0
        if self.policy.sparsity is None:
            assert self.policy.threshold is not None
            limit = min(self.policy.threshold * moment.strength, float(np.finfo(values.dtype).max))
        else:
            goal = self.policy.sparsity * moment.strength
            limits = self.controller.limits(rows, goal) if goal > 0 else None
            limit = 0.0 if limits is None else float(limits[0])
        # What is written must be the threshold itself, or the mean would be that of another one.
        threshold = as_array(like(gradient, np.array([limit], values.dtype)))[0]
        if threshold == 0 or not np.isfinite(threshold):
            return unchanged(gradient)
        drawn = self._uniform(values.shape, values.dtype, moment) * threshold < magnitudes
        small = magnitudes <= threshold
        pruned = np.where(small, np.copysign(threshold * drawn, values), values)
        if goal > 0:
            self.controller.learn(rows, [int(np.count_nonzero(pruned))], goal)
        return like(gradient, pruned)

    def state(self) -> dict[str, Floats]:
        """Return the controller's state; random numbers have none."""
        return self.controller.state()

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        self.controller.restore(state)

    def _uniform(self, shape: tuple[int, ...], dtype: np.dtype[Any], moment: Moment) -> Floats:
        # The generator counts its blocks in the first word, so the others are free to say which time step it is.
        counter = [0, moment.time, moment.step, 0]
        generator = np.random.Generator(np.random.Philox(counter=counter, key=[self.policy.seed, self._stream]))
        drawn: Floats = generator.random(shape, dtype=dtype.type)
        return drawn
