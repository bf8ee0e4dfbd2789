"""The notebook view: well-formed, escaped, with headline and tables."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from simulator.report import Report, numbers


def cells(report: Report) -> list[str]:
    root = ET.fromstring(report._repr_html_())  # fails where tags do not match or anything is not escaped
    assert root.tag == "div"
    return ["".join(element.itertext()) for element in root.iter() if element.tag in ("th", "td")]


def test_html_is_well_formed_and_has_headline_and_both_tables(report: Report) -> None:
    found = cells(report)
    assert {"speed-up", "MACs saved", "Cycles", "Energy", "total"} <= set(found)
    assert f"{report.total_cycles:,}" in found
    assert numbers.times(report.speedup) in found
    for name, cycles in report.cycles_by("product").items():
        assert name in found
        assert numbers.count(cycles) in found
    for name, energy_pj in report.energy.by_component().items():
        assert (name in found) == (energy_pj > 0)


def test_html_has_the_whole_training_and_the_reasons(report: Report) -> None:
    assert report.training is not None
    text = " ".join("".join(ET.fromstring(report._repr_html_()).itertext()).split())
    assert "Whole training" in cells(report)
    assert f"{report.training.course.total_steps} steps: " in text
    for sentence in report.explain():
        assert sentence in text


def test_names_are_escaped(report: Report) -> None:
    nasty = '<script>alert("&")</script>'
    html = replace(report, arch=report.arch.replaced("name", nasty))._repr_html_()
    assert "<script" not in html
    assert nasty in "".join(ET.fromstring(html).itertext())


def test_remarks_are_escaped(report: Report) -> None:
    first, *others = report.energy.lines
    lines = (replace(first, note="a < b & c"), *others)
    html = replace(report, energy=replace(report.energy, lines=lines))._repr_html_()
    assert "a &lt; b &amp; c" in html


@pytest.mark.parametrize("name", ["lone_report", "ideal_memory_report"])
def test_other_reports_can_be_shown(name: str, request: pytest.FixtureRequest) -> None:
    found: Report = request.getfixturevalue(name)
    assert ("speed-up" in cells(found)) == (found.baseline is not None)


def test_html_loads_nothing_from_elsewhere(report: Report) -> None:
    html = report._repr_html_()
    assert not any(word in html for word in ("http", "src=", "<link", "<style"))
