"""The page of a sweep: which columns it takes for what, its data, and that nothing in it runs but its own script."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from plain.hostile import CELLS, Page, complaints

from simulator.explore.rows import ResultTable, read_table
from simulator.explore.sweep_page import sweep_page
from simulator.explore.sweep_page.columns import page_columns, spoken, varied_settings
from simulator.report.html import Provenance
from traces import InputError

HEAD = ["key", "status", "arch", "arch_digest", "phase", "array.rows", "skipping", "trace", "trace_sha256", "steps",
        "steps_replayed", "cycles_total", "energy_total_pj", "speedup", "saving_network", "error"]  # fmt: skip
LOOKAHEAD = '{"depth":8,"mechanism":"lookahead"}'
ROWS = [
    ["a1", "ok", "skip", "e5", "first", "8", LOOKAHEAD, "one.npz", "ff", "1:2", "1", "100", "7.5", "1.5", "0.4", ""],
    ["a2", "ok", "skip", "e6", "first", "16", LOOKAHEAD, "one.npz", "ff", "1:2", "1", "50", "9.0", "", "0.4", ""],
    ["a3", "invalid", "skip", "", "last", "32", "", "one.npz", "ff", "2:3", "", "", "", "", "", "rows: no"],
    ["a4", "ok", "skip", "e7", "last", "32", "", "two.npz", "ee", "2:3", "1", "60", "8.0", "2.5", "0.4", ""],
]  # fmt: skip


def written(folder: Path, rows: Sequence[Sequence[str]], head: Sequence[str] = HEAD) -> ResultTable:
    path = folder / "results.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
    return read_table(path)


def test_columns_of_a_sweep_are_settings_measures_or_neither(tmp_path: Path) -> None:
    columns = {column.name: column for column in page_columns(written(tmp_path, ROWS))}
    roles = {name: column.role for name, column in columns.items()}
    settings = {"arch", "phase", "array.rows", "skipping", "trace", "steps"}
    measures = {"cycles_total", "energy_total_pj", "speedup", "saving_network"}
    assert {name for name, role in roles.items() if role == "setting"} == settings
    assert {name for name, role in roles.items() if role == "measure"} == measures
    assert columns["speedup"].values == [1.5, None, 2.5]
    assert [name for name in measures if columns[name].more_is_better] == [
        name for name in measures if name in ("speedup", "saving_network")
    ]


def test_settings_that_tell_rows_apart_alike_are_taken_once(tmp_path: Path) -> None:
    assert varied_settings(page_columns(written(tmp_path, ROWS))) == ["phase", "array.rows"]


def test_any_table_with_numbers_has_a_page(tmp_path: Path) -> None:
    table = written(tmp_path, [["x", "1", "u1"], ["x", "2", "u2"], ["y", "3", "u3"]], ["kind", "cost", "name"])
    roles = {column.name: column.role for column in page_columns(table)}
    assert roles == {"kind": "setting", "cost": "measure", "name": "text"}
    assert complaints(Page(sweep_page(table, "t"))) == []


def test_a_table_without_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no column of numbers; expected at least one measure"):
        sweep_page(written(tmp_path, [["x"], ["y"]], ["kind"]), "t")


def test_the_data_are_the_tables(tmp_path: Path) -> None:
    page = Page(sweep_page(written(tmp_path, ROWS), "Sweep t"))
    data = json.loads(page.inside("script")[0])
    assert (data["rows"], data["keys"], data["places"]) == (3, ["a1", "a2", "a4"], [2, 3, 5])
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["cycles_total"]["values"] == [100, 50, 60]
    assert columns["skipping"]["values"] == ["lookahead, depth 8", "lookahead, depth 8", None]
    assert data["measures"][:3] == ["cycles_total", "energy_total_pj", "speedup"]
    assert data["apart"] == ["trace", "steps"]
    assert all(len(column["values"]) == 3 for column in data["columns"])


def test_the_page_says_what_is_best_and_what_was_left_out(tmp_path: Path) -> None:
    page = Page(sweep_page(written(tmp_path, ROWS), "Sweep t", Provenance("skipstone report x")))
    said = " ".join(" ".join(text for parent, text in page.texts if parent not in ("script", "style")).split())
    assert "3 points over phase, array.rows; 1 invalid ones left out." in said
    assert "Largest speed-up 2.50\N{MULTIPLICATION SIGN}" in said
    assert "Fewest cycles 50 phase first, rows 16" in said
    assert "skipstone report x" in said
    picks = [a["data-pick"] for name, a in page.elements if "data-pick" in a]
    assert picks == ["2", "1", "0"]


def test_hostile_cells_and_heads_stay_text(tmp_path: Path) -> None:
    head = [*HEAD[:5], CELLS[0], CELLS[1], *HEAD[7:]]
    rows = [[*row[:2], cell, row[3], cell, cell, CELLS[0], cell, cell, *row[9:]] for row, cell in
            zip([ROWS[0], ROWS[1], ROWS[3]] * 2, [*CELLS, "x"], strict=True)]  # fmt: skip
    page = Page(sweep_page(written(tmp_path, rows, head), CELLS[1], Provenance(CELLS[0])))
    assert complaints(page) == []
    data = json.loads(page.inside("script")[0])
    assert CELLS[0] in {column["name"] for column in data["columns"]}
    (title,) = page.inside("title")
    assert title.startswith(CELLS[1])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (LOOKAHEAD, "lookahead, depth 8"),
        ('{"a":null,"b":[1,2]}', "a null, b [1, 2]"),
        ("{not json", "{not json"),
        ("plain", "plain"),
        ("a\x1bb", "a?b"),
        ("[1]", "[1]"),
    ],
)
def test_mappings_are_told_without_brackets(cell: str, said: str) -> None:
    assert spoken(cell) == said
