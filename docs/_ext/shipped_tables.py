"""What is shipped, told in Markdown from the objects and files themselves, so that no page can grow stale.

`SHIPPED` names the directives that `written_pages` makes of these functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from click_reference import escaped

from simulator.arch import arch_names, dram_standard_names, load_arch, load_dram_standard
from simulator.arch.locate import energy_table_names
from simulator.commands.mechanisms import described, mechanisms  # noqa: F401 - registers them
from simulator.energy import load_energy_table


def machines() -> Iterator[str]:
    """List the shipped machines with their array and their mechanism."""
    yield from ("| name | array | mechanism | what it is |", "| --- | --- | --- | --- |")
    for name in arch_names():
        arch = load_arch(name)
        array = f"{arch.array.rows} x {arch.array.columns}"
        yield f"| `{name}` | {array} | `{arch.skipping.mechanism}` | {cell(arch.description)} |"


def mechanism_sections() -> Iterator[str]:
    """Describe each mechanism in a section of its own."""
    from simulator.arch import Mechanism

    for _, kind in sorted(Mechanism.registered.items()):
        told = described(kind)
        yield from section(told["name"], told["summary"], f"Known from: {told['literature']}.", told["parameters"])


def policy_sections() -> Iterator[str]:
    """Describe each threshold policy in a section of its own."""
    from traces.thresholds.table import all_described

    for told in all_described():
        source = f"Known from: {told['source']}." + (" Changes values that stay." if told["changes_values"] else "")
        yield from section(told["kind"], told["summary"], source, told["parameters"])


def section(name: str, summary: str, source: str, parameters: list[dict[str, Any]]) -> Iterator[str]:
    """Write a thing with parameters as a section with a table."""
    yield from (f"## {name}", "", sentence(summary), "", escaped(source.replace("``", "`")), "")
    if parameters:
        yield from ("| parameter | values | default | meaning |", "| --- | --- | --- | --- |")
    for parameter in parameters:
        default = "required" if parameter["required"] else f"`{json.dumps(parameter['default'])}`"
        values, meaning = cell(parameter["values"]), cell(parameter["description"].replace("``", "`"))
        yield f"| `{parameter['name']}` | {values} | {default} | {meaning} |"
    yield ""


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = escaped(text.replace("``", "`")).strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def energy_sections() -> Iterator[str]:
    """Show every row of every energy table, with the number of its source, and then the sources."""
    for name in energy_table_names():
        table = load_energy_table(name)
        yield from (f"## {name}", "", sentence(table.description), "")
        yield from (escaped(note) + "\n" for note in table.notes)
        yield from ("| row | pJ | bits | nm | verified | source |", "| --- | --- | --- | --- | --- | --- |")
        data, sources = table.model_dump(mode="json"), list[str]()
        for group in ("multiply", "add", "sram", "dram", "parts"):
            for key, row in _rows(data.get(group)):
                yield energy_row(f"{group}.{key}", row, _number(table.sources, str(row["source"]), sources))
        if table.sram is None:
            rows = table.sram_rows
            span = f"{rows[0].capacity_kib:g} to {rows[-1].capacity_kib:g} KiB" if rows else "none"
            number = _number(table.sources, rows[0].source, sources) if rows else "–"
            yield f"| `sram` | {len(rows)} rows, {span} | | | | {number} |"
        yield ""
        yield from (f"{number}. {cell(source)}" for number, source in enumerate(sources, start=1))
        yield ""


def _number(names: Mapping[str, str], source: str, sources: list[str]) -> int:
    """Give the number of a source in a table's list, which grows by it; a short name becomes the source."""
    full = names.get(source, source)
    if full not in sources:
        sources.append(full)
    return sources.index(full) + 1


def _rows(group: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(group, Mapping):
        yield from ((key, row) for key, row in group.items() if isinstance(row, Mapping) and "pj" in row)
    for row in group if isinstance(group, list) else ():
        yield f"{row['capacity_kib']:g} KiB", row


def energy_row(name: str, row: Mapping[str, Any], source: int) -> str:
    """Write a row of an energy table."""
    pj = f"{row['pj']:g}" if row.get("pj") is not None else f"{row['read_pj']:g} read, {row['write_pj']:g} write"
    verified = "yes" if row["verified"] else "**no**"
    node = "–" if row["technology_nm"] is None else f"{row['technology_nm']:g}"  # of DRAM not always told
    return f"| `{name}` | {pj} | {row['bits']} | {node} | {verified} | {source} |"


def dram_sections() -> Iterator[str]:
    """Show each DRAM standard: what it is, where it is from, its rate."""
    yield from ("| name | what | channels x bits | MB/s a channel | banks | verified | source |",)
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name in dram_standard_names():
        of = load_dram_standard(name)
        width = f"{of.organisation.channels} x {of.organisation.bus_bits}"
        cells = [f"`{name}`", cell(of.description), width, f"{of.channel_mb_per_s:,}", str(of.banks)]
        yield "| " + " | ".join([*cells, "yes" if of.verified else "**no**", cell(of.source)]) + " |"


def machine_keys() -> Iterator[str]:
    """List every key that a machine file may have, from its JSON Schema."""
    from simulator.arch.json_schema import machine_schema

    schema = machine_schema()
    yield from ("| key | meaning |", "| --- | --- |")
    yield from _keys(schema, schema.get("$defs", {}), "")


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, about in schema.get("properties", {}).items():
        default = (
            "Required." if name in schema.get("required", ()) else f"Default: `{json.dumps(about.get('default'))}`."
        )
        if about.get("default") == {}:
            default = "Default: those of its keys."
        yield f"| `{prefix}{name}` | {cell(about.get('description', ''))} {default} |"
        for inner in _parts(about, definitions):
            yield from _keys(inner, definitions, f"{prefix}{name}.")


def _parts(about: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the mappings that a key may hold; mechanisms have a page of their own."""
    for one in (about, *about.get("anyOf", ()), *about.get("allOf", ())):
        inner = definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one if one is not about else {})
        if "properties" in inner and "mechanism" not in inner["properties"]:
            yield inner


def cell(text: str) -> str:
    """Make text fit for a cell of a table."""
    return escaped(" ".join(text.split())).replace("|", "\\|")


SHIPPED: dict[str, Callable[[], Iterator[str]]] = {
    "shipped-machines": machines,
    "shipped-mechanisms": mechanism_sections,
    "shipped-policies": policy_sections,
    "shipped-energy-tables": energy_sections,
    "shipped-dram": dram_sections,
    "machine-keys": machine_keys,
}
