"""Plots: bars as high as the numbers, every component named, nothing shown and no backend forced."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import simulator.energy
from simulator.report import Report, numbers
from simulator.report.plots import COMPONENTS, PRODUCTS, cycles_by_product, energy_by_component
from simulator.report.plots.style import look


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


def heights(axes: Axes) -> dict[str, list[float]]:
    """Height of each bar by its series."""
    return {str(bars.get_label()): [bar.get_height() for bar in bars] for bars in axes.containers}


def legend_names(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_energy_shows_every_component_at_its_height(report: Report) -> None:
    assert report.baseline is not None
    axes = report.plot.energy()
    here, twin = report.energy.by_component(), report.baseline.energy.by_component()
    unit = numbers.unit_for([report.energy.total_pj, report.baseline.energy.total_pj], numbers.ENERGY_UNITS)
    drawn = heights(axes)
    expected = {name for name in (*here, *twin) if here.get(name) or twin.get(name)}
    assert set(drawn) == set(legend_names(axes)) == expected
    for name, (height, twin_height) in drawn.items():
        assert height * unit.size == pytest.approx(here.get(name, 0))
        assert twin_height * unit.size == pytest.approx(twin.get(name, 0))
    assert axes.get_ylabel() == f"energy ({unit.name})"


def test_energy_names_machines_and_writes_totals_on_top(report: Report) -> None:
    assert report.baseline is not None
    axes = report.plot.energy()
    assert [label.get_text() for label in axes.get_xticklabels()] == [report.arch.name, "dense twin"]
    totals = [report.energy.total_pj, report.baseline.energy.total_pj]
    assert [text.get_text() for text in axes.texts] == [numbers.energy(total) for total in totals]
    tops = [max(bars[i].get_y() + bars[i].get_height() for bars in axes.containers) for i in range(2)]
    assert [text.xy[1] for text in axes.texts] == pytest.approx(tops)  # type: ignore[attr-defined]


def test_energy_stacks_without_gaps_or_overlaps(report: Report) -> None:
    for place in range(2):
        top = 0.0
        for bars in report.plot.energy().containers:
            assert bars[place].get_y() == pytest.approx(top)
            top += bars[place].get_height()


def test_cycles_show_products_and_stalls_at_their_heights(report: Report) -> None:
    assert report.baseline is not None
    axes = report.plot.cycles()
    drawn = heights(axes)
    size = {"thousand cycles": 1e3, "cycles": 1}[axes.get_ylabel()]
    for place, one in enumerate((report, report.baseline)):
        cycles = {
            **one.cycles_by("product"),
            **{f"stall: {reason}": stalled for reason, stalled in one.stalls.items()},
        }
        for name, expected in cycles.items():
            assert drawn.get(name, [0, 0])[place] * size == pytest.approx(expected), name
        assert sum(bar[place] for bar in drawn.values()) * size == pytest.approx(one.total_cycles)
    assert [text.get_text() for text in axes.texts] == [f"{one.total_cycles:,}" for one in (report, report.baseline)]


def test_without_baseline_there_is_one_bar(lone_report: Report) -> None:
    for axes in (lone_report.plot.energy(), lone_report.plot.cycles()):
        assert all(len(bars) == 1 for bars in axes.containers)
        assert [label.get_text() for label in axes.get_xticklabels()] == [lone_report.arch.name]


@pytest.mark.parametrize("draw", [energy_by_component, cycles_by_product])
def test_given_axes_are_used_and_returned(report: Report, draw: object) -> None:
    from matplotlib import pyplot

    axes = Figure().add_subplot()
    assert callable(draw)
    assert draw(report, axes) is axes
    assert axes.containers
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("known", [COMPONENTS, PRODUCTS])
def test_no_two_known_series_look_alike(known: tuple[str, ...]) -> None:
    looks = {tuple(look(name, known).values()) for name in known}
    assert len(looks) == len(known)


def test_stalls_look_unlike_each_other_and_products(report: Report) -> None:
    faces = [
        (bars[0].get_facecolor(), bars[0].get_hatch())  # type: ignore[attr-defined]
        for bars in report.plot.cycles().containers
    ]
    assert len(set(faces)) == len(faces)


def test_every_priced_component_has_a_look_of_its_own() -> None:
    assert set(COMPONENTS) == set(simulator.energy.COMPONENTS)


def test_nothing_that_is_drawn_lies_outside_the_figure(report: Report) -> None:
    axes = report.plot.energy()
    figure = axes.figure
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    for artist in (legend, axes.yaxis.label, axes.title, *axes.texts):
        box = artist.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
