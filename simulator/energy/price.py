"""Counts to energy: every line is an exact count times one price of the table.

No energy is computed while the machine runs; another table needs no new simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.arch import Architecture
from simulator.energy.table import EnergyTable, Price
from simulator.engine import Activity
from simulator.mapping import Count

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
# A report warns where rows that nobody verified carry more than this share of the total (energy.md).
UNVERIFIED_SHARE = 0.05


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
    """

    table_name: str
    lines: tuple[EnergyLine, ...]

    @property
    def total_pj(self) -> float:
        """Energy of the run in pJ: the sum of `by_component`."""
        return sum(self.by_component().values())

    def by_component(self) -> dict[str, float]:
        """Energy in pJ of each component, in the order of `COMPONENTS`; those without any count are 0."""
        sums = dict.fromkeys(COMPONENTS, 0.0)
        for line in self.lines:
            sums[line.component] += line.pj
        return sums

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the prices."""
        total = self.total_pj
        notes = []
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
    """Price the counts of a run.

    With ``memory: ideal`` there are no buffers, no DRAM and no vector unit, and nothing of theirs is priced.

    Raises
    ------
    InputError
        If the table lacks a row that the machine needs; it names the rows that are there.
    """
    counts = activity.counts.sum(axis=0).tolist()
    lines = [
        EnergyLine(component, action, counts[counter], unit, pj, p.source, p.verified, p.note, counter)
        for component, action, counter, unit, pj, p in _priced(arch, table)
    ]
    return EnergyReport(table.name, (*lines, *_leakage(arch, activity, table)))


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
    for name, size, reads, writes in (
        ("skip", buffers.skip.capacity_bytes, Count.SKIP_BUFFER_BITS_READ, Count.SKIP_BUFFER_BITS_WRITTEN),
        ("shared", buffers.shared.capacity_bytes, Count.SHARED_BUFFER_BITS_READ, Count.SHARED_BUFFER_BITS_WRITTEN),
        ("output", buffers.output.capacity_bytes, Count.OUTPUT_BUFFER_BITS_READ, Count.OUTPUT_BUFFER_BITS_WRITTEN),
    ):
        for action, counter in (("read", reads), ("write", writes)):
            sram = table.sram_price(size, write=action == "write")
            yield f"{name}_buffer", action, counter, "bits", sram.pj_per_bit, sram
    ratio = table.ratio_price("metadata")
    for action, counter in (("read", Count.MASK_BITS_SCANNED), ("write", Count.METADATA_BITS_WRITTEN)):
        sram = table.sram_price(buffers.skip.capacity_bytes, write=action == "write").scaled(ratio.pj, ratio)
        yield "metadata", action, counter, "bits", sram.pj_per_bit, sram
    for action, counter, part in (
        ("gate functions", Count.GATE_FORWARD_VALUES, table.part_price("gate_forward")),
        ("gate derivatives", Count.GATE_BACKWARD_VALUES, table.part_price("gate_backward")),
        ("threshold", Count.THRESHOLD_VALUES, table.part_price("compare")),
    ):
        yield "vector_unit", action, counter, "values", part.pj, part
    dram = table.dram_price(arch.system.dram.standard)
    yield "dram_read", "read", Count.DRAM_READ_BYTES, "bytes", dram.pj_per_bit * 8, dram
    yield "dram_write", "write", Count.DRAM_WRITE_BYTES, "bytes", dram.pj_per_bit * 8, dram


def _leakage(arch: Architecture, activity: Activity, table: EnergyTable) -> Iterator[EnergyLine]:
    """Price time: power that flows as long as the machine is on (1 mW is 1 pJ/ns)."""
    ns_per_cycle = 1000 / arch.clock_mhz
    macs = arch.multipliers
    parts = [("MACs", macs, table.leakage_price("mac"))]
    if not arch.ideal_memory:
        buffers = arch.system.buffers
        kib = sum(b.capacity_kib for b in (buffers.skip, buffers.shared, buffers.output))
        parts.append(("buffers", kib, table.leakage_price("sram_kib")))
    for action, size, p in parts:
        each = p.pj * size * ns_per_cycle
        yield EnergyLine("leakage", action, activity.total_cycles, "cycles", each, p.source, p.verified, p.note, None)
