"""An energy table that is another one at another node: sources stay, numbers are scaled by a named rule."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import Field

from simulator.arch.parts import Part
from simulator.energy.rows import AreaByFormat, AreaRow, Areas, Arithmetic, LeakageRow, Leakages, Parts, Row, SramFile
from simulator.energy.scaling import Operation, Transistors, area_factor, delay_factor, energy_factor
from simulator.energy.sram import SramRow
from simulator.energy.table import EnergyTable
from traces.errors import InputError


class ScaledFrom(Part):
    """What is scaled, where to, and by which rule."""

    table: str = Field(min_length=1, description="A shipped table, or a file relative to this one; not a scaled one.")
    rule: Literal["stillmaker_baas_2017"] = Field(description="The published rule; see simulator/energy/scaling.py.")
    to_nm: int = Field(ge=1, description="Node in nanometres, one that the rule has.")
    from_volts: float = Field(gt=0, le=5, description="Supply voltage that the table's numbers are for.")
    to_volts: float = Field(gt=0, le=5, description="Supply voltage at the new node.")
    transistors: Transistors = Field(
        default="high_performance", description="Kind of transistors at both nodes; alike at 65 nm and above."
    )


class ScaledTable(Part):
    """The file of a scaled table."""

    name: str = Field(min_length=1, description="The table's name in reports.")
    description: str = Field(default="", description="What it is good for.")
    sources: dict[str, str] = Field(default={}, description="Short names for sources.")
    scaled_from: ScaledFrom = Field(description="What is scaled, where to, and by which rule.")
    sram_csv: SramFile | None = Field(
        default=None,
        description="SRAM of the new node from a file: energy, area and leakage. null: scaled as logic is.",
    )


def scaled(base: EnergyTable, wanted: ScaledTable, sram_rows: tuple[SramRow, ...]) -> EnergyTable:
    """Scale a table to another node.

    Energies of arithmetic and small parts go by the rule's energy, areas by its area. Leakage goes by its energy, too:
    the rule has none, and the tables state it as a share of energy. SRAM goes as logic does, unless the file names rows
    of the new node; DRAM has its own process and stays; ratios stay. No scaled row is `verified`.

    Parameters
    ----------
    base : EnergyTable
    wanted : ScaledTable
    sram_rows : tuple of SramRow
        What `wanted.sram_csv` names; may be empty.

    Raises
    ------
    InputError
        If the rule has not the nodes or the voltages, or a row of `base` is of another node than the table.
    """
    by = wanted.scaled_from
    start = Operation(base.technology_nm, by.from_volts, by.transistors)
    end = Operation(by.to_nm, by.to_volts, by.transistors)
    scale = _Scale(base, by, energy_factor(start, end), area_factor(base.technology_nm, by.to_nm))
    if wanted.sram_csv is not None and wanted.sram_csv.technology_nm != by.to_nm:
        found = f"rows of {wanted.sram_csv.technology_nm:g} nm"
        raise InputError.of("sram_csv.technology_nm", found, f"{by.to_nm} nm, where the table is scaled to")
    leakage = Leakages(
        mac=scale.power("leakage.mac", base.leakage.mac),
        sram_kib=base.leakage.sram_kib and scale.power("leakage.sram_kib", base.leakage.sram_kib),
        sram_csv=base.leakage.sram_csv,
    )
    table = base.model_copy(
        update={
            "name": wanted.name,
            "description": wanted.description,
            "technology_nm": float(by.to_nm),
            "multiply": scale.arithmetic("multiply", base.multiply),
            "add": scale.arithmetic("add", base.add),
            "sram": base.sram and tuple(scale.sram(row) for row in base.sram),
            "parts": Parts(**{name: row and scale.row(f"parts.{name}", row) for name, row in base.parts}),
            "leakage": leakage,
            "area": base.area and scale.areas(base.area),
        }
    )
    table._sram_rows, table._leakage_rows, table._area_rows = (
        tuple(scale.sram(row) for row in rows) for rows in (base._sram_rows, base._leakage_rows, base._area_rows)
    )
    sram = "SRAM as logic, for which the rule was not made"
    if wanted.sram_csv is not None:
        of_node = wanted.sram_csv
        update: dict[str, object] = {"sram": None, "sram_csv": of_node}
        update["leakage"] = leakage.model_copy(update={"sram_kib": None, "sram_csv": of_node})
        update["sources"] = {**base.sources, **wanted.sources}
        table = table.model_copy(update=update)
        table._sram_rows = table._leakage_rows = table._area_rows = sram_rows
        sram = "SRAM from rows of the new node"
    table._notes = (
        f"{wanted.name} is {base.name} scaled from {base.technology_nm:g} nm at {by.from_volts:g} V to {by.to_nm} nm "
        f"at {by.to_volts:g} V by the rule {by.rule} ({by.transistors.replace('_', ' ')}): energy and leakage x "
        f"{scale.energy:.3g}, area x {scale.area_ratio:.3g}; {sram}; DRAM as it is. Gates would take "
        f"{delay_factor(start, end):.3g} of the time; the clock is the machine's own.",
    )
    return table


_Any = TypeVar("_Any", Row, LeakageRow, AreaRow)


class _Scale:
    """Factors, and what they do to rows."""

    def __init__(self, base: EnergyTable, by: ScaledFrom, energy: float, area: float) -> None:
        self._base, self.energy, self.area_ratio = base, energy, area
        self._rule = f"from {base.technology_nm:g} nm by {by.rule}"
        self._node = float(by.to_nm)

    def row(self, name: str, row: Row) -> Row:
        return self._moved(name, row, {"pj": row.pj * self.energy}, self.energy)

    def power(self, name: str, row: LeakageRow) -> LeakageRow:
        return self._moved(name, row, {"mw": row.mw * self.energy}, self.energy)

    def unit(self, name: str, row: AreaRow) -> AreaRow:
        return self._moved(name, row, {"um2": row.um2 * self.area_ratio}, self.area_ratio)

    def arithmetic(self, section: str, rows: Arithmetic) -> Arithmetic:
        return Arithmetic(**{name: row and self.row(f"{section}.{name}", row) for name, row in rows})

    def areas(self, areas: Areas) -> Areas:
        def units(section: str, rows: AreaByFormat) -> AreaByFormat:
            return AreaByFormat(**{name: row and self.unit(f"area.{section}.{name}", row) for name, row in rows})

        return Areas(
            multiply=units("multiply", areas.multiply),
            add=units("add", areas.add),
            register_bit=self.unit("area.register_bit", areas.register_bit),
            sram_csv=areas.sram_csv,
        )

    def sram(self, row: SramRow) -> SramRow:
        energies = {"read_pj": row.read_pj * self.energy, "write_pj": row.write_pj * self.energy}
        return row.model_copy(
            update={
                **energies,
                "area_mm2": None if row.area_mm2 is None else row.area_mm2 * self.area_ratio,
                "leakage_mw": None if row.leakage_mw is None else row.leakage_mw * self.energy,
                "technology_nm": self._node,
                "source": self._source(row.source, self.energy, f", area x {self.area_ratio:.3g}"),
                "verified": False,
            }
        )

    def _moved(self, name: str, row: _Any, numbers: dict[str, float], factor: float) -> _Any:
        if row.technology_nm != self._base.technology_nm:
            found = "no node" if row.technology_nm is None else f"{row.technology_nm:g} nm"
            expected = f"{self._base.technology_nm:g} nm, as the table has it"
            raise InputError.of(f"energy table {self._base.name}: {name}.technology_nm", found, expected)
        source = self._source(row.source, factor, "")
        return row.model_copy(update={**numbers, "technology_nm": self._node, "source": source, "verified": False})

    def _source(self, source: str, factor: float, more: str) -> str:
        return f"{self._base.sources.get(source, source)}; x {factor:.3g}{more} {self._rule}"
