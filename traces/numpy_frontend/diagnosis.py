"""What a recorded step says beside its masks: sparsity, causes of natural zeros, what a threshold costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from traces.bitmask import BitMask, packed_bytes
from traces.histograms import activation_histogram, gradient_histogram
from traces.numpy_frontend.lstm import GATES, LSTMLayer, flat
from traces.numpy_frontend.parameters import Floats, Integers
from traces.numpy_frontend.zero_kernels import (
    SATURATED,
    UNDERFLOW,
    UPSTREAM,
    ZERO_STATE,
    count_causes,
    pack_mask,
)

HIDDEN_ZEROS_WORTH_RECORDING = 0.01
"""Least share of exact zeros in h_{t-1} at which its mask is recorded. LSTM outputs are dense but for a zero
initial state and dead units; below this share skipping on h could save less than 1 % of one product."""

MANY_UNITS = 128

COSINE_UNITS = 16
"""Units of each gate whose rows of dW are compared. All of them would take a product of the size of dW's own, a
seventh of the step."""


def gradient_values(layer: LSTMLayer) -> Floats:
    """Return the non-zero values of dG as float32 [nnz], in C order of the mask [T, B, 4H]."""
    dG = np.moveaxis(layer.dG, 0, -1)
    values: Floats = dG[dG != 0].astype(np.float32)
    return values


def input_mask(layer: LSTMLayer, symbols: Integers) -> BitMask:
    """Pack the one-hot mask [T, B, D] of symbols [T, B]."""
    T, B = symbols.shape
    packed = np.zeros((T, B, packed_bytes(layer.D)), np.uint8)
    packed[np.arange(T)[:, None], np.arange(B), symbols >> 3] = 1 << (symbols & 7)
    return BitMask(packed, layer.D)


def hidden_mask(layer: LSTMLayer) -> BitMask | None:
    """Pack the non-zero mask of h_{t-1}, [T, B, H]; None where it has too few zeros to be worth it.

    That is judged by every eighth unit of a layer with many.
    """
    every = 8 if layer.H >= MANY_UNITS else 1
    some = layer.hidden[::every, :-1] != 0
    if np.count_nonzero(some) > (1 - HIDDEN_ZEROS_WORTH_RECORDING) * some.size:
        return None
    packed, counts = np.empty((layer.T, layer.B, packed_bytes(layer.H)), np.uint8), np.zeros((2, 1), np.int64)
    for t in range(layer.T):
        pack_mask(layer.hidden[:, t], packed[t], counts)
    return BitMask(packed, layer.H)


class LayerDiagnosis:
    """Looks at one backward pass of a layer; what it then says holds until the layer's next forward pass.

    Every time step is looked at while the caches hold it: afterwards dG is tens of megabytes to read again, and
    recording is to cost next to nothing.

    Parameters
    ----------
    layer : LSTMLayer
    sampled : bool
        Keep what causes of zeros, cosines, root mean square and histograms need, too.
    """

    def __init__(self, layer: LSTMLayer, sampled: bool = True) -> None:
        self.layer, self.sampled = layer, sampled
        H, T, B = layer.H, layer.T, layer.B
        if sampled:
            units = min(H, COSINE_UNITS)
            within = np.arange(units) * H // units
            self._rows: Integers = (H * np.arange(4)[:, None] + within).reshape(-1)
            self._raw_rows: Floats = np.empty((self._rows.size, T, B), layer.dG.dtype)
        self._packed = np.empty((T, B, packed_bytes(4 * H)), np.uint8)
        # Non-zeros of each gate, and gate columns [t, k] that are not zero in the whole batch.
        self._counts, self._causes = np.zeros((2, 4), np.int64), np.zeros(4, np.int64)

    def observe(
        self, t: int, gate_gradient: Floats, kept: Floats, hidden_gradient: Floats, cell_gradient: Floats
    ) -> None:
        """Look at a time step; see `traces.numpy_frontend.lstm.BackwardObserver`."""
        layer = self.layer
        pack_mask(kept, self._packed[t], self._counts)
        if not self.sampled:
            return
        self._raw_rows[:, t] = gate_gradient[self._rows]
        if not gate_gradient.all():
            gates, before, cell_tanh = layer.gates[t], layer.cells[t], layer.cell_tanh[t]
            count_causes(gate_gradient, gates, before, cell_tanh, hidden_gradient, cell_gradient, self._causes)

    def gradient_mask(self) -> BitMask:
        """Return the packed non-zero mask of dG, [T, B, 4H]."""
        return BitMask(self._packed, 4 * self.layer.H)

    def gate_sparsity(self) -> dict[str, float]:
        """Return the share of exact zeros in dG for each gate."""
        size = self.layer.dG.size // 4
        return {gate: 1 - count / size for gate, count in zip(GATES, self._counts[0].tolist(), strict=True)}

    def natural_zeros(self) -> dict[str, int]:
        """Count the zeros that dG had before its threshold, by their cause.

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
        causes = self._causes.tolist()
        return {
            "saturated": causes[SATURATED],
            "zero_state": causes[ZERO_STATE],
            "upstream": causes[UPSTREAM],
            "underflow": causes[UNDERFLOW],
            "padding": 0,
        }

    def weight_gradient_cosine(self) -> float | None:
        """Compare dW of the thresholded dG with dW of the same backward pass's dG before the threshold.

        Both come from one backward pass: the unthresholded dG of a time step was computed from a dh that later,
        thresholded time steps sent back. W is the layer's input weight. Of each gate `COSINE_UNITS` units, evenly
        spaced, are compared; all of them where a layer has no more.

        Returns
        -------
        float or None
            The cosine of the angle between the two [rows, D] matrices; None where one is all zero.
        """
        layer = self.layer
        # Clipping may have scaled the gradient; the angle does not feel it.
        return _cosine(layer.input_weight_gradient(self._raw_rows), layer.gradients.W[self._rows])

    def recurrent_weight_gradient_cosine(self) -> float | None:
        """Compare dU as `weight_gradient_cosine` compares dW."""
        layer = self.layer
        raw = self._raw_rows.reshape(len(self._rows), -1) @ flat(layer.hidden[:, :-1]).T
        return _cosine(raw, layer.gradients.U[self._rows])

    def thresholded_zeros(self) -> int:
        """Count the elements that the threshold made zero."""
        zeros: int = self.layer.dG.size - int(self._counts[0].sum())
        return zeros - int(self._causes.sum())

    def zero_columns(self) -> float:
        """Return the share of gate columns [t, k] that are zero in the whole batch."""
        columns = int(self._counts[1].sum())
        share: float = columns / (4 * self.layer.H * self.layer.T)
        return 1 - share

    def gradient_rms(self) -> float:
        """Root mean square of dG before the threshold, of `COSINE_UNITS` units of each gate."""
        return float(np.linalg.norm(self._raw_rows)) / math.sqrt(self._raw_rows.size)

    def gradient_histogram(self) -> dict[str, Any]:
        """Count the magnitudes of dG before the threshold, of `COSINE_UNITS` units of each gate, by their exponents."""
        return gradient_histogram(self._raw_rows)

    def gate_histograms(self) -> dict[str, list[int]]:
        """Count the activations of `COSINE_UNITS` units of each gate in equal bins from -1 to 1."""
        units = self._rows.reshape(4, -1)
        return {gate: activation_histogram(self.layer.gates[:, units[g]]) for g, gate in enumerate(GATES)}


def _cosine(raw: Floats, kept: Floats) -> float | None:
    one, other = raw.ravel().astype(np.float64), kept.ravel().astype(np.float64)
    norms = math.sqrt(float(one @ one)) * math.sqrt(float(other @ other))
    # Rounding may carry the cosine of equal vectors just above 1.
    return min(1.0, float(one @ other) / norms) if norms else None
