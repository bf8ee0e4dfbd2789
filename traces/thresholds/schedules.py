"""When a policy acts: after a warm-up, or in some steps or epochs of each period."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from traces.errors import InputError
from traces.thresholds.arrays import Floats, unchanged
from traces.thresholds.policy import Moment, Policy, nested, restore_state, state_of, thresholder_of
from traces.thresholds.values import WHERE, choice, whole


@dataclass(frozen=True)
class WarmUp(Policy):
    """Train dense at first, or with a threshold that grows; then apply the policy.

    Parameters
    ----------
    steps : whole number from 0
        Optimiser steps 1 to this one are the warm-up.
    policy : policy
        What is applied after it.
    ramp : true or false
        Where true, the warm-up is not dense: in step s the policy's threshold (of target, top_k and stochastic: its
        sparsity) is s / steps of what it says. n_m and a number k have nothing to ramp.
    """

    steps: int
    policy: Policy
    ramp: bool = False

    kind: ClassVar[str] = "warm_up"
    source: ClassVar[str] = "composition"

    def __post_init__(self) -> None:
        whole("steps", self.steps, 0)
        object.__setattr__(self, "policy", nested("policy", self.policy))
        if not isinstance(self.ramp, bool):
            raise InputError.of(f"{WHERE} ramp", repr(self.ramp), "true or false")
        if self.ramp and not self.policy.ramps():
            raise InputError.of(f"{WHERE} ramp", "true", f"false: {self.policy.kind} has nothing that can be ramped")

    def for_layer(self, name: str) -> Scheduled:
        """Make the thresholder, with what state its policy holds."""
        return Scheduled(self.policy, name, self.at)

    def at(self, moment: Moment) -> Moment | None:
        """Return the moment that the policy is told; None where it is not asked."""
        if moment.step > self.steps:
            return moment
        return replace(moment, strength=moment.strength * moment.step / self.steps) if self.ramp else None


@dataclass(frozen=True)
class Mixed(Policy):
    """Mix dense and sparse steps or epochs: the first of each period are dense, in the others the policy acts.

    Parameters
    ----------
    period : whole number from 1
        Steps or epochs of a period.
    dense : whole number from 0 to period
        How many of them, the first ones, are dense.
    policy : policy
        What is applied in the others.
    by : step or epoch
        What is counted.
    steps_per_epoch : whole number from 1, or null
        Required where epochs are counted: optimiser steps of one.
    """

    period: int
    dense: int
    policy: Policy
    by: str = "step"
    steps_per_epoch: int | None = None

    kind: ClassVar[str] = "mixed"
    source: ClassVar[str] = "composition"

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        whole("dense", self.dense, 0, self.period)
        object.__setattr__(self, "policy", nested("policy", self.policy))
        choice("by", self.by, ("step", "epoch"))
        if self.by == "epoch":
            whole("steps_per_epoch", self.steps_per_epoch, 1)
        elif self.steps_per_epoch is not None:
            raise InputError.of(f"{WHERE} steps_per_epoch", repr(self.steps_per_epoch), "nothing: steps are counted")

    def for_layer(self, name: str) -> Scheduled:
        """Make the thresholder, with what state its policy holds."""
        return Scheduled(self.policy, name, self.at)

    def at(self, moment: Moment) -> Moment | None:
        """Return the moment that the policy is told; None where it is not asked."""
        number = (moment.step - 1) // (self.steps_per_epoch or 1)
        return moment if number % self.period >= self.dense else None


class Scheduled:
    """Asks a policy's thresholder at some moments, and keeps everything at the others.

    Its state rests while it is not asked.
    """

    def __init__(self, policy: Policy, layer: str, at: Callable[[Moment], Moment | None]) -> None:
        self.rule, self.at = thresholder_of(policy, layer), at

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """See `Thresholder.sparsify`."""
        told = self.at(moment)
        return unchanged(gradient) if told is None else self.rule.sparsify(gradient, told)

    def state(self) -> dict[str, Floats]:
        """Return the state of the policy's thresholder."""
        return state_of(self.rule)

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        restore_state(self.rule, state)
