"""Energy prices: tables in which every number says where it comes from.

Rows state the energy of one operation on `bits` bits, as their source has it; look-ups give a `Price`, which carries
the source on. `simulator.energy.loading` reads a table from its file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from simulator.arch.parts import Part
from simulator.arch.problems import wrong
from simulator.energy.rows import (
    Area,
    AreaRow,
    Areas,
    Arithmetic,
    Leakages,
    PartName,
    Parts,
    Price,
    Ratio,
    Ratios,
    Row,
    SkipLogicFile,
    SramFile,
)
from simulator.energy.skip_logic import SkipLogic
from simulator.energy.sram import (
    SramRow,
    access_pj_per_bit,
    area_mm2,
    bank_of,
    leakage_mw,
    width_factor,
)
from traces.errors import InputError, Problem, nearest

__all__ = ["Area", "EnergyTable", "Price"]


class EnergyTable(Part):
    """Prices of everything that the engine counts, and areas; read one with `load_energy_table`."""

    name: str = Field(min_length=1, description="The table's name in reports.")
    description: str = Field(default="", description="What it is good for, and which families it draws on.")
    technology_nm: float = Field(gt=0, description="Node of the logic, in nanometres.")
    sources: dict[str, str] = Field(default={}, description="Short names for sources that several rows share.")
    multiply: Arithmetic = Field(description="Multiplications by format.")
    add: Arithmetic = Field(description="Additions by format.")
    sram: tuple[SramRow, ...] | None = Field(default=None, description="SRAM accesses by rising capacity.")
    sram_csv: SramFile | None = Field(default=None, description="SRAM accesses from a file, instead of `sram`.")
    sram_width_rule: Literal["cacti_port_width"] | None = Field(
        default=None,
        description="How energy per bit falls with the width of a buffer's word, where a machine gives one; only "
        "with `sram_csv`, whose family the rule is of. null: every width costs what the rows' width does.",
    )
    dram: dict[str, Row] = Field(description="DRAM accesses by standard.")
    parts: Parts = Field(description="Small parts around the MACs.")
    ratios: Ratios = Field(description="What is known only relative to something else.")
    leakage: Leakages = Field(description="Leakage by what leaks.")
    skip_logic_csv: SkipLogicFile | None = Field(
        default=None, description="The skip logic from a file of synthesis results, instead of `parts.select`."
    )

    area: Areas | None = Field(default=None, description="What units take on the chip; without it no area is told.")

    _sram_rows: tuple[SramRow, ...] = PrivateAttr(default=())
    _leakage_rows: tuple[SramRow, ...] = PrivateAttr(default=())
    _area_rows: tuple[SramRow, ...] = PrivateAttr(default=())
    _notes: tuple[str, ...] = PrivateAttr(default=())
    _skip_logic: SkipLogic | None = PrivateAttr(default=None)

    @property
    def sram_rows(self) -> tuple[SramRow, ...]:
        """The SRAM rows in rising order of capacity, from wherever the table takes them."""
        return self._sram_rows or self.sram or ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report must say about the whole table, such as that it was scaled from another node."""
        return self._notes

    @property
    def skip_logic(self) -> SkipLogic | None:
        """The skip logic in transistors, where the table names a file of it."""
        return self._skip_logic

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the prices as canonical JSON, the rows of a CSV file included."""
        data = self.model_dump(mode="json", exclude={"description", "sram", "sram_csv"})
        files = {"sram": self.sram_rows, "leakage_rows": self._leakage_rows, "area_rows": self._area_rows}
        data |= {key: [row.model_dump(mode="json") for row in rows] for key, rows in files.items()}
        data["notes"] = self._notes
        data["skip_logic"] = None if self._skip_logic is None else asdict(self._skip_logic)
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def multiply_price(self, operand: str) -> Price:
        """Price one multiplication of a format such as ``fp16``."""
        return self._priced("multiply", operand)

    def add_price(self, accumulator: str) -> Price:
        """Price one addition of a format such as ``fp32``."""
        return self._priced("add", accumulator)

    def mac_price(self, operand: str, accumulator: str) -> Price:
        """Price one MAC: a multiplication in the operands' format and an addition in the sums'.

        Raises
        ------
        InputError
            If the table lacks one of the rows; it names the rows that are there.
        """
        multiply, add = self.multiply_price(operand), self.add_price(accumulator)
        sources = "; ".join(dict.fromkeys([multiply.source, add.source]))
        verified = multiply.verified and add.verified
        # Rounded far below any source's digits, so that 1.1 + 0.4 is 1.5 and no neighbour of it.
        pj = round(multiply.pj + add.pj, 12)
        return Price(f"{multiply.row} + {add.row}", pj, multiply.bits, sources, verified)

    def mac_pj(self, operand: str, accumulator: str) -> float:
        """Energy of one MAC in pJ; see `mac_price`."""
        return self.mac_price(operand, accumulator).pj

    def gated_slot_price(self, operand: str, accumulator: str) -> Price:
        """Price a slot whose MAC is switched off: a fraction of a full MAC."""
        ratio = self.ratio_price("gated_slot")
        return self.mac_price(operand, accumulator).scaled(ratio.pj, ratio)

    def sram_price(self, capacity_bytes: int, write: bool, banks: int = 1, width_bits: int | None = None) -> Price:
        """Price moving one bit into or out of an SRAM.

        The energy is interpolated in the logarithm of the capacity. Outside the table's rows it is
        extrapolated (`simulator.energy.sram.access_pj_per_bit`), which `note` says, and it is not `verified`.

        Parameters
        ----------
        capacity_bytes : int
            Of the whole memory.
        write : bool
        banks : int
            Banks that it is divided into; see `simulator.energy.sram.bank_of`.
        width_bits : int, optional
            Bits of a bank's word, where the machine says them: `sram_width_rule` then applies.
        """
        _, bank_bytes, divided = bank_of(self.sram_rows, capacity_bytes, banks)
        pj, beyond = access_pj_per_bit(self.sram_rows, bank_bytes, write)
        sources, verified = self._of_rows(self.sram_rows)
        port_bits = self.sram_rows[0].bits
        width = ""
        if width_bits is not None and self.sram_width_rule:
            factor, beyond_width = width_factor(width_bits, port_bits, write)
            pj *= factor
            sources += f"; x {factor:.3g} for a word of {width_bits} bits (rule {self.sram_width_rule})"
            beyond = "; ".join(filter(None, [beyond, beyond_width]))
        elif width_bits not in (None, port_bits):
            width = f"a word of {width_bits} bits, priced by the bit as the table's {port_bits} bits"
        note = "; ".join(filter(None, [beyond, divided, width]))
        return Price("sram." + ("write" if write else "read"), pj, 1, sources, verified and not beyond, note)

    def sram_pj_per_bit(self, capacity_bytes: int, write: bool) -> float:
        """Energy of moving one bit into or out of an SRAM of one bank, in pJ; see `sram_price`."""
        return self.sram_price(capacity_bytes, write).pj_per_bit

    def sram_leakage_price(self, capacity_bytes: int, banks: int = 1) -> Price:
        """Give the leakage of a whole SRAM as energy per nanosecond (1 mW is 1 pJ/ns).

        From the rows of ``leakage.sram_csv``, bank by bank; or in proportion to the capacity, as ``leakage.sram_kib``
        has it.
        """
        row = self.leakage.sram_kib
        if row is not None:
            source, kib = self._source(row.source), capacity_bytes / 1024
            return Price("leakage.sram_kib", row.mw * kib, 1, source, row.verified)
        memories, each_bytes, _ = bank_of(self._leakage_rows, capacity_bytes, banks)
        mw, note = leakage_mw(self._leakage_rows, each_bytes)
        sources, verified = self._of_rows(self._leakage_rows)
        return Price("leakage.sram_csv", mw * memories, 1, sources, verified and not note, note)

    def sram_area(self, capacity_bytes: int, banks: int = 1) -> tuple[int, Area]:
        """Give the memories that an SRAM consists of, and the area of one.

        Raises
        ------
        InputError
            If the table has no areas.
        """
        self._areas()
        memories, each_bytes, divided = bank_of(self._area_rows, capacity_bytes, banks)
        mm2, beyond = area_mm2(self._area_rows, each_bytes)
        sources, verified = self._of_rows(self._area_rows)
        note = "; ".join(filter(None, [beyond, divided]))
        return memories, Area("area.sram_csv", mm2, sources, verified and not beyond, note)

    def unit_area(self, section: Literal["multiply", "add"], number_format: str) -> Area:
        """Give the area of a multiplier or an adder of a format such as ``fp16``.

        Raises
        ------
        InputError
            If the table has no areas, or not this one; it names those that are there.
        """
        rows: dict[str, AreaRow | None] = dict(getattr(self._areas(), section))
        row = rows.get(number_format)
        if row is None:
            raise self._no_row(f"area.{section}", number_format, [name for name, there in rows.items() if there])
        return self._area(f"area.{section}.{number_format}", row)

    def register_area(self) -> Area:
        """Give the area of one bit of a register.

        Raises
        ------
        InputError
            If the table has no areas.
        """
        return self._area("area.register_bit", self._areas().register_bit)

    def transistor_area(self) -> Area:
        """Give the area of one transistor of the skip logic.

        It is the area of a 32-bit integer adder over the transistors of one that was synthesised as the skip logic was.
        Gates, wires and drive strengths like the adder's are assumed, so that it is never `verified`.

        Raises
        ------
        InputError
            If the table has no areas, no adder among them, or no file of the skip logic.
        """
        adder = self.unit_area("add", "int32")
        if self._skip_logic is None or self.skip_logic_csv is None:
            raise InputError.of(f"energy table {self.name}", "no skip_logic_csv", "a file of the skip logic")
        counted = (
            f"transistors counted by synthesis ({self.skip_logic_csv.file}), each a share of an int32 adder's area"
        )
        row = f"{self.skip_logic_csv.file} x {adder.row}"
        return Area(row, adder.mm2 / self._skip_logic.int32_adder, f"{counted}: {adder.source}", False)

    def dram_price(self, standard: str) -> Price:
        """Price a DRAM access of a standard such as ``hbm2``; `Price.pj_per_bit` is the energy per bit.

        Raises
        ------
        InputError
            If the table has no row ``dram.<standard>``; it names the rows that are there.
        """
        return self._priced("dram", standard)

    def dram_pj_per_bit(self, standard: str) -> float:
        """Energy of moving one bit to or from DRAM, in pJ; see `dram_price`."""
        return self.dram_price(standard).pj_per_bit

    def part_price(self, name: PartName) -> Price:
        """Price one operation of a small part; `Parts` says what an operation is."""
        return self._priced("parts", name)

    def select_price(self, positions: int) -> Price:
        """Price one choice of a lane's next non-zero among so many positions of the window.

        From synthesis: the transistors of the lane's selector and of its share of the control, over those of a 32-bit
        integer adder that was synthesised the same way, times the table's energy of that adder. It assumes that they
        switch as often as the adder's. Otherwise ``parts.select``, in proportion to the positions.

        Raises
        ------
        InputError
            If the table has a file of the skip logic and no row ``add.int32``.
        """
        if self._skip_logic is None or self.skip_logic_csv is None:
            row = self.part_price("select")
            return replace(row, pj=row.pj_per_bit * positions, bits=positions)
        adders, note = self._skip_logic.adders_per_selection(positions)
        adder, made = self.add_price("int32"), self.skip_logic_csv
        source = f"{self._source(made.source)}; {adder.source}"
        verified = made.verified and adder.verified and not note
        return Price(f"{made.file} x {adder.row}", adder.pj * adders, positions, source, verified, note)

    def ratio_price(self, name: Literal["gated_slot", "metadata"]) -> Price:
        """Give a ratio as the price of one operation whose reference costs 1 (so `pj` is the ratio)."""
        row: Ratio = getattr(self.ratios, name)
        ratio = round(row.pj / row.of_pj, 12)
        return Price(f"ratios.{name}", ratio, 1, self._source(row.source), row.verified)

    def mac_leakage_price(self) -> Price:
        """Give the leakage of one MAC as energy per nanosecond (1 mW is 1 pJ/ns)."""
        row = self.leakage.mac
        return Price("leakage.mac", row.mw, 1, self._source(row.source), row.verified)

    def needed_by(self, operand: str, accumulator: str, dram_standard: str | None) -> list[Problem]:
        """Say which rows a machine needs and the table lacks."""
        problems: list[Problem] = []
        rows = [("multiply", operand), ("add", accumulator)]
        for section, key in rows + ([("dram", dram_standard)] if dram_standard else []):
            try:
                self._priced(section, key)
            except InputError as error:
                problems += error.problems
        return problems

    def _priced(self, section: str, key: str) -> Price:
        owner = getattr(self, section)
        rows: Mapping[str, Row | None] = owner if isinstance(owner, Mapping) else dict(owner)
        row = rows.get(key)
        if row is None:
            raise self._no_row(section, key, [name for name, present in rows.items() if present is not None])
        return Price(f"{section}.{key}", row.pj, row.bits, self._source(row.source), row.verified)

    def _no_row(self, section: str, key: str, there: list[str]) -> InputError:
        return InputError.of(
            f"energy table {self.name}",
            f"no row {section}.{key}",
            f"one of {', '.join(f'{section}.{name}' for name in there) or 'its rows'}",
            nearest(key, there) or "name another format or standard, or add the row to a table of your own",
        )

    def _areas(self) -> Areas:
        if self.area is None:
            raise InputError.of(f"energy table {self.name}", "no section area", "multiply, add, register_bit, sram_csv")
        return self.area

    def _area(self, name: str, row: AreaRow) -> Area:
        return Area(name, row.um2 / 1e6, self._source(row.source), row.verified)

    def _of_rows(self, rows: tuple[SramRow, ...]) -> tuple[str, bool]:
        """Join the sources of SRAM rows, and say whether all are verified."""
        sources = "; ".join(dict.fromkeys(self._source(row.source) for row in rows))
        return sources, all(row.verified for row in rows)

    def _source(self, source: str) -> str:
        return self.sources.get(source, source)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.sram is None) == (self.sram_csv is None):
            found = "neither sram nor sram_csv" if self.sram is None else "both sram and sram_csv"
            raise wrong(found, "one of them, so that families do not mix")
        if self.sram is not None:
            sizes = [row.capacity_kib for row in self.sram]
            if not sizes or sorted(set(sizes)) != sizes:
                raise wrong(f"SRAM capacities {sizes}", "at least one row of sram, in rising order of capacity_kib")
        if (self.parts.select is None) == (self.skip_logic_csv is None):
            found = "neither parts.select nor" if self.parts.select is None else "both parts.select and"
            raise wrong(f"{found} skip_logic_csv", "one of them: a selector has one price")
        if (self.leakage.sram_kib is None) == (self.leakage.sram_csv is None):
            found = "neither leakage.sram_kib nor" if self.leakage.sram_kib is None else "both leakage.sram_kib and"
            raise wrong(f"{found} leakage.sram_csv", "one of them: a buffer leaks once")
        if self.sram_width_rule and self.sram_csv is None:
            found = f"sram_width_rule {self.sram_width_rule} with rows of sram"
            raise wrong(found, "the rule with sram_csv alone, so that families do not mix")
        if not self.dram:
            raise wrong("no rows under dram", "at least one DRAM standard")
        return self
