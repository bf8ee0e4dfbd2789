"""The machine as a block diagram, with what each block did: busy shares, traffic, and the fate of every MAC slot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.report import numbers
from simulator.report.html.elements import drawing, label, rect, shortened_label, spoken, tag
from simulator.report.saved import SavedReport

WIDTH, HEIGHT = 1080, 356
CELLS_ACROSS, CELLS_DOWN = 20, 10
IDLE = {"idle: imbalance", "idle: bank conflict", "idle: window refill"}
SLOTS = {
    "executed": ("c-blue", "executed MACs"),
    "gated": ("c-pink", "gated MACs"),
    "idle": ("c-sky", "idle in a pass"),
    "short": ("c-grey", "rows or columns left empty, set-up"),
    "stalled": ("c-orange", "stalled"),
}


@dataclass(frozen=True)
class Block:
    """A block of the drawing: where it stands, what it is called and what it says."""

    x: float
    y: float
    width: float
    height: float
    name: str
    lines: tuple[str, ...]
    told: tuple[str, ...]
    busy: float | None = None


def slot_shares(report: SavedReport) -> dict[str, float]:
    """Split all MAC slots of the run's time, stalled ones too, by what became of them; they sum to 1."""
    slots = report.mac_slots
    parts = {
        "executed": slots.get("executed MACs", 0),
        "gated": slots.get("gated MACs", 0),
        "idle": sum(slots.get(name, 0) for name in IDLE),
        "short": slots.get("short passes, set-up", 0),
        "stalled": report.peaks.macs_per_cycle * sum(report.cycles.stalls.values()),
    }
    every = sum(parts.values())
    return {name: value / every if every else 0.0 for name, value in parts.items()}


def slot_legend(report: SavedReport) -> list[tuple[str, str]]:
    """List the colours of the array's cells, with shares."""
    shares = slot_shares(report)
    return [
        (colour, f"{name} {numbers.percent(shares[part])}") for part, (colour, name) in SLOTS.items() if shares[part]
    ]


def diagram(report: SavedReport) -> str:
    """Draw DRAM, buffers, array and vector unit, with traffic on the arrows; the array alone where memory is ideal."""
    ideal = report.peaks.dram_bytes_per_cycle is None
    array = _array_block(report, 2 if ideal else 536)
    said = "Block diagram of the machine with utilisation and traffic"
    if ideal:
        note = label(
            array.x + array.width + 24,
            array.y + array.height / 2,
            "memory: ideal, so that nothing but the array takes time or energy",
            "mut",
        )
        return drawing(WIDTH, HEIGHT, _array(report, array) + note, said)
    blocks = _blocks(report)
    return drawing(WIDTH, HEIGHT, _flows(report) + "".join(map(_block, blocks)) + _array(report, array), said)


def _array_block(report: SavedReport, x: float) -> Block:
    rows, columns = report.number("array", "rows"), report.number("array", "columns")
    per_lane = report.peaks.macs_per_cycle / (rows * columns) if rows and columns else 1
    size = f"{numbers.count(int(rows))} \N{MULTIPLICATION SIGN} {numbers.count(int(columns))} MACs"
    size += f" \N{MULTIPLICATION SIGN} {round(per_lane)}" if round(per_lane) > 1 else ""
    busy = _busy(report, "array")
    told = (
        f"array: {size}",
        f"at work {numbers.percent(busy)} of the time",
        f"utilisation {numbers.percent(report.utilization)}: executed MACs over all slots",
        f"{numbers.count(report.macs.executed)} of {numbers.count(report.macs.dense)} MACs executed",
    )
    return Block(x, 26, 236, 280, "array", (size,), told, busy)


def _blocks(report: SavedReport) -> list[Block]:
    dram, vector = _busy(report, "dram"), _busy(report, "vector_unit")
    moved = report.dram_bytes
    level = report.setting("memory", "dram", "level")
    name = str(report.setting("memory", "dram", "timing" if level == "timing" else "standard") or "")
    if level == "bandwidth":
        rate = f"{report.number('memory', 'dram', 'bandwidth_gb_per_s'):g} GB/s"
    else:
        rate = "banks and rows"
    lanes = f"{numbers.count(int(report.number('memory', 'vector_unit', 'lanes')))} lanes"
    blocks = [
        Block(
            2, 26, 150, 280, "DRAM", (name, rate, "", f"read {_data(moved.read)}", f"written {_data(moved.write)}"),
            (f"DRAM: {name}, {rate}", f"busy {numbers.percent(dram)} of the time", f"read {_data(moved.read)}",
             f"written {_data(moved.write)}"), dram,
        ),
        Block(
            892, 190, 186, 116, "vector unit", (lanes, "gates, threshold"),
            (f"vector unit: {lanes}", f"busy {numbers.percent(vector)} of the time"), vector,
        ),
    ]  # fmt: skip
    for place, (buffer, x, y) in {"skip": ("skip_buffer", 270, 26), "shared": ("shared_buffer", 270, 190),
                                  "output": ("output_buffer", 892, 26)}.items():  # fmt: skip
        size = f"{numbers.count(int(report.number('memory', 'buffers', place, 'capacity_kib')))} KiB"
        inside = report.on_chip_bytes.get(buffer)
        pj = report.energy_pj.by_component.get(buffer, 0.0)
        told = [f"{place} buffer: {size}"]
        if inside is not None:
            told += [f"in {_data(inside.write)}, out {_data(inside.read)}"]
        share = f"{numbers.percent(_share(pj, report.energy_pj.total))} of the energy"
        told.append(f"{numbers.energy(pj)}, {share}")
        holds = {"skip": "gate gradients", "shared": "weights, activations", "output": "sums"}[place]
        width = 186 if place == "output" else 166
        blocks.append(Block(x, y, width, 116, f"{place} buffer", (size, holds, share), tuple(told)))
    return blocks


