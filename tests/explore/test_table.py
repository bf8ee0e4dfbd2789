from __future__ import annotations

import csv
import io
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore.evaluate import Row
from simulator.explore.table import columns, encoder, frame, to_csv, to_parquet
from traces import InputError

CELLS = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
)
NAMES = (
    *("key", "status", "array.rows", "cycles_total", "cycles_dh", "cycles_dW", "stall_drain_cycles"),
    *("energy_mac_pj", "energy_dram_read_pj", "error"),
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, CELLS)), max_size=6)


@settings(max_examples=60, derandomize=True)
@given(rows=ROWS)
def test_csv_reads_back_to_the_very_cells(rows: list[Row]) -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(["array.rows"], rows), newline="")))
    assert len(read) == len(rows)
    for written, row in zip(read, rows, strict=True):
        for name, text in written.items():
            cell = row.get(name)
            assert text == "" if cell is None else type(cell)(text) == cell


def test_a_cell_with_any_line_break_is_quoted() -> None:
    rows: list[Row] = [{"error": "a\rb"}, {"error": "c\r\nd"}, {"error": "e\nf"}]
    assert to_csv([], rows).count('"') == 2 * len(rows)


@pytest.mark.parametrize("count", [2**53 + 1, 2**63 - 1, 2**63, 2**64 + 1, -(2**70)])
def test_a_frame_holds_counts_of_any_size_as_they_are(count: int) -> None:
    rows: list[Row] = [{"cycles_total": count}, {}, {"cycles_total": 3}]
    cells = frame([], rows)["cycles_total"]
    assert [cells[0], cells[2]] == [count, 3]
    assert pd.isna(cells[1])
    assert frame([], rows[:1])["cycles_total"][0] == count


@settings(max_examples=60, derandomize=True)
@given(rows=ROWS)
def test_the_columns_are_each_once_and_hold_every_cell(
    rows: list[Row],
) -> None:
    names = columns(["array.rows"], rows)
    assert len(set(names)) == len(names)
    assert {name for row in rows for name in row} <= set(names)
    assert list(frame(["array.rows"], rows).columns) == names


def test_columns_stand_in_the_order_of_reading() -> None:
    rows: list[Row] = [
        {"cycles_y": 1, "stall_drain_cycles": 0, "energy_b_pj": 1.0},
        {"cycles_dh": 1, "stall_drain_cycles": 2, "energy_a_pj": 1.0, "energy_b_pj": 1.0},
    ]
    names = columns(["array.rows", "clock_mhz"], rows)
    assert names[:6] == ["key", "status", "arch", "arch_digest", "array.rows", "clock_mhz"]
    start = names.index("time_us")
    assert names[start : start + 5] == ["time_us", "cycles_y", "cycles_dh", "stall_drain_cycles", "sparsity"]
    start = names.index("energy_total_pj")
    assert names[start : start + 4] == ["energy_total_pj", "energy_b_pj", "energy_a_pj", "energy_delay_js"]
    assert not any("*" in name for name in names)
    assert names[-1] == "error"


def test_a_frame_has_numbers_where_the_table_has() -> None:
    data = frame(["array.rows"], [{"array.rows": 4, "cycles_total": 7}, {"array.rows": 8, "cycles_total": 9}])
    assert data["cycles_total"].tolist() == [7, 9]
    assert data["cycles_total"].dtype.kind == data["array.rows"].dtype.kind == "i"
    missing = frame(["array.rows"], [{"array.rows": 4, "cycles_total": 7}, {"error": "x"}])
    assert missing["cycles_total"].isna().tolist() == [False, True]


# --- Parquet -----------------------------------------------------------------------------------------------


def of_the_csv(cell: object) -> str:
    return "" if cell is None else str(cell)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=ROWS)
def test_parquet_holds_the_cells_of_the_csv(rows: list[Row]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{k: v % 2**62 if isinstance(v, int) else v for k, v in row.items()} for row in rows]  # as in any sweep
    raw = to_parquet(["array.rows"], rows)
    assert raw == to_parquet(["array.rows"], rows)
    read = parquet.read_table(io.BytesIO(raw))
    assert read.column_names == columns(["array.rows"], rows)
    for name in read.column_names:
        cells = [row.get(name) for row in rows]
        kinds = {type(cell) for cell in cells if cell is not None}
        found = read.column(name).to_pylist()
        if kinds == {int, float}:
            assert found == [None if cell is None else float(cell) for cell in cells]
        else:
            assert list(map(of_the_csv, found)) == list(map(of_the_csv, cells))
            assert len(kinds) != 1 or found == cells


def test_parquet_without_its_package_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pyarrow is not installed.*pip install 'skipstone\[parquet\]'"):
        encoder("parquet")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'parquet'"):
        encoder("parqet")
