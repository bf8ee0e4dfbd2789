"""The report as plain data: its keys are fixed, its sums hold, its bytes are the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plain.cases import machine

from simulator.report import Report
from simulator.run import simulate

TOP = [
    "schema_version",
    "architecture",
    "trace",
    "sparsity",
    "macs",
    "cycles",
    "time_us",
    "energy_pj",
    "energy_delay_js",
    "area_mm2",
    "macs_per_mm2",
    "dram_bytes",
    "dram_commands",
    "utilization",
    "baseline",
    "speedup",
    "energy_saving",
    "energy_delay_ratio",
    "bound_speedup",
    "training",
    "break_even",
    "explanation",
    "machine",
    "peaks",
    "busy_cycles",
    "mac_slots",
    "on_chip_bytes",
    "layer_products",
    "remarks",
    "products",
]
NESTED = {
    "architecture": {"name", "digest"},
    "trace": {"sha256", "steps"},
    "macs": {
        "dense",
        "executed",
        "gated",
        "skipped",
        "saving_backward",
        "saving_layers",
        "saving_network",
    },
    "cycles": {"total", "by_phase", "by_product", "stalls"},
    "energy_pj": {"total", "by_component", "by_phase", "by_product", "by_layer", "making_zeros"},
    "area_mm2": {"total", "by_component"},
    "explanation": {"sentences", "time", "work_by_product", "limiter"},
    "dram_bytes": {"read", "write"},
}
PRODUCT = {"step", "layer", "product", "m", "k", "n", "macs_dense", "macs_executed", "cycles", "start", "end"}
REPORTS = ["report", "lone_report", "ideal_memory_report"]


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def check_keys(data: dict[str, Any]) -> None:
    assert list(data) == TOP
    for key, names in NESTED.items():
        assert set(data[key]) == names, key
    for row in data["products"]:
        assert set(row) - {"time"} == PRODUCT


def test_keys_are_exactly_the_fixed_ones(any_report: Report) -> None:
    data = any_report.to_dict()
    check_keys(data)
    assert (data["baseline"] is None) == (data["speedup"] is None) == (data["bound_speedup"] is None)
    if data["baseline"] is not None:
        check_keys(data["baseline"])
        assert data["baseline"]["baseline"] is None


def test_json_gives_back_the_same_data_without_foreign_numbers(any_report: Report) -> None:
    text = any_report.to_json()
    assert json.loads(text, parse_constant=pytest.fail) == any_report.to_dict()
    assert text.endswith("}\n")


def test_cycles_sum_to_their_total(any_report: Report) -> None:
    cycles = any_report.to_dict()["cycles"]
    assert sum(cycles["by_phase"].values()) + sum(cycles["stalls"].values()) == cycles["total"]
    assert sum(cycles["by_product"].values()) == sum(cycles["by_phase"].values())
    assert sum(row["cycles"] for row in any_report.products()) == sum(cycles["by_product"].values())


def test_energies_sum_to_their_total(any_report: Report) -> None:
    energy = any_report.to_dict()["energy_pj"]
    assert energy["total"] > 0
    for parts in ("by_component", "by_phase", "by_product", "by_layer"):
        assert sum(energy[parts].values()) == pytest.approx(energy["total"], rel=1e-12), parts
    lines = {(line.component, line.action): line.pj for line in any_report.energy.lines}
    made = [("vector_unit", "threshold"), ("vector_unit", "mask packing"), ("metadata", "write")]
    assert energy["making_zeros"] == pytest.approx(sum(lines.get(line, 0.0) for line in made))
    assert (energy["making_zeros"] > 0) == (not any_report.arch.ideal_memory)


def test_area_is_the_machines_and_the_twin_has_no_skip_logic(report: Report) -> None:
    data = report.to_dict()
    assert sum(data["area_mm2"]["by_component"].values()) == pytest.approx(data["area_mm2"]["total"])
    assert data["macs_per_mm2"] == pytest.approx(report.arch.multipliers / data["area_mm2"]["total"])
    assert data["area_mm2"]["by_component"]["skip_logic"] > 0
    assert "skip_logic" not in data["baseline"]["area_mm2"]["by_component"]
    assert data["baseline"]["area_mm2"]["total"] < data["area_mm2"]["total"]


def test_the_energy_delay_product_is_joules_times_seconds(report: Report) -> None:
    data = report.to_dict()
    for one in (data, data["baseline"]):
        expected = one["energy_pj"]["total"] * 1e-12 * one["time_us"] * 1e-6
        assert one["energy_delay_js"] == pytest.approx(expected, rel=1e-12)
    ratio = data["energy_delay_ratio"]
    assert ratio == pytest.approx(data["energy_delay_js"] / data["baseline"]["energy_delay_js"])
    assert ratio == pytest.approx((1 - data["energy_saving"]) / data["speedup"])


def test_sparsity_is_the_share_of_zeros_in_the_gate_gradients(any_report: Report) -> None:
    assert any_report.to_dict()["sparsity"] == pytest.approx(0.8, abs=0.01)
    assert [g.step for g in any_report.gradients] == list(any_report.steps)


def test_macs_sum_and_savings_follow_from_the_products(any_report: Report) -> None:
    data = any_report.to_dict()
    macs, rows = data["macs"], data["products"]
    assert macs["dense"] == macs["executed"] + macs["gated"] + macs["skipped"]
    assert macs["dense"] == sum(row["m"] * row["k"] * row["n"] for row in rows)
    layers = [row for row in rows if row["layer"] != "classifier"]
    backward = [row for row in layers if row["product"] in ("dh", "dx", "dW", "dU")]
    for name, chosen in (("backward", backward), ("layers", layers), ("network", rows)):
        dense = sum(row["macs_dense"] for row in chosen)
        executed = sum(row["macs_executed"] for row in chosen)
        assert macs[f"saving_{name}"] == pytest.approx(1 - executed / dense), name
    assert macs["saving_backward"] > macs["saving_layers"] > macs["saving_network"] > 0


def test_headline_figures_follow_from_the_numbers_beside_them(report: Report) -> None:
    data = report.to_dict()
    base = data["baseline"]
    assert data["speedup"] == base["cycles"]["total"] / data["cycles"]["total"]
    assert data["energy_saving"] == 1 - data["energy_pj"]["total"] / base["energy_pj"]["total"]
    assert data["bound_speedup"] >= data["speedup"] >= 1
    assert data["time_us"] == data["cycles"]["total"] / report.arch.clock_mhz
    slots = report.arch.multipliers * data["cycles"]["total"]
    assert data["utilization"] == data["macs"]["executed"] / slots
    assert base["macs"]["executed"] == base["macs"]["dense"] == data["macs"]["dense"]


def test_replaying_again_gives_the_same_bytes(report: Report, small_trace: Path) -> None:
    assert simulate(report.arch, small_trace).to_json() == report.to_json()


def test_a_dense_machine_is_its_own_twin(small_trace: Path) -> None:
    data = simulate(machine(memory={}), small_trace, steps=(7, None)).to_dict()
    assert data["trace"]["steps"] == [7]
    assert (data["speedup"], data["energy_saving"]) == (1, 0)
