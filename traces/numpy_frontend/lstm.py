"""One LSTM layer with explicit forward and backward passes, its gate gradients thresholded.

Forward, for t = 0 .. T-1 (feature-first: x_t [D, B], h_t and c_t [H, B], the four gates stacked [4H, B] in
the order i, f, o, g)::

    Z_t = W x_t + U h_{t-1} + b                          W [4H, D], U [4H, H], b [4H]
    i, f, o = sigmoid of their rows of Z_t;  g = tanh of its rows
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

Backward, for t = T-1 .. 0, from the gradient of h_t that the layer above (or the classifier) sends::

    dh_t = (from above) + U' dG_{t+1}
    dc_t = dc_{t+1} * f_{t+1} + dh_t * o * (1 - tanh(c_t)^2)
    dG_t = [dc_t * g * i(1-i);  dc_t * c_{t-1} * f(1-f);  dh_t * tanh(c_t) * o(1-o);  dc_t * i * (1-g^2)]
    dG_t = dG_t where the policy keeps it, else an exact 0

and over all time steps ``dx = W' dG``, ``dW = dG x'``, ``dU = dG h'`` and ``db = sum of dG``. dG is the
gradient of the *linear* gates Z, and it is thresholded before all four products, so that its zeros feed back
through dh into earlier time steps. The bias gradient reads the thresholded dG too: hardware that stores dG
once has no other. The cell path dc is not thresholded. At the last time step dh and dc end: back-propagation
is truncated to the sequence, while h and c are carried into the next one.

Where the time goes, and so the layout: nine tenths are products. BLAS reads a time step of [H, T, B] where it
lies, by its row stride, and so does it [H, T * B] of h_{t-1} inside [H, (T + 1) * B]; so h and dG are computed
into the sequence's own array, and nothing is copied. Feature-first, because OpenBLAS takes the small recurrent
product [4H, H] by [H, B] up to twice as fast as [B, H] by [H, 4H]. Every other pass over a time step has its
place in the second-level cache, and none allocates but for what a thresholder answers with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from traces.numpy_frontend.parameters import Floats
from traces.thresholds import Moment, Thresholder

GATES = ("i", "f", "o", "g")
"""The gates in their order along the 4H axis."""

State = tuple[Floats, Floats]
"""Hidden and cell state (h, c), each [H, B]."""


@dataclass(frozen=True)
class Weights:
    """The parameters of a layer, or their gradients.

    Attributes
    ----------
    W : floating [4H, D]
    U : floating [4H, H]
    b : floating [4H]
    """

    W: Floats
    U: Floats
    b: Floats


class BackwardObserver(Protocol):
    """Who looks at a layer's backward pass, one time step after the other in descending order."""

    def observe(
        self, t: int, gate_gradient: Floats, kept: Floats, hidden_gradient: Floats, cell_gradient: Floats
    ) -> None:
        """Look at what time step t was computed from; the layer's ``dG[:, t]`` is already written.

        The arrays are the layer's own, read now or never: the next time step overwrites them.

        Parameters
        ----------
        t : int
        gate_gradient : floating [4H, B]
            dG_t before thresholding. Its dh comes from thresholded later time steps.
        kept : floating [4H, B]
            dG_t as it is computed with; the same array where nothing is thresholded.
        hidden_gradient, cell_gradient : floating [H, B]
            The dh_t and dc_t that dG_t was computed from.
        """


def flat(sequence: npt.NDArray[Any]) -> Floats:
    """View [F, T, B], or a run of its time steps, as [F, T * B] without a copy; its rows may lie apart."""
    features, T, B = sequence.shape
    item = sequence.itemsize
    if sequence.strides[1:] != (B * item, item):
        return sequence.reshape(features, -1)
    rows: Floats = np.lib.stride_tricks.as_strided(sequence, (features, T * B), (sequence.strides[0], item))
    return rows


