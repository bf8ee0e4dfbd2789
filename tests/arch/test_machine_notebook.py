"""The notebook view of a machine, and its table: every key, escaped, at the value that the machine has."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from simulator.arch import Architecture, arch_names, load_arch
from simulator.arch.notebook import settings


def text_of(machine: Architecture) -> str:
    return " ".join("".join(f"{text} " for text in ET.fromstring(machine._repr_html_()).itertext()).split())


@pytest.mark.parametrize("name", ["zero_skip", "eie", "scnn"])
def test_view_has_every_key(name: str) -> None:
    machine = load_arch(name)
    text = text_of(machine)
    for setting in settings(machine):
        if setting.path not in ("name", "description"):
            assert setting.path in text
    assert machine.name in text
    assert machine.digest[:12] in text


@pytest.mark.parametrize("name", arch_names())
def test_keys_are_those_that_set_takes(name: str) -> None:
    machine = load_arch(name)
    values = {one.path: one.value for one in settings(machine)}
    assert values["array.rows"] == str(machine.array.rows)
    assert values["skipping.mechanism"] == machine.skipping.mechanism
    assert ("memory.dram.queue" in values) != machine.ideal_memory
    for path in ("clock_mhz", "array.rows"):
        data: object = machine.to_dict()
        for part in path.split("."):
            assert isinstance(data, dict)
            data = data[part]
        assert values[path] == str(data)


def test_names_are_escaped() -> None:
    nasty = '<script>alert("&")</script>'
    machine = load_arch("zero_skip").replaced("name", nasty).replaced("description", nasty)
    assert "<script" not in machine._repr_html_()
    assert text_of(machine).count(nasty) == 2


def test_frame_has_a_row_for_each_key_with_its_unit() -> None:
    frame = load_arch("zero_skip").frame().set_index("key")
    assert frame.loc["clock_mhz", "value"] == "1000"
    assert frame.loc["memory.dram.latency_ns", "description"]
    assert list(frame.columns) == ["value", "description"]
