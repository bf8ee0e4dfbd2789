"""Charts of a run: where the energy goes, and where the time goes, each beside the dense twin.

A bar is this machine's, the upright line through its row the dense twin's. Colours only repeat what labels and
hatching say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.report import numbers
from simulator.report.html.elements import drawing, label, rect, shortened_label, spoken, tag
from simulator.report.saved import LayerProduct, Run, SavedReport, Work

WIDE, NARROW = 1080, 380
LEAST_WIDE = 600
MOST_ROWS = 60

GROUPS = {
    "arithmetic": ("c-blue", ("mac", "gated", "accumulators", "vector_unit")),
    "on-chip buffers": ("c-green", ("skip_buffer", "shared_buffer", "output_buffer")),
    "skipping itself": ("c-pink", ("skip_logic", "staging", "metadata")),
    "DRAM": ("c-red", ("dram_read", "dram_write")),
    "leakage": ("c-grey", ("leakage",)),
}
GROUP_OF = {component: name for name, (_, components) in GROUPS.items() for component in components}

PARTS = {
    "needed_macs": ("c-blue", "MACs that ideal skipping leaves"),
    "missed_zeros": ("c-sky", "work beyond ideal skipping"),
    "no_zeros": ("c-grey", "products without a recorded zero"),
    "pass_overhead": ("c-green", "set-up of passes"),
}
STALLS = {
    "dependency": ("c-orange", "stall: dependency"),
    "load_shared": ("c-red", "stall: loads"),
    "load_skip": ("c-red", "stall: loads"),
    "load_partial": ("c-red", "stall: loads"),
}
OTHER_STALL = ("c-pink", "stall: outputs, operands, drain")


def look(part: str) -> tuple[str, str, bool]:
    """Give a part of the time its colour, its name in the legend, and whether it is hatched, as stalls are."""
    if part in PARTS:
        return (*PARTS[part], False)
    return (*STALLS.get(part, OTHER_STALL), True)


def time_legend(report: SavedReport) -> list[tuple[str, str]]:
    """List the colours and names of the parts of the time that occur, each once."""
    looks = [look(part) for part, share in report.explanation.time.items() if share > 0]
    return list(dict.fromkeys((colour, said_part(report, name)) for colour, name, _ in looks))


def said_part(report: SavedReport, name: str) -> str:
    """Name a part of the time; without the bound nobody knows what ideal skipping would leave."""
    return "products with zeros" if name == PARTS["needed_macs"][1] and report.bound_speedup is None else name


def energy_legend(report: SavedReport) -> list[tuple[str, str]]:
    """List the colours and names of the groups of components that take energy."""
    spent = [report.energy_pj.by_component] + (
        [] if report.baseline is None else [report.baseline.energy_pj.by_component]
    )
    used = {name for components in spent for name, pj in components.items() if pj}
    return [(colour, name) for name, (colour, members) in GROUPS.items() if used & set(members)]


def on(colour: str) -> str:
    """Name the style of a text on a bar of some colour."""
    return "on-sky" if colour == "c-sky" else "on"


def said_change(here: float, twin: float) -> str:
    """Say how far a value is from the twin's: ``-12.3 %``; nothing where the twin has none."""
    if not twin:
        return ""
    change = here / twin - 1
    return "±0 %" if abs(change) < 0.0005 else f"{100 * change:+.1f} %".replace("-", "\N{MINUS SIGN}")


# --- energy -----------------------------------------------------------------------------------------------------


def energy_chart(report: SavedReport, width: int) -> str:
    """Draw both machines' energy stacked by group, then each component against the twin's."""
    twin = report.baseline
    total, twin_total = report.energy_pj.total, 0.0 if twin is None else twin.energy_pj.total
    unit = numbers.unit_for([total, twin_total], numbers.ENERGY_UNITS)
    frame = _Frame(width, max(total, twin_total))
    here = report.energy_pj.by_component
    there = {} if twin is None else twin.energy_pj.by_component
    y, marks = 4.0, []
    machines = [(shortened_label("this machine", frame.letters), here, total)]
    machines += [] if twin is None else [("dense twin", there, twin_total)]
    for name, components, sum_pj in machines:
        marks.append(_stacked_energy(frame, y, name, components, sum_pj, unit))
        y += 38
    y += 16
    rows = sorted((n for n in here if here[n] or there.get(n)), key=lambda n: -max(here[n], there.get(n, 0.0)))
    longest = max((max(here[n], there.get(n, 0.0)) for n in rows), default=0.0)
    parts = _Frame(width, longest)
    for name in rows:
        other = None if twin is None else there.get(name, 0.0)
        told = [name, f"{numbers.energy(here[name])}, {numbers.percent(here[name] / total if total else 0)} of all"]
        if other is not None:
            told.append(f"dense twin {numbers.energy(other)}")
        change = "" if other is None else said_change(here[name], other)
        values = (f"{numbers.aligned(here[name], unit)} {unit.name}", change)
        bar = [_Piece(here[name], GROUPS[GROUP_OF.get(name, "arithmetic")][0], False)]
        marks.append(parts.row(y, name, bar, other, values, "\n".join(told), f"component:{name}"))
        y += parts.pitch
    return drawing(width, y, "".join(marks), "Energy by component, this machine against its dense twin")


