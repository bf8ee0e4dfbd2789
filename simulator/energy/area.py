"""Area: what the parts of a machine take on the chip, each line a count times an area of the table.

Cell area alone: nothing for wires, clock, empty space, the DMA or the DRAM's interface, which the report says. MACs and
vector unit are multipliers and adders of the table; registers are flip-flops; buffers come from an SRAM model. The
skip logic is what synthesis of the tested hardware gave, in transistors, each a share of a 32-bit adder's area. It is
what the zero-skipping lane has *more* than the dense one, whose registers of one position stand with the MACs. By
the synthesised int8 MAC (6796 transistors) instead of the adder a transistor would take 0.54 of that, so the skip logic
is rather over- than underestimated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, fsum

from simulator.arch import Architecture
from simulator.energy.price import UNVERIFIED_SHARE
from simulator.energy.rows import Area
from simulator.energy.skip_logic import LaneParts, SkipLogic
from simulator.energy.table import EnergyTable
from simulator.skipping.lookahead import Dense, Gated, Lookahead
from traces.errors import InputError

AREA_COMPONENTS = (
    "mac",
    "skip_logic",
    "accumulators",
    "skip_buffer",
    "shared_buffer",
    "output_buffer",
    "vector_unit",
)
LEFT_OUT = (
    "area: cells alone, without wires, clock, empty space, DMA and network; the DRAM's interface is left out, too, for "
    "want of a source"
)
SYNTHESISED_LANES = 32
"""Lanes that shared the synthesised windows, of which each row carries its share (tests/rtl/synthesis.py)."""
SYNTHESISED_REFILL = 4
"""The refill of the synthesised windows, or their depth where that is less."""
# fp32 operations of the vector unit on a gate value, as the energy tables have them (parts.gate_forward and
# gate_backward): multiplies and adds.
FORWARD_OPERATIONS = (2.0, 1.5)
BACKWARD_OPERATIONS = (4.0, 1.5)


@dataclass(frozen=True)
class AreaLine:
    """One part of one component.

    Attributes
    ----------
    component, part : str
        Component, one of `AREA_COMPONENTS`.
    count : int
        How many, in `unit`.
    unit : str
        What is counted: ``MACs``, ``lanes``, ``bits``, ``banks`` or ``memories``, ``units``.
    mm2_each : float
        Area of one, in mm2.
    source : str
    verified : bool
        False where the area is estimated, scaled or extrapolated.
    note : str
        What else must be said about it.
    """

    component: str
    part: str
    count: int
    unit: str
    mm2_each: float
    source: str
    verified: bool
    note: str

    @property
    def mm2(self) -> float:
        """Area in mm2."""
        return self.count * self.mm2_each


@dataclass(frozen=True)
class AreaReport:
    """The parts of a machine and what they take.

    Attributes
    ----------
    table_name : str
    lines : tuple of AreaLine
    multipliers : int
        MACs of all arrays.
    left_out : tuple of str
        What is on the machine and not in the lines, and why.
    table_notes : tuple of str
        What must be said about the whole table.
    """

    table_name: str
    lines: tuple[AreaLine, ...]
    multipliers: int
    left_out: tuple[str, ...]
    table_notes: tuple[str, ...] = ()

    @property
    def total_mm2(self) -> float:
        """Area of all lines in mm2: the sum of `by_component`."""
        return fsum(self.by_component().values())

    @property
    def complete(self) -> bool:
        """Whether no part of this machine is left out that is in others' totals: only then can two be compared."""
        return self.left_out == (LEFT_OUT,)

    @property
    def macs_per_mm2(self) -> float | None:
        """MACs of all arrays over the total area; None where the area of a MAC is not known."""
        known = {line.part for line in self.lines if line.component == "mac"}
        return self.multipliers / self.total_mm2 if {"multipliers", "adders"} <= known else None

    def by_component(self) -> dict[str, float]:
        """Area in mm2 of each component that has a line, in the order of `AREA_COMPONENTS`.

        A component that is missing has no area known, or is not on the machine: `notes` says which.
        """
        there = {line.component for line in self.lines}
        sums = {component: 0.0 for component in AREA_COMPONENTS if component in there}
        for line in self.lines:
            sums[line.component] += line.mm2
        return sums

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the areas."""
        total = self.total_mm2
        notes = [*self.table_notes, *self.left_out]
        guessed: dict[str, list[AreaLine]] = {}
        for line in self.lines:
            if not line.verified:
                guessed.setdefault(line.source, []).append(line)
            if line.note:
                notes.append(f"{line.component} {line.part}: {line.note}")
        for source, lines in guessed.items():
            share = fsum(line.mm2 for line in lines) / total if total else 0.0
            if share > UNVERIFIED_SHARE:
                parts = ", ".join(f"{line.component} {line.part}" for line in lines)
                notes.append(f"{share:.0%} of the area is at figures that are not verified: {parts} ({source})")
        return tuple(dict.fromkeys(notes))


def area(arch: Architecture, table: EnergyTable) -> AreaReport:
    """Add up the area of a machine, of all its arrays and chips.

    With ``memory: ideal`` it is the array's and its skip logic's alone. A part whose area the table does not have, or a
    mechanism whose hardware was never synthesised, is no line: `AreaReport.left_out` names it. So the dense twin's
    total lacks nothing that this one has without a word.

    Raises
    ------
    InputError
        If the SRAM rows are of memories with other banks than a buffer has.
    """
    if table.area is None:
        none = f"energy table {table.name} has no section area, so no area is told"
        return AreaReport(table.name, (), arch.multipliers, (none,), table.notes)
    parts = _Parts(arch, table)
    parts.add_array()
    parts.add_skip_logic()
    if not arch.ideal_memory:
        parts.add_buffers()
        parts.add_vector_unit()
    return AreaReport(table.name, tuple(parts.lines), arch.multipliers, (LEFT_OUT, *parts.left_out), table.notes)


class _Parts:
    """Collects the lines of a machine, and what cannot be one."""

    def __init__(self, arch: Architecture, table: EnergyTable) -> None:
        self.arch, self.table = arch, table
        self.chips = arch.chips.count
        self.arrays = arch.arrays * self.chips
        self.lines: list[AreaLine] = []
        self.left_out: list[str] = []
        if self.chips > 1:
            self.left_out.append("area: the links between chips are not in it, for want of a source")

    def add_array(self) -> None:
        """Multipliers, adders, operand registers of one position, accumulators."""
        arch, table = self.arch, self.table
        precision, array = arch.precision, arch.array
        self._add(
            "mac", "multipliers", arch.multipliers, "MACs", lambda: table.unit_area("multiply", precision.operand)
        )
        self._add("mac", "adders", arch.multipliers, "MACs", lambda: table.unit_area("add", precision.accumulator))
        # A lane's own value, and the words of a position for its columns, which all lanes share.
        lanes, values = arch.skipping.macs_per_lane, array.rows + array.columns
        bits = values * lanes * precision.operand_bits * self.arrays
        if arch.skipping.slots_per_cycle is None:
            self._add("mac", "operand registers", bits, "bits", table.register_area)
        else:
            own = f"operand registers of {arch.skipping.mechanism}, and its accumulators beyond one a multiplier"
            self.left_out.append(f"area: {own}, are not in it: its tiles are its own")
        sums = array.rows * array.columns * precision.accumulator_bits * self.arrays
        self._add("accumulators", "registers", sums, "bits", table.register_area)

    def add_skip_logic(self) -> None:
        """What a zero-skipping lane has more than a dense one, by part."""
        arch, logic = self.arch, self.table.skip_logic
        lane, why = _lane_of(arch, logic) if logic else (None, "the table has no skip_logic_csv")
        if why:
            self.left_out.append(f"area: the skip logic of {arch.skipping.mechanism} is not in it: {why}")
        if lane is None:
            return
        for part, transistors in (
            ("selector", lane.selector),
            ("values", lane.values),
            ("multiplexer", lane.multiplexer),
            ("staging", lane.staging),
            ("control", lane.control),
        ):
            lanes = arch.array.rows * self.arrays
            self._add("skip_logic", part, lanes, "lanes", self._transistors(transistors, lane.note))

    def add_buffers(self) -> None:
        """The SRAMs, bank by bank."""
        for name, buffer in self.arch.system.buffers:
            memories, each = self.table.sram_area(buffer.capacity_bytes, buffer.banks)
            if buffer.ports > 1:
                ports = f"{buffer.ports} ports taken as one: the SRAM rows are of one port"
                each = replace(each, note="; ".join(filter(None, [each.note, ports])))
            memories *= self.chips
            self._line(f"{name}_buffer", "SRAM", memories, "banks" if buffer.banks > 1 else "memories", each)

    def add_vector_unit(self) -> None:
        """As many fp32 units a lane as its cycles per gate value ask for, and what makes zeros."""
        unit, table = self.arch.system.vector_unit, self.table
        per_cycle = [
            [operations / max(1, cycles) for operations in each]
            for each, cycles in (
                (FORWARD_OPERATIONS, unit.gate_forward_cycles_per_value),
                (BACKWARD_OPERATIONS, unit.gate_backward_cycles_per_value),
            )
        ]
        multipliers, adders = (ceil(max(counts)) for counts in zip(*per_cycle, strict=True))
        lanes = unit.lanes * self.chips
        self._add("vector_unit", "multipliers", lanes * multipliers, "units", _estimated(table, "multiply"))
        self._add("vector_unit", "adders", lanes * adders, "units", _estimated(table, "add"))
        if self.arch.skipping.uses_mask:
            self._add("vector_unit", "threshold", lanes, "units", _estimated(table, "add"))
            self._add("vector_unit", "mask packing", lanes, "bits", table.register_area)

    def _transistors(self, transistors: float, note: str) -> Callable[[], Area]:
        def of_so_many() -> Area:
            one = self.table.transistor_area()
            return replace(one, mm2=one.mm2 * transistors, note=note)

        return of_so_many

    def _add(self, component: str, part: str, count: int, unit: str, found: Callable[[], Area]) -> None:
        """Add a line, or say why there is none."""
        try:
            each = found()
        except InputError as error:
            self.left_out.append(f"area: {component} {part} is not in it: {error.problems[0].found}")
            return
        self._line(component, part, count, unit, each)

    def _line(self, component: str, part: str, count: int, unit: str, each: Area) -> None:
        self.lines.append(AreaLine(component, part, count, unit, each.mm2, each.source, each.verified, each.note))


def _estimated(table: EnergyTable, section: str) -> Callable[[], Area]:
    """An fp32 unit of the vector unit: that it needs so many of them is our estimate."""

    def unit() -> Area:
        row = table.unit_area("multiply" if section == "multiply" else "add", "fp32")
        return replace(row, source=f"estimate: fp32 units by operations per gate value; {row.source}", verified=False)

    return unit


def _lane_of(arch: Architecture, logic: SkipLogic) -> tuple[LaneParts | None, str]:
    """Give what a lane has more than a dense one, or why that is not known; neither where it has nothing more."""
    skipping = arch.skipping
    if isinstance(skipping, Dense):
        return None, ""
    if isinstance(skipping, Gated):
        return _more(logic, 1, None, arch), ""
    if not isinstance(skipping, Lookahead):
        return None, "its hardware was not synthesised"
    if skipping.depth is None:
        return None, "an unlimited window cannot be built"
    if skipping.depth == 1 and skipping.refill is None:
        return None, "lanes that skip in lockstep were not synthesised"
    lane = _more(logic, skipping.depth, skipping.banks, arch)
    synthesised = min(SYNTHESISED_REFILL, skipping.depth)
    if skipping.refill != synthesised:
        said = "an unlimited refill" if skipping.refill is None else f"a refill of {skipping.refill}"
        lane = replace(lane, note="; ".join(filter(None, [lane.note, f"{said} taken as one of {synthesised}"])))
    return lane, ""


def _more(logic: SkipLogic, depth: int, banks: int | None, arch: Architecture) -> LaneParts:
    """Take the registers of one position, which a dense lane has, from a lane's values and staging.

    All lanes of the array share one window, so that with more lanes each carries less of it; the control is taken to
    grow with the lanes that ask.
    """
    bits, columns, rows = arch.precision.operand_bits, arch.array.columns, arch.array.rows
    lane, one = _lane(logic, depth, banks, bits, columns), _lane(logic, 1, None, bits, columns)
    staging = (lane.staging - one.staging) * SYNTHESISED_LANES / rows
    return replace(lane, values=lane.values - one.values, staging=staging)


def _lane(logic: SkipLogic, depth: int, banks: int | None, operand_bits: int, columns: int) -> LaneParts:
    """Give the parts of a lane; operands that are wider than the rows go on in a line, as registers and words do."""
    widths = sorted({row.operand_bits for row in logic.rows})
    if operand_bits in widths or len(widths) < 2:
        return logic.lane(depth, banks, operand_bits, columns)
    low, high = widths[:2] if operand_bits < widths[0] else widths[-2:]
    narrow, wide = (logic.lane(depth, banks, bits, columns) for bits in (low, high))
    share = (operand_bits - low) / (high - low)
    note = f"extrapolated to operands of {operand_bits} bits from {low} and {high}"
    numbers = narrow.numbers + (wide.numbers - narrow.numbers) * share
    return LaneParts.of(numbers, "; ".join(filter(None, [narrow.note, note])))
