"""Counts to energy: every line is an exact count times one price of the table.

No energy is computed while the machine runs; another table needs no new simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import fsum, isfinite

from simulator.arch import Architecture, dram_energy_row
from simulator.arch.memory_system import Buffer
from simulator.energy.closing import check_energy
from simulator.energy.table import EnergyTable, Price
from simulator.engine import Activity
from simulator.mapping import Count
from traces.errors import InputError

# Components in the order of reports: arithmetic, what skipping costs, buffers, DRAM, the rest.
COMPONENTS = (
    "mac",
    "gated",
    "skip_logic",
    "staging",
    "accumulators",
    "skip_buffer",
    "shared_buffer",
    "output_buffer",
    "metadata",
    "vector_unit",
    "dram_read",
    "dram_write",
    "leakage",
)
MAKING_ZEROS = {("vector_unit", "threshold"), ("vector_unit", "mask packing"), ("metadata", "write")}
# A report warns where rows that nobody verified carry more than this share of the total (energy.md).
UNVERIFIED_SHARE = 0.05
LINK_COMPONENT = "link"
"""A component beside `COMPONENTS` that only machines of several chips have."""
LINK_PJ_PER_BIT = 5.5
LINK_SOURCE = (
    "5.5 pJ per bit of a 112 Gb/s SerDes, as articles on NVLink-C2C (1.3 pJ) compare the two; read at second hand"
)


@dataclass(frozen=True)
class EnergyLine:
    """One action of one component.

    Attributes
    ----------
    component, action : str
    count : int
        How often, in `unit`.
    unit : str
        What is counted: ``MACs``, ``slots``, ``bits``, ``values``, ``selections``, ``updates`` or ``cycles``.
    pj_each : float
        Energy of one, in pJ.
    source : str
    verified : bool
        False where the price is recalled, estimated or extrapolated.
    note : str
        What else must be said about the price.
    counter : Count or None
        The count of an `Activity` that it prices; None for leakage, which is priced by time.
    """

    component: str
    action: str
    count: int
    unit: str
    pj_each: float
    source: str
    verified: bool
    note: str
    counter: Count | None

    @property
    def pj(self) -> float:
        """Energy in pJ."""
        return self.count * self.pj_each


@dataclass(frozen=True)
class EnergyReport:
    """The priced counts of a run.

    Attributes
    ----------
    table_name : str
    lines : tuple of EnergyLine
    table_notes : tuple of str
        What must be said about the whole table, such as that it was scaled from another node.
    """

    table_name: str
    lines: tuple[EnergyLine, ...]
    table_notes: tuple[str, ...] = ()

    @property
    def total_pj(self) -> float:
        """Energy of the run in pJ: the sum of `by_component`."""
        return fsum(self.by_component().values())

    def by_component(self) -> dict[str, float]:
        """Energy in pJ of each component, in the order of `components`; those without any count are 0."""
        sums = dict.fromkeys(self.components, 0.0)
        for line in self.lines:
            sums[line.component] += line.pj
        return sums

    @property
    def components(self) -> tuple[str, ...]:
        """`COMPONENTS`, and the links between chips where there are any."""
        return tuple(dict.fromkeys([*COMPONENTS, *(line.component for line in self.lines)]))

    @property
    def making_zeros_pj(self) -> float:
        """Energy in pJ of making the zeros that are skipped later: threshold, mask packing and metadata writes.

        Reading the masks again, and choosing by them, is what *using* the zeros costs, and not in here.
        """
        return fsum(line.pj for line in self.lines if (line.component, line.action) in MAKING_ZEROS)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the prices."""
        total = self.total_pj
        notes = list(self.table_notes)
        for line in self.lines:
            share = line.pj / total if total else 0.0
            if not line.verified and share > UNVERIFIED_SHARE:
                notes.append(
                    f"{line.component} {line.action} is {share:.0%} of the energy, at a price that is not verified "
                    f"({line.source})"
                )
            if line.note and line.count:
                notes.append(f"{line.component} {line.action}: {line.note}")
        return tuple(dict.fromkeys(notes))


def price(arch: Architecture, activity: Activity, table: EnergyTable) -> EnergyReport:
    """Price the counts of a run, which are those of all chips.

    With ``memory: ideal`` there are no buffers, no DRAM and no vector unit, and nothing of theirs is priced.

    Raises
    ------
    InputError
        If the table lacks a row that the machine needs; it names the rows that are there.
        Or if an energy is more than a float holds.
    InvariantError
        If lines and totals do not close: a bug.
    """
    counts = activity.counts.sum(axis=0).tolist()
    lines = [
        EnergyLine(component, action, counts[counter], unit, pj, p.source, p.verified, p.note, counter)
        for component, action, counter, unit, pj, p in _priced(arch, table)
    ]
    if arch.chips.count > 1:
        link, crossed = _link_price(arch), Count.LINK_BYTES
        price_of = (link.pj_per_bit * 8, link.source, link.verified, link.note)
        lines.append(EnergyLine(LINK_COMPONENT, "all-reduce", counts[crossed], "bytes", *price_of, crossed))
    report = EnergyReport(table.name, (*lines, *_leakage(arch, activity, table)), table.notes)
    dearest = max(report.lines, key=lambda line: line.pj)
    if not isfinite(report.total_pj):
        expected = "energies whose sum is below 1.8e308 pJ"
        raise InputError.of(f"energy table {table.name}", f"{dearest.action} at {dearest.pj_each} pJ", expected)
    check_energy(activity, report)
    return report