class LSTMLayer:
    """One layer, with the buffers of a fixed sequence length and batch size.

    Parameters
    ----------
    weights, gradients : Weights
        Views of the parameters and of where their gradients go.
    T, B : int
        Time steps and sequences of a batch.
    one_hot : bool
        The input is symbols, integers [T, B] below D, that stand for one-hot vectors: ``W x`` picks columns,
        and there is no dx.

    Attributes
    ----------
    gates : floating [T, 4H, B]
        Activations of the last forward pass.
    cells, cell_tanh : floating [T + 1, H, B] and [T, H, B]
        c_{t-1} at index t, and tanh(c_t).
    hidden : floating [H, T + 1, B]
        h_{t-1} at time index t.
    dG : floating [4H, T, B]
        Thresholded linear gate gradient of the last backward pass.
    """

    def __init__(self, weights: Weights, gradients: Weights, T: int, B: int, one_hot: bool = False) -> None:
        dtype = weights.W.dtype
        self.weights, self.gradients, self.one_hot = weights, gradients, one_hot
        self.T, self.B, self.D, self.H = T, B, weights.W.shape[1], weights.U.shape[1]
        H = self.H
        self.gates = np.empty((T, 4 * H, B), dtype)
        self.cells = np.empty((T + 1, H, B), dtype)
        self.cell_tanh = np.empty((T, H, B), dtype)
        self.hidden = np.empty((H, T + 1, B), dtype)
        # W x is used up in the forward pass before the backward pass writes dG, so the two share memory.
        self.dG = self._Wx = np.empty((4 * H, T, B), dtype)
        self._x: npt.NDArray[Any] = np.empty(0, dtype)
        self._local = np.empty((4, H, B), dtype)
        self._dh, self._dc, self._scratch_H = (np.empty((H, B), dtype) for _ in range(3))
        self._dx = np.empty((0 if one_hot else self.D, T, B), dtype)

    def forward(self, x: npt.NDArray[Any], state: State) -> tuple[Floats, State]:
        """Run the layer over a sequence.

        Parameters
        ----------
        x : floating [D, T, B], or integers [T, B] where the input is one-hot
        state : State
            h and c before the first time step. Not changed.

        Returns
        -------
        hidden : floating [H, T, B]
            A view of the layer's buffer, overwritten by the next forward pass.
        state : State
            h and c after the last time step, as copies.
        """
        H, (W, U, bias) = self.H, (self.weights.W, self.weights.U, self.weights.b[:, None])
        minus_bias = -bias[: 3 * H]
        self._x = x
        Wx = self._Wx.reshape(4 * H, -1)
        if self.one_hot:
            np.take(W, x.reshape(-1), axis=1, out=Wx, mode="clip")
        else:
            np.matmul(W, flat(x), out=Wx)
        product = self._scratch_H
        self.hidden[:, 0], self.cells[0] = state
        # exp(-z) overflows to inf for z < -88 in float32, and 1 / (1 + inf) is the right sigmoid, 0.
        with np.errstate(over="ignore"):
            for t in range(self.T):
                z, c = self.gates[t], self.cells[t + 1]
                np.matmul(U, self.hidden[:, t], out=z)
                z += self._Wx[:, t]
                sigmoids, g = z[: 3 * H], z[3 * H :]
                np.subtract(minus_bias, sigmoids, out=sigmoids)  # -(z + b), in one pass
                np.exp(sigmoids, out=sigmoids)
                sigmoids += 1
                np.reciprocal(sigmoids, out=sigmoids)
                g += bias[3 * H :]
                np.tanh(g, out=g)
                np.multiply(z[H : 2 * H], self.cells[t], out=c)
                np.multiply(z[:H], g, out=product)
                c += product
                np.tanh(c, out=self.cell_tanh[t])
                np.multiply(z[2 * H : 3 * H], self.cell_tanh[t], out=self.hidden[:, t + 1])
        return self.hidden[:, 1:], (self.hidden[:, -1].copy(), self.cells[-1].copy())

    def backward(
        self,
        d_hidden: Floats,
        thresholder: Thresholder | None,
        step: int = 1,
        observer: BackwardObserver | None = None,
        learning_rate: float | None = None,
    ) -> Floats:
        """Run the layer backward over the sequence of the last forward pass, writing the gradients.

        Parameters
        ----------
        d_hidden : floating [H, T, B]
            Gradient of the layer's output from above.
        thresholder : Thresholder, optional
            Which elements of dG stay; None keeps all.
        step : int
            Number of the optimiser step, for the thresholder.
        observer : BackwardObserver, optional
            Called for every time step.
        learning_rate : float, optional
            Of the optimiser step, for the thresholder.

        Returns
        -------
        dx : floating [D, T, B]
            Gradient of the input, in a buffer that the next backward pass overwrites; empty where the input
            is one-hot.
        """
        H, B = self.H, self.B
        U_transposed = np.ascontiguousarray(self.weights.U.T)  # [H, 4H]: a third faster than a transposed view
        local, dh, dc, scratch = self._local, self._dh, self._dc, self._scratch_H
        local_i, local_f, local_o, local_g = local
        dc[...] = 0
        for t in range(self.T - 1, -1, -1):
            gates, cell_tanh = self.gates[t].reshape(4, H, B), self.cell_tanh[t]
            i, f, o, g = gates
            if t == self.T - 1:
                dh[...] = d_hidden[:, t]
            else:
                np.matmul(U_transposed, self.dG[:, t + 1], out=dh)
                dh += d_hidden[:, t]
            # Derivatives: s(1-s) of the three sigmoids, 1-g^2 of g; then what each gate is multiplied with.
            np.subtract(1, gates[:3], out=local[:3])
            local[:3] *= gates[:3]
            np.multiply(g, g, out=local_g)
            np.subtract(1, local_g, out=local_g)
            local_i *= g
            local_f *= self.cells[t]
            local_o *= cell_tanh
            local_g *= i
            # dc += dh * o * (1 - tanh(c)^2)
            np.multiply(cell_tanh, cell_tanh, out=scratch)
            np.subtract(1, scratch, out=scratch)
            scratch *= o
            scratch *= dh
            dc += scratch
            local[:2] *= dc
            local_o *= dh
            local_g *= dc
            dG = self.dG.reshape(4, H, self.T, B)[:, :, t]
            kept = local if thresholder is None else thresholder.sparsify(local, Moment(step, t, learning_rate))
            dG[...] = kept
            if observer is not None:
                observer.observe(t, local.reshape(4 * H, B), kept.reshape(4 * H, B), dh, dc)
            dc *= f
        return self._products()

    def input_weight_gradient(self, dG: Floats) -> Floats:
        """Compute rows of dW [rows, D] of the last forward pass's input for any gate gradient [rows, T, B]."""
        dG = dG.reshape(len(dG), -1)
        if not self.one_hot:
            dense: Floats = dG @ flat(self._x).T
            return dense
        # One column per symbol that occurs: [4H, T*B] by a one-hot matrix [T*B, present].
        present, column = np.unique(self._x.reshape(-1), return_inverse=True)
        one_hot = np.zeros((present.size, dG.shape[1]), dG.dtype)
        one_hot[column, np.arange(dG.shape[1])] = 1
        dW = np.zeros((len(dG), self.D), dG.dtype)
        dW[:, present] = dG @ one_hot.T
        return dW

    def _products(self) -> Floats:
        dG = self.dG.reshape(4 * self.H, -1)
        if self.one_hot:
            self.gradients.W[...] = self.input_weight_gradient(dG)
        else:
            np.matmul(dG, flat(self._x).T, out=self.gradients.W)
            np.matmul(self.weights.W.T, dG, out=self._dx.reshape(self.D, -1))
        np.matmul(dG, flat(self.hidden[:, :-1]).T, out=self.gradients.U)
        np.sum(dG, axis=1, out=self.gradients.b)
        return self._dx
