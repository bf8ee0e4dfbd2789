"""Whole numbers beyond what a float holds are told exactly by every form of a table."""

from __future__ import annotations

import csv
import io

import pytest

from simulator.explore import table
from simulator.explore.evaluate import Row

LARGE = [2**31 + 1, 2**53 + 1, 2**63 - 1]
VALID: list[Row] = [{"key": str(n), "status": "ok", "macs_dense": n, "sparsity": 0.5} for n in LARGE]
INVALID: Row = {"key": None, "status": "invalid", "error": "no"}


@pytest.mark.parametrize("rows", [VALID, [*VALID, INVALID]], ids=["all", "beside_a_gap"])
def test_large_counts_are_exact_in_a_frame_a_csv_and_a_parquet(rows: list[Row]) -> None:
    told = table.frame((), rows)
    assert [int(one) for one in told["macs_dense"][: len(LARGE)]] == LARGE
    assert told["macs_dense"].isna().sum() == len(rows) - len(LARGE)
    read = list(csv.DictReader(io.StringIO(table.to_csv((), rows))))
    assert [int(row["macs_dense"]) for row in read[: len(LARGE)]] == LARGE
    parquet = pytest.importorskip("pyarrow.parquet")
    kept = parquet.read_table(io.BytesIO(table.to_parquet((), rows)))
    assert kept["macs_dense"].to_pylist()[: len(LARGE)] == LARGE


def test_columns_that_floats_hold_stay_as_pandas_has_them() -> None:
    rows: list[Row] = [{"key": "a", "status": "ok", "macs_dense": 2**53, "sparsity": 0.5}, INVALID]
    told = table.frame((), rows)
    assert str(told["macs_dense"].dtype) == "float64"
    assert str(told["sparsity"].dtype) == "float64"
