"""Pages of the reference that are written by hand, and the extensions that write the others."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from simulator import simulate
from simulator.arch import arch_names, dram_standard_names
from simulator.arch.locate import energy_table_names
from simulator.arch.mechanism import Mechanism
from simulator.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
EXTENSIONS = ROOT / "docs" / "_ext"


@pytest.fixture(scope="module")
def shipped() -> ModuleType:
    """The functions that write tables of what is shipped; they need no Sphinx."""
    sys.path.insert(0, str(EXTENSIONS))
    try:
        return importlib.import_module("shipped_tables")
    finally:
        sys.path.remove(str(EXTENSIONS))


def test_the_json_page_names_every_key_of_a_report() -> None:
    told = (ROOT / "docs" / "reference" / "json-report.md").read_text(encoding="utf-8")
    report = simulate("zero_skip", ROOT / "traces" / "samples" / "charlm_t1e-6.npz", steps=(2000, None)).to_dict()
    keys = {*report, *report["products"][0], *report["macs"], *report["cycles"], *report["energy_pj"]}
    assert sorted(key for key in keys if f"`{key}`" not in told) == []


def test_the_json_page_names_no_key_that_there_is_not() -> None:
    told = (ROOT / "docs" / "reference" / "json-report.md").read_text(encoding="utf-8")
    report = simulate("zero_skip", ROOT / "traces" / "samples" / "charlm_t1e-6.npz", steps=(2000, None)).to_dict()
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", told, re.MULTILINE)
    named = [key for keys, holds in rows if "only with" not in holds for key in re.findall(r"`(\w+)`", keys)]
    assert len(named) > 15
    assert [key for key in named if key not in report] == []


def test_tables_tell_all_that_is_shipped(shipped: ModuleType) -> None:
    machines, standards = "\n".join(shipped.machines()), "\n".join(shipped.dram_sections())
    assert [name for name in arch_names() if f"| `{name}` |" not in machines] == []
    assert [name for name in dram_standard_names() if f"| `{name}` |" not in standards] == []
    sections = "\n".join(shipped.mechanism_sections())
    assert [name for name in Mechanism.registered if f"## {name}\n" not in sections] == []


def test_keys_of_machines_reach_down_to_the_leaves(shipped: ModuleType) -> None:
    keys = "\n".join(shipped.machine_keys())
    for key in (
        "name",
        "array.rows",
        "memory.buffers.skip.capacity_kib",
        "memory.dram.queue",
        "memory.formats.segment",
    ):
        assert f"| `{key}` |" in keys


def test_energy_tables_tell_the_source_of_every_row(shipped: ModuleType) -> None:
    tables = "\n".join(shipped.energy_sections()).split("## ")[1:]
    assert [table.partition("\n")[0] for table in tables] == energy_table_names()
    for table in tables:
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        told = {int(row.strip("| ").rpartition(" | ")[2]) for row in rows}
        listed = re.findall(r"^(\d+)\. .{10,}$", table, re.MULTILINE)
        assert len(rows) > 15
        assert sorted(told) == [int(number) for number in listed] == list(range(1, len(told) + 1))


def test_the_command_line_page_tells_every_command_and_option(shipped: ModuleType) -> None:
    from simulator.commands.simulate import simulate as command

    click_reference = sys.modules["click_reference"]
    found = {" ".join(path): one for _, one, path in click_reference.commands(click_reference.skipstone)}
    assert [name for name in COMMANDS if not any(f"skipstone {name}" in path for path in found)] == []
    page = "\n".join(click_reference.described(command, ("skipstone", "simulate")))
    options = [option for parameter in command.params for option in parameter.opts]
    assert [option for option in options if option not in page] == []
