"""What a recorded step says beside its masks: sparsity, causes of natural zeros, what a threshold costs."""

from __future__ import annotations

import math

import numpy as np

from traces.bitmask import BitMask
from traces.numpy_frontend.lstm import GATES, BackwardRecord, LSTMLayer
from traces.numpy_frontend.parameters import Floats, Integers

HIDDEN_ZEROS_WORTH_RECORDING = 0.01
"""Least share of exact zeros in h_{t-1} at which its mask is recorded. LSTM outputs are dense but for a zero
initial state and dead units; below this share skipping on h could save less than 1 % of one product."""


def gradient_mask(layer: LSTMLayer) -> BitMask:
    """Pack the non-zero mask of the last backward pass's dG, [T, B, 4H]."""
    return BitMask.pack(np.moveaxis(layer.dG != 0, 0, -1))


def gradient_values(layer: LSTMLayer) -> Floats:
    """Return the non-zero values of dG as float32 [nnz], in C order of the mask [T, B, 4H]."""
    dG = np.moveaxis(layer.dG, 0, -1)
    values: Floats = dG[dG != 0].astype(np.float32)
    return values


def input_mask(layer: LSTMLayer, symbols: Integers) -> BitMask:
    """Pack the one-hot mask [T, B, D] of symbols [T, B]."""
    return BitMask.pack(symbols[:, :, None] == np.arange(layer.D))


def hidden_mask(layer: LSTMLayer) -> BitMask | None:
    """Pack the non-zero mask of h_{t-1}, [T, B, H]; None where it has too few zeros to be worth it."""
    mask = layer.hidden[:, :-1] != 0
    if np.count_nonzero(mask) > (1 - HIDDEN_ZEROS_WORTH_RECORDING) * mask.size:
        return None
    return BitMask.pack(np.moveaxis(mask, 0, -1))


def gate_sparsity(layer: LSTMLayer) -> dict[str, float]:
    """Return the share of exact zeros in dG for each gate."""
    gates = layer.dG.reshape(4, -1)
    return {gate: 1 - int(np.count_nonzero(part)) / part.size for gate, part in zip(GATES, gates, strict=True)}


def natural_zeros(layer: LSTMLayer, record: BackwardRecord) -> dict[str, int]:
    """Count the zeros that dG had before its threshold, by their cause.

    Parameters
    ----------
    layer : LSTMLayer
        After a backward pass.
    record : BackwardRecord
        Of that pass.

    Returns
    -------
    dict of str to int
        Each zero counts once, for the first cause that holds:

        ``saturated``
            a derivative is an exact zero: the gate's own (sigmoid at 1 or 0, tanh at +-1), i for the gate g,
            or the cell's, o * (1 - tanh(c)^2), where dc is zero as well.
        ``zero_state``
            what the gate is multiplied with is an exact zero: c_{t-1} for f in a fresh state.
        ``upstream``
            no gradient arrives: dh is an exact zero, as where a threshold cleared everything above.
        ``underflow``
            all factors are non-zero and their product rounds to zero.
        ``padding``
            always 0 here: the sequences of a language model are full.
    """
    H, B = layer.H, layer.B
    counts = dict.fromkeys(("saturated", "zero_state", "upstream", "underflow", "padding"), 0)
    for t in range(layer.T):
        zero = record.gate_gradient[:, t].reshape(4, H, B) == 0
        if not zero.any():
            continue
        i, f, o, g = layer.gates[t].reshape(4, H, B)
        tanh_c, dh, dc = layer.cell_tanh[t], record.hidden_gradient[:, t], record.cell_gradient[:, t]
        cell_saturated = (dc == 0) & (o * (1 - tanh_c * tanh_c) == 0)
        saturated = np.stack([i * (1 - i) == 0, f * (1 - f) == 0, o * (1 - o) == 0, (1 - g * g == 0) | (i == 0)])
        saturated[[0, 1, 3]] |= cell_saturated
        zero_state = np.stack([g == 0, layer.cells[t] == 0, tanh_c == 0, np.zeros_like(zero[0])])
        no_cell_gradient = (dc == 0) & (dh == 0)
        upstream = np.stack([no_cell_gradient, no_cell_gradient, dh == 0, no_cell_gradient])
        for cause, holds in (("saturated", saturated), ("zero_state", zero_state), ("upstream", upstream)):
            counts[cause] += int(np.count_nonzero(zero & holds))
            zero &= ~holds
        counts["underflow"] += int(np.count_nonzero(zero))
    return counts


def weight_gradient_cosine(layer: LSTMLayer, record: BackwardRecord) -> float | None:
    """Compare dW of the thresholded dG with dW of the same backward pass's dG before the threshold.

    Both come from one backward pass: the unthresholded dG of a time step was computed from a dh that later,
    thresholded time steps sent back. W is the layer's input weight.

    Returns
    -------
    float or None
        The cosine of the angle between the two [4H, D] matrices; None where one is all zero.
    """
    raw = layer.input_weight_gradient(record.gate_gradient).ravel().astype(np.float64)
    dW = layer.input_weight_gradient(layer.dG).ravel().astype(np.float64)
    norms = math.sqrt(float(raw @ raw)) * math.sqrt(float(dW @ dW))
    # Rounding may carry the cosine of equal vectors just above 1.
    return min(1.0, float(raw @ dW) / norms) if norms else None
