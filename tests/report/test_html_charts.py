"""Drawings of a run's page: bars as long as their values, points where they belong, nothing outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from plain.hostile import Page

from simulator.explore import find_break_even
from simulator.report import Report
from simulator.report.html.break_even_chart import break_even_chart
from simulator.report.html.charts import MOST_ROWS, NARROW, WIDE, cycles_chart, energy_chart, time_bar
from simulator.report.html.diagram import diagram
from simulator.report.html.elements import shortened_label
from simulator.report.html.roofline import points_of, roof_of, roofline, ticks
from simulator.report.saved import SavedReport, saved
from traces import Trace

Attributes = dict[str, str | None]


@pytest.fixture(scope="module")
def data(report: Report) -> SavedReport:
    return saved(report)


def marks(svg: str) -> Iterator[tuple[Attributes, list[tuple[str, Attributes]]]]:
    """Give each mark of a drawing with the shapes in it; marks do not nest."""
    found: list[tuple[Attributes, list[tuple[str, Attributes]]]] = []
    for name, attributes in Page(svg).elements:
        if "mark" in (attributes.get("class") or "").split():
            found.append((attributes, []))
        elif found:
            found[-1][1].append((name, attributes))
    yield from found


def number(attributes: Attributes, name: str) -> float:
    return float(attributes[name] or "")


def bars(shapes: list[tuple[str, Attributes]]) -> list[float]:
    """Widths of the coloured bars of a row, without its background and hatching."""
    coloured = [a for name, a in shapes if name == "rect" and re.match(r"c-(?!none)", a.get("class") or "")]
    return [number(a, "width") for a in coloured]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_bars_of_energy_are_as_long_as_their_components(width: int, data: SavedReport) -> None:
    lengths = {}
    for attributes, shapes in marks(energy_chart(data, width)):
        kind, _, name = (attributes.get("data-about") or "").partition(":")
        if kind == "component":
            lengths[name] = sum(bars(shapes))
    parts = {name: pj for name, pj in data.energy_pj.by_component.items() if pj}
    assert set(lengths) == set(parts)
    longest = max(parts, key=lambda name: parts[name])
    for name, pj in parts.items():
        assert lengths[name] == pytest.approx(lengths[longest] * pj / parts[longest], abs=0.02)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("by_layer", [False, True])
def test_bars_of_time_are_as_long_as_cycles_with_stalls(width: int, by_layer: bool, data: SavedReport) -> None:
    cycles: dict[str, int] = {}
    for one in data.layer_products:
        name = f"product:{one.layer}/{one.product}" if by_layer else f"product:{one.product}"
        cycles[name] = cycles.get(name, 0) + one.spent_cycles
    drawn = {str(a["data-about"]): sum(bars(shapes)) for a, shapes in marks(cycles_chart(data, width, by_layer))}
    longest = max(cycles, key=lambda name: cycles[name])
    assert set(drawn) >= {name for name, spent in cycles.items() if spent}
    for name, length in drawn.items():
        assert length == pytest.approx(drawn[longest] * cycles[name] / cycles[longest], abs=0.05)


def test_the_bar_of_the_time_is_split_by_shares_and_fills_its_width(data: SavedReport) -> None:
    lengths = [sum(bars([shape for shape in shapes if "seg" in (shape[1].get("class") or "")]))
               for _, shapes in marks(time_bar(data, WIDE))]  # fmt: skip
    shares = [share for share in data.explanation.time.values() if share > 0]
    assert sum(lengths) == pytest.approx(WIDE, abs=0.1)
    assert lengths == pytest.approx([share * WIDE for share in shares], abs=0.02)


def test_a_drawing_of_many_products_sums_the_small_ones(data: SavedReport) -> None:
    many = [one.model_copy(update={"layer": f"{n}"}) for n in range(30) for one in data.layer_products[:6]]
    svg = cycles_chart(data.model_copy(update={"layer_products": many}), WIDE, by_layer=True)
    told = [str(a["data-tip"]) for a, _ in marks(svg)]
    assert len(told) == MOST_ROWS
    shown = [int(re.findall(r"([\d,]+) cycles", tip)[0].replace(",", "")) for tip in told]
    assert len(many) > MOST_ROWS
    assert "others" in told[-1]
    assert sum(shown) == sum(sum(one.stalls.values()) for one in many)  # the copies' own work is in no explanation


def test_points_of_the_roofline_are_macs_over_bytes_and_cycles(data: SavedReport) -> None:
    roof, points = roof_of(data), points_of(data)
    assert roof is not None
    assert roof.ridge == roof.macs_per_cycle / roof.bytes_per_cycle
    assert points
    for (layer, product), point in points.items():
        one = point.product
        assert (one.layer, one.product) == (layer, product)
        assert point.intensity * one.dram_bytes == pytest.approx(one.macs_executed)
        assert point.rate * one.spent_cycles == pytest.approx(one.macs_executed)
        assert point.rate <= roof.macs_per_cycle


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_roofline_has_a_mark_for_each_point_within_its_axes(width: int, data: SavedReport) -> None:
    svg = roofline(data, width)
    assert svg is not None
    assert len(list(marks(svg))) == len(points_of(data))
    for name, attributes in Page(svg).elements:
        if name == "circle":
            assert 0 < number(attributes, "cx") < width


def test_without_a_memory_there_is_no_roof(ideal_memory_report: Report) -> None:
    assert roofline(saved(ideal_memory_report), WIDE) is None


@pytest.mark.parametrize(("low", "high"), [(0.3, 700.0), (4.0, 9.0), (1e-6, 1e6), (99.0, 101.0)])
def test_ticks_are_round_and_within_their_axis(low: float, high: float) -> None:
    found = ticks(low, high)
    assert all(low <= tick <= high for tick in found)
    assert found == sorted(found)


def test_the_diagram_tells_what_each_block_did(data: SavedReport, report: Report) -> None:
    told = " ".join(str(a["data-tip"]) for a, _ in marks(diagram(data)))
    for block in ("DRAM", "skip buffer", "shared buffer", "output buffer", "vector unit", "array: 4 × 4 MACs"):
        assert block in told
    for unit, cycles in report.activity.busy_cycles.items():
        assert f"{100 * cycles / report.total_cycles:.1f} %" in told, unit


def test_the_diagram_of_an_ideal_memory_is_the_array(ideal_memory_report: Report) -> None:
    (only,) = marks(diagram(saved(ideal_memory_report)))
    assert str(only[0]["data-tip"]).startswith("array: ")


def test_the_break_even_is_drawn_with_the_recorded_steps_on_it(report: Report, small_trace: object) -> None:
    with Trace(str(small_trace)) as trace:
        found = find_break_even(report.arch, trace, report=report)
    data = saved(replace(report, break_even=found)).break_even
    assert data is not None
    svg = break_even_chart(data, WIDE)
    told = [str(a["data-tip"]) for a, _ in marks(svg)]
    assert len(told) == 2 * len(report.steps)
    assert all(f"step {step}" in " ".join(told) for step in report.steps)
    curves = [a for name, a in Page(svg).elements if "curve" in (a.get("class") or "")]
    assert [str(a["d"]).count("L") + 1 for a in curves] == [len(found.points)] * 2


def test_a_long_name_keeps_its_end() -> None:
    assert shortened_label("layers.0.self_attn.q dx", 10) == "…attn.q dx"
    assert shortened_label("short", 10) == "short"
