"""Rows of an energy table, and what look-ups give: every number says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from simulator.arch.parts import Part

PartName = Literal["register_read", "register_write", "mux_level", "select", "compare", "gate_forward", "gate_backward"]


@dataclass(frozen=True)
class Price:
    """What one operation costs, and why we say so.

    Attributes
    ----------
    row : str
        The row of the table, such as ``dram.hbm2``; of several, joined by " + ".
    pj : float
        Energy of one operation in pJ.
    bits : int
        Bits that the operation handles.
    source : str
        Where the number comes from.
    verified : bool
        False where it is recalled, estimated or extrapolated.
    note : str
        What else a report must say about it; mostly empty.
    """

    row: str
    pj: float
    bits: int
    source: str
    verified: bool
    note: str = ""

    @property
    def pj_per_bit(self) -> float:
        """Energy per bit in pJ."""
        return self.pj / self.bits

    def scaled(self, factor: float, by: Price) -> Price:
        """Give the price times a factor that another row states."""
        sources = "; ".join(dict.fromkeys([self.source, by.source]))
        verified = self.verified and by.verified
        return Price(f"{by.row} x {self.row}", self.pj * factor, self.bits, sources, verified, self.note)


@dataclass(frozen=True)
class Area:
    """What one part takes on the chip, and why we say so.

    Attributes
    ----------
    row : str
        The row of the table, such as ``area.multiply.fp16``; of several, joined by " x ".
    mm2 : float
        Area of one part.
    source, verified, note
        As in `Price`.
    """

    row: str
    mm2: float
    source: str
    verified: bool
    note: str = ""


class Row(Part):
    """The energy of one operation."""

    pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of one operation in pJ.")
    bits: int = Field(ge=1, description="Bits that the operation handles.")
    technology_nm: float | None = Field(
        gt=0, description="Technology node in nanometres; null where the source names none."
    )
    source: str = Field(min_length=1, description="Key in `sources`, or where the number comes from.")
    verified: bool = Field(description="false where the number is only recalled or estimated.")


class Ratio(Part):
    """The energy of one operation over that of another."""

    pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of the operation, in pJ.")
    of_pj: float = Field(gt=0, allow_inf_nan=False, description="Energy of what it is compared with, in pJ.")
    technology_nm: float | None = Field(gt=0, description="Technology node of both, in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false where the numbers are only recalled or estimated.")


class LeakageRow(Part):
    """Power that flows as long as the machine is on."""

    mw: float = Field(ge=0, allow_inf_nan=False, description="Power in mW.")
    technology_nm: float | None = Field(gt=0, description="Technology node in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the number comes from.")
    verified: bool = Field(description="false where the number is only recalled or estimated.")


class Arithmetic(Part):
    """One row per number format; formats that the table cannot price are absent."""

    int8: Row | None = None
    int16: Row | None = None
    int32: Row | None = None
    fp8: Row | None = None
    fp16: Row | None = None
    bf16: Row | None = None
    fp32: Row | None = None


class Parts(Part):
    """Small parts around the MACs."""

    register_read: Row = Field(description="A bit read from a staging register or an accumulator.")
    register_write: Row = Field(description="A bit written to a staging register or an accumulator.")
    mux_level: Row = Field(description="A bit through one two-way level of the staging multiplexer.")
    select: Row | None = Field(
        default=None,
        description="Choosing the next non-zero, per lane and cycle; bits are window positions. "
        "Or `skip_logic_csv` has it.",
    )
    compare: Row = Field(description="Comparing one gate gradient with the threshold.")
    gate_forward: Row = Field(description="The vector unit's work on one gate value, forward.")
    gate_backward: Row = Field(description="The vector unit's work on one gate value, backward.")


class Ratios(Part):
    """What is known only relative to something else."""

    gated_slot: Ratio = Field(description="A slot whose MAC is switched off, over a full MAC.")
    metadata: Ratio = Field(description="A metadata access, over a data access of as many bits.")


class SramFile(Part):
    """SRAM rows from a CSV file instead of the table."""

    file: str = Field(min_length=1, description="CSV file, relative to the table.")
    technology_nm: float = Field(gt=0, description="Which rows of it, in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false where the numbers are only recalled or estimated.")


class Leakages(Part):
    """Leakage by what leaks."""

    mac: LeakageRow = Field(description="Per MAC of the array, its registers and its share of the control.")
    sram_kib: LeakageRow | None = Field(default=None, description="Per KiB of on-chip SRAM.")
    sram_csv: SramFile | None = Field(
        default=None, description="On-chip SRAM from the column leakage_mw of a file, instead of `sram_kib`."
    )


class AreaRow(Part):
    """The area of one unit."""

    um2: float = Field(gt=0, allow_inf_nan=False, description="Area in square micrometres.")
    bits: int = Field(ge=1, description="Bits that the unit handles.")
    technology_nm: float | None = Field(gt=0, description="Technology node in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the number comes from.")
    verified: bool = Field(description="false where the number is only recalled or estimated.")


class AreaByFormat(Part):
    """One row per number format; formats whose area is not known are absent."""

    int8: AreaRow | None = None
    int16: AreaRow | None = None
    int32: AreaRow | None = None
    fp8: AreaRow | None = None
    fp16: AreaRow | None = None
    bf16: AreaRow | None = None
    fp32: AreaRow | None = None


class Areas(Part):
    """What units take on the chip; transistors of the skip logic are counted in adders of `add.int32`."""

    multiply: AreaByFormat = Field(description="Multipliers by format.")
    add: AreaByFormat = Field(description="Adders by format.")
    register_bit: AreaRow = Field(description="A bit of an accumulator or another register.")
    sram_csv: SramFile = Field(description="On-chip SRAM from the column area_mm2 of a file.")


class SkipLogicFile(Part):
    """Transistors of the skip logic from a CSV file, instead of a row ``parts.select``."""

    file: str = Field(min_length=1, description="CSV file, relative to the table, or a shipped one.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false: that transistors switch as an adder's do is an assumption.")
