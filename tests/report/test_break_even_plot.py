"""The break-even plot: the curve, the crossing and the recorded steps stand where the numbers say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.report import Report
from simulator.report.break_even import BreakEven, Crossing, CurvePoint
from simulator.report.break_even_plot import gains_by_sparsity

POINTS = (CurvePoint(0.0, 0.9, -0.1), CurvePoint(0.5, 1.2, 0.1), CurvePoint(1.0, 2.0, 0.5))
FOUND = BreakEven(
    machine="small",
    digest="0" * 64,
    trace_sha256="1" * 64,
    batch_size=4,
    time_steps=10,
    recorded_time_steps=10,
    seed=0,
    points=POINTS,
    time=Crossing("at", 0.2),
    energy=Crossing("at", 0.25),
    recorded=((1, CurvePoint(0.3, 1.1, 0.02)), (9, CurvePoint(0.7, 1.4, 0.2))),
)


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


def line(axes: Axes, label: str) -> list[tuple[float, float]]:
    found = next(line for line in axes.get_lines() if str(line.get_label()).startswith(label))
    return [(float(x), float(y)) for x, y in zip(found.get_xdata(), found.get_ydata(), strict=True)]


def test_curves_crossings_and_recorded_steps_are_where_they_should_be() -> None:
    upper, lower = gains_by_sparsity(FOUND)
    assert line(upper, "independent") == [(100 * p.sparsity, p.speedup) for p in POINTS]
    assert line(lower, "independent") == [(100 * p.sparsity, 100 * p.energy_saving) for p in POINTS]
    assert line(upper, "break-even: 20.0 %")[0][0] == 20
    assert line(lower, "break-even: 25.0 %")[0][0] == 25
    assert line(upper, "recorded") == [(100 * p.sparsity, p.speedup) for _, p in FOUND.recorded]
    assert line(lower, "recorded") == [(100 * p.sparsity, 100 * p.energy_saving) for _, p in FOUND.recorded]
    for axes in (upper, lower):
        assert [text.get_text() for text in axes.texts] == ["step 1", "step 9"]
    assert lower.get_xlabel() == "zeros in dG (%)"


@pytest.mark.parametrize(("kind", "said"), [("always", "never costs more"), ("never", "never saves")])
def test_where_nothing_crosses_it_is_said(kind: str, said: str) -> None:
    upper, _ = gains_by_sparsity(replace(FOUND, time=Crossing(kind)))  # type: ignore[arg-type]
    legend = upper.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert said in labels
    assert not any(label.startswith("break-even") for label in labels)


def test_given_axes_are_used_and_many_steps_have_no_names() -> None:
    from matplotlib import pyplot

    figure = Figure()
    axes = tuple(figure.subplots(2, 1))
    many = tuple((n, CurvePoint(n / 10, 1.0, 0.0)) for n in range(9))
    assert gains_by_sparsity(replace(FOUND, recorded=many), axes) == axes
    assert not axes[0].texts
    assert pyplot.get_fignums() == []


def test_the_reports_plot_is_the_same_and_needs_a_break_even(report: Report) -> None:
    upper, _ = replace(report, break_even=FOUND).plot.break_even()
    assert line(upper, "independent") == [(100 * p.sparsity, p.speedup) for p in POINTS]
    with pytest.raises(ValueError, match="find_break_even"):
        report.plot.break_even()


def test_nothing_that_is_drawn_lies_outside_the_figure() -> None:
    for axes in gains_by_sparsity(FOUND):
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
