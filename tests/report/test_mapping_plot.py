"""The plot of mappings: a point a candidate, the two best named, nothing shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plain.cases import machine

from simulator.mapping import Choice, choices
from simulator.report.mapping_plot import price_by_traffic
from simulator.workload import lower
from traces import Trace

SMALL = {name: {"capacity_kib": 1} for name in ("skip", "shared", "output")}


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def found(small_trace: Path) -> list[Choice]:
    """Choices with whole K and with K cut, with sums that stay and sums that go."""
    some = []
    for mapping in ({}, {"tile_k": 3}, {"tile_k": 3, "order": "nkm"}):
        memory = {"buffers": SMALL, "mapping": mapping}
        with Trace(small_trace) as trace:
            some += choices(machine(memory=memory), lower(trace, trace.step(7)))
    assert len({c.tiling.order for choice in some for c in choice.candidates}) > 2
    return some


def points(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    return {str(dots.get_label()): [tuple(xy) for xy in np.asarray(dots.get_offsets())] for dots in axes.collections}


def scales(axes: Axes) -> tuple[float, float]:
    """Bytes and cycles of one unit of each axis."""
    size_bytes = {"B": 1, "kB": 1e3, "MB": 1e6}[axes.get_xlabel().removeprefix("DRAM traffic (").removesuffix(")")]
    cycles = {"cycles": 1, "thousand cycles": 1e3}[axes.get_ylabel().removeprefix("price (").removesuffix(")")]
    return size_bytes, cycles


def test_every_candidate_is_a_point_of_its_order(found: list[Choice]) -> None:
    from matplotlib import pyplot

    for choice in found:
        axes = price_by_traffic(choice)
        size_bytes, size_cycles = scales(axes)
        drawn = [(name, x * size_bytes, y * size_cycles) for name, some in points(axes).items() for x, y in some]
        expected = [
            (
                c.tiling.order if c.tiling.sums_stay else f"{c.tiling.order}, sums to DRAM",
                c.dram_bytes,
                c.price_cycles,
            )
            for c in choice.candidates
        ]
        assert sorted(n for n, *_ in drawn) == sorted(n for n, *_ in expected)
        assert np.allclose(
            sorted((x, y) for _, x, y in drawn), sorted((float(x), float(y)) for _, x, y in expected), rtol=1e-12
        )
        assert axes.get_title() == f"{choice.product.layer} {choice.product.name}: {len(choice.candidates)} mappings"
        pyplot.close("all")


def named(axes: Axes) -> dict[str, tuple[float, float]]:
    """Bytes and cycles where each name stands."""
    size_bytes, size_cycles = scales(axes)
    found = {}
    for text in axes.texts:
        x, y = text.xy  # type: ignore[attr-defined]
        found[text.get_text()] = (x * size_bytes, y * size_cycles)
    return found


def test_the_two_best_are_named_at_their_places(found: list[Choice]) -> None:
    choice = next(c for c in found if len({(o.dram_bytes, o.price_cycles) for o in c.candidates[:2]}) == 2)
    first, second = choice.candidates[:2]
    texts = named(price_by_traffic(choice))
    assert texts.keys() == {"chosen", "second"}
    assert texts["chosen"] == pytest.approx((first.dram_bytes, first.price_cycles))
    assert texts["second"] == pytest.approx((second.dram_bytes, second.price_cycles))
    alone = Choice(choice.product, choice.times, (first,))
    assert set(named(price_by_traffic(alone))) == {"chosen"}
    twins = Choice(choice.product, choice.times, (first, first))
    assert set(named(price_by_traffic(twins))) == {"chosen, second"}


def test_sums_that_go_to_dram_are_hollow(found: list[Choice]) -> None:
    seen = set()
    for choice in found:
        for dots in price_by_traffic(choice, Figure().add_subplot()).collections:
            hollow = str(dots.get_label()).endswith("sums to DRAM")
            assert (len(dots.get_facecolor()) == 0) == hollow  # type: ignore[arg-type]
            seen.add(hollow)
    assert seen == {True, False}


def test_given_axes_are_used_and_returned(found: list[Choice]) -> None:
    from matplotlib import pyplot

    axes = Figure().add_subplot()
    assert price_by_traffic(found[0], axes) is axes
    assert axes.collections
    assert pyplot.get_fignums() == []


def test_nothing_that_is_drawn_lies_outside_the_figure(found: list[Choice]) -> None:
    axes = price_by_traffic(max(found, key=lambda choice: len(choice.candidates)))
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
