"""The page of a sweep in a browser: frontier, comparison, filters, axes and table do what they say."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from plain.hostile import CELLS

from simulator.explore.frontier import Objective, frontier
from simulator.explore.measures import said
from simulator.explore.rows import ResultTable, read_table
from simulator.explore.sweep_page import sweep_page
from simulator.explore.sweep_page.columns import unit_of

LOOKS = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")
HEAD = ["key", "status", "arch", "arch_digest", "array.rows", "skipping.depth", "mode", "trace", "trace_sha256",
        "steps", "steps_replayed", "cycles_total", "energy_total_pj", "speedup", "energy_saving", "error"]  # fmt: skip
Open = Callable[..., Any]


def rows_of(count: int, seed: int = 1) -> list[list[object]]:
    """Make rows with few different values, so that there are ties; some settings and measures are missing."""
    draw = random.Random(seed)
    rows: list[list[object]] = []
    for number in range(count):
        cycles, energy = draw.randint(20, 60) * 100, draw.randint(30, 70) * 1e5
        depth = draw.choice(["", 4, 8, 16])
        trace = draw.choice(["one", "two"])
        gain = "" if number % 9 == 4 else round(6000 / cycles, 3)
        rows.append([f"{number:04x}", "ok", "zero_skip", "d", draw.choice([8, 16, 32]), depth, draw.choice("ab"), trace,
                     "f", "1:2", 1, cycles, energy, gain, round(1 - energy / 7e6, 3), ""])  # fmt: skip
    return rows


def made(folder: Path, rows: Sequence[Sequence[object]]) -> tuple[ResultTable, Path]:
    path = folder / "results.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEAD, *rows])
    table = read_table(path)
    (folder / "report.html").write_text(sweep_page(table, "Sweep little"), encoding="utf-8")
    return table, folder / "report.html"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResultTable, Path]:
    return made(tmp_path_factory.mktemp("sweep"), rows_of(120))


@pytest.fixture
def opened(sweep: tuple[ResultTable, Path], open_page: Open) -> Any:
    one = open_page(sweep[1])
    settle(one.page)
    return one


def settle(page: Any) -> None:
    """Wait until what was changed has been drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place_of(page: Any, row: int) -> dict[str, float]:
    x, y = page.evaluate(f"scatter.places[{row}]")
    return {"x": x, "y": y}


