"""Reading energy tables: YAML files under `arch_configs/energy/` or the user's own, and the CSV files they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.arch.data_files import checked, read_data_file
from simulator.arch.document import Document
from simulator.arch.locate import config_root, energy_table_names, may_be_there
from simulator.energy.rows import SramFile
from simulator.energy.skip_logic import read_skip_logic
from simulator.energy.sram import SramRow, read_sram_csv
from simulator.energy.table import EnergyTable
from traces.errors import InputError, Problem, nearest


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
    document, path = _found(name_or_path, relative_to)
    if "scaled_from" not in document.data:
        return _load(document, path)
    from simulator.energy.scaled_table import ScaledTable, scaled

    wanted = checked(document, ScaledTable, _unknown_sources)
    base_document, base_path = _found(wanted.scaled_from.table, path.parent)
    if "scaled_from" in base_document.data:
        where, found = document.place(("scaled_from", "table")), f"{wanted.scaled_from.table}, which is scaled itself"
        raise InputError.of(where, found, "a table of sources: numbers are scaled once")
    base = _load(base_document, base_path)
    rows = _rows(wanted.sram_csv, path.parent)
    try:
        return scaled(base, wanted, rows)
    except InputError as error:
        at = document.place(("scaled_from",))
        raise InputError([replace(p, where=f"{at}: {p.where}") for p in error.problems]) from None


def _found(name_or_path: str | os.PathLike[str], relative_to: str | os.PathLike[str] | None) -> tuple[Document, Path]:
    """Find a table's file and read it."""
    expected = "an energy table: name, technology_nm, multiply, add, sram, dram, ..."
    return read_data_file(name_or_path, relative_to, "energy", energy_table_names(), "energy table", expected)


def _load(document: Document, path: Path) -> EnergyTable:
    table = checked(document, EnergyTable, _unknown_sources)
    table._sram_rows = _rows(table.sram_csv, path.parent)
    table._leakage_rows = _rows(table.leakage.sram_csv, path.parent)
    table._area_rows = _rows(table.area.sram_csv if table.area else None, path.parent)
    if any(not row.area_mm2 for row in table._area_rows):
        where, found = document.place(("area", "sram_csv", "file")), "rows whose area_mm2 is 0"
        raise InputError.of(where, found, "the area of every row, or no section area")
    if table.skip_logic_csv is not None:
        table._skip_logic = read_skip_logic(_file(table.skip_logic_csv.file, path.parent))
    return table


def _rows(wanted: SramFile | None, folder: Path) -> tuple[SramRow, ...]:
    if wanted is None:
        return ()
    return read_sram_csv(_file(wanted.file, folder), wanted.technology_nm, wanted.source, wanted.verified)


def _file(name: str, folder: Path) -> Path:
    """Find a file beside the table; a table of one's own may use a shipped one without a copy of it."""
    places = (folder / name, config_root() / "energy" / name)
    return next((place for place in places if may_be_there(place)), places[0])


def _unknown_sources(document: Document) -> list[Problem]:
    """Find sources of a single word that `sources` does not explain: most likely a misspelt short name."""
    problems: list[Problem] = []
    sources: Mapping[str, str] = document.data.get("sources", {})

    def walk(data: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(data, dict):
            source = data.get("source")
            if isinstance(source, str) and " " not in source.strip() and source not in sources:
                known = list(sources)
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
