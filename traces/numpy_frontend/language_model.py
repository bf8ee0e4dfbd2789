"""A character language model: one-hot input, a stack of LSTM layers, a softmax classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from traces.numpy_frontend.lstm import BackwardObserver, LSTMLayer, State, Weights, flat
from traces.numpy_frontend.parameters import Floats, Integers, Parameters
from traces.thresholds import Thresholder

LOSS_NORMALISATIONS = {
    "mean": "mean over batch and time",
    "batch": "mean over batch, summed over time",
    "sum": "sum over batch and time",
}
"""By what the summed cross-entropy is divided before it is differentiated: T*B, B or 1. An absolute threshold
means something only together with this."""


class Vocabulary:
    """The symbols of a training text; index 0 stands for every other one.

    Parameters
    ----------
    text : str
        Text whose characters are the symbols.
    """

    def __init__(self, text: str) -> None:
        self.symbols: tuple[str, ...] = tuple(sorted(set(text)))
        self._codes = np.array([ord(symbol) for symbol in self.symbols], np.uint32)

    def __len__(self) -> int:
        return len(self.symbols) + 1

    def encode(self, text: str) -> Integers:
        """Return the index of each character, int64 [characters]; 0 where it is not among the symbols."""
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        if not self.symbols:
            return np.zeros(codes.size, np.int64)
        nearest = np.minimum(np.searchsorted(self._codes, codes), len(self.symbols) - 1)
        return np.where(self._codes[nearest] == codes, nearest + 1, 0)


@dataclass(frozen=True)
class Shape:
    """Sizes of a character language model.

    Parameters
    ----------
    vocabulary : int
        Number of symbols V, the unknown symbol included.
    hidden : int
        Cells of each layer, H.
    layers : int
        Number of LSTM layers.
    """

    vocabulary: int
    hidden: int
    layers: int

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the LSTM layers from the input upward."""
        return tuple(f"lstm{index}" for index in range(self.layers))

    def input_size(self, layer: int) -> int:
        """Input size D of a layer: the vocabulary for the first, the layer below's cells for the others."""
        return self.hidden if layer else self.vocabulary

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter by name, in the order of the flat vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        for index, name in enumerate(self.layer_names):
            shapes[f"{name}.W"] = (4 * self.hidden, self.input_size(index))
            shapes[f"{name}.U"] = (4 * self.hidden, self.hidden)
            shapes[f"{name}.b"] = (4 * self.hidden,)
        return shapes | {"classifier.W": (self.vocabulary, self.hidden), "classifier.b": (self.vocabulary,)}


def initial_parameters(
    shape: Shape, seed: int, dtype: npt.DTypeLike = np.float32, forget_bias: float = 1.0
) -> Parameters:
    """Draw the parameters: weights uniform in +-1/sqrt(H), biases 0 but the forget gate's.

    The bounds are those of ``torch.nn.LSTM``; a forget bias of 1 keeps the cell open at first (Jozefowicz et
    al., ICML 2015). The same seed gives the same numbers in both precisions, up to rounding.
    """
    parameters = Parameters(shape.parameter_shapes(), dtype)
    generator = np.random.Generator(np.random.PCG64(seed))
    bound = 1 / math.sqrt(shape.hidden)
    for name, value in parameters.values.items():
        if not name.endswith(".b"):
            value[...] = generator.uniform(-bound, bound, value.shape)
    for name in shape.layer_names:
        parameters.values[f"{name}.b"][shape.hidden : 2 * shape.hidden] = forget_bias
    return parameters


def log_frequencies(symbols: Integers, vocabulary: int) -> Floats:
    """Return the logarithm of each symbol's frequency in a text, float64 [V], with one more of each counted.

    As the classifier's first bias they make an untrained model predict the frequencies. From a bias of zero
    it first has to learn them, and it does so through cells that saturate and stay so: dead units, whose
    gradients are zero for ever. (Measured without a threshold, 2 x 128 cells, T 50, B 32, 300 steps of Adam
    at 0.002: 31 % natural zeros and 2.50 nats from a bias of zero, 0.0 % and 2.23 nats from this one.)
    """
    counts = np.bincount(symbols, minlength=vocabulary) + 1.0
    frequencies: Floats = np.log(counts / counts.sum())
    return frequencies


