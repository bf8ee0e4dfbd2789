"""Details of a report: products by layer, units and slots; each sums to what the headline says."""

from __future__ import annotations

import pytest

from simulator.mapping import Count
from simulator.report import Report
from simulator.report.detail import layer_products, on_chip_bytes, peaks
from simulator.report.explanation import time_parts, work_by_product

REPORTS = ["report", "lone_report", "ideal_memory_report"]


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def test_products_by_layer_sum_to_the_run(any_report: Report) -> None:
    rows, totals = layer_products(any_report), any_report.activity.totals()
    for key in ("macs_dense", "macs_executed", "dram_read_bytes", "dram_write_bytes"):
        assert sum(row[key] for row in rows) == totals[key]
    assert sum(row["cycles"] + sum(row["stalls"].values()) for row in rows) == any_report.total_cycles
    assert sum(row["energy_pj"] for row in rows) == pytest.approx(any_report.energy.total_pj)
    for reason, cycles in any_report.stalls.items():
        assert sum(row["stalls"].get(reason, 0) for row in rows) == cycles


def test_products_by_layer_are_each_once_and_say_how_often_they_ran(report: Report) -> None:
    rows = layer_products(report)
    names = [(row["layer"], row["product"]) for row in rows]
    assert len(set(names)) == len(names)
    keys = [(key.layer, key.product) for key in report.activity.keys]
    assert {name: row["times"] for name, row in zip(names, rows, strict=True)} == {n: keys.count(n) for n in names}
    entries = [entry for entry in report.products() if (entry["layer"], entry["product"]) == ("lstm0", "dh")]
    (dh,) = [row for row in rows if (row["layer"], row["product"]) == ("lstm0", "dh")]
    assert (dh["m"], dh["k"], dh["n"]) == tuple(max(e[axis] for e in entries) for axis in "mkn")
    assert dh["cycles"] == sum(entry["cycles"] for entry in entries)


def test_work_by_product_sums_to_the_parts_of_the_time(any_report: Report) -> None:
    rows = work_by_product(any_report)
    parts = {part.name: part.cycles for part in time_parts(any_report)}
    for name in ("no_zeros", "pass_overhead"):
        assert sum(row[name] for row in rows) == parts[name]
    # Which zeros were missed is told product by product here, where one product may not pay for another.
    both = ("missed_zeros", "needed_macs")
    assert sum(row[name] for row in rows for name in both) == sum(parts[name] for name in both)
    array = any_report.activity.array_cycles.sum()
    assert sum(row[name] for row in rows for name in ("no_zeros", "pass_overhead", *both)) == array


def test_peaks_are_the_machines(report: Report, ideal_memory_report: Report) -> None:
    found = peaks(report)
    numerator, denominator = report.arch.dram_bytes_per_cycle
    assert found == {"macs_per_cycle": 16, "dram_bytes_per_cycle": numerator / denominator}
    assert peaks(ideal_memory_report)["dram_bytes_per_cycle"] is None


def test_bytes_on_chip_are_the_counted_bits(report: Report) -> None:
    counts = report.activity.counts.sum(axis=0)
    found = on_chip_bytes(report)
    assert 8 * found["skip_buffer"]["read"] == counts[Count.SKIP_BUFFER_BITS_READ] > 0
    assert 8 * found["output_buffer"]["write"] == counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] > 0
