"""Files that version 1 of each format wrote stay readable, say what they said, and keep what a later version adds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain import plain_trace
from plain.hostile import Page, complaints

from reliability.golden import DIGESTS, FOLDER, digest_of_bytes, digest_of_table, digest_of_trace
from simulator import load_arch
from simulator.explore.subjects import read_subject
from simulator.report.html import run_page
from simulator.report.saved import read_report
from traces import InputError, Trace, TraceWriter

KNOWN = json.loads(DIGESTS.read_text(encoding="utf-8"))
TRACES, REPORTS, TABLES = (sorted(name for name in KNOWN if name.endswith(end)) for end in (".npz", ".json", ".csv"))


def test_no_golden_file_is_gone_or_another() -> None:
    assert len(TRACES) >= 8
    assert len(REPORTS) >= 3
    assert {name: digest_of_bytes(FOLDER / name) for name in KNOWN} == {name: KNOWN[name]["file"] for name in KNOWN}


# --- traces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRACES)
def test_a_golden_trace_says_what_it_said(name: str) -> None:
    assert digest_of_trace(FOLDER / name) == KNOWN[name]["read"]


@pytest.mark.parametrize("name", TRACES)
def test_a_golden_trace_is_what_plain_numpy_reads(name: str) -> None:
    header, members = plain_trace.load(FOLDER / name)
    with Trace(FOLDER / name) as trace:
        assert trace.header == header
        seen = set()
        for step in trace:
            for layer, record in step.layers.items():
                for tensor, value in record.tensors.items():
                    member = f"steps/{step.number:06d}/{layer}/{tensor}"
                    np.testing.assert_array_equal(getattr(value, "packed", value), members[member])
                    seen.add(member)
    assert seen == set(members)


@pytest.mark.parametrize("name", TRACES)
def test_a_golden_trace_that_is_written_anew_keeps_every_field(name: str, tmp_path: Path) -> None:
    path = shutil.copy(FOLDER / name, tmp_path)
    with TraceWriter.resume(path) as writer:
        writer.update_header(added="now")
    before, members = plain_trace.load(FOLDER / name)
    after, members_after = plain_trace.load(path)
    assert after == {**before, "added": "now"}
    assert members.keys() == members_after.keys()
    for member, array in members.items():
        np.testing.assert_array_equal(array, members_after[member])


def test_the_minor_fields_are_at_every_place() -> None:
    with Trace(FOLDER / "trace_minor_fields.npz") as trace:
        header = trace.header
    places = [header, header["policy"], header["training"], header["curve"]]
    places += [*header["layers"], *header["dense_layers"], *header["steps"]]
    assert all("later" in place for place in places)


# --- reports, tables and machines ----------------------------------------------------------------------------


def same(read: Any, written: Any, place: str = "") -> list[str]:
    """List where what was read is not what the file says; what is not read does not count."""
    if isinstance(read, dict) and isinstance(written, dict):
        return [one for key in read.keys() & written.keys() for one in same(read[key], written[key], f"{place}.{key}")]
    if isinstance(read, list) and isinstance(written, list) and len(read) == len(written):
        return [one for i, (a, b) in enumerate(zip(read, written, strict=True)) for one in same(a, b, f"{place}[{i}]")]
    return [] if read == written else [f"{place}: {read!r} for {written!r}"]


@pytest.mark.parametrize("name", REPORTS)
def test_a_golden_report_says_what_it_said(name: str) -> None:
    read = read_report(FOLDER / name)
    written = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert written["schema_version"] == 1
    assert same(read.model_dump(mode="json"), written) == []
    assert complaints(Page(run_page(read))) == []
    measures = read_subject(str(FOLDER / name)).measures
    assert measures["cycles_total"] == written["cycles"]["total"]
    assert measures["energy_total_pj"] == written["energy_pj"]["total"]


def test_the_comparison_of_what_was_read_sees_a_difference() -> None:
    assert same({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3, "c": 4}]}) == [".a[1].b: 2 for 3"]
    assert same({"a": [1]}, {"a": [1, 2]})


def test_a_report_with_keys_of_a_later_minor_version_is_read(tmp_path: Path) -> None:
    data = json.loads((FOLDER / "report.json").read_text(encoding="utf-8"))
    for place in (data, data["cycles"], data["machine"], data["layer_products"][0], data["baseline"]):
        place["later"] = {"any": ["thing"]}
    (tmp_path / "report.json").write_text(json.dumps(data), encoding="utf-8")
    read, golden = (read_report(folder / "report.json") for folder in (tmp_path, FOLDER))
    assert same(read.model_dump(mode="json"), golden.model_dump(mode="json")) == []
    assert read_subject(str(tmp_path / "report.json")).measures == read_subject(str(FOLDER / "report.json")).measures


@pytest.mark.parametrize("reader", [read_report, lambda path: read_subject(str(path))], ids=["page", "comparison"])
def test_a_report_of_a_later_major_version_is_refused_by_its_version(reader: Any, tmp_path: Path) -> None:
    data = {"schema_version": 2, "cycles": {"all": 5}, "machine": []}
    (tmp_path / "report.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=r"found schema version 2; expected a report\.json"):
        reader(tmp_path / "report.json")


@pytest.mark.parametrize("name", TABLES)
def test_a_golden_table_says_what_it_said(name: str) -> None:
    assert digest_of_table(FOLDER / name) == KNOWN[name]["read"]


def test_the_golden_machine_is_what_it_was() -> None:
    machine = load_arch(str(FOLDER / "machine.yaml")).to_dict()
    assert (machine["clock_mhz"], machine["array"]["rows"], machine["array"]["pass_overhead_cycles"]) == (500, 4, 2)
    assert same(machine["skipping"], {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": None}) == []
    memory = machine["memory"]
    assert (memory["dram"]["bandwidth_gb_per_s"], memory["vector_unit"]["lanes"]) == (4.0, 2)
    assert (memory["formats"]["skip"], memory["mapping"]["order"]) == ("bitmap", "mnk")
