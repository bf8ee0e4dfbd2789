"""Reports read back from their JSON: the same as from the run, and one clear message for what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.report import Report
from simulator.report.saved import read_report, saved
from traces import InputError

REPORTS = ["report", "lone_report", "ideal_memory_report"]


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_read_back_is_the_runs(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    report: Report = request.getfixturevalue(name)
    path = tmp_path / "report.json"
    path.write_text(report.to_json(), encoding="utf-8")
    assert read_report(path) == saved(report)


def put(data: dict[str, Any], value: object, *keys: str) -> str:
    """Write the data with another value at a place."""
    changed = json.loads(json.dumps(data))
    at = changed
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return json.dumps(changed)


CHANGES: dict[str, tuple[object, tuple[str, ...], str]] = {
    "text for a number": ("many", ("cycles", "total"), 'cycles.total: found "many"; expected a whole number'),
    "negative": (-1, ("cycles", "total"), "cycles.total: found -1; expected at least 0"),
    "beyond 64 bits": (2**63, ("cycles", "total"), "cycles.total: found 9223372036854775808; expected less than"),
    "infinite": (float("inf"), ("time_us",), "time_us: found Infinity; expected a finite number"),
    "huge": (1e308, ("energy_pj", "total"), "energy_pj.total"),
    "no mapping": ([], ("macs",), "macs: found []; expected"),
    "no machine": (None, ("machine",), "machine: found null"),
    "no multipliers": (0, ("peaks", "macs_per_cycle"), "peaks.macs_per_cycle: found 0; expected at least 1"),
    "version": (9, ("schema_version",), "schema version 9; expected a report.json of simulate --out, version 1"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_wrong_is_told_with_its_place(case: str, report: Report, tmp_path: Path) -> None:
    value, keys, message = CHANGES[case]
    path = tmp_path / "report.json"
    path.write_text(put(report.to_dict(), value, *keys))
    with pytest.raises(InputError) as raised:
        read_report(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[1]", "JSON that is no report"),
        (b"\xff\xfe", "expected a report.json"),
        (b"{}", "JSON that is no report"),
        (b"[" * 100_000, "JSON"),
    ],
    ids=["empty", "half", "list", "no UTF-8", "no keys", "deep"],
)
def test_what_is_no_report_is_told_in_one_message(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_report(path)
    assert len(raised.value.problems) == 1
    assert message in str(raised.value)


def test_an_older_report_is_told_to_be_made_again(report: Report, tmp_path: Path) -> None:
    data = {key: value for key, value in report.to_dict().items() if key not in ("machine", "layer_products")}
    (tmp_path / "report.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"found no layer_products, machine; expected .*replay the trace again"):
        read_report(tmp_path / "report.json")


@pytest.mark.parametrize("name", ["missing.json", "a\0b.json", "."])
def test_a_file_that_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a report\.json"):
        read_report(tmp_path / name)