def _block(block: Block) -> str:
    middle = block.x + block.width / 2
    shapes = rect(block.x, block.y, block.width, block.height, "block", rx=5)
    shapes += label(middle, block.y + 27, block.name, "mid large")
    for number, line in enumerate(block.lines):
        shapes += label(middle, block.y + 48 + 18 * number, shortened_label(line, 24), "mid mut")
    if block.busy is not None:
        shapes += _meter(block.x + 14, block.y + block.height - 16, block.width - 28, block.busy)
    return spoken(shapes, "\n".join(block.told))


def _meter(x: float, y: float, width: float, share: float) -> str:
    bar = rect(x, y, width, 6, "c-track", rx=2) + rect(x, y, width * min(1.0, share), 6, "c-blue", rx=2)
    return (
        label(x, y - 7, "busy", "mut small") + label(x + width, y - 7, numbers.percent(share), "end small strong") + bar
    )


def _array(report: SavedReport, block: Block) -> str:
    shapes = rect(block.x, block.y, block.width, block.height, "block core", rx=5)
    middle = block.x + block.width / 2
    shapes += label(middle, block.y + 27, block.name, "mid large") + label(
        middle, block.y + 47, block.lines[0], "mid mut"
    )
    skipping = shortened_label(str(report.setting("skipping", "mechanism") or ""), 28)
    shapes += label(middle, block.y + 65, skipping, "mid mut")
    size, left, top = 10.4, block.x + 14, block.y + 82
    for place, part in enumerate(cells(list(slot_shares(report).items()), CELLS_ACROSS * CELLS_DOWN)):
        x, y = left + size * (place % CELLS_ACROSS), top + size * (place // CELLS_ACROSS)
        shapes += rect(x, y, size - 1.6, size - 1.6, SLOTS[part][0], rx=1)
    words = f"{numbers.percent(report.utilization)} of slots used"
    shapes += label(left, block.y + 212, words, "strong")
    shapes += _meter(left, block.y + block.height - 16, block.width - 28, block.busy or 0.0)
    return spoken(shapes, "\n".join(block.told))


def cells(shares: Sequence[tuple[str, float]], count: int) -> list[str]:
    """Deal cells out by shares, the largest remainders rounded up; what is not nothing gets one if there is room."""
    whole = {name: math.floor(share * count) for name, share in shares}
    left = sorted(shares, key=lambda item: -(item[1] * count - math.floor(item[1] * count)))
    for name, share in left[: max(0, count - sum(whole.values()))]:
        whole[name] += share > 0
    dealt = [name for name, share in shares for _ in range(whole[name])]
    return dealt[:count]


def _flows(report: SavedReport) -> str:
    """Draw the arrows, as thick as the root of their bytes."""
    inside, moved = report.on_chip_bytes, report.dram_bytes
    skip, shared, output = (inside.get(f"{name}_buffer") for name in ("skip", "shared", "output"))
    flows = [
        ("M152 84H258", moved.read, 206, 75, "", "read from DRAM"),
        ("M152 248H258", moved.read, 0, 0, "", ""),
        ("M436 84H524", 0 if skip is None else skip.read, 480, 75, "", "skip operand into the array"),
        ("M436 248H524", 0 if shared is None else shared.read, 480, 239, "", "shared operand into the array"),
        ("M772 84H880", 0 if output is None else output.write, 826, 75, "", "sums out of the array"),
        ("M985 142V178", 0 if output is None else output.read, 993, 164, "left", "sums to the vector unit"),
        ("M985 306V338H77V318", moved.write, 640, 331, "", "results written to DRAM"),
    ]
    into = [(0, 206, 75, skip), (1, 206, 239, shared)]
    for number, x, y, buffer in into:
        amount = 0.0 if buffer is None else buffer.write
        path = flows[number][0]
        name = f"into the {'skip' if number == 0 else 'shared'} buffer, from DRAM or handed over on chip"
        flows[number] = (path, amount, x, y, "", name)
    largest = max(flow[1] for flow in flows) or 1.0
    heads = tag(
        "marker", '<path class="flow-head" d="M0 0L8 4L0 8z"/>', id="flow-end", viewBox="0 0 8 8", refX="2", refY="4",
        markerWidth="13", markerHeight="13", markerUnits="userSpaceOnUse", orient="auto",
    )  # fmt: skip
    drawn = [tag("defs", heads)]
    for path, amount, x, y, side, name in flows:
        thickness = 1.2 + 5 * math.sqrt(amount / largest)
        line = tag("path", class_="flow", d=path, stroke_width=round(thickness, 2), marker_end="url(#flow-end)")
        words = label(x, y - thickness / 2, _data(amount), "small" if side else "mid small")
        drawn.append(spoken(line + words, f"{name}\n{_data(amount)}", class_="traffic"))
    return "".join(drawn)


def _busy(report: SavedReport, unit: str) -> float:
    return _share(report.busy_cycles.get(unit, 0), report.cycles.total)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _data(amount: float) -> str:
    return numbers.data(round(amount))
