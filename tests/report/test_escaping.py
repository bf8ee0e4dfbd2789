"""Whatever a name holds, what is made of it has the elements and attributes that a plain name of its length has."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain.hostile import Page, complaints

from simulator.explore.rows import read_table
from simulator.explore.sweep_page import sweep_page
from simulator.report import Report
from simulator.report.html import Provenance, run_page
from simulator.report.plots import write_plots
from simulator.report.saved import SavedReport
from simulator.report.terminal import render
from traces import Trace, TraceWriter

FRAGMENTS = (
    "<script>", "</script>", "</style>", "</title>", "<!--", "-->", "]]>", "<svg onload=a>",
    "<img src=x onerror=a>", "&lt;", "&#60;", "&", "<", ">", "\"", "'", "`", "=", "/", "\\", " onfocus=a ",
    " style=x ", "javascript:a", "url(a)", "${a}", "{{a}}", "$\\frac{", "\x1b[2J", "\x1b]0;a\x07", "\x9b31m",
    "\x0d", "\x0a", "\x09", "\x00", "\x7f", "\u202e", "\u2028", "\ufeff", "[bold]", "[/]", ":a:", "中", "🧪",
)  # fmt: skip
HOSTILE = st.lists(st.sampled_from(FRAGMENTS) | st.characters(codec="utf-8"), min_size=1, max_size=6).map("".join)
EVERY = "".join(FRAGMENTS)
KEYED_BY_NAMES = ("by_component", "by_product", "by_layer", "by_phase", "stalls", "on_chip_bytes", "busy_cycles")


def with_suffix(value: Any, suffix: str, within: str = "") -> Any:
    """Put a suffix behind every text of a report, and behind what keys are names."""
    if isinstance(value, str):
        return value + suffix
    if isinstance(value, list):
        return [with_suffix(item, suffix, within) for item in value]
    if isinstance(value, dict):
        more = {f"{within}{suffix}": next(iter(value.values()))} if within in KEYED_BY_NAMES and value else {}
        return {key: with_suffix(item, suffix, key) for key, item in value.items()} | more
    return value


def frame_of(page: Page) -> list[tuple[str, list[str]]]:
    """Elements in their order, with the names of their attributes."""
    return [(name, sorted(attributes)) for name, attributes in page.elements]


def test_a_runs_page_has_the_elements_of_plain_names(report: Report) -> None:
    data = report.to_dict()

    @settings(max_examples=6)
    @given(HOSTILE)
    @example(EVERY)
    def check(text: str) -> None:
        pages = []
        for suffix in (text, "x" * len(text)):
            saved = SavedReport.model_validate(with_suffix(data, suffix))
            pages.append(Page(run_page(saved, Provenance(f"simulate {suffix}"))))
        assert complaints(pages[0]) == []
        assert frame_of(pages[0]) == frame_of(pages[1])

    check()


@settings(max_examples=40)
@given(HOSTILE)
@example(EVERY)
def test_a_sweeps_page_has_the_elements_of_plain_cells(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("escaping")
    pages = []
    for cell in (f"w{text}", "x" * (len(text) + 1)):
        rows = [["key", "status", "arch", cell, f"a.{cell}", "cycles_total", "error"]]
        rows += [[f"k{i}", "ok", f"{cell}{i % 2}", f"{cell}{i}", str(i), str(10 + i), ""] for i in range(4)]
        rows += [["k9", "invalid", cell, cell, "1", "", cell]]
        told = io.StringIO()
        csv.writer(told, quoting=csv.QUOTE_ALL).writerows(rows)
        path = folder / "rows.csv"
        path.write_bytes(told.getvalue().encode())
        pages.append(Page(sweep_page(read_table(path), cell)))
    assert complaints(pages[0]) == []
    assert frame_of(pages[0]) == frame_of(pages[1])


def test_views_of_notebooks_have_the_elements_of_plain_names(report: Report) -> None:
    @settings(max_examples=20)
    @given(HOSTILE)
    @example(EVERY)
    def check(text: str) -> None:
        views = []
        for name in (text, "x" * len(text)):
            arch = report.arch.replaced("name", name[:60]).replaced("description", name)
            shown = [replace(report, arch=arch)._repr_html_(), arch._repr_html_()]
            views.append([frame_of(Page(f"<div>{html}</div>")) for html in shown])
            for html in shown:
                page = Page(html)
                assert not page.wrong
                assert not {name for name, _ in page.elements} & {"script", "img", "iframe", "svg"}
                assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
        assert views[0] == views[1]

    check()


def test_the_view_of_a_trace_has_the_elements_of_plain_words(tmp_path: Path) -> None:
    @settings(max_examples=25)
    @given(HOSTILE)
    @example(EVERY)
    def check(text: str) -> None:
        views = []
        for word in (text, "x" * len(text)):
            path = tmp_path / "run.npz"
            layers = [{"name": "a", "kind": "rnn", "input_size": 2, "hidden_size": 2}]
            header = {"layers": layers, "batch_size": 1, "sequence_length": 1, "task": word, "corpus": {word: word}}
            with TraceWriter(path, header) as writer:
                writer.add_step(1, {"a": {"gate_gradient": _ones()}})
            with Trace(path) as trace:
                views.append(frame_of(Page(trace._repr_html_())))
        assert views[0] == views[1]

    check()


def _ones() -> Any:
    import numpy as np

    return np.ones((1, 1, 2), np.bool_)


@pytest.mark.usefixtures("no_window")
def test_plots_have_no_element_that_runs_or_fetches(report: Report, tmp_path: Path) -> None:
    for text in ("<script>a</script>\"'&]]>", "$\\frac{x}$ <svg onload=a>", "\x1b[2J\u202e\x00\n"):
        hostile = replace(report, arch=report.arch.replaced("name", text))
        for path in write_plots(hostile, tmp_path):
            for element in ET.parse(path).iter():
                tag = element.tag.rpartition("}")[2]
                assert tag not in {"script", "foreignObject", "image", "a", "iframe"}, (path, tag)
                for key, value in element.attrib.items():
                    assert not key.startswith("on"), (path, key)
                    assert not key.endswith("href") or value.startswith("#"), (path, value)


def test_a_terminal_gets_printable_characters_alone(report: Report) -> None:
    @settings(max_examples=15)
    @given(HOSTILE)
    @example(EVERY[:100])
    def check(text: str) -> None:
        hostile = replace(report, arch=report.arch.replaced("name", text))
        plain = render(hostile, width=80, color=False, verbose=True)
        assert all(line.isprintable() for line in plain.split("\n"))

    check()
