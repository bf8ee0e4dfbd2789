"""The Gantt chart: bars where the intervals are, cut at the window, a row a unit, nothing shown."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from simulator.engine import UNITS, Interval
from simulator.report import Report
from simulator.report.gantt import GREYS, ROWS, gantt, kind_of


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


def drawn(axes: Axes) -> list[tuple[str, str, int, int]]:
    """Unit, kind, first and last cycle of every bar."""
    rows = [label.get_text() for label in axes.get_yticklabels()]
    units = {name: unit for unit, name in ROWS.items()}
    found = []
    for bars in axes.collections:
        assert isinstance(bars, PolyCollection)
        for path in bars.get_paths():
            xs, ys = path.vertices[:, 0], path.vertices[:, 1]
            name = rows[round((ys.min() + ys.max()) / 2)]
            found.append((units.get(name, name), str(bars.get_label()), round(xs.min()), round(xs.max())))
    return sorted(found)


def expected(intervals: list[Interval], first: int, last: int) -> list[tuple[str, str, int, int]]:
    cut = [(i.unit, kind_of(i), max(i.start, first), min(i.end, last)) for i in intervals]
    return sorted(bar for bar in cut if bar[2] < bar[3])


NAMES = st.sampled_from(["lstm0 dh t=3 (job 7)", "lstm0 dW (job 8)", "my layer gates_x (job 9)", "read (job 1)", "x"])
INTERVALS = st.builds(
    lambda unit, name, start, cycles: Interval(unit, name, start, start + cycles),
    st.sampled_from([*UNITS, "another unit"]),
    NAMES,
    st.integers(0, 60),
    st.integers(1, 30),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(INTERVALS, max_size=12), st.integers(0, 60), st.integers(1, 60))
def test_bars_are_the_intervals_cut_at_the_window(intervals: list[Interval], first: int, cycles: int) -> None:
    axes = gantt(intervals, Figure(figsize=(8, 3)).add_subplot(), first, first + cycles)
    assert drawn(axes) == expected(intervals, first, first + cycles)
    assert axes.get_xlim() == (first, first + cycles)


def test_a_whole_run_is_drawn_by_default(report: Report) -> None:
    intervals = list(report.activity.intervals)
    assert intervals
    axes = gantt(intervals)
    last = max(i.end for i in intervals)
    assert drawn(axes) == expected(intervals, 0, last)
    assert axes.get_xlim() == (0, last)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ROWS.values())
    cycles = sum(end - start for unit, _, start, end in drawn(axes) if unit == "array")
    assert cycles == int(report.activity.array_cycles.sum())


def test_every_unit_of_the_engine_has_a_row() -> None:
    assert set(ROWS) == set(UNITS)


@pytest.mark.parametrize(
    ("unit", "name", "kind"),
    [
        ("array", "lstm0 dh t=12 (job 7)", "dh"),
        ("array", "lstm0 dW (job 7)", "dW"),
        ("vector_unit", "a layer of mine gates_h t=0 (job 1)", "gates_h"),
        ("vector_unit", "t=1 dx (job 1)", "dx"),
        ("dram", "read (job 3)", "read"),
        ("dram", "write (job 3)", "write"),
        ("dram", "17 transfers", "transfers"),
        ("port", "", "port"),
    ],
)
def test_kinds_are_read_from_names(unit: str, name: str, kind: str) -> None:
    assert kind_of(Interval(unit, name, 0, 1)) == kind


def test_the_legend_names_each_kind_once_and_no_two_look_alike(report: Report) -> None:
    axes = gantt(report.activity.intervals)
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert sorted(names) == sorted({kind_of(i) for i in report.activity.intervals})
    assert {"dh", "dW", "read", "write"} <= set(names)
    looks = {
        (str(bars.get_label()), tuple(bars.get_facecolor()[0]), bars.get_hatch())  # type: ignore[attr-defined, index]
        for bars in axes.collections
    }
    assert len({look[1:] for look in looks}) == len(looks) == len(names)


def test_time_steps_are_written_where_they_have_room() -> None:
    wide, narrow = Interval("array", "l dh t=5 (job 0)", 0, 900), Interval("array", "l dh t=4 (job 1)", 900, 901)
    axes = gantt([wide, narrow, Interval("array", "l dW (job 2)", 901, 1800)])
    assert [text.get_text() for text in axes.texts] == ["5"]
    assert axes.texts[0].xy == (450, 0)  # type: ignore[attr-defined]
    assert [text.get_text() for text in gantt([wide, narrow], None, 899, 901).texts] == ["5", "4"]


def test_given_axes_are_used_and_returned(report: Report) -> None:
    from matplotlib import pyplot

    axes = Figure().add_subplot()
    assert gantt(report.activity.intervals, axes, 0, 400) is axes
    assert axes.collections
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(("first", "last"), [(5, 5), (5, 4), (0, None)])
def test_an_empty_window_is_refused(first: int, last: int | None) -> None:
    with pytest.raises(ValueError, match="no cycle from"):
        gantt([], None, first, last)


def test_the_greys_differ() -> None:
    assert len(set(GREYS.values())) == len(GREYS)


def test_nothing_that_is_drawn_lies_outside_the_figure(report: Report) -> None:
    axes = gantt(report.activity.intervals, None, 0, 400)
    figure = axes.figure
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    for artist in (legend, axes.xaxis.label, *axes.get_yticklabels(), *axes.texts):
        box = artist.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
