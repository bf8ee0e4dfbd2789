"""The notebook view of a sweep: how far it came, and its points with what was varied."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.explore import Outcome, Space, run_sweep
from simulator.explore.notebook import SHOWN_ROWS
from simulator.report import numbers


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    axes = {"skipping.depth": [2, 4], "array.rows": [0, 4]}
    space = {"name": "two", "archs": ["small.yaml"], "traces": ["b.npz"], "axes": axes}
    return run_sweep(Space.parse(space, folder), workers=1)


def cells(outcome: Outcome) -> list[str]:
    root = ET.fromstring(outcome._repr_html_())
    return ["".join(element.itertext()) for element in root.iter() if element.tag in ("th", "td")]


def test_view_tells_points_invalid_ones_and_what_was_varied(outcome: Outcome) -> None:
    found = cells(outcome)
    assert outcome.invalid
    assert any(cell.startswith("2: ") and "array.rows" in cell for cell in found)
    assert "skipping.depth" in found
    assert "array.rows" not in found  # all valid points agree on it
    for row in outcome.rows:
        if row["status"] != "invalid":
            assert numbers.count(row["cycles_total"]) in found
            assert numbers.energy(row["energy_total_pj"]) in found


def test_view_of_a_large_sweep_shows_some_points(outcome: Outcome) -> None:
    valid = [row for row in outcome.rows if row["status"] != "invalid"]
    found = cells(replace(outcome, rows=tuple(valid * 30)))
    assert f"Points ({SHOWN_ROWS} of {30 * len(valid)})" in found


def test_texts_are_escaped(outcome: Outcome) -> None:
    rows = tuple({**row, "error": "<script>&", "skipping.depth": f"<b>{i}"} for i, row in enumerate(outcome.rows))
    html = replace(outcome, rows=rows)._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html


def test_frame_is_the_table(outcome: Outcome) -> None:
    frame = outcome.frame()
    assert len(frame) == len(outcome.rows)
    assert {"cycles_total", "time_us", "energy_total_pj", "skipping.depth"} <= set(frame.columns)
