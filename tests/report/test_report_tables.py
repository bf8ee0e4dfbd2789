"""Tidy tables: every count is there once, sums hold, CSV goes out and in again unchanged."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from simulator.energy import COMPONENTS, energy_by
from simulator.engine import STALLS
from simulator.mapping import COUNTS
from simulator.report import Report
from simulator.report.tables import to_csv


def test_product_frame_has_a_row_per_product_and_every_count(report: Report) -> None:
    frame = report.frame()
    assert len(frame) == len(report.activity.keys)
    assert list(frame.columns) == [
        *("step", "layer", "product", "time", "phase", "recorded", "m", "k", "n"),
        *(name for name in COUNTS if name != "link_bytes"),
        "array_cycles",
        *(f"stall_{reason}_cycles" for reason in STALLS if reason != "all_reduce"),
        *("start_cycle", "end_cycle"),
        *(f"energy_{component}_pj" for component in COMPONENTS),
        "energy_pj",
    ]
    summed = {name: int(frame[name].sum()) for name in COUNTS if name != "link_bytes"}
    assert summed | {"link_bytes": 0} == report.activity.totals()  # a single chip has no links


def test_product_frame_cycles_and_stalls_sum_to_the_run(report: Report) -> None:
    frame = report.frame()
    stalls = [name for name in frame.columns if name.startswith("stall_")]
    assert int(frame["array_cycles"].sum() + frame[stalls].to_numpy().sum()) == report.total_cycles
    assert int(frame["end_cycle"].max()) == report.total_cycles
    assert (frame["start_cycle"] <= frame["end_cycle"]).all()


def test_product_frame_has_the_energy_of_each_product(report: Report) -> None:
    frame = report.frame()
    for component, energy_pj in report.energy.by_component().items():
        assert frame[f"energy_{component}_pj"].sum() == pytest.approx(energy_pj)
    assert frame["energy_pj"].sum() == pytest.approx(report.energy.total_pj)
    for field in ("phase", "product", "layer"):
        parts = energy_by(report.energy, report.activity, report.arch, field)
        sums = frame.groupby(field)["energy_pj"].sum()
        assert sums.to_dict() == pytest.approx({name: sum(each.values()) for name, each in parts.items()})
        assert report.energy_by(field) == pytest.approx(sums.to_dict())


def test_product_frame_agrees_with_the_products_of_the_json(report: Report) -> None:
    frame = report.frame()
    frame = frame[frame["k"] > 0]
    rows = report.products()
    for column, key in (("array_cycles", "cycles"), ("end_cycle", "end"), ("macs_executed", "macs_executed")):
        assert frame[column].tolist() == [row[key] for row in rows]
    assert [None if pd.isna(t) else t for t in frame["time"]] == [row.get("time") for row in rows]


def test_product_csv_round_trips(report: Report) -> None:
    frame = report.frame()
    text = to_csv(frame)
    # Python's own float() reads back what was written, whatever the default of this pandas does.
    exactly = dict.fromkeys(frame.select_dtypes("float").columns, lambda cell: float(cell or "nan"))
    again = pd.read_csv(io.StringIO(text), dtype={"time": "Int64"}, converters=exactly)
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    assert to_csv(again) == text
    assert "\r" not in text


def test_energy_frame_sums_to_each_machines_total(report: Report) -> None:
    frame = report.energy_frame()
    assert report.baseline is not None
    totals = frame.groupby("machine")["energy_pj"].sum()
    assert set(totals.index) == {"this machine", "dense twin"}
    assert totals["this machine"] == pytest.approx(report.energy.total_pj)
    assert totals["dense twin"] == pytest.approx(report.baseline.energy.total_pj)
    by_component = frame[frame["machine"] == "this machine"].groupby("component")["energy_pj"].sum().to_dict()
    assert by_component == pytest.approx(report.energy.by_component())


def test_energy_frame_says_where_each_price_comes_from(report: Report) -> None:
    frame = report.energy_frame()
    assert (frame["count"] * frame["pj_each"]).tolist() == pytest.approx(frame["energy_pj"].tolist())
    assert frame["source"].str.len().gt(0).all()
    assert set(frame["verified"]) <= {True, False}


def test_energy_csv_round_trips(report: Report) -> None:
    frame = report.energy_frame()
    rows = list(csv.DictReader(io.StringIO(to_csv(frame))))
    assert [row["action"] for row in rows] == frame["action"].tolist()
    assert [int(row["count"]) for row in rows] == frame["count"].tolist()
    assert [float(row["energy_pj"]) for row in rows] == frame["energy_pj"].tolist()


def test_energy_frame_without_baseline_tells_of_one_machine(lone_report: Report) -> None:
    assert set(lone_report.energy_frame()["machine"]) == {"this machine"}
