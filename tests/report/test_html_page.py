"""The page of a run: complete, the same bytes every time, and nothing in it runs or fetches but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from plain.cases import machine
from plain.hostile import ATTACK, LAYER_NAMES, MACHINE_NAME, Page, complaints, hostile_report

from simulator.report import Report
from simulator.report.html import Provenance, run_page, versions
from simulator.report.html.assumptions import ASSUMPTIONS
from simulator.report.html.diagram import CELLS_ACROSS, CELLS_DOWN, cells, slot_shares
from simulator.report.html.elements import prose, tag, text
from simulator.report.html.shell import as_data
from simulator.report.saved import saved
from simulator.run import simulate
from traces import Layer, TraceWriter

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ["report", "lone_report", "ideal_memory_report"]


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(run_page(saved(report), Provenance("simulate --arch 'a b'")))


def shown(page: Page) -> str:
    return " ".join(" ".join(said for parent, said in page.texts if parent not in ("script", "style")).split())


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_runs_and_fetches_nothing_but_its_own(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    assert complaints(Page(run_page(saved(report)))) == []


def test_the_policy_names_the_pages_own_style_and_script_and_nothing_else(page: Page) -> None:
    (policy,) = [a["content"] for n, a in page.elements if n == "meta" and a.get("http-equiv")]
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    def digest(kind: str) -> str:
        content = page.inside(kind)[-1]  # of scripts the last: the first is data
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    assert parts == {
        "default-src": "'none'",
        "script-src": digest("script"),
        "style-src": digest("style"),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert run_page(saved(report)) == run_page(saved(report))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    report = hostile_report(tmp_path)
    page = Page(run_page(saved(report), Provenance(f"simulate '{MACHINE_NAME}'")))
    assert complaints(page) == []
    assert ATTACK in shown(page)  # it is there to be read
    assert "\u202e" not in shown(page)
    data = json.loads(page.inside("script")[0])
    assert data["report"]["architecture"]["name"] == MACHINE_NAME
    layers = {row["layer"] for row in data["report"]["layer_products"]}
    assert layers == set(LAYER_NAMES)


def test_the_page_says_what_the_report_says(page: Page, report: Report) -> None:
    said = shown(page)
    assert report.speedup is not None
    assert report.energy_saving is not None
    figures = [f"{report.speedup:,.2f}\N{MULTIPLICATION SIGN}", f"{100 * abs(report.energy_saving):.1f}"]
    figures += [f"{100 * share:.1f} %" for share in report.savings.values()]
    figures += [f"{report.total_cycles:,} cycles", report.arch.digest, report.trace_sha256]
    figures += [" ".join(sentence.split()) for sentence in report.explain()[:-1]]
    assert [figure for figure in figures if figure not in said.replace("\xa0", " ")] == []


def test_the_page_names_command_versions_and_every_key_of_the_machine(page: Page, report: Report) -> None:
    said = shown(page)
    assert "simulate --arch 'a b'" in said
    assert all(f"{name} {version}" in said for name, version in versions())
    (config,) = page.inside("pre")
    assert json.loads(config) == report.arch.told()


def test_every_table_is_sortable_and_each_row_as_long_as_its_head(page: Page) -> None:
    assert all(a["class"] == "sorts" for name, a in page.elements if name == "table")
    lengths: list[list[int]] = []  # by table, the cells of each row
    for name, attributes in page.elements:
        if name == "table":
            lengths.append([])
        elif name == "tr":
            lengths[-1].append(0)
        elif name in ("th", "td"):
            lengths[-1][-1] += 1
        if name == "th" and attributes["scope"] == "col":
            assert attributes["aria-sort"] == "none"
    assert len(lengths) >= 6
    assert [rows for rows in lengths if len(set(rows)) > 1 or len(rows) < 2] == []


def test_sections_that_are_listed_are_there(page: Page) -> None:
    anchors = {a["id"] for _, a in page.elements if "id" in a}
    links = [str(a["href"])[1:] for n, a in page.elements if n == "a"]
    assert len(links) == len(set(links)) > 8
    assert set(links) <= anchors
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_without_a_twin_nothing_is_compared(lone_report: Report, report: Report) -> None:
    comparing = (
        "Speed-up",
        "speed-up",
        "Energy saved",
        "energy saved",
        "dense twin's digest",
        "Upright line",
        "(ring)",
    )
    alone, beside = (shown(Page(run_page(saved(one)))) for one in (lone_report, report))
    assert "no twin was replayed" in alone
    assert [words for words in comparing if words in alone] == []
    assert [words for words in comparing if words not in beside] == []


def test_a_run_of_nothing_but_padding_has_a_page(tmp_path: Path) -> None:
    import numpy as np

    header = {"layers": [Layer("a", "lstm", 3, 4)], "batch_size": 2, "sequence_length": 3}
    with TraceWriter(tmp_path / "x.npz", header) as writer:
        writer.add_step(1, {"a": {"gate_gradient": np.zeros((3, 2, 16), np.bool_)}}, valid_steps=[0, 0])
    report = simulate(machine(memory={}), tmp_path / "x.npz")
    page = Page(run_page(saved(report)))
    assert complaints(page) == []
    assert "Nothing was replayed" in shown(page)


@pytest.mark.parametrize("name", ["edge", "tensordash", "eie", "gated"])
def test_machines_of_every_kind_have_a_page(name: str, small_trace: Path) -> None:
    page = Page(run_page(saved(simulate(name, small_trace))))
    assert complaints(page) == []
    assert name in shown(page)


# --- parts ------------------------------------------------------------------------------------------------------


def test_assumptions_are_headings_of_the_model() -> None:
    headings = set(re.findall(r"^## (.*)$", (ROOT / "MODEL.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert [one.title for one in ASSUMPTIONS if one.heading not in headings] == []


@pytest.mark.parametrize("name", REPORTS)
def test_shares_of_slots_are_all_and_the_executed_ones_are_the_utilisation(
    name: str, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    shares = slot_shares(saved(report))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["executed"] == pytest.approx(report.utilization)
    dealt = cells(list(shares.items()), CELLS_ACROSS * CELLS_DOWN)
    assert len(dealt) == CELLS_ACROSS * CELLS_DOWN
    for part, share in shares.items():
        assert abs(dealt.count(part) - share * len(dealt)) < 1


def test_text_is_escaped_for_any_place() -> None:
    assert text("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;"
    assert text("a\nb\x00c\x1b") == "a?b?c?"
    assert prose("1.5 % <") == "1.5&nbsp;% &lt;"
    assert tag("a", "x", title='"><script>', hidden=False, data_x=True) == (
        '<a title="&quot;&gt;&lt;script&gt;" data-x>x</a>'
    )


def test_data_reads_back_and_no_text_in_it_ends_its_element() -> None:
    data = {"a": "</script><!--<script>&\u2028\u2029", "b": [1, 2.5, None]}
    written = as_data(data)
    assert json.loads(written) == data
    assert not set("<>&\u2028\u2029") & set(written)
