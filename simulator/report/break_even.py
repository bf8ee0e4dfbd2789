"""Break-even: the share of zeros below which skipping costs more than it saves on a machine, as data and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from simulator.report import numbers
from simulator.report.result import Report
from simulator.report.training import StepCosts

Kind = Literal["at", "always", "never", "mixed"]

RESOLUTION = 0.005
"""A break-even is found to so much of the sparsity."""


@dataclass(frozen=True)
class CurvePoint:
    """What a machine gains over its dense twin at some share of zeros in the gate gradients.

    Attributes
    ----------
    sparsity : float
    speedup : float
        The twin's cycles over the machine's.
    energy_saving : float
        1 - energy / the twin's.
    """

    sparsity: float
    speedup: float
    energy_saving: float

    @property
    def time_saving(self) -> float:
        """1 - cycles / the twin's."""
        return 1 - 1 / self.speedup

    def to_dict(self) -> dict[str, float]:
        """Give it as plain numbers."""
        return {"sparsity": self.sparsity, "speedup": self.speedup, "energy_saving": self.energy_saving}


@dataclass(frozen=True)
class Crossing:
    """From which share of zeros on a machine does not lose against its dense twin.

    Attributes
    ----------
    kind : "at", "always", "never" or "mixed"
        ``at``: it costs more below `sparsity` (by at most `RESOLUTION` of it) and does not from there on. ``always``:
        it costs more at no sparsity, and saves at some. ``never``: it saves at none. ``mixed``: it saves at some and
        costs more at a greater one.
    sparsity : float or None
        Of the kind ``at``.
    """

    kind: Kind
    sparsity: float | None = None

    def __str__(self) -> str:
        if self.kind == "at" and self.sparsity is not None:
            return f"saves from {numbers.percent(self.sparsity)} zeros on and costs more below"
        return {
            "always": "never costs more than it saves, whatever the share of zeros",
            "never": "never saves, whatever the share of zeros",
            "mixed": "saves at some shares of zeros and costs more at greater ones",
        }[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"kind": self.kind, "sparsity": self.sparsity}


@dataclass(frozen=True)
class BreakEven:
    """The gains of a machine against the share of zeros, and where they begin.

    Attributes
    ----------
    machine, digest, trace_sha256 : str
    batch_size, time_steps, recorded_time_steps : int
        B and T of the synthetic steps, and T of the trace; T is cut where a replay would take long.
    seed : int
        Of the masks.
    points : tuple of CurvePoint
        Evenly spaced and ascending, from no zeros to nothing but zeros.
    time, energy : Crossing
    recorded : tuple of (int, CurvePoint)
        Recorded steps of the trace, as they are.
    """

    machine: str
    digest: str
    trace_sha256: str
    batch_size: int
    time_steps: int
    recorded_time_steps: int
    seed: int
    points: tuple[CurvePoint, ...]
    time: Crossing
    energy: Crossing
    recorded: tuple[tuple[int, CurvePoint], ...] = ()

    @property
    def method(self) -> str:
        """What was replayed, in a sentence."""
        cut = ""
        if self.time_steps < self.recorded_time_steps:
            cut = f", cut from {self.recorded_time_steps:,} to stay quick"
        return (
            f"one synthetic step of the trace's layers with independent zeros in dG (seed {self.seed}), dense x and h, "
            f"batch {self.batch_size:,}, {self.time_steps:,} time steps{cut}; real zeros lie in columns and runs and "
            "gain more or less than independent ones"
        )

    def sentences(self) -> list[str]:
        """Say the break-even of time and of energy."""
        return [f"In time, skipping {self.time}.", f"In energy, it {self.energy} (independent zeros in dG)."]

    def to_dict(self) -> dict[str, Any]:
        """Give it as the report's JSON has it."""
        return {
            "time": self.time.to_dict(),
            "energy": self.energy.to_dict(),
            "resolution": RESOLUTION,
            "points": [point.to_dict() for point in self.points],
            "recorded": [{"step": step, **point.to_dict()} for step, point in self.recorded],
            "batch_size": self.batch_size,
            "time_steps": self.time_steps,
            "recorded_time_steps": self.recorded_time_steps,
            "seed": self.seed,
            "method": self.method,
        }


def recorded_points(report: Report) -> tuple[tuple[int, CurvePoint], ...]:
    """Give each replayed step of a report with a baseline as a point; a step without work is left out."""
    if report.baseline is None:
        return ()
    here, twin = StepCosts(report), StepCosts(report.baseline)
    points = []
    for i, zeros in enumerate(report.gradients):
        if here.cycles[i] and twin.joules[i]:
            point = CurvePoint(
                zeros.zeros / zeros.elements if zeros.elements else 0.0,
                twin.cycles[i] / here.cycles[i],
                1 - here.joules[i] / twin.joules[i],
            )
            points.append((zeros.step, point))
    return tuple(points)
