"""Other policies for other layers, and for other gates of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from traces.errors import InputError, nearest
from traces.thresholds.arrays import Floats
from traces.thresholds.policy import (
    Moment,
    Off,
    Policy,
    Rule,
    Thresholder,
    nested,
    restore_state,
    state_of,
    thresholder_of,
)
from traces.thresholds.values import WHERE

GATE_MARK = "/"
"""Between a layer's name, which has no slash, and the number of a gate that is asked for by itself."""


@dataclass(frozen=True)
class ByLayer(Policy):
    """Apply a policy of its own to each layer.

    Parameters
    ----------
    layers : policies by layer name
        A name that the model does not have is refused.
    default : policy
        Of the layers that are not named.
    """

    layers: Mapping[str, Policy]
    default: Policy = field(default_factory=Off)

    kind: ClassVar[str] = "by_layer"
    source: ClassVar[str] = "composition"

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Mapping) or not all(isinstance(name, str) for name in self.layers):
            raise InputError.of(f"{WHERE} layers", repr(self.layers), "a mapping of layer names to policies")
        layers = {name: nested(f"layers {name}", value) for name, value in self.layers.items()}
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "default", nested("default", self.default))

    def for_layer(self, name: str) -> Thresholder | None:
        """Make the thresholder of the policy that is the layer's."""
        return self.layers.get(name.partition(GATE_MARK)[0], self.default).for_layer(name)

    def check_layers(self, names: Sequence[str]) -> None:
        """See `Policy.check_layers`."""
        for name in self.layers:
            if name not in names:
                expected = f"a layer of the model: {', '.join(names)}"
                raise InputError.of(f"{WHERE} layers {name}", "no such layer", expected, nearest(name, names))
        super().check_layers(names)


@dataclass(frozen=True)
class ByGate(Policy):
    """Apply a policy of its own to each gate, which sees [1, H, B].

    Parameters
    ----------
    gates : list of policies
        One for each gate, in the order in which they lie in the layer: `gate_order` of the trace's header, i f o g in
        the LSTM of skipstone record. A layer with another number of gates is refused.
    """

    gates: tuple[Policy, ...]

    kind: ClassVar[str] = "by_gate"
    source: ClassVar[str] = "composition"

    def __post_init__(self) -> None:
        if not isinstance(self.gates, (list, tuple)) or not self.gates:
            raise InputError.of(f"{WHERE} gates", repr(self.gates), "a list of policies, one for each gate")
        object.__setattr__(self, "gates", tuple(nested(f"gates[{g}]", value) for g, value in enumerate(self.gates)))

    def for_layer(self, name: str) -> GateRules:
        """Make the thresholders of all gates."""
        return GateRules(self, name)


class GateRules(Rule):
    """Asks the thresholder of each gate."""

    def __init__(self, policy: ByGate, layer: str) -> None:
        self.layer = layer
        # Each gate under a name of its own: their random numbers are then not the same.
        self.rules = [thresholder_of(gate, f"{layer}{GATE_MARK}{g}") for g, gate in enumerate(policy.gates)]

    def apply(self, gradient: Floats, moment: Moment) -> Floats:
        """See `Rule.apply`."""
        if len(gradient) != len(self.rules):
            expected = f"{len(gradient)} policies, one for each gate of {self.layer}"
            raise InputError.of(f"{WHERE} gates", str(len(self.rules)), expected)
        parts = [rule.sparsify(gradient[g : g + 1], moment) for g, rule in enumerate(self.rules)]
        return np.concatenate(parts)

    def state(self) -> dict[str, Floats]:
        """Return the states of all gates, under ``<gate>.``."""
        return {f"{g}.{key}": value for g, rule in enumerate(self.rules) for key, value in state_of(rule).items()}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Take over what `state` returned."""
        parts: list[dict[str, Floats]] = [{} for _ in self.rules]
        for key, value in state.items():
            gate, _, rest = key.partition(".")
            if not gate.isdecimal() or int(gate) >= len(parts):
                raise InputError.of(f"{WHERE} state", key, f"a gate below {len(parts)} and a name")
            parts[int(gate)][rest] = value
        for rule, part in zip(self.rules, parts, strict=True):
            restore_state(rule, part)
