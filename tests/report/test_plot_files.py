"""Plots as files: named, whole, the same bytes again; and a style that is read in grey."""

from __future__ import annotations

import itertools
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from simulator.report import Report
from simulator.report.plots import write_plots
from simulator.report.plots.export import FORMATS, drawn
from simulator.report.plots.labels import Label, place_labels
from simulator.report.plots.style import GREYS, LOOKS, log_ticks, name_of, stall_look
from traces import InputError, Trace

pytestmark = pytest.mark.usefixtures("no_window")

OF_REPORT = {"energy", "cycles", "slots", "roofline", "speedup"}
OF_TRACE = {"sparsity_by_step", "sparsity_by_time", "lane_imbalance"}


def names(paths: list[Path]) -> set[str]:
    return {path.stem for path in paths}


def test_every_plot_that_applies_is_written(report: Report, small_trace: Path, tmp_path: Path) -> None:
    with Trace(small_trace) as trace:
        written = write_plots(report, tmp_path / "new" / "folder", trace)
    assert names(written) == OF_REPORT | OF_TRACE
    assert sorted(written) == sorted((tmp_path / "new" / "folder").iterdir())
    assert all(path.suffix == ".svg" for path in written)


def test_what_there_are_no_numbers_for_is_left_out(
    lone_report: Report, ideal_memory_report: Report, tmp_path: Path
) -> None:
    assert names(write_plots(lone_report, tmp_path)) == OF_REPORT - {"speedup"}
    assert names(write_plots(ideal_memory_report, tmp_path)) == OF_REPORT - {"roofline"}


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_plots_are_the_same_bytes(report: Report, tmp_path: Path, form: str) -> None:
    first = [path.read_bytes() for path in write_plots(report, tmp_path / "a", form=form)]
    assert [path.read_bytes() for path in write_plots(report, tmp_path / "b", form=form)] == first
    beginnings = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert all(content.startswith(beginnings[form]) for content in first)


def test_text_of_a_vector_stays_text(report: Report, tmp_path: Path) -> None:
    (energy,) = [path for path in write_plots(report, tmp_path) if path.stem == "energy"]
    text = energy.read_text(encoding="utf-8")
    assert ">shared_buffer<" in text
    assert not re.search(r"<dc:date>", text)


def test_hostile_names_are_escaped(report: Report, tmp_path: Path) -> None:
    import xml.etree.ElementTree as ET

    hostile = replace(report, arch=report.arch.replaced("name", '<script>&"$\\frac{'))
    for path in write_plots(hostile, tmp_path):
        ET.parse(path)
        assert "<script>" not in path.read_text(encoding="utf-8")


def test_a_name_in_another_script_is_no_warning(report: Report, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert write_plots(replace(report, arch=report.arch.replaced("name", "機械")), tmp_path, form="png")


@pytest.mark.parametrize("form", ["gif", "SVG", ""])
def test_another_format_is_refused(report: Report, tmp_path: Path, form: str) -> None:
    with pytest.raises(InputError, match="one of svg, pdf, png"):
        write_plots(report, tmp_path / "none", form=form)
    assert not (tmp_path / "none").exists()


def test_a_file_in_place_of_the_folder_is_refused(report: Report, tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(InputError, match="found a file"):
        write_plots(report, tmp_path / "plots")


# --- style -------------------------------------------------------------------------------------------------------


def lightness(color: str) -> float:
    """CIE L* of a colour, 0 to 100: what a copy in grey keeps."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 116 * luminance ** (1 / 3) - 16


def test_looks_of_one_hatch_differ_in_lightness() -> None:
    assert len(set(LOOKS)) == len(LOOKS)
    for (color, hatch), (other, same) in itertools.combinations(LOOKS, 2):
        assert hatch != same or abs(lightness(color) - lightness(other)) > 7, (color, other, hatch)


def test_stalls_differ_in_lightness_and_have_a_hatch_of_their_own() -> None:
    for one, other in itertools.pairwise(GREYS):
        assert lightness(other) - lightness(one) > 7
    stalls = [tuple(stall_look(i).values()) for i in range(2 * len(GREYS))]
    assert len(set(stalls)) == len(stalls)
    assert {hatch for _, hatch in stalls}.isdisjoint(hatch for _, hatch in LOOKS)


@pytest.mark.parametrize(
    ("name", "said"), [("a$b$", r"a\$b\$"), ("a" * 20 + "b" * 20, "a" * 10 + "..." + "b" * 11), ("a\nb", "a?b")]
)
def test_names_become_labels(name: str, said: str) -> None:
    assert name_of(name) == said


@pytest.mark.parametrize(("low", "high", "some"), [(0.3, 40, {"0.5", "1", "20"}), (1, 1e7, {"100", "1,000,000"})])
def test_logarithmic_ticks_are_plain_numbers(low: float, high: float, some: set[str]) -> None:
    def draw(ax: Axes) -> None:
        ax.set_xlim(low, high)
        log_ticks(ax, "x")
        ax.figure.canvas.draw()
        found = [label.get_text() for label in ax.get_xticklabels()]
        assert some <= set(found)
        assert not any("$" in text for text in found)

    drawn(draw, (4, 3), "png")


def test_labels_lie_apart_and_inside() -> None:
    seen: list[Any] = []

    def draw(ax: Axes) -> None:
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        labels = [Label(0.9 + 0.01 * i, 0.5 + 0.01 * (i % 3), f"a name of mark {i}") for i in range(8)]
        place_labels(ax, labels)
        ax.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in ax.texts]
        assert [text.get_text() for text in ax.texts] == [label.text for label in labels]
        marks = [ax.transData.transform((label.x, label.y)) for label in labels]
        for box, other in itertools.combinations(boxes, 2):
            assert not box.overlaps(other)
        assert all(ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 for box in boxes)
        assert not any(box.contains(*mark) for box in boxes for mark in marks)
        seen.append(boxes)

    drawn(draw, (5, 4), "png")
    assert seen
