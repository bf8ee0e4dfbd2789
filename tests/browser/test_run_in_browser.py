"""The page of a run in a browser: it does what it says by pointer and keyboard, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain.cases import machine
from plain.hostile import LAYER_NAMES, MACHINE_NAME, hostile_report

from simulator.report.html import run_page
from simulator.report.saved import saved
from simulator.run import simulate
from traces import DenseLayer, synthetic_trace

LOOKS = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")
LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    trace = synthetic_trace(
        folder / "run.npz",
        layers=2,
        input_size=6,
        hidden_size=8,
        sequence_length=3,
        batch_size=5,
        steps=[3, 7],
        dense_layers=[DenseLayer("classifier", 8, 20)],
    )
    report = simulate(machine(name="small", skipping=LOOKAHEAD, memory={}), trace)
    path = folder / "page.html"
    path.write_text(run_page(saved(report)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_is_quiet_and_fits_and_can_be_read(scheme: str, width: int, page_file: Path, open_page: Open) -> None:
    opened = open_page(page_file, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert opened.page.evaluate(LOOKS) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.told == []


def column(table: Any, place: int) -> list[float]:
    cells = table.locator(f"tbody tr > :nth-child({place})").all()
    return [float(cell.get_attribute("data-value")) for cell in cells]


def test_tables_sort_by_click_and_by_keyboard(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    table = page.locator("#products table").first
    heads = table.locator("thead th").all()
    place = 1 + [head.inner_text().strip() for head in heads].index("cycles")
    before = column(table, place)
    head = table.locator(f"thead th:nth-child({place})")
    head.locator("button").click()
    assert column(table, place) == sorted(before, reverse=True) != before
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")  # the head has the focus
    assert column(table, place) == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert (head.get_attribute("aria-sort"), table.locator("[aria-sort=descending]").count()) == ("none", 1)


def test_names_sort_as_texts_and_the_sum_stays_last(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    table = page.locator("#energy table")
    names = table.locator("tbody th").all_inner_texts()
    table.locator("thead button").first.click()
    assert table.locator("tbody th").all_inner_texts() == sorted(names)
    assert table.locator("tr").last.locator("th").inner_text() == "total"


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_colours_follow_the_system_and_the_button(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file, color_scheme="dark").page
    dark, button = background(page), page.locator("#theme")
    assert button.get_attribute("aria-label") == "Colours: as the system"
    button.click()
    light = background(page)
    assert (button.get_attribute("aria-label"), button.inner_text().strip()) == ("Colours: light", "light")
    assert light != dark
    page.reload()
    assert background(page) == light  # it is remembered
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert (background(page), page.locator("html").get_attribute("data-theme")) == (dark, "dark")
    page.emulate_media(color_scheme="light")
    assert background(page) == dark
    page.keyboard.press("Enter")
    assert background(page) == light


def test_marks_tell_what_they_show_by_pointer_and_keyboard(page_file: Path, open_page: Open) -> None:
    opened = open_page(page_file)
    page, tip = opened.page, opened.page.locator("#tip")
    assert not tip.is_visible()
    mark = page.locator("#energy .wide-only [data-about='component:mac']")
    mark.scroll_into_view_if_needed()
    mark.hover()
    assert tip.is_visible()
    assert tip.inner_text().splitlines()[0] == "mac"
    lit = page.locator("#energy tr.lit")
    assert lit.count() == 1
    assert lit.locator("th").inner_text() == "mac"
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator("#energy .wide-only .mark").first.focus()
    assert tip.inner_text().startswith("arithmetic, this machine")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("on-chip buffers, this machine")
    page.keyboard.press("End")
    assert tip.inner_text().startswith("skip_logic")
    page.keyboard.press("Tab")  # a drawing is one stop on the way
    assert not tip.is_visible()
    assert page.evaluate("document.activeElement.closest('table') !== null")
    page.keyboard.press("Shift+Tab")
    assert tip.inner_text().startswith("skip_logic")
    assert opened.told == []


def test_every_mark_has_a_name_and_says_it_in_its_tip(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    marks = [mark for mark in page.locator(".mark").all() if mark.is_visible()]
    assert len(marks) > 40
    for mark in marks[::5]:
        mark.focus()
        said = page.locator("#tip").inner_text().replace("\n", "; ")
        assert mark.get_attribute("aria-label") == said


def test_a_legends_entry_makes_other_colours_pale(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    bars = page.locator("#energy .wide-only rect.seg")
    pale = page.locator("#energy .wide-only rect.seg.dim")
    key = page.locator("#energy .legend button").first
    key.focus()
    page.keyboard.press("Enter")
    assert key.get_attribute("aria-pressed") == "true"
    own = page.locator("#energy .wide-only rect.seg.c-blue").count()
    assert pale.count() == bars.count() - own > 0
    page.keyboard.press("Enter")
    assert (key.get_attribute("aria-pressed"), pale.count()) == ("false", 0)


def test_drawings_are_chosen_by_keyboard(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    first, second = page.locator("#cycles-0"), page.locator("#cycles-1")
    assert (first.is_visible(), second.is_visible()) == (True, False)
    page.locator("#cycles-0-choice").focus()
    page.keyboard.press("ArrowRight")
    assert (first.is_visible(), second.is_visible()) == (False, True)
    assert second.locator(".wide-only .mark").count() > first.locator(".wide-only .mark").count()


def test_the_first_tab_leads_past_the_bar(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#content"


def test_on_paper_it_is_light_and_without_controls(page_file: Path, open_page: Open) -> None:
    opened = open_page(page_file, color_scheme="dark")
    page = opened.page
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    assert [page.locator(one).first.is_visible() for one in ("nav", "#theme", ".choice")] == [False] * 3
    assert page.locator("h1").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert opened.told == []


def test_without_script_everything_can_still_be_read(page_file: Path, open_page: Open) -> None:
    page = open_page(page_file, java_script_enabled=False).page
    assert page.locator("#energy svg").first.is_visible()
    assert page.locator("#products table").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_are_read_and_never_run(scheme: str, tmp_path: Path, open_page: Open) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(run_page(saved(hostile_report(tmp_path))), encoding="utf-8")
    opened = open_page(path, color_scheme=scheme)
    page = opened.page
    for mark in page.locator(".wide-only .mark").all()[::7]:
        mark.focus()
    for head in page.locator("thead button").all()[::5]:
        head.click()
    data = json.loads(page.locator("#page-data").text_content())
    assert data["report"]["architecture"]["name"] == MACHINE_NAME
    assert LAYER_NAMES[0] in page.locator("#products table").first.inner_text()
    assert page.evaluate("window.attacked === undefined")
    assert page.locator("img, iframe").count() == 0
    assert opened.told == []


def test_the_policy_stops_what_would_get_through(page_file: Path, tmp_path: Path, open_page: Open) -> None:
    path = tmp_path / "broken.html"
    attack = "<script>window.attacked=1</script><img src=x onerror='window.attacked=2'><p style='color:red'>x</p>"
    path.write_text(page_file.read_text(encoding="utf-8").replace("<footer>", f"{attack}<footer>"), encoding="utf-8")
    opened = open_page(path)
    assert opened.page.evaluate("window.attacked === undefined")
    assert len([one for one in opened.told if "Content Security Policy" in one]) >= 3