def _priced(arch: Architecture, table: EnergyTable) -> Iterator[tuple[str, str, Count, str, float, Price]]:
    """Say what each count costs: component, action, count, unit, pJ each, price."""
    operand, accumulator = arch.precision.operand, arch.precision.accumulator
    mac = table.mac_price(operand, accumulator)
    yield "mac", "multiply and add", Count.MACS_EXECUTED, "MACs", mac.pj, mac
    gated = table.gated_slot_price(operand, accumulator)
    yield "gated", "switched-off slot", Count.MACS_GATED, "slots", gated.pj, gated

    positions = arch.skipping.selector_positions
    select = table.select_price(positions)
    yield "skip_logic", "select", Count.LANE_SELECTIONS, "selections", select.pj, select
    read, write = table.part_price("register_read"), table.part_price("register_write")
    yield "staging", "write", Count.STAGING_BITS_WRITTEN, "bits", write.pj_per_bit, write
    yield "staging", "read", Count.STAGING_BITS_READ, "bits", read.pj_per_bit, read
    level = table.part_price("mux_level")
    levels = max(0, (positions - 1).bit_length())
    yield "staging", "multiplex", Count.STAGING_BITS_READ, "bits", level.pj_per_bit * levels, level
    bits = arch.precision.accumulator_bits
    yield "accumulators", "read", Count.ACCUMULATOR_UPDATES, "updates", read.pj_per_bit * bits, read
    yield "accumulators", "write", Count.ACCUMULATOR_UPDATES, "updates", write.pj_per_bit * bits, write
    if arch.ideal_memory:
        return

    buffers = arch.system.buffers
    for name, buffer, reads, writes in (
        ("skip", buffers.skip, Count.SKIP_BUFFER_BITS_READ, Count.SKIP_BUFFER_BITS_WRITTEN),
        ("shared", buffers.shared, Count.SHARED_BUFFER_BITS_READ, Count.SHARED_BUFFER_BITS_WRITTEN),
        ("output", buffers.output, Count.OUTPUT_BUFFER_BITS_READ, Count.OUTPUT_BUFFER_BITS_WRITTEN),
    ):
        for action, counter in (("read", reads), ("write", writes)):
            sram = _buffer_price(table, buffer, action == "write")
            yield f"{name}_buffer", action, counter, "bits", sram.pj_per_bit, sram
    ratio = table.ratio_price("metadata")
    for action, counter in (("read", Count.MASK_BITS_SCANNED), ("write", Count.METADATA_BITS_WRITTEN)):
        sram = _buffer_price(table, buffers.skip, action == "write").scaled(ratio.pj, ratio)
        yield "metadata", action, counter, "bits", sram.pj_per_bit, sram
    for action, counter, part in (
        ("gate functions", Count.GATE_FORWARD_VALUES, table.part_price("gate_forward")),
        ("gate derivatives", Count.GATE_BACKWARD_VALUES, table.part_price("gate_backward")),
        ("threshold", Count.THRESHOLD_VALUES, table.part_price("compare")),
    ):
        yield "vector_unit", action, counter, "values", part.pj, part
    # A bit a value goes into the register that a word of the mask is packed in.
    yield "vector_unit", "mask packing", Count.MASK_BITS_PACKED, "bits", write.pj_per_bit, write
    dram = table.dram_price(dram_energy_row(arch))
    yield "dram_read", "read", Count.DRAM_READ_BYTES, "bytes", dram.pj_per_bit * 8, dram
    yield "dram_write", "write", Count.DRAM_WRITE_BYTES, "bytes", dram.pj_per_bit * 8, dram


def _link_price(arch: Architecture) -> Price:
    """Price a bit that crosses a link."""
    stated = arch.chips.link.pj_per_bit
    if stated is None:
        return Price("chips.link", LINK_PJ_PER_BIT, 1, LINK_SOURCE, False)
    return Price("chips.link", stated, 1, "link.pj_per_bit of the machine", False)


def _buffer_price(table: EnergyTable, buffer: Buffer, write: bool) -> Price:
    """Price a bit of a buffer: a bank of it, at the width of its word."""
    price = table.sram_price(buffer.capacity_bytes, write, buffer.banks, buffer.width_bits)
    if buffer.ports == 1:
        return price
    ports = f"{buffer.ports} ports priced as one: the SRAM rows are of one port"
    return replace(price, note="; ".join(filter(None, [price.note, ports])))


def _leakage(arch: Architecture, activity: Activity, table: EnergyTable) -> Iterator[EnergyLine]:
    """Price time: power that flows as long as the machine is on (1 mW is 1 pJ/ns)."""
    ns_per_cycle, chips = 1000 / arch.clock_mhz, arch.chips.count
    parts = [("MACs", arch.multipliers, table.mac_leakage_price())]
    if not arch.ideal_memory:
        for name, buffer in arch.system.buffers:
            parts.append((f"{name} buffer", chips, table.sram_leakage_price(buffer.capacity_bytes, buffer.banks)))
    for action, size, p in parts:
        each = p.pj * size * ns_per_cycle
        yield EnergyLine("leakage", action, activity.total_cycles, "cycles", each, p.source, p.verified, p.note, None)
