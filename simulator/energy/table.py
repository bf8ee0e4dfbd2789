"""Energy prices: tables in which every number says where it comes from.

A table is a YAML file under `arch_configs/energy/` or the user's own. Rows state the energy of one operation
on `bits` bits, as their source has it; look-ups give a `Price`, which carries the source on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from simulator.arch.document import Document, read_document
from simulator.arch.locate import config_root, energy_table_names
from simulator.arch.parts import Part
from simulator.arch.problems import problems_of, wrong
from simulator.arch.yaml_loader import find_file, is_path, not_a_mapping
from simulator.energy.skip_logic import SkipLogic, read_skip_logic
from simulator.energy.sram import SramRow, access_pj_per_bit, read_sram_csv
from traces.errors import InputError, Problem, nearest

PartName = Literal["register_read", "register_write", "mux_level", "select", "compare", "gate_forward", "gate_backward"]


@dataclass(frozen=True)
class Price:
    """What one operation costs, and why we say so.

    Attributes
    ----------
    row : str
        The row of the table, such as ``dram.hbm2``; of several, joined by `` + ``.
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


class Leakages(Part):
    """Leakage by what leaks."""

    mac: LeakageRow = Field(description="Per MAC of the array, its registers and its share of the control.")
    sram_kib: LeakageRow = Field(description="Per KiB of on-chip SRAM.")


class SramFile(Part):
    """SRAM rows from a CSV file instead of the table."""

    file: str = Field(min_length=1, description="CSV file, relative to the table.")
    technology_nm: float = Field(gt=0, description="Which rows of it, in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false where the numbers are only recalled or estimated.")


class SkipLogicFile(Part):
    """Transistors of the skip logic from a CSV file, instead of a row ``parts.select``."""

    file: str = Field(min_length=1, description="CSV file, relative to the table, or a shipped one.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false: that transistors switch as an adder's do is an assumption.")


