"""What is said of a backward pass, from copies of all that it computed, in whole arrays."""

import math

import numpy as np


class Copies:
    """An observer that keeps everything: dG before its threshold [4H, T, B], dh and dc [H, T, B]."""

    def __init__(self, layer):
        H, T, B = layer.H, layer.T, layer.B
        self.gate_gradient = np.empty((4 * H, T, B), layer.dG.dtype)
        self.hidden_gradient = np.empty((H, T, B), layer.dG.dtype)
        self.cell_gradient = np.empty((H, T, B), layer.dG.dtype)

    def observe(self, t, gate_gradient, kept, hidden_gradient, cell_gradient):
        self.gate_gradient[:, t] = gate_gradient
        self.hidden_gradient[:, t], self.cell_gradient[:, t] = hidden_gradient, cell_gradient


def gradient_mask(layer):
    return np.moveaxis(layer.dG != 0, 0, -1)


def gate_sparsity(layer):
    gates = layer.dG.reshape(4, -1)
    return {gate: 1 - int(np.count_nonzero(part)) / part.size for gate, part in zip("ifog", gates, strict=True)}


def natural_zeros(layer, copies):
    H, T, B = layer.H, layer.T, layer.B
    i, f, o, g = np.moveaxis(layer.gates.reshape(T, 4, H, B), 0, 2)  # each [H, T, B]
    before, tanh_c = np.moveaxis(layer.cells[:-1], 0, 1), np.moveaxis(layer.cell_tanh, 0, 1)
    dh, dc = copies.hidden_gradient, copies.cell_gradient
    zero = copies.gate_gradient.reshape(4, H, T, B) == 0
    cell_saturated = (dc == 0) & (o * (1 - tanh_c * tanh_c) == 0)
    saturated = np.stack([i * (1 - i) == 0, f * (1 - f) == 0, o * (1 - o) == 0, (1 - g * g == 0) | (i == 0)])
    saturated[[0, 1, 3]] |= cell_saturated
    zero_state = np.stack([g == 0, before == 0, tanh_c == 0, np.zeros_like(zero[0])])
    no_cell_gradient = (dc == 0) & (dh == 0)
    upstream = np.stack([no_cell_gradient, no_cell_gradient, dh == 0, no_cell_gradient])
    counts = {}
    for cause, holds in (("saturated", saturated), ("zero_state", zero_state), ("upstream", upstream)):
        counts[cause] = int(np.count_nonzero(zero & holds))
        zero &= ~holds
    return {**counts, "underflow": int(np.count_nonzero(zero)), "padding": 0}


def weight_gradient_cosine(layer, copies):
    """Over every unit of every gate."""
    raw, dW = (layer.input_weight_gradient(dG).ravel().astype(float) for dG in (copies.gate_gradient, layer.dG))
    norms = math.sqrt(raw @ raw) * math.sqrt(dW @ dW)
    return raw @ dW / norms if norms else None
