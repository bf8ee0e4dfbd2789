"""The crossover plot: points that were counted, lines beside them, nothing shown."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from simulator.memory.crossover import bits_by_density as counted_bits
from simulator.memory.crossover import crossover_density, expected_bits
from simulator.memory.formats import FORMATS
from simulator.report.format_plot import DENSITIES, NAMES, bits_by_density


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


@pytest.mark.parametrize("value_bits", [8, 16])
def test_points_are_counted_and_lines_are_the_formula(value_bits: int) -> None:
    axes = bits_by_density(value_bits=value_bits)
    counted = counted_bits(DENSITIES, value_bits)
    for fmt, (line, points) in zip(FORMATS, zip(axes.lines[::2], axes.lines[1::2], strict=False), strict=True):
        assert points.get_label() == NAMES[fmt]
        assert list(points.get_xdata()) == list(DENSITIES)  # type: ignore[arg-type]
        assert list(points.get_ydata()) == counted[fmt]  # type: ignore[arg-type]
        assert line.get_color() == points.get_color()
        for density, bits in list(zip(line.get_xdata(), line.get_ydata(), strict=True))[::50]:  # type: ignore[arg-type]
            assert bits == expected_bits(fmt, density, value_bits)
    assert f"{value_bits}-bit values" in axes.get_title()


def test_the_crossing_is_marked_where_the_curves_cross() -> None:
    axes = bits_by_density(segment=64)
    (text,) = axes.texts
    assert f"{crossover_density(64):.2f}" in text.get_text()
    assert axes.lines[-1].get_xdata()[0] == crossover_density(64)  # type: ignore[index]
    # With one element a segment, a count and a place never beat a mask bit.
    assert not bits_by_density(segment=1).texts


def test_given_axes_are_used_and_returned() -> None:
    from matplotlib import pyplot

    axes = Figure().add_subplot()
    assert bits_by_density(axes) is axes
    assert axes.lines
    assert pyplot.get_fignums() == []


def test_nothing_that_is_drawn_lies_outside_the_figure() -> None:
    axes = bits_by_density()
    figure = axes.figure
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    for artist in (legend, axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts):
        box = artist.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
