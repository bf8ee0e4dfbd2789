"""From which share of zeros on skipping pays: what it saves of time and energy, and where recorded steps stand."""

from __future__ import annotations

import math

from simulator.report.html.elements import drawing, label, spoken, tag
from simulator.report.numbers import percent
from simulator.report.saved import CurveAt, SavedBreakEven

SERIES = {"time": ("blue", ""), "energy": ("red", "dash")}


def break_even_chart(found: SavedBreakEven, width: int) -> str:
    """Draw what is saved of time (discs, solid) and of energy (diamonds, dashed) over the share of zeros in dG."""
    axes = _Axes(width, [one for point in (*found.points, *found.recorded) for one in _saved(point).values()])
    marks = [axes.grid()]
    ends: list[float] = []
    for name, (colour, style) in SERIES.items():
        places = [axes.place(point.sparsity, _saved(point)[name]) for point in found.points]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        marks.append(tag("path", class_=f"curve s-{colour} {style}".strip(), d=f"M{line}"))
        x, y = places[-1]
        while any(abs(y - other) < 14 for other in ends):
            y += 4
        ends.append(y)
        marks.append(label(x + 8, y + 4, name, "strong small"))
        marks += [_mark(axes, name, point, colour) for point in found.recorded]
    return drawing(width, axes.height, "".join(marks), "Time and energy saved over the share of zeros")


def _saved(point: CurveAt) -> dict[str, float]:
    return {"time": 1 - 1 / point.speedup, "energy": point.energy_saving}


def _mark(axes: _Axes, name: str, point: CurveAt, colour: str) -> str:
    saved = _saved(point)[name]
    x, y = axes.place(point.sparsity, saved)
    more = "saved" if saved >= 0 else "more"
    told = f"step {point.step}\n{percent(point.sparsity)} zeros in dG\n{percent(abs(saved))} of {name} {more}"
    if name == "time":
        return spoken(tag("circle", cx=x, cy=y, r=5, class_=f"dot c-{colour}"), told)
    diamond = f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"
    return spoken(tag("path", d=diamond, class_=f"dot c-{colour}"), told)


class _Axes:
    """Shares of zeros across, shares saved up; the line where nothing is saved stands out."""

    def __init__(self, width: float, saved: list[float]) -> None:
        self.width, self.height = width, 300.0
        self.left, self.right, self.top, self.bottom = 52.0, width - 62.0, 10.0, 256.0
        low, high = min([0.0, *saved]), max([0.0, *saved])
        spread = (high - low) or 1.0
        # A machine that loses far more without zeros than it could gain would flatten all else.
        self.low, self.high = max(low - 0.06 * spread, -1.0), high + 0.08 * spread

    def place(self, sparsity: float, saved: float) -> tuple[float, float]:
        share = (min(self.high, max(self.low, saved)) - self.low) / (self.high - self.low)
        return self.left + (self.right - self.left) * sparsity, self.bottom + (self.top - self.bottom) * share

    def grid(self) -> str:
        lines = []
        for tick in range(0, 101, 20):
            x, _ = self.place(tick / 100, 0)
            lines.append(tag("path", class_="grid", d=f"M{x:.1f} {self.top:.1f}V{self.bottom:.1f}"))
            lines.append(label(x, self.bottom + 16, f"{tick} %", "mid mut small"))
        step = next((s for s in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if (self.high - self.low) / s <= 8), 1.0)
        for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            _, y = self.place(0, number * step)
            style = "grid" if number else "rule"
            lines.append(tag("path", class_=style, d=f"M{self.left:.1f} {y:.1f}H{self.right:.1f}"))
            said = f"{100 * number * step:.0f} %".replace("-", "\N{MINUS SIGN}")
            lines.append(label(self.left - 7, y + 4, said, "end mut small"))
        middle = (self.top + self.bottom) / 2
        turned = f"rotate(-90 12 {middle:.1f})"
        lines.append(label(12, middle, "saved", "mid mut small", transform=turned))
        lines.append(label((self.left + self.right) / 2, self.bottom + 36, "zeros in dG", "mid mut small"))
        return "".join(lines)
