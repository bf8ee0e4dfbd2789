"""The roofline: what bandwidth and array allow each product, and what it reached.

After S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", CACM 52 (2009): work is executed MACs, traffic is DRAM bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from simulator.report import numbers
from simulator.report.html.elements import drawing, label, shortened_label, spoken, tag
from simulator.report.saved import LayerProduct, Run, SavedReport

RADIUS = (4.0, 11.0)
MOST_NAMES = 10

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Roof:
    """What a machine allows.

    Attributes
    ----------
    macs_per_cycle : float
        All multipliers at work.
    bytes_per_cycle : float
        What the DRAM moves at most.
    """

    macs_per_cycle: float
    bytes_per_cycle: float

    @property
    def ridge(self) -> float:
        """MACs per byte from which on the array is the limit."""
        return self.macs_per_cycle / self.bytes_per_cycle


@dataclass(frozen=True)
class Point:
    """A product of a layer: MACs per DRAM byte, and MACs per cycle with its stalls."""

    product: LayerProduct
    intensity: float
    rate: float


def roof_of(run: Run) -> Roof | None:
    """Read the roof from a report; None where memory is ideal."""
    peaks = run.peaks
    return None if peaks.dram_bytes_per_cycle is None else Roof(peaks.macs_per_cycle, peaks.dram_bytes_per_cycle)


def points_of(run: Run | None) -> dict[tuple[str, str], Point]:
    """Place every product that did MACs and moved bytes."""
    found = {}
    for one in [] if run is None else run.layer_products:
        if one.macs_executed and one.dram_bytes and one.spent_cycles:
            rate = one.macs_executed / one.spent_cycles
            found[one.layer, one.product] = Point(one, one.macs_executed / one.dram_bytes, rate)
    return found


def roofline(report: SavedReport, width: int) -> str | None:
    """Draw the roof and each product under it, joined with the same product of the dense twin.

    Returns
    -------
    str or None
        None where there is no roof or nothing to place.
    """
    roof, points, twins = roof_of(report), points_of(report), points_of(report.baseline)
    if roof is None or not points:
        return None
    every = [*points.values(), *twins.values()]
    height = 420 if width > 600 else 330
    axes = _Axes(
        width,
        height,
        (
            min(*(p.intensity for p in every), roof.ridge / 4) / 1.6,
            max(*(p.intensity for p in every), roof.ridge * 4) * 1.6,
        ),
        (min(*(p.rate for p in every), roof.macs_per_cycle / 8) / 1.5, roof.macs_per_cycle * 1.9),
    )
    longest = max(point.product.spent_cycles for point in points.values())
    marks = [axes.grid(), _roof(axes, roof, [_box(axes, point, longest) for point in every])]
    for name, point in sorted(points.items(), key=lambda item: -item[1].product.spent_cycles):
        marks.append(_mark(axes, roof, point, twins.get(name), longest))
    named = sorted(points.values(), key=lambda p: -p.product.spent_cycles)
    marks.append(_names(axes, roof, named[: MOST_NAMES if width > 600 else MOST_NAMES // 2], named, longest))
    return drawing(width, height, "".join(marks), "Roofline: MACs per cycle over MACs per DRAM byte")


def _roof(axes: _Axes, roof: Roof, taken: list[Box]) -> str:
    right = axes.x_range[1]
    left = max(axes.x_range[0], axes.y_range[0] / roof.bytes_per_cycle)  # where the slope enters the drawing
    slope = f"M{axes.x(left):.1f} {axes.y(left * roof.bytes_per_cycle):.1f}"
    ridge_x, top = axes.x(roof.ridge), axes.y(roof.macs_per_cycle)
    line = tag("path", class_="rule", d=f"{slope}L{ridge_x:.1f} {top:.1f}H{axes.x(right):.1f}")
    foot = tag("path", class_="rule faint dash", d=f"M{ridge_x:.1f} {top:.1f}V{axes.bottom:.1f}")
    peak = f"array: {numbers.count(round(roof.macs_per_cycle))} MACs a cycle"
    ridge = f"ridge: {roof.ridge:,.1f} MACs/byte"
    flip = "end" if ridge_x > axes.width * 0.62 else ""
    words = label(axes.right - 4, top - 8, peak, "end small strong halo")
    words += label(ridge_x + (-7 if flip else 7), axes.bottom - 8, ridge, f"{flip} small mut halo")
    said = f"DRAM: {roof.bytes_per_cycle:,.3g} B a cycle"
    wide = 7.0 * len(said)
    for share in (0.5, 0.35, 0.65, 0.2, 0.8, 0.1):  # of the slope: where no point is in the way
        at = left * (roof.ridge / left) ** share
        x, y = axes.x(at) - 8, axes.y(at * roof.bytes_per_cycle) - 6
        box = (x - wide, y - 11, x, y + 3)
        if box[0] > axes.left and not any(_overlap(box, other) for other in taken):
            words += label(x, y, said, "end small strong halo")
            break
    return line + foot + words


def _radius(point: Point, longest: int) -> float:
    return RADIUS[0] + (RADIUS[1] - RADIUS[0]) * math.sqrt(point.product.spent_cycles / longest)


def _mark(axes: _Axes, roof: Roof, point: Point, twin: Point | None, longest: int) -> str:
    one = point.product
    x, y = axes.x(point.intensity), axes.y(point.rate)
    allowed = min(roof.macs_per_cycle, point.intensity * roof.bytes_per_cycle)
    told = [
        f"{one.layer} {one.product}, {one.phase}",
        f"{point.rate:,.1f} MACs a cycle: {numbers.percent(point.rate / allowed)} of what the roof allows",
        f"{point.intensity:,.1f} MACs per DRAM byte",
        f"{numbers.count(one.spent_cycles)} cycles, stalls included",
    ]
    shapes = ""
    if twin is not None:
        there = axes.x(twin.intensity), axes.y(twin.rate)
        told.append(f"dense twin {twin.rate:,.1f} MACs a cycle at {twin.intensity:,.1f} per byte")
        shapes += tag("path", class_="rule faint back", d=f"M{there[0]:.1f} {there[1]:.1f}L{x:.1f} {y:.1f}")
        shapes += tag("circle", cx=there[0], cy=there[1], r=3.5, class_="twin back")
    radius = _radius(point, longest)
    colour = "c-blue" if one.phase == "forward" else "c-red"
    if one.phase == "forward":
        shapes += tag("circle", cx=x, cy=y, r=radius, class_=f"dot {colour}")
    else:  # told apart without colour, too
        r = radius * 1.2
        shapes += tag("path", d=f"M{x:.1f} {y - r:.1f}L{x + r:.1f} {y:.1f}L{x:.1f} {y + r:.1f}L{x - r:.1f} {y:.1f}Z",
                      class_=f"dot {colour}")  # fmt: skip
    return spoken(shapes, "\n".join(told), f"product:{one.layer}/{one.product}")


def _names(axes: _Axes, roof: Roof, points: list[Point], every: list[Point], longest: int) -> str:
    """Name points as long as a name finds room beside its point, clear of all points and of the roof."""
    taken = [_box(axes, point, longest) for point in every]
    words = []
    for point in points:
        x, y, r = axes.x(point.intensity), axes.y(point.rate), _radius(point, longest)
        name = shortened_label(f"{point.product.layer} {point.product.product}", 24)
        wide = 6.4 * len(name)
        places = [(x + r + 4, y + 4), (x + r, y + r + 11), (x - wide / 2, y + r + 15), (x - r - 4 - wide, y + 4)]
        for left, base in (*places, (x - wide / 2, y - r - 6), (x - r - wide, y - r - 2)):
            box = (left, base - 10, left + wide, base + 3)
            inside = axes.left < box[0] and box[2] < axes.right and axes.top < box[1] and box[3] < axes.bottom
            if inside and not any(map(partial(_overlap, box), taken)) and not _crosses(axes, roof, box):
                taken.append(box)
                words.append(label(left, base, name, "small halo"))
                break
    return tag("g", "".join(words), aria_hidden="true", pointer_events="none")


def _box(axes: _Axes, point: Point, longest: int) -> Box:
    x, y, r = axes.x(point.intensity), axes.y(point.rate), _radius(point, longest)
    return (x - r, y - r, x + r, y + r)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _crosses(axes: _Axes, roof: Roof, box: Box) -> bool:
    """Whether the roof runs through a box."""
    heights = [axes.y(min(roof.macs_per_cycle, axes.intensity(x) * roof.bytes_per_cycle)) for x in (box[0], box[2])]
    return min(heights) < box[3] and max(heights) > box[1]


class _Axes:
    """Two logarithmic axes."""

    def __init__(self, width: float, height: float, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.width, self.x_range, self.y_range = width, x_range, y_range
        self.left, self.right, self.top, self.bottom = 64.0, width - 8.0, 10.0, height - 44.0

    def x(self, value: float) -> float:
        return self._along(value, self.x_range, self.left, self.right)

    def y(self, value: float) -> float:
        return self._along(value, self.y_range, self.bottom, self.top)

    def intensity(self, x: float) -> float:
        """Turn a place across back into MACs per byte."""
        low, high = (math.log(end) for end in self.x_range)
        return math.exp(low + (high - low) * (x - self.left) / (self.right - self.left))

    def _along(self, value: float, ends: tuple[float, float], first: float, last: float) -> float:
        low, high = (math.log(end) for end in ends)
        share = (math.log(value) - low) / (high - low)
        return first + (last - first) * min(1.0, max(0.0, share))

    def grid(self) -> str:
        """Draw lines and numbers at powers of ten, with 2 and 5 where there are few."""
        lines = []
        for tick in ticks(*self.x_range):
            x = self.x(tick)
            lines.append(tag("path", class_="grid", d=f"M{x:.1f} {self.top:.1f}V{self.bottom:.1f}"))
            lines.append(label(x, self.bottom + 17, f"{tick:,g}", "mid mut small"))
        for tick in ticks(*self.y_range):
            y = self.y(tick)
            lines.append(tag("path", class_="grid", d=f"M{self.left:.1f} {y:.1f}H{self.right:.1f}"))
            lines.append(label(self.left - 7, y + 4, f"{tick:,g}", "end mut small"))
        lines.append(
            label((self.left + self.right) / 2, self.bottom + 36, "executed MACs per DRAM byte", "mid mut small")
        )
        middle = (self.top + self.bottom) / 2
        lines.append(
            label(12, middle, "executed MACs per cycle", "mid mut small", transform=f"rotate(-90 12 {middle:.1f})")
        )
        return "".join(lines)


def ticks(low: float, high: float) -> list[float]:
    """Choose round numbers between two on a logarithmic axis."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        found = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(found) >= 4:
            break
    return found