def _stacked_energy(
    frame: _Frame, y: float, name: str, components: dict[str, float], total: float, unit: numbers.Unit
) -> str:
    x, marks = frame.left, [label(0, y + 20, name, "strong")]
    for group, (colour, members) in GROUPS.items():
        pj = sum(components.get(member, 0.0) for member in members)
        if not pj:
            continue
        across = frame.scaled(pj)
        said = numbers.scaled(pj, unit)
        inside = label(x + across / 2, y + 20, said, f"mid {on(colour)} strong small") if across > 8 * len(said) else ""
        share = numbers.percent(pj / total if total else 0)
        marks.append(
            spoken(
                rect(x, y, across, 30, f"{colour} seg") + inside,
                f"{group}, {name}\n{numbers.energy(pj)}, {share}\n{', '.join(m for m in members if components.get(m))}",
            )
        )
        x += across
    marks.append(label(frame.right, y + 20, numbers.energy(total), "end strong"))
    return "".join(marks)


# --- time ---------------------------------------------------------------------------------------------------------


def time_bar(report: SavedReport, width: int) -> str:
    """Draw the run's time as one bar, split by what it was spent on, the largest limit marked."""
    x, marks, height, stripes = 0.0, [], 40, hatch("time", width)
    marked = _limited_parts(report)
    spans: list[tuple[float, float]] = []
    for part, share in report.explanation.time.items():
        if share <= 0:
            continue
        colour, name, hatched = look(part)
        across = share * width
        said = numbers.percent(share)
        shape = rect(x, 22, across, height, f"{colour} seg")
        shape += _stripes(x, 22, across, height, stripes) if hatched else ""
        if across > 9 * len(said) and not hatched:
            shape += label(x + across / 2, 22 + height / 2 + 4.5, said, f"mid {on(colour)} strong")
        detail = f"{said_part(report, name)}\n{said} of the time" + (f"\nreason: {part}" if hatched else "")
        marks.append(spoken(shape, detail))
        if part in marked:
            spans.append((x, x + across))
        x += across
    if spans:
        first, last = min(s[0] for s in spans), max(s[1] for s in spans)
        marks.append(tag("path", class_="rule", d=f"M{first + 1:.1f} 18V12H{last - 1:.1f}V18"))
        words = f"largest limit: {numbers.percent(report.explanation.limiter.share)}"
        edge = "mid" if 70 < (first + last) / 2 < width - 70 else ("end" if last > width / 2 else "")
        place = {"mid": (first + last) / 2, "end": last, "": first}[edge]
        marks.append(label(place, 7, words, f"{edge} small strong"))
    return drawing(width, 22 + height + 2, _pattern(stripes) + "".join(marks), "What the time was spent on")


LOADS = ("load_shared", "load_skip", "load_partial")
WAITS = ("dependency", *LOADS, "output_full", "drain")


def _limited_parts(report: SavedReport) -> tuple[str, ...]:
    """Parts of the time that the report's largest limit sums; of waits that others are among, the whole stretch."""
    name = report.explanation.limiter.name
    return {"loads": LOADS, "dram": WAITS, "vector_unit": WAITS}.get(name, (name,))


def cycles_chart(report: SavedReport, width: int, by_layer: bool) -> str:
    """Draw the cycles of each product, its work split as ideal skipping sees it, its stalls hatched."""
    rows = _cycle_rows(report, by_layer)
    longest = max((max(row.spent, row.twin or 0) for row in rows), default=0)
    letters = max((len(row.name) for row in rows), default=0)
    frame = _Frame(width, longest, "layers" if by_layer else "products", letters)
    y, marks = 4.0, []
    for row in rows:
        told = [row.name, f"{numbers.count(row.spent)} cycles"]
        told += [
            f"{said_part(report, look(part)[1])}: {numbers.count(spent)}"
            for part, spent in row.parts.items()
            if spent and part in PARTS
        ]
        told += [
            f"stall {part}: {numbers.count(spent)}" for part, spent in row.parts.items() if spent and part not in PARTS
        ]
        told += [] if row.twin is None else [f"dense twin {numbers.count(row.twin)} cycles"]
        bar = [_Piece(spent, look(part)[0], look(part)[2]) for part, spent in row.parts.items() if spent]
        gain = "" if not row.twin or not row.spent else numbers.times(row.twin / row.spent)
        values = (numbers.count(row.spent), gain)
        marks.append(frame.row(y, row.name, bar, row.twin, values, "\n".join(told), row.about))
        y += frame.pitch
    shown = _pattern(frame.hatch) + "".join(marks)
    return drawing(width, y, shown, "Cycles by product, this machine against its dense twin")


@dataclass
class _CycleRow:
    name: str
    about: str
    parts: dict[str, int]
    twin: int | None

    @property
    def spent(self) -> int:
        return sum(self.parts.values())


