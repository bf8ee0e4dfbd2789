"""A whole training from its recorded steps: cycles, seconds and joules, with the zeros that each phase really had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum
from typing import TYPE_CHECKING, Any

from simulator.report.course import Course

if TYPE_CHECKING:
    from simulator.report.result import Report

PHASE_ENDS = (Fraction(5, 1000), Fraction(10, 100), Fraction(1))
"""Zhu et al. (2016): gate activations are skewed already at 0.5 % of training and steady after 10 %."""

JOULES_PER_PJ = 1e-12


@dataclass(frozen=True)
class Stretch:
    """Some consecutive optimiser steps of a training.

    Attributes
    ----------
    until : Fraction
        The share of the training at its end.
    steps : range
        Their numbers.
    recorded_steps : int
        How many of them were recorded; the others are interpolated.
    sparsity : float
        Share of zeros in the gate gradients.
    cycles, twin_cycles : Fraction; the twin's None without one
        Exact sums.
    seconds, joules, twin_seconds, twin_joules : float; the twin's None without one
    """

    until: Fraction
    steps: range
    recorded_steps: int
    sparsity: float
    cycles: Fraction
    seconds: float
    joules: float
    twin_cycles: Fraction | None
    twin_seconds: float | None
    twin_joules: float | None

    @property
    def speedup(self) -> float | None:
        """The dense twin's cycles over the machine's."""
        return None if self.twin_cycles is None or not self.cycles else float(self.twin_cycles / self.cycles)

    @property
    def energy_saving(self) -> float | None:
        """1 - energy / the dense twin's."""
        return 1 - self.joules / self.twin_joules if self.twin_joules else None

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain numbers; cycles are rounded to whole ones."""
        twin = None
        if self.twin_cycles is not None:
            twin = {"cycles": round(self.twin_cycles), "seconds": self.twin_seconds, "joules": self.twin_joules}
        return {
            "sparsity": self.sparsity,
            "cycles": round(self.cycles),
            "seconds": self.seconds,
            "joules": self.joules,
            "baseline": twin,
            "speedup": self.speedup,
            "energy_saving": self.energy_saving,
        }


@dataclass(frozen=True)
class Training:
    """What a machine takes for a whole training.

    Attributes
    ----------
    course : Course
    run : Stretch
        All of it.
    phases : tuple of Stretch
        Its parts (see `PHASE_ENDS`); none where a single step was recorded, because all would be alike.
    seconds_range, joules_range : (least, most)
        What the run would take if each step between two recorded ones took as much as the cheaper, or the dearer,
        of them.
    """

    course: Course
    run: Stretch
    phases: tuple[Stretch, ...]
    seconds_range: tuple[float, float]
    joules_range: tuple[float, float]

    @property
    def epochs(self) -> float | None:
        """Passes over the data; None where the trace does not say how long one is, or not even one was made."""
        per_epoch, total = self.course.steps_per_epoch, self.course.total_steps
        return None if per_epoch is None or total < per_epoch else total / per_epoch

    @property
    def method(self) -> str:
        """How the figures come about, in a sentence."""
        course, known = self.course, f"as {self.course.total_from} says"
        recorded, steps = course.recorded, course.numbers(0, course.total_steps)
        if len(recorded) == 1:
            return f"recorded step {recorded[0]:,} stands for all {len(steps):,} optimiser steps, {known}"
        said = f"{len(steps):,} optimiser steps, {known}; each lies on the line between its recorded neighbours"
        ends = [f"step {recorded[0]:,} stands for all before it"] if steps[0] < recorded[0] else []
        ends += [f"step {recorded[-1]:,} stands for all after it"] if recorded[-1] < steps[-1] else []
        return "; ".join([said, *ends])

    def to_dict(self) -> dict[str, Any]:
        """Give it as the report's JSON has it."""
        epochs, per_epoch = self.epochs, None
        if epochs:
            per_epoch = {
                "epochs": epochs,
                "cycles": round(self.run.cycles * Fraction(self.course.steps_per_epoch or 0, self.course.total_steps)),
                "seconds": self.run.seconds / epochs,
                "joules": self.run.joules / epochs,
            }
        return {
            "total_steps": self.course.total_steps,
            "steps_per_epoch": self.course.steps_per_epoch,
            **self.run.to_dict(),
            "seconds_range": list(self.seconds_range),
            "joules_range": list(self.joules_range),
            "per_epoch": per_epoch,
            "phases": [
                {
                    "until": float(phase.until),
                    "first_step": phase.steps[0],
                    "last_step": phase.steps[-1],
                    "recorded_steps": phase.recorded_steps,
                    **phase.to_dict(),
                }
                for phase in self.phases
            ],
            "method": self.method,
        }


