"""A memory of what was dropped, added to the next gradient of the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from traces.errors import InputError
from traces.thresholds.arrays import Floats, as_array, like
from traces.thresholds.policy import Moment, Policy, nested, restore_state, state_of, thresholder_of
from traces.thresholds.values import WHERE, positive

MEMORY, INNER = "error.", "policy."


@dataclass(frozen=True)
class ErrorFeedback(Policy):
    """Add what a policy drops to the gradient of the same layer, time step and element one optimiser step later.

    This changes values. What is added was dropped from another window of the data: the literature, which compresses
    gradients of weights, proves nothing for gradients of gates. The memory is as large as the layer's dG of all time
    steps. A gradient of another shape (a last, smaller batch) makes it begin anew.

    Parameters
    ----------
    policy : policy
        What drops.
    decay : number above 0 to 1
        What the memory is multiplied with before it is added.
    """

    policy: Policy
    decay: float = 1.0

    kind: ClassVar[str] = "error_feedback"
    source: ClassVar[str] = "Seide et al. 2014, Karimireddy et al. 2019 (recalled)"
    keeps_values: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", nested("policy", self.policy))
        object.__setattr__(self, "decay", positive("decay", self.decay, 1))

    def for_layer(self, name: str) -> Memory:
        """Make a thresholder with a memory of its own."""
        return Memory(self, name)


class Memory:
    """Holds what was dropped, by time step."""

    def __init__(self, policy: ErrorFeedback, layer: str) -> None:
        self.decay, self.rule = policy.decay, thresholder_of(policy.policy, layer)
        self.errors: dict[int, Floats] = {}  # [G, H, B] by time step, where anything was dropped

    def sparsify(self, gradient: Any, moment: Moment) -> Any:
        """See `Thresholder.sparsify`."""
        wanted = as_array(gradient)
        error = self.errors.get(moment.time)
        if error is not None and error.shape != wanted.shape:
            self.errors.clear()
            error = None
        with np.errstate(over="ignore", invalid="ignore"):
            if error is not None:
                wanted = wanted + self.decay * error
            # The rounding to half precision is part of what is lost.
            answer = like(gradient, self.rule.sparsify(wanted, moment))
            lost = wanted - as_array(answer)
        # A gradient that is not finite is passed on, but not into the steps to come.
        lost[~np.isfinite(lost)] = 0
        if lost.any():
            self.errors[moment.time] = lost
        else:  # not even a zero is added to a gradient that lacks nothing
            self.errors.pop(moment.time, None)
        return answer

    def state(self) -> dict[str, Floats]:
        """Return the memory under ``error.<time step>``, and the inner thresholder's state under ``policy.``."""
        inner = {f"{INNER}{key}": value for key, value in state_of(self.rule).items()}
        return inner | {f"{MEMORY}{time}": error.copy() for time, error in self.errors.items()}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        self.errors = {}
        inner = {}
        for key, value in state.items():
            time = key.removeprefix(MEMORY)
            if key.startswith(INNER):
                inner[key.removeprefix(INNER)] = value
            elif key.startswith(MEMORY) and time.isdecimal() and value.ndim == 3:
                self.errors[int(time)] = value.copy()
            else:
                raise InputError.of(f"{WHERE} state", key, "error.<time step> [G, H, B], or policy.<name>")
        restore_state(self.rule, inner)