def _cycle_rows(report: SavedReport, by_layer: bool) -> list[_CycleRow]:
    work = {(one.layer, one.product): one for one in report.explanation.work_by_product}
    twins = spent_of(report.baseline)
    rows: dict[str, _CycleRow] = {}
    for one in report.layer_products:
        name = f"{one.layer} {one.product}" if by_layer else one.product
        about = f"product:{one.layer}/{one.product}" if by_layer else f"product:{one.product}"
        row = rows.setdefault(name, _CycleRow(name, about, {}, None if twins is None else 0))
        for part, cycles in _parts(one, work.get((one.layer, one.product))).items():
            row.parts[part] = row.parts.get(part, 0) + cycles
        if twins is not None and row.twin is not None:
            row.twin += twins.get((one.layer, one.product), 0)
    for row in rows.values():  # the array's work first, in one order for all rows
        row.parts = {part: row.parts[part] for part in (*PARTS, *report.cycles.stalls) if row.parts.get(part)}
    return _longest([row for row in rows.values() if row.spent or row.twin])


def _longest(rows: list[_CycleRow]) -> list[_CycleRow]:
    """Keep the longest rows in their order, and sum the others: a drawing of a thousand rows shows nothing."""
    if len(rows) <= MOST_ROWS:
        return rows
    bar = sorted((row.spent for row in rows), reverse=True)[MOST_ROWS - 2]
    kept = [row for row in rows if row.spent >= bar][: MOST_ROWS - 1]
    left = [row for row in rows if row not in kept]
    rest = _CycleRow(f"{len(left):,} others", "", {}, None if left[0].twin is None else sum(r.twin or 0 for r in left))
    for row in left:
        for part, cycles in row.parts.items():
            rest.parts[part] = rest.parts.get(part, 0) + cycles
    return [*kept, rest]


def _parts(one: LayerProduct, work: Work | None) -> dict[str, int]:
    own = {part: 0 if work is None else getattr(work, part) for part in PARTS}
    return own | one.stalls


def spent_of(run: Run | None) -> dict[tuple[str, str], int] | None:
    """Cycles of a run by layer and product, stalls too; None without a run."""
    if run is None:
        return None
    return {(one.layer, one.product): one.spent_cycles for one in run.layer_products}


# --- a row of bars ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    value: float
    colour: str
    hatched: bool


class _Frame:
    """Where names, bars and values of a chart stand; in a narrow one the names stand above their bars."""

    def __init__(self, width: int, longest: float, name: str = "bars", letters: int = 0) -> None:
        self.width, self.longest = width, longest
        self.narrow = width < LEAST_WIDE
        self.left = 96.0 if self.narrow else min(290.0, max(150.0, 7.0 * letters + 8))
        self.hatch = hatch(name, width)
        self.room = (width - self.left - 84.0) if self.narrow else (width - self.left - 190.0)
        self.right = float(width)
        self.pitch = 42.0 if self.narrow else 27.0
        self.letters = 34 if self.narrow else int(self.left / 7.0)

    def scaled(self, value: float) -> float:
        return self.room * value / self.longest if self.longest else 0.0

    def row(
        self, y: float, name: str, pieces: Sequence[_Piece], twin: float | None, values: tuple[str, str], told: str,
        about: str,
    ) -> str:  # fmt: skip
        """Draw a row: name, bar, the twin's line, value and change."""
        left = 0.0 if self.narrow else self.left
        stretch = (self.width / (self.room or 1)) if self.narrow else 1.0
        top = y + 16 if self.narrow else y + 3
        parts = [rect(-6, y - 2, self.width + 12, self.pitch, "hit c-none")]
        baseline = y + 11 if self.narrow else y + 15
        parts.append(label(0, baseline, shortened_label(name, self.letters), ""))
        x = left
        for piece in pieces:
            across = self.scaled(piece.value) * stretch
            parts.append(rect(x, top, across, 15, f"{piece.colour}{' seg' if len(pieces) > 1 else ''}"))
            if piece.hatched:
                parts.append(_stripes(x, top, across, 15, self.hatch))
            x += across
        if twin is not None:
            there = left + self.scaled(twin) * stretch
            if there > x:
                parts.append(tag("path", class_="rule faint dash", d=f"M{x:.1f} {top + 7.5:.1f}H{there:.1f}"))
            parts.append(tag("path", class_="twin-line", d=f"M{there:.1f} {top - 3:.1f}V{top + 18:.1f}"))
        parts.append(label(self.right - 66, baseline, values[0], "end"))
        parts.append(label(self.right, baseline, values[1], "end mut"))
        return spoken("".join(parts), told, about)


def hatch(name: str, width: float) -> str:
    """Name the hatching of one drawing."""
    return f"hatch-{name}-{'narrow' if width < LEAST_WIDE else 'wide'}"


def _pattern(name: str) -> str:
    """Define the hatching of stalls for one drawing."""
    lines = '<path class="stripe" d="M-1 1l2 -2M0 6l6 -6M5 7l2 -2"/>'
    return tag("defs", tag("pattern", lines, id=name, width="6", height="6", patternUnits="userSpaceOnUse"))


def _stripes(x: float, y: float, width: float, height: float, name: str) -> str:
    return rect(x, y, width, height, "", fill=f"url(#{name})")
