"""One specification or more of every threshold policy: what the contract, with numpy and with PyTorch, is tested on."""

from __future__ import annotations

import numpy as np

from traces.thresholds import Moment

FIXED = {"kind": "fixed", "threshold": 0.5}
TARGET = {"kind": "target", "sparsity": 0.6}
BLOCKS = {
    "kind": "blocks",
    "shape": [2, 1],
    "criterion": "l2",
    "rule": {"kind": "top_k", "sparsity": 0.4, "per": "gate"},
}

POLICIES = {
    "off": {"kind": "off"},
    "fixed": FIXED,
    "relative_rms": {"kind": "relative", "of": "rms", "factor": 0.7},
    "relative_l2_per_gate": {"kind": "relative", "of": "l2", "factor": 0.1, "per": "gate"},
    "relative_learning_rate": {"kind": "relative", "of": "learning_rate", "factor": 50},
    "target": TARGET,
    "target_per_gate": {"kind": "target", "sparsity": 0.7, "gain": 0.1, "per": "gate"},
    "top_k_row": {"kind": "top_k", "sparsity": 0.5},
    "top_k_layer": {"kind": "top_k", "k": 5, "per": "layer"},
    "top_k_gate": {"kind": "top_k", "k": 2, "per": "gate"},
    "stochastic": {"kind": "stochastic", "threshold": 0.8, "seed": 3},
    "stochastic_sparsity": {"kind": "stochastic", "sparsity": 0.5},
    "n_m_gate": {"kind": "n_m", "n": 2, "m": 4},
    "n_m_batch": {"kind": "n_m", "n": 1, "m": 3, "axis": "batch"},
    "n_m_wide": {"kind": "n_m", "n": 3, "m": 10},
    "columns_max": {"kind": "columns", "criterion": "max", "rule": {"kind": "fixed", "threshold": 1.5}},
    "columns_l1": {"kind": "columns", "criterion": "l1", "rule": TARGET},
    "columns_l2": {"kind": "columns", "criterion": "l2", "rule": {"kind": "relative", "of": "rms", "factor": 1}},
    "blocks_hidden": BLOCKS,
    "blocks_batch": {"kind": "blocks", "shape": [1, 3], "criterion": "max", "rule": FIXED},
    "blocks_both": {"kind": "blocks", "shape": [2, 2], "criterion": "l1", "rule": TARGET},
    "by_layer": {"kind": "by_layer", "layers": {"lstm0": TARGET}, "default": {"kind": "off"}},
    "by_layer_default": {"kind": "by_layer", "layers": {"other": TARGET}, "default": BLOCKS},
    "warm_up": {"kind": "warm_up", "steps": 2, "policy": TARGET},
    "warm_up_ramp": {"kind": "warm_up", "steps": 2, "policy": {"kind": "stochastic", "sparsity": 0.5}, "ramp": True},
    "mixed": {"kind": "mixed", "period": 2, "dense": 1, "policy": FIXED},
    "mixed_epochs": {"kind": "mixed", "period": 3, "dense": 1, "policy": TARGET, "by": "epoch", "steps_per_epoch": 1},
    "error_feedback": {"kind": "error_feedback", "policy": TARGET, "decay": 0.5},
    "error_feedback_blocks": {"kind": "error_feedback", "policy": BLOCKS},
    "error_feedback_stochastic": {"kind": "error_feedback", "policy": {"kind": "stochastic", "threshold": 0.5}},
}
"""By a name for the test's report; all of them suit any number of gates."""

BY_GATE = {"kind": "by_gate", "gates": [FIXED, {"kind": "off"}, TARGET, {"kind": "stochastic", "threshold": 0.8}]}
"""For four gates alone."""

NOTHING = {
    "off": {"kind": "off"},
    "fixed": {"kind": "fixed", "threshold": 0},
    "relative": {"kind": "relative", "of": "rms", "factor": 0},
    "relative_learning_rate": {"kind": "relative", "of": "learning_rate", "factor": 0},
    "target": {"kind": "target", "sparsity": 0},
    "top_k": {"kind": "top_k", "sparsity": 0},
    "top_k_all": {"kind": "top_k", "k": 10**6, "per": "layer"},
    "stochastic": {"kind": "stochastic", "threshold": 0},
    "stochastic_sparsity": {"kind": "stochastic", "sparsity": 0},
    "n_m": {"kind": "n_m", "n": 4, "m": 4},
    **{
        f"columns_{criterion}": {"kind": "columns", "criterion": criterion, "rule": {"kind": "fixed", "threshold": 0}}
        for criterion in ("max", "l1", "l2")
    },
    "blocks": {"kind": "blocks", "shape": [1, 2], "criterion": "l2", "rule": {"kind": "target", "sparsity": 0}},
    "by_layer": {"kind": "by_layer", "layers": {}},
    "warm_up": {"kind": "warm_up", "steps": 99, "policy": FIXED},
    "warm_up_ramp": {"kind": "warm_up", "steps": 99, "policy": {"kind": "fixed", "threshold": 0}, "ramp": True},
    "mixed": {"kind": "mixed", "period": 1, "dense": 1, "policy": FIXED},
    "error_feedback": {"kind": "error_feedback", "policy": {"kind": "fixed", "threshold": 0}},
}
"""Policies that drop nothing, by what they say."""


def moments(steps: int = 3, times: int = 2) -> list[Moment]:
    """List the questions of a short training, time descending as a backward pass asks."""
    return [Moment(step, t, 0.01) for step in range(1, steps + 1) for t in reversed(range(times))]


def gradients(count: int, shape: tuple[int, int, int] = (4, 5, 4), dtype: str = "float32") -> list[np.ndarray]:
    """Make gradients of a seed: normal, each of another scale, a tenth natural zeros."""
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(shape) * 2.0 ** (k % 3) * (rng.random(shape) > 0.1) for k in range(count)]
    return [gradient.astype(dtype) for gradient in made]