class LanguageModel:
    """The model over batches of fixed size; the parameters are shared, the buffers its own.

    Parameters
    ----------
    shape : Shape
    parameters : Parameters
        Read in the forward pass; a backward pass overwrites their gradients.
    T, B : int
        Time steps and sequences of a batch.
    """

    def __init__(self, shape: Shape, parameters: Parameters, T: int, B: int) -> None:
        self.shape, self.parameters, self.T, self.B = shape, parameters, T, B
        self.dtype = parameters.flat.dtype
        values, gradients = parameters.values, parameters.gradients
        self.layers = [
            LSTMLayer(
                Weights(*(values[f"{name}.{part}"] for part in "WUb")),
                Weights(*(gradients[f"{name}.{part}"] for part in "WUb")),
                T,
                B,
                one_hot=index == 0,
            )
            for index, name in enumerate(shape.layer_names)
        ]
        self._log_odds = np.empty((shape.vocabulary, T * B), self.dtype)
        self._d_hidden = np.empty((shape.hidden, T, B), self.dtype)
        self._targets: Integers = np.empty(0, np.int64)
        self._columns = np.arange(T * B)

    def zero_state(self) -> list[State]:
        """Return a state of zeros, (h, c) of each layer."""
        shape = (self.shape.hidden, self.B)
        return [(np.zeros(shape, self.dtype), np.zeros(shape, self.dtype)) for _ in self.layers]

    def forward(self, inputs: Integers, targets: Integers, state: Sequence[State]) -> tuple[float, list[State]]:
        """Predict each next character.

        Parameters
        ----------
        inputs, targets : integers [T, B]
            Indices of the characters and of those that follow them.
        state : sequence of State
            State of each layer before the first time step.

        Returns
        -------
        loss : float
            Cross-entropy in nats per character, the mean over T and B whatever the normalisation.
        state : list of State
            State of each layer after the last time step.
        """
        x: Floats | Integers = inputs
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            x, end = layer.forward(x, before)
            after.append(end)
        values, odds = self.parameters.values, self._log_odds
        np.matmul(values["classifier.W"], flat(x), out=odds)
        odds += values["classifier.b"][:, None]
        # Softmax of differences to the largest: exp cannot overflow, and its sum is at least 1.
        odds -= odds.max(axis=0)
        self._targets = targets.reshape(-1)
        chosen = odds[self._targets, self._columns]
        np.exp(odds, out=odds)
        total = odds.sum(axis=0)
        odds /= total  # now the probabilities, kept for the backward pass
        return float(np.mean(np.log(total) - chosen, dtype=np.float64)), after

    def backward(
        self,
        normalisation: str,
        thresholders: Sequence[Thresholder | None] | None = None,
        step: int = 1,
        observers: Mapping[str, BackwardObserver] | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Write the gradients of the last forward pass's loss into ``parameters.gradients``.

        Parameters
        ----------
        normalisation : str
            A key of `LOSS_NORMALISATIONS`.
        thresholders : sequence of Thresholder or None, optional
            One per layer, from the input upward; left out, nothing is thresholded.
        step : int
            Number of the optimiser step, for the thresholders.
        observers : mapping of str to BackwardObserver, optional
            By layer name: who looks at its backward pass.
        learning_rate : float, optional
            Of this step, for the thresholders.
        """
        divisor = {"mean": self.T * self.B, "batch": self.B, "sum": 1}[normalisation]
        values, gradients, d_odds = self.parameters.values, self.parameters.gradients, self._log_odds
        d_odds[self._targets, self._columns] -= 1
        d_odds /= divisor
        top = flat(self.layers[-1].hidden[:, 1:])
        np.matmul(d_odds, top.T, out=gradients["classifier.W"])
        np.sum(d_odds, axis=1, out=gradients["classifier.b"])
        d_hidden = self._d_hidden
        np.matmul(values["classifier.W"].T, d_odds, out=d_hidden.reshape(self.shape.hidden, -1))
        for index in range(len(self.layers) - 1, -1, -1):
            thresholder = thresholders[index] if thresholders is not None else None
            observer = observers[self.shape.layer_names[index]] if observers is not None else None
            d_hidden = self.layers[index].backward(d_hidden, thresholder, step, observer, learning_rate)