def integrate(report: Report) -> Training | None:
    """Sum the recorded steps over the training that they are from.

    Returns
    -------
    Training or None
        None where the report has no course, or not all recorded steps of it: a part of them says nothing of the
        whole.
    """
    course = report.course
    if course is None or course.recorded != report.steps:
        return None
    here = StepCosts(report)
    twin = None if report.baseline is None else StepCosts(report.baseline)

    def stretch(begin: int, end: int, until: Fraction) -> Stretch:
        shares, steps = course.shares(begin, end), course.numbers(begin, end)
        cycles = _sum(shares, here.cycles)
        zeros = _sum(shares, [g.zeros for g in report.gradients])
        elements = _sum(shares, [g.elements for g in report.gradients])
        twin_cycles = None if twin is None else _sum(shares, twin.cycles)
        return Stretch(
            until=until,
            steps=steps,
            recorded_steps=sum(number in steps for number in course.recorded),
            sparsity=float(zeros / elements) if elements else 0.0,
            cycles=cycles,
            seconds=here.seconds(cycles),
            joules=_energy(shares, here.joules),
            twin_cycles=twin_cycles,
            twin_seconds=None if twin is None or twin_cycles is None else twin.seconds(twin_cycles),
            twin_joules=None if twin is None else _energy(shares, twin.joules),
        )

    total = course.total_steps
    phases, begin = [], 0
    for share in PHASE_ENDS if len(course.recorded) > 1 else ():
        end = -(-total * share.numerator // share.denominator)
        if end > begin:
            phases.append(stretch(begin, end, share))
        begin = end
    least, most = course.extremes(here.cycles)
    return Training(
        course=course,
        run=stretch(0, total, Fraction(1)),
        phases=tuple(phases),
        seconds_range=(here.seconds(least), here.seconds(most)),
        joules_range=course.extremes(here.joules),
    )


class StepCosts:
    """Cycles and joules of each recorded step of a report, in its order.

    Attributes
    ----------
    cycles : list of int
    joules : list of float
    """

    def __init__(self, report: Report) -> None:
        activity, steps = report.activity, report.steps
        self.cycles = [activity.step_cycles.get(number, 0) for number in steps]
        counts = dict(zip(activity.step_cycles, activity.step_counts, strict=True))
        energy_pj = [
            [
                line.pj_each * (cycles if line.counter is None else int(counts[number][line.counter]))
                for line in report.energy.lines
            ]
            for number, cycles in zip(steps, self.cycles, strict=True)
        ]
        self.joules = [fsum(lines) * JOULES_PER_PJ for lines in energy_pj]
        self._hertz = report.arch.clock_mhz * 1e6

    def seconds(self, cycles: float | Fraction) -> float:
        """Convert cycles to seconds at the machine's clock."""
        return float(cycles) / self._hertz


def _sum(shares: Sequence[Fraction], values: Sequence[int]) -> Fraction:
    return sum((share * value for share, value in zip(shares, values, strict=True)), Fraction(0))


def _energy(shares: Sequence[Fraction], joules: Sequence[float]) -> float:
    return fsum(float(share) * value for share, value in zip(shares, joules, strict=True))
