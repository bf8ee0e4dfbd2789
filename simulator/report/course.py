"""The course of a training: how many of its optimiser steps each recorded step stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from traces import Trace

FROM_HEADER = "the trace's header"
FROM_CURVE = "the last point of the training curve"
FROM_LAST_STEP = "the last recorded step"


class GradientZeros(NamedTuple):
    """Zeros in the gate gradients of a recorded step: all recorded layers, real time steps only."""

    step: int
    zeros: int
    elements: int


@dataclass(frozen=True)
class Course:
    """The optimiser steps of a training, and which of them were recorded.

    Attributes
    ----------
    recorded : tuple of int
        Numbers of the recorded steps, ascending; at least one.
    total_steps : int
        Optimiser steps of the training. They are numbered from 1, or from 0 where step 0 is recorded.
    total_from : str
        Where `total_steps` is known from.
    steps_per_epoch : int or None
        None where the trace does not say it.
    """

    recorded: tuple[int, ...]
    total_steps: int
    total_from: str = FROM_HEADER
    steps_per_epoch: int | None = None

    @classmethod
    def of(cls, trace: Trace) -> Course:
        """Read it from a trace with at least one step.

        The total is what the header states; else the last point of the training curve, if no recorded step comes
        after it; else the last recorded step.
        """
        training, last = trace.training or {}, trace.steps[-1]
        per_epoch = training.get("steps_per_epoch")
        stated = training.get("total_steps")
        if stated is not None:
            return cls(trace.steps, stated, FROM_HEADER, per_epoch)
        points = [n for n in (trace.curve or {}).get("step", []) if isinstance(n, int) and not isinstance(n, bool)]
        followed = max(points, default=-1)
        first = min(1, trace.steps[0])
        if followed >= last:
            return cls(trace.steps, followed - first + 1, FROM_CURVE, per_epoch)
        return cls(trace.steps, last - first + 1, FROM_LAST_STEP, per_epoch)

    @property
    def first_step(self) -> int:
        """Number of the first optimiser step."""
        return min(1, self.recorded[0])

    def numbers(self, begin: int, end: int) -> range:
        """Give the numbers of the optimiser steps from the begin-th up to, not with, the end-th, counted from 0."""
        return range(self.first_step + begin, self.first_step + end)

    def shares(self, begin: int, end: int) -> list[Fraction]:
        """Say for how many of a stretch's optimiser steps each recorded step stands.

        An optimiser step between two recorded ones lies on the straight line between them, so each has a share of it;
        one before the first or after the last recorded step is like that. This is the trapezoidal rule with half a
        step added at either end.

        Parameters
        ----------
        begin, end : int
            The stretch, as `numbers` takes it.

        Returns
        -------
        list of Fraction
            One for each recorded step; they sum to ``end - begin``.
        """
        low, high = self.first_step + begin, self.first_step + end
        shares = [Fraction(0) for _ in self.recorded]
        shares[0] += max(0, min(high, self.recorded[0]) - low)
        for i, (left, right) in enumerate(pairwise(self.recorded)):
            start, stop = max(low, left), min(high, right)
            if start < stop:
                # The sum of (n - left) / (right - left) over start <= n < stop.
                to_right = Fraction((start + stop - 1 - 2 * left) * (stop - start), 2 * (right - left))
                shares[i] += stop - start - to_right
                shares[i + 1] += to_right
        shares[-1] += max(0, high - max(low, self.recorded[-1]))
        return shares

    def extremes(self, values: Sequence[float]) -> tuple[float, float]:
        """Sum a quantity over the training, each step between two recorded ones as the lesser, or greater, of them.

        Whatever the quantity does between two recorded steps, the sum lies within these as long as it stays between
        their values. Nothing is known before the first and after the last recorded step: they count as they are.

        Parameters
        ----------
        values : sequence of number
            The quantity at each recorded step.
        """
        first, end = self.first_step, self.first_step + self.total_steps
        recorded = [value for number, value in zip(self.recorded, values, strict=True) if number < end]
        held = (self.recorded[0] - first) * values[0] + max(0, end - 1 - self.recorded[-1]) * values[-1]
        least = most = sum(recorded) + held
        for (left, right), (a, b) in zip(pairwise(self.recorded), pairwise(values), strict=True):
            between = max(0, min(end, right) - left - 1)
            least += between * min(a, b)
            most += between * max(a, b)
        return least, most
