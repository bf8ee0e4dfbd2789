"""What can be compared: the report of a run, or a row of a sweep, as measures and the parts that they are sums of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from simulator.explore.rows import PARQUET, ResultTable, TextRow, number, read_table
from simulator.report.result import SCHEMA_VERSION
from simulator.workload import Phase
from traces.errors import InputError, nearest
from traces.regular_files import in_place_of_file

Number = int | float
EXPECTED = "a report.json of `simulate --out`, or RESULTS.csv:KEY (or .parquet), a row of `skipstone sweep`"
TABLES = (".csv", PARQUET)
STALL = "stall: "
LARGEST = 1e300
"""No measure is beyond it, and JSON may hold any integer."""
MEASURES = (
    "cycles_total", "time_us", "energy_total_pj", "dram_bytes", "macs_executed", "utilization", "energy_delay_js",
    "area_mm2", "sparsity", "speedup", "energy_saving", "bound_speedup",
)  # fmt: skip
"""In the order in which they are told."""


@dataclass(frozen=True)
class Subject:
    """A run that is compared.

    Attributes
    ----------
    source : str
        As the user named it.
    settings : dict of str to str
        Machine, axes, trace and steps.
    measures : dict of str to number
        By their names in `MEASURES`; those that it has.
    parts : dict of str to dict
        By measure, what it is the sum of: of ``cycles_total`` the array's cycles by product and the stalls by reason,
        of ``energy_total_pj`` the components, of ``dram_bytes`` read and written.
    limit : str or None
        What keeps the machine from gaining more, see `simulator.report.explanation.limiter`; a report alone.
    """

    source: str
    settings: dict[str, str]
    measures: dict[str, Number]
    parts: dict[str, dict[str, Number]]
    limit: str | None = None


def read_subject(text: str) -> Subject:
    """Read what a user named: a report's file, or a table's file, a colon and the beginning of a key in it.

    Raises
    ------
    InputError
        If there is no such file or row, or it is not what it should be.
    """
    path, colon, key = text.rpartition(":")
    if colon and path.lower().endswith(TABLES):
        return _of_row(text, read_table(path), key)
    if text.lower().endswith(TABLES):
        raise InputError.of(text, "a table without a key", EXPECTED, f"such as {text}:KEY")
    return _of_report(text, _read_json(text))


# --- rows -----------------------------------------------------------------------------------------------------


def _of_row(text: str, table: ResultTable, key: str) -> Subject:
    table.require(["key", "cycles_total", "energy_total_pj"], "the header")
    found = [(row, place) for row, place in zip(table.rows, table.places, strict=True) if row["key"].startswith(key)]
    exact = [(row, place) for row, place in found if row["key"] == key]
    found = exact or found
    keys = [row["key"] for row in table.rows]
    if not key or not found:
        hint = nearest(key, keys) or f"the first is {keys[0]}"
        raise InputError.of(text, f"no valid row of the key {key!r}", f"a key in {table.source}", hint)
    if len({row["key"] for row, _ in found}) > 1:
        raise InputError.of(text, f"{len(found)} rows whose keys begin like this", "more digits of one key")
    row, place = found[0]
    named = [name for name in (*table.axes, "arch_digest", "trace_sha256", "steps", "steps_replayed") if name in row]
    direct = [name for name in MEASURES if row.get(name)]
    measures: dict[str, Number] = {name: _cell(table, row, place, name) for name in direct}

    def parts_of(before: str, after: str, *others: str) -> dict[str, Number]:
        """Cells of the columns with a name between two texts, but for some names, by that name."""
        names = [
            (name, name.removeprefix(before).removesuffix(after))
            for name in table.columns
            if name.startswith(before) and name.endswith(after)
        ]
        return {part: _cell(table, row, place, name) for name, part in names if row[name] and part not in others}

    parts = {"energy_total_pj": parts_of("energy_", "_pj", "total")}
    products, stalls = parts_of("cycles_", "", "total", *get_args(Phase)), parts_of("stall_", "_cycles")
    if products and stalls:
        parts["cycles_total"] = products | {f"{STALL}{reason}": cycles for reason, cycles in stalls.items()}
    traffic = {name: f"dram_{name}_bytes" for name in ("read", "write")}
    if all(row.get(column) for column in traffic.values()):
        parts["dram_bytes"] = {name: _cell(table, row, place, column) for name, column in traffic.items()}
        measures["dram_bytes"] = sum(parts["dram_bytes"].values())
    return Subject(text, {name: row[name] or "-" for name in named}, _ordered(measures), parts)


def _cell(table: ResultTable, row: TextRow, place: int, name: str) -> Number:
    value = number(row[name])
    if value is None:
        raise InputError.of(f"{table.source}:{place} {name}", repr(row[name]), "a finite number")
    return value


# --- reports --------------------------------------------------------------------------------------------------


def _read_json(text: str) -> Any:
    if found := in_place_of_file(text):
        raise InputError.of(text, found, EXPECTED)
    try:
        return json.loads(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.of(text, error.strerror or str(error), EXPECTED) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or a NUL in the name
        shown = text.replace("\0", "\\0")
        raise InputError.of(shown, f"no JSON ({error})", EXPECTED) from None


def _of_report(text: str, data: Any) -> Subject:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION or "cycles" not in data:
        found = "JSON that is no report" if version is None or "cycles" not in data else f"schema version {version!r}"
        raise InputError.of(text, found, EXPECTED)
    report = _Document(text, data)
    stalls = report.numbers("cycles", "stalls")
    cycles = report.numbers("cycles", "by_product") | {f"{STALL}{name}": spent for name, spent in stalls.items()}
    components = report.numbers("energy_pj", "by_component")
    traffic = report.numbers("dram_bytes")
    places: dict[str, tuple[str, ...]] = {
        "cycles_total": ("cycles", "total"),
        "energy_total_pj": ("energy_pj", "total"),
        "macs_executed": ("macs", "executed"),
    }
    measures: dict[str, Number] = {"dram_bytes": sum(traffic.values())}
    for name, place in places.items():
        measures[name] = report.number(*place)
    for name in MEASURES:
        if name not in measures and data.get(name) is not None:
            measures[name] = report.number(*(("area_mm2", "total") if name == "area_mm2" else (name,)))
    steps = report.at("trace", "steps")
    if not isinstance(steps, list) or not all(isinstance(step, int) for step in steps):
        raise report.wrong(("trace", "steps"), "a list of steps")
    settings = {
        "arch": str(report.at("architecture", "name")),
        "arch_digest": str(report.at("architecture", "digest")),
        "trace_sha256": str(report.at("trace", "sha256")),
        "steps": f"{steps[0]}:{steps[-1] + 1}" if steps else "none",
        "steps_replayed": str(len(steps)),
    }
    parts = {"cycles_total": cycles, "energy_total_pj": components, "dram_bytes": traffic}
    return Subject(text, settings, _ordered(measures), parts, str(report.at("explanation", "limiter", "name")))


class _Document:
    """A report as plain data, which may be anything: what is asked of it is checked."""

    def __init__(self, source: str, data: Mapping[str, Any]) -> None:
        self._source, self._data = source, data

    def at(self, *keys: str) -> Any:
        value: Any = self._data
        for depth, key in enumerate(keys):
            if not isinstance(value, dict) or key not in value:
                raise self.wrong(keys[: depth + 1], "there", found="nothing")
            value = value[key]
        return value

    def number(self, *keys: str) -> Number:
        value = self.at(*keys)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
            raise self.wrong(keys, "a finite number")
        return value

    def numbers(self, *keys: str) -> dict[str, Number]:
        value = self.at(*keys)
        if not isinstance(value, dict):
            raise self.wrong(keys, "numbers by name")
        return {name: self.number(*keys, name) for name in value}

    def wrong(self, keys: tuple[str, ...], expected: str, found: str | None = None) -> InputError:
        shown = repr(self.at(*keys))[:60] if found is None else found
        return InputError.of(f"{self._source} {'.'.join(keys)}", shown, f"{expected}, as in a report of `simulate`")


def _ordered(measures: Mapping[str, Number]) -> dict[str, Number]:
    return {name: measures[name] for name in MEASURES if name in measures}
