"""Optimisers on the flat parameter vector, and gradient clipping."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from traces.errors import InputError, Problem
from traces.numpy_frontend.parameters import Floats

_BLOCK = 16_384
"""Elements updated at once: the handful of arrays then stay in the second-level cache."""

LEARNING_RATES = {"adam": 0.002, "sgd": 1.0}
"""Default learning rates: Adam's for a character model of this size; 1 with clipping is Zaremba et al.'s
(arXiv 1409.2329) for SGD."""


def global_norm(gradient: Floats) -> float:
    """Euclidean norm of a flat gradient; inf or NaN where it holds one."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(float(np.dot(gradient, gradient)))


def clip(gradient: Floats, limit: float) -> float:
    """Scale a flat gradient down in place so that its norm is at most ``limit``; 0 never scales.

    Returns
    -------
    float
        The norm before.
    """
    norm = global_norm(gradient)
    if limit and norm > limit:
        gradient *= limit / norm
    return norm


class Optimizer(ABC):
    """Updates parameters in place.

    Attributes
    ----------
    slots : dict of str to floating [parameters]
        Running quantities, as many as there are parameters each; saved in checkpoints.
    updates : int
        Number of updates so far.
    learning_rate : float
    """

    learning_rate: float

    def __init__(self, slots: dict[str, Floats]) -> None:
        self.slots = slots
        self.updates = 0

    @abstractmethod
    def update(self, parameters: Floats, gradient: Floats) -> None:
        """Move the flat parameters along their gradient, of the same shape."""


class Adam(Optimizer):
    """Kingma and Ba, ICLR 2015, algorithm 1, in the order of operations of ``torch.optim.Adam``.

    Parameters
    ----------
    parameters : floating [n]
        Gives size and precision of the moments.
    learning_rate, beta1, beta2, epsilon : float
    """

    def __init__(
        self,
        parameters: Floats,
        learning_rate: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__({"adam_m": np.zeros_like(parameters), "adam_v": np.zeros_like(parameters)})
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self._scratch = np.empty(min(_BLOCK, parameters.size), parameters.dtype)

    def update(self, parameters: Floats, gradient: Floats) -> None:
        """Move the parameters by ``-rate * m_hat / (sqrt(v_hat) + epsilon)``."""
        self.updates += 1
        rate = self.learning_rate / (1 - self.beta1**self.updates)
        root = math.sqrt(1 - self.beta2**self.updates)
        for start in range(0, parameters.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            p, g, m, v = (
                parameters[block],
                gradient[block],
                self.slots["adam_m"][block],
                self.slots["adam_v"][block],
            )
            scratch = self._scratch[: p.size]
            m *= self.beta1
            np.multiply(g, 1 - self.beta1, out=scratch)
            m += scratch
            v *= self.beta2
            np.multiply(g, g, out=scratch)
            scratch *= 1 - self.beta2
            v += scratch
            np.sqrt(v, out=scratch)
            scratch /= root
            scratch += self.epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= rate
            p -= scratch


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum in the form of ``torch.optim.SGD``: u = momentum * u + g.

    Parameters
    ----------
    parameters : floating [n]
        Gives size and precision of the velocity, which there is only with momentum.
    learning_rate : float
    momentum : float
        From 0, which is none, to below 1.
    """

    def __init__(self, parameters: Floats, learning_rate: float, momentum: float = 0.0) -> None:
        super().__init__({"sgd_velocity": np.zeros_like(parameters)} if momentum else {})
        self.learning_rate, self.momentum = learning_rate, momentum
        self._scratch = np.empty(min(_BLOCK, parameters.size), parameters.dtype)

    def update(self, parameters: Floats, gradient: Floats) -> None:
        """Move the parameters by ``-rate * u``."""
        self.updates += 1
        for start in range(0, parameters.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            direction = gradient[block]
            if self.momentum:
                velocity = self.slots["sgd_velocity"][block]
                velocity *= self.momentum
                velocity += direction
                direction = velocity
            scratch = self._scratch[: direction.size]
            np.multiply(direction, self.learning_rate, out=scratch)
            parameters[block] -= scratch


def optimizer_problems(kind: str, learning_rate: float, momentum: float) -> list[Problem]:
    """List what is wrong with the settings of an optimiser."""
    problems = []
    if kind not in LEARNING_RATES:
        problems.append(Problem("optimizer", repr(kind), f"one of {', '.join(LEARNING_RATES)}"))
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        problems.append(Problem("learning rate", repr(learning_rate), "a finite number above 0"))
    if not 0 <= momentum < 1:
        problems.append(Problem("momentum", repr(momentum), "a number from 0 to below 1"))
    elif momentum and kind == "adam":
        problems.append(Problem("momentum", repr(momentum), "0 with adam", "choose sgd; adam has its own"))
    return problems


def make_optimizer(kind: str, parameters: Floats, learning_rate: float, momentum: float = 0.0) -> Optimizer:
    """Make an optimiser of the kind ``adam`` or ``sgd`` for a flat parameter vector.

    Raises
    ------
    InputError
        Where the kind is unknown or a number out of range.
    """
    problems = optimizer_problems(kind, learning_rate, momentum)
    if problems:
        raise InputError(problems)
    if kind == "adam":
        return Adam(parameters, learning_rate)
    return SGD(parameters, learning_rate, momentum)


def optimizer_mapping(kind: str, learning_rate: float, momentum: float) -> dict[str, Any]:
    """Describe an optimiser as a trace header has it."""
    return {"kind": kind, "learning_rate": learning_rate} | ({"momentum": momentum} if momentum else {})