def lonely_rows(page: Any) -> list[int]:
    """Rows that nothing else stands near to, best apart first."""
    found: list[int] = page.evaluate(
        """() => allRows.map((row) => [row, Math.min(...allRows.filter((other) => other !== row).map((other) =>
            Math.hypot(scatter.places[row][0] - scatter.places[other][0],
                       scatter.places[row][1] - scatter.places[other][1])))])
          .sort((one, other) => other[1] - one[1]).map(([row]) => row)"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_is_quiet_and_fits_and_can_be_read(
    scheme: str, width: int, sweep: tuple[ResultTable, Path], open_page: Open
) -> None:
    one = open_page(sweep[1], color_scheme=scheme, viewport={"width": width, "height": 900})
    settle(one.page)
    one.page.evaluate("pick(0); pick(1)")
    settle(one.page)
    assert one.page.evaluate(LOOKS) == []
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.told == []


@pytest.mark.parametrize("x", ["cycles_total", "speedup"])
@pytest.mark.parametrize("y", ["energy_total_pj", "energy_saving"])
def test_the_frontier_is_the_one_of_the_command(x: str, y: str, sweep: tuple[ResultTable, Path], opened: Any) -> None:
    table, page = sweep[0], opened.page
    page.select_option("#x-axis", x)
    page.select_option("#y-axis", y)
    settle(page)
    found = frontier(table, [Objective.parse(x), Objective.parse(y)], per=["trace", "steps"])
    keys = page.evaluate("state.frontiers.flat().map((row) => pageData.keys[row])")
    assert sorted(keys) == sorted(row["key"] for row in found.kept)
    assert len(keys) > 2
    assert (
        page.locator("#frontier-said").inner_text().startswith(f"{len(keys)} points that nothing beats in {x} and {y}")
    )


VALUES = (0.0, 1.0, 0.5, 0.00031, 0.99949, 0.99951, 9.9994, 9.9996, 99.994, 123.456, 999.4, 999.6, 12345.678, 1e6,
          999950.0, 1e9, 2.5e9, 1e10, 1.23456789e12, -3.25, -1500.0, 7e16, 0.1234567, 5e-5)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["energy_total_pj", "time_us", "speedup", "energy_saving", "dram_read_bytes", "cycles"]
)
def test_values_are_told_as_the_commands_tell_them(name: str, opened: Any) -> None:
    told = opened.page.evaluate(
        "([unit, values]) => values.map((value) => saidValue(unit, value))", [unit_of(name), VALUES]
    )
    assert told == [said(name, value) for value in VALUES]


def test_two_points_that_are_clicked_stand_side_by_side(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    first, second = lonely_rows(page)[:2]
    canvas, box = page.locator("#scatter"), page.locator("#compare-box")
    assert "Choose a point" in box.inner_text()
    canvas.click(position=place_of(page, first))
    settle(page)
    assert table.rows[first]["key"] in box.inner_text()
    canvas.click(position=place_of(page, second))
    settle(page)
    rows = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in box.locator("tbody tr").all()
    }
    for name in ("cycles_total", "energy_total_pj"):
        a, b = float(table.rows[first][name]), float(table.rows[second][name])
        assert rows[name][:2] == [said(name, a), said(name, b)]
        assert rows[name][2].endswith("" if a == b else "\u25b2" if b < a else "\u25bc")
    a, b = (table.rows[row]["array.rows"] for row in (first, second))
    assert rows["array.rows"] == [a, b, "same" if a == b else "differs"]
    page.locator("#clear-pair").click()
    settle(page)
    assert "Choose a point" in box.inner_text()
    assert opened.told == []


def test_a_point_can_be_chosen_by_keyboard(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    page.locator("#scatter").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    spoken = page.locator("#point-said").inner_text()
    assert spoken.startswith(f"point 3 of {len(table.rows)}: ")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    settle(page)
    chosen = page.evaluate("[state.a, state.b]")
    assert table.rows[chosen[0]]["key"] in spoken
    assert chosen[1] not in (None, chosen[0])
    assert page.locator("#tip").is_visible()


def test_the_best_points_can_be_compared_at_once(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    buttons = page.locator("[data-pick]")
    buttons.nth(0).click()
    buttons.nth(3).click()
    settle(page)
    a, b = page.evaluate("[state.a, state.b]")
    best = max(float(row["speedup"] or 0) for row in table.rows)
    assert float(table.rows[a]["speedup"]) == best
    assert float(table.rows[b]["energy_total_pj"]) == min(float(row["energy_total_pj"]) for row in table.rows)


def kept(page: Any) -> int:
    settle(page)
    return int(page.evaluate("state.visible.reduce((sum, one) => sum + one, 0)"))


def test_filters_keep_what_is_ticked(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    field = page.locator("#filters fieldset").filter(has_text="array.rows")
    field.get_by_text("16", exact=True).click()
    left = [row for row in table.rows if row["array.rows"] != "16"]
    assert kept(page) == len(left)
    assert page.locator("#kept").inner_text() == f"{len(left)} of 120 points"
    assert page.evaluate("state.frontiers.flat().every((row) => valueAt('array.rows', row) !== 16)")
    depths = page.locator("#filters fieldset").filter(has_text="skipping.depth")
    depths.get_by_text("not set").click()
    assert kept(page) == len([row for row in left if row["skipping.depth"]])
    page.locator("#reset").click()
    assert kept(page) == 120
    assert page.locator("#kept").inner_text() == "all 120 points"


def test_what_is_filtered_out_does_not_stretch_the_axes(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    page.locator("#filters fieldset").filter(has_text="array.rows").get_by_text("8", exact=True).click()
    settle(page)
    left = [row for row, one in enumerate(table.rows) if one["array.rows"] != "8"]
    places = [place_of(page, row) for row in left]
    cycles = [float(table.rows[row]["cycles_total"]) for row in left]
    ends = [places[cycles.index(end(cycles))]["x"] for end in (min, max)]
    box = page.locator("#scatter").bounding_box()
    assert ends[1] - ends[0] > 0.75 * box["width"]


def test_an_axis_keeps_what_lies_between_its_handles(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    handle = page.get_by_role("slider", name="array.rows, at least")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert kept(page) == len([row for row in table.rows if row["array.rows"] != "8"])
    assert handle.get_attribute("aria-valuenow") == "15"
    page.keyboard.press("Escape")
    assert kept(page) == 120


def test_an_axis_is_brushed_by_dragging(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    place = page.evaluate("parallel.axes.findIndex((axis) => axis.name === 'energy_total_pj')")
    line = page.locator(".pa-line").nth(place)
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.move(x, box["y"] + box["height"] * 1.2, steps=4)
    page.mouse.up()
    energies = [float(row["energy_total_pj"]) for row in table.rows]
    low, high = min(energies), max(energies)
    middle = low + (high - low) / 2
    count = kept(page)
    assert count < 120
    shown = page.evaluate("allRows.filter((row) => state.visible[row])")
    limit = max(energies[row] for row in shown)
    assert limit == pytest.approx(middle, rel=0.05)
    assert count == len([energy for energy in energies if energy <= limit])
    page.mouse.click(x, box["y"] + 10)
    assert kept(page) == 120


def test_the_table_sorts_and_turns_its_pages(sweep: tuple[ResultTable, Path], opened: Any) -> None:
    page, table = opened.page, sweep[0]
    head = page.locator("#grid [data-sort=energy_total_pj]")
    head.focus()
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("document.activeElement.dataset.sort") == "energy_total_pj"
    place = [one.get_attribute("data-sort") for one in page.locator("#grid thead button").all()].index(
        "energy_total_pj"
    )
    cells = page.locator(f"#grid tbody tr > :nth-child({place + 2})").all_inner_texts()
    energies = sorted(float(row["energy_total_pj"]) for row in table.rows)
    assert cells == [said("energy_total_pj", energy) for energy in energies[:50]]
    assert page.locator("#grid th[aria-sort=ascending]").count() == 1
    page.get_by_role("button", name="Next").click()
    settle(page)
    assert page.locator("#pages").inner_text().startswith("51 to 100 of 120")
    page.get_by_label("only the frontier").check()
    settle(page)
    count = page.evaluate("state.frontiers.flat().length")
    assert page.locator("#grid tbody tr").count() == count < 50


def test_buttons_of_a_row_choose_it(opened: Any) -> None:
    page = opened.page
    page.locator("#grid tbody tr").nth(2).get_by_role("button").nth(1).click()
    settle(page)
    assert page.evaluate("[state.a === tableRows(state)[2], state.b]") == [True, None]  # a lone point is A
    page.locator("#grid tbody tr").nth(0).get_by_role("button").nth(1).click()
    settle(page)
    pressed = page.locator("#grid [aria-pressed=true]").all_inner_texts()
    assert pressed == ["B", "A"]


def test_what_is_kept_is_saved_as_csv(sweep: tuple[ResultTable, Path], opened: Any, tmp_path: Path) -> None:
    page, table = opened.page, sweep[0]
    page.locator("#filters fieldset").filter(has_text="array.rows").get_by_text("8", exact=True).click()
    settle(page)
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "points.csv")
    found = read_table(tmp_path / "points.csv")
    expected = [row for row in table.rows if row["array.rows"] != "8"]
    assert sorted(float(row["cycles_total"]) for row in found.rows) == sorted(
        float(r["cycles_total"]) for r in expected
    )


def test_logarithms_and_colours_can_be_chosen(opened: Any) -> None:
    page = opened.page
    before = place_of(page, 0)
    page.get_by_label("across: logarithmic").check()
    settle(page)
    assert place_of(page, 0)["x"] != before["x"]
    assert place_of(page, 0)["y"] == before["y"]
    page.select_option("#colour", "skipping.depth")
    settle(page)
    assert page.locator("#scatter-legend li").all_inner_texts() == ["4", "8", "16"]
    page.select_option("#colour", "")
    settle(page)
    assert page.locator("#scatter-legend li").count() == 0


def test_the_frontier_and_the_table_are_printed(opened: Any) -> None:
    page = opened.page
    page.emulate_media(media="print")
    settle(page)
    assert page.locator("#scatter").is_visible()
    assert not page.locator("#filters").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert opened.told == []


def test_hostile_cells_are_read_and_never_run(tmp_path: Path, open_page: Open) -> None:
    rows = rows_of(12)
    for number, row in enumerate(rows):
        row[0] = row[2] = row[6] = row[7] = CELLS[number % len(CELLS)]
    one = open_page(made(tmp_path, rows)[1])
    page = one.page
    settle(page)
    page.evaluate("pick(0); pick(1)")
    page.locator("#scatter").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert CELLS[0] in page.locator("#grid").inner_text()
    assert page.evaluate("window.attacked === undefined")
    assert page.locator("img").count() == 0
    assert one.told == []


@pytest.mark.parametrize("count", [1, 2, 2000])
def test_tables_of_any_length_have_a_page(count: int, tmp_path: Path, open_page: Open) -> None:
    one = open_page(made(tmp_path, rows_of(count))[1])
    settle(one.page)
    assert one.page.evaluate("scatter.places.length") == count
    assert one.page.evaluate("scatter.places.flat().every(Number.isFinite)")
    assert one.page.locator("#grid tbody tr").count() == min(count, 50)
    assert one.told == []