class EnergyTable(Part):
    """Prices of everything that the engine counts; read one with `load_energy_table`."""

    name: str = Field(min_length=1, description="The table's name in reports.")
    description: str = Field(default="", description="What it is good for, and which families it draws on.")
    technology_nm: float = Field(gt=0, description="Node of the logic, in nanometres.")
    sources: dict[str, str] = Field(default={}, description="Short names for sources that several rows share.")
    multiply: Arithmetic = Field(description="Multiplications by format.")
    add: Arithmetic = Field(description="Additions by format.")
    sram: tuple[SramRow, ...] | None = Field(default=None, description="SRAM accesses by rising capacity.")
    sram_csv: SramFile | None = Field(default=None, description="SRAM accesses from a file, instead of `sram`.")
    dram: dict[str, Row] = Field(description="DRAM accesses by standard.")
    parts: Parts = Field(description="Small parts around the MACs.")
    ratios: Ratios = Field(description="What is known only relative to something else.")
    leakage: Leakages = Field(description="Leakage by what leaks.")
    skip_logic_csv: SkipLogicFile | None = Field(
        default=None, description="The skip logic from a file of synthesis results, instead of `parts.select`."
    )

    _sram_rows: tuple[SramRow, ...] = PrivateAttr(default=())
    _skip_logic: SkipLogic | None = PrivateAttr(default=None)

    @property
    def sram_rows(self) -> tuple[SramRow, ...]:
        """The SRAM rows in rising order of capacity, from wherever the table takes them."""
        return self._sram_rows or self.sram or ()

    @property
    def skip_logic(self) -> SkipLogic | None:
        """The skip logic in transistors, where the table names a file of it."""
        return self._skip_logic

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the prices as canonical JSON, the rows of a CSV file included."""
        data = self.model_dump(mode="json", exclude={"description", "sram", "sram_csv"})
        data["sram"] = [row.model_dump(mode="json") for row in self.sram_rows]
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

    def sram_price(self, capacity_bytes: int, write: bool) -> Price:
        """Price moving one bit into or out of an SRAM.

        The energy is interpolated in the logarithm of the capacity. Outside the table's rows it is
        extrapolated (`simulator.energy.sram.access_pj_per_bit`), which `note` says, and it is not `verified`.
        """
        pj, note = access_pj_per_bit(self.sram_rows, capacity_bytes, write)
        sources = "; ".join(dict.fromkeys(self._source(row.source) for row in self.sram_rows))
        verified = not note and all(row.verified for row in self.sram_rows)
        return Price("sram." + ("write" if write else "read"), pj, 1, sources, verified, note)

    def sram_pj_per_bit(self, capacity_bytes: int, write: bool) -> float:
        """Energy of moving one bit into or out of an SRAM, in pJ; see `sram_price`."""
        return self.sram_price(capacity_bytes, write).pj_per_bit

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

    def leakage_price(self, name: Literal["mac", "sram_kib"]) -> Price:
        """Give the leakage of one MAC or one KiB as energy per nanosecond (1 mW is 1 pJ/ns)."""
        row: LeakageRow = getattr(self.leakage, name)
        return Price(f"leakage.{name}", row.mw, 1, self._source(row.source), row.verified)

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
            there = [name for name, present in rows.items() if present is not None]
            raise InputError.of(
                f"energy table {self.name}",
                f"no row {section}.{key}",
                f"one of {', '.join(f'{section}.{name}' for name in there) or 'its rows'}",
                nearest(key, there) or "name another format or standard, or add the row to a table of your own",
            )
        return Price(f"{section}.{key}", row.pj, row.bits, self._source(row.source), row.verified)

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
        if not self.dram:
            raise wrong("no rows under dram", "at least one DRAM standard")
        return self


def load_energy_table(
    name_or_path: str | os.PathLike[str], relative_to: str | os.PathLike[str] | None = None
) -> EnergyTable:
    """Load an energy table.

    Parameters
    ----------
    name_or_path : str or path
        A shipped table's name (`arch_configs/energy/`), or a file.
    relative_to : path, optional
        The folder that a relative path starts from, mostly `Architecture.folder`; where there is no such file
        in it, the working folder.

    Raises
    ------
    InputError
        With every problem of the file, each with its place.
    """
    chosen: str | os.PathLike[str] = name_or_path
    if relative_to is not None and is_path(name_or_path):
        beside = Path(relative_to) / name_or_path
        if "\0" not in str(beside) and beside.exists():
            chosen = beside
    path = find_file(chosen, "energy", energy_table_names(), "energy table")
    source = os.fspath(chosen) if is_path(chosen) else f"arch_configs/energy/{path.name}"
    document = read_document(path, source)
    if not isinstance(document.data, dict):
        expected = "an energy table: name, technology_nm, multiply, add, sram, dram, ..."
        raise InputError(document.problems or [not_a_mapping(document, expected)])
    table = _parse(document)
    if table.sram_csv is not None:
        wanted = table.sram_csv
        rows_path = path.parent / wanted.file
        rows = read_sram_csv(rows_path, wanted.technology_nm, wanted.source, wanted.verified)
        table._sram_rows = rows
    if table.skip_logic_csv is not None:
        # Beside the table; a table of one's own may use the shipped file without a copy of it.
        places = (path.parent / table.skip_logic_csv.file, config_root() / "energy" / table.skip_logic_csv.file)
        table._skip_logic = read_skip_logic(next((file for file in places if file.exists()), places[0]))
    return table


def _parse(document: Document) -> EnergyTable:
    problems = list(document.problems)
    try:
        table = EnergyTable.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        told = {problem.where for problem in problems}
        found = problems_of(error, EnergyTable, document.data, document.place)
        raise InputError([*problems, *(p for p in found if p.where not in told)]) from None
    problems += _unknown_sources(document, table)
    if problems:
        raise InputError(problems)
    return table


def _unknown_sources(document: Document, table: EnergyTable) -> list[Problem]:
    """Find sources of a single word that `sources` does not explain: most likely a misspelt short name."""
    problems: list[Problem] = []

    def walk(data: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(data, dict):
            source = data.get("source")
            if isinstance(source, str) and " " not in source.strip() and source not in table.sources:
                known = list(table.sources)
                expected = "a key of sources" + (f" ({', '.join(known)})" if known else "") + ", or a sentence"
                where = document.place((*path, "source"))
                problems.append(Problem(where, repr(source), expected, nearest(source, known)))
            for key, value in data.items():
                walk(value, (*path, key))
        elif isinstance(data, list):
            for index, value in enumerate(data):
                walk(value, (*path, index))

    walk(document.data, ())
    return problems
