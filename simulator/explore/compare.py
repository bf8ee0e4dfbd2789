"""What changed between two runs, by how much, and which products, stalls and components it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from simulator.explore.subjects import Number, Subject

REST = "not told apart"
ROUNDING = 1e-9
"""Of a measure: a sum of floats that differs by less is the same sum, added in another order."""


@dataclass(frozen=True)
class Contribution:
    """A part of a measure, here and in the reference.

    Attributes
    ----------
    name : str
    before, after, difference : number
        Of the reference, of the other, and after - before.
    """

    name: str
    before: Number
    after: Number
    difference: Number


@dataclass(frozen=True)
class Change:
    """What became of a measure.

    Attributes
    ----------
    measure : str
    before, after, difference : number
        Of the reference, of the other, and after - before.
    relative : float or None
        Difference over the reference's magnitude; None where that is 0.
    contributions : tuple of Contribution
        Parts that changed, the largest difference first. Differences of integers sum to the measure's exactly, those of
        floats up to rounding; what the parts of a file leave over is a part of the name `REST`. Empty where one of the
        two does not say the parts, or nothing changed.
    """

    measure: str
    before: Number
    after: Number
    difference: Number
    relative: float | None
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Comparison:
    """A run beside the reference.

    Attributes
    ----------
    reference, other : Subject
    settings : tuple of (str, str, str)
        What was set differently: name, the reference's value, the other's.
    changes : tuple of Change
        Measures that both have.
    notes : tuple of str
        What to know before reading a difference as the machine's.
    """

    reference: Subject
    other: Subject
    settings: tuple[tuple[str, str, str], ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {
            "subject": self.other.source,
            "settings": [{"name": n, "before": b, "after": a} for n, b, a in self.settings],
            "limits": {"before": self.reference.limit, "after": self.other.limit},
            "measures": [
                {
                    "name": c.measure,
                    "before": c.before,
                    "after": c.after,
                    "difference": c.difference,
                    "relative": c.relative,
                    "contributions": [
                        {"name": p.name, "before": p.before, "after": p.after, "difference": p.difference}
                        for p in c.contributions
                    ],
                }
                for c in self.changes
            ],
            "notes": list(self.notes),
        }


def compare(reference: Subject, others: Sequence[Subject]) -> list[Comparison]:
    """Set runs beside the first one."""
    return [_compared(reference, other) for other in others]


def _compared(reference: Subject, other: Subject) -> Comparison:
    before, after = reference.settings, other.settings
    settings = tuple(
        (name, before[name], after[name]) for name in before if name in after and before[name] != after[name]
    )
    names = [name for name in reference.measures if name in other.measures]
    changed = {name for name, _, _ in settings}
    notes = []
    if changed & {"trace", "trace_sha256"}:
        notes.append("not the same trace: a part of every difference is other work")
    elif changed & {"steps", "steps_replayed"}:
        notes.append("not the same steps of the trace: a part of every difference is other work")
    if not all("cycles_total" in one.parts for one in (reference, other)):
        notes.append("one of the two does not tell cycles by product and stall: its table is of an older sweep")
    return Comparison(
        reference, other, settings, tuple(_change(name, reference, other) for name in names), tuple(notes)
    )


def _change(name: str, reference: Subject, other: Subject) -> Change:
    before, after = reference.measures[name], other.measures[name]
    difference = after - before
    contributions: tuple[Contribution, ...] = ()
    if name in reference.parts and name in other.parts:
        contributions = _contributions(reference.parts[name], other.parts[name], before, after)
    return Change(name, before, after, difference, difference / abs(before) if before else None, contributions)


def _contributions(
    before: dict[str, Number], after: dict[str, Number], total_before: Number, total_after: Number
) -> tuple[Contribution, ...]:
    names = dict.fromkeys([*before, *after])
    found = [Contribution(n, b := before.get(n, 0), a := after.get(n, 0), a - b) for n in names]
    rests = [_rest(before, total_before), _rest(after, total_after)]
    if any(rests):
        found.append(Contribution(REST, rests[0], rests[1], rests[1] - rests[0]))
    return tuple(sorted((c for c in found if c.difference), key=lambda c: -abs(c.difference)))


def _rest(parts: dict[str, Number], total: Number) -> Number:
    """Give what the parts leave over of their total; nothing where that is rounding."""
    if all(isinstance(value, int) for value in (*parts.values(), total)):
        return total - sum(parts.values())
    rest = total - fsum(parts.values())
    return rest if abs(rest) > ROUNDING * abs(total) else 0
