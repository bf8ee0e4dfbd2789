"""Energy by phase, layer and product: it sums to the whole, and to what one adds up product by product."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from plain.cases import ARRAYS, MECHANISMS, SYSTEMS, machine, networks, write_trace

from simulator.arch import load_arch
from simulator.energy import COMPONENTS, energy_by, energy_delay_js, load_energy_table, price
from simulator.energy.shares import FIELDS
from simulator.mapping import Count
from simulator.run import simulate
from traces import DenseLayer, synthetic_trace

TABLE = load_energy_table("cmos_45nm")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.npz"
    dense = DenseLayer("classifier", 32, 40)
    synthetic_trace(
        path,
        layers=2,
        hidden_size=32,
        input_size=16,
        sequence_length=5,
        batch_size=8,
        sparsity=0.8,
        steps=[1, 2],
        dense_layers=[dense],
    )
    return simulate("zero_skip", path)


def plain_energy(report, activity, field: str) -> dict[str, dict[str, float]]:
    """Product by product and line by line."""
    sums: dict[str, dict[str, float]] = {}
    for row, key in enumerate(activity.keys):
        group = sums.setdefault(getattr(key, field), dict.fromkeys(COMPONENTS, 0.0))
        for line in report.lines:
            if line.counter is None:
                count = int(activity.array_cycles[row]) + sum(activity.stalls[row].tolist())
            else:
                count = int(activity.counts[row, line.counter])
            group[line.component] += count * line.pj_each
    return sums


@pytest.mark.parametrize("field", FIELDS)
def test_groups_are_what_their_products_take(report, field):
    groups = energy_by(report.energy, report.activity, report.arch, field)
    expected = plain_energy(report.energy, report.activity, field)
    assert list(groups) == list(expected)
    for name, components in groups.items():
        assert tuple(components) == COMPONENTS
        assert components == pytest.approx(expected[name], rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(networks(), ARRAYS, MECHANISMS, SYSTEMS)
def test_groups_sum_to_the_report_on_any_machine(network, array, skipping, memory):
    arch = machine(array=array, skipping=skipping, memory=memory)
    with tempfile.TemporaryDirectory() as folder:
        run = simulate(arch, write_trace(Path(folder) / "t.npz", network), baseline=False)
    whole = run.energy.by_component()
    for field in FIELDS:
        groups = energy_by(run.energy, run.activity, arch, field)
        summed = {c: sum(group[c] for group in groups.values()) for c in COMPONENTS}
        assert summed == pytest.approx(whole, rel=1e-9, abs=1e-12)


def test_phases_hold_what_belongs_to_them(report):
    phases = energy_by(report.energy, report.activity, report.arch, "phase")
    assert set(phases) == {"forward", "backward"}
    assert phases["forward"]["skip_logic"] == 0  # no mask of x or h was recorded
    assert phases["backward"]["skip_logic"] > 0
    products = energy_by(report.energy, report.activity, report.arch, "product")
    assert products["gates_backward"]["mac"] == 0
    assert products["dh"]["vector_unit"] > 0
    layers = energy_by(report.energy, report.activity, report.arch, "layer")
    assert set(layers) == {"lstm0", "lstm1", "classifier"}


def test_leakage_is_dealt_out_by_time(report):
    products = energy_by(report.energy, report.activity, report.arch, "product")
    activity = report.activity
    cycles = activity.array_cycles + activity.stalls.sum(axis=1)
    of_dh = int(cycles[activity.where(product="dh")].sum())
    whole = report.energy.by_component()["leakage"]
    assert products["dh"]["leakage"] == pytest.approx(whole * of_dh / activity.total_cycles)


def test_ideal_memory_has_its_groups_too(report, tmp_path):
    path = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=8, input_size=4, sequence_length=2, batch_size=2, sparsity=0.5
    )
    run = simulate(load_arch("zero_skip").replaced("memory", "ideal"), path, baseline=False)
    phases = energy_by(run.energy, run.activity, run.arch, "phase")
    assert sum(sum(group.values()) for group in phases.values()) == pytest.approx(run.energy.total_pj)


def test_wrong_field_and_foreign_report_are_refused(report):
    with pytest.raises(ValueError, match="'colour': one of phase, product, layer"):
        energy_by(report.energy, report.activity, report.arch, "colour")
    with pytest.raises(ValueError, match="not of this activity"):
        energy_by(report.baseline.energy, report.activity, report.arch, "phase")


def test_making_zeros_is_threshold_packing_and_metadata(report):
    totals = report.activity.totals()
    assert totals["mask_bits_packed"] == totals["threshold_values"] > 0
    lines = {(line.component, line.action): line for line in report.energy.lines}
    packed = lines["vector_unit", "mask packing"]
    assert packed.counter == Count.MASK_BITS_PACKED
    assert packed.pj_each == TABLE.part_price("register_write").pj_per_bit
    parts = [lines["vector_unit", "threshold"], packed, lines["metadata", "write"]]
    assert report.energy.making_zeros_pj == pytest.approx(sum(line.pj for line in parts))
    assert 0 < report.energy.making_zeros_pj < report.energy.total_pj
    assert report.baseline.energy.making_zeros_pj == 0


def test_energy_delay_is_joules_times_seconds(report):
    seconds = report.activity.total_cycles / (report.arch.clock_mhz * 1e6)
    joules = report.energy.total_pj / 1e12
    assert energy_delay_js(report.energy, report.activity, report.arch) == pytest.approx(joules * seconds)
    slower = report.arch.replaced("clock_mhz", report.arch.clock_mhz // 2)
    again = price(slower, report.activity, TABLE)
    assert energy_delay_js(again, report.activity, slower) > 2 * joules * seconds  # and it leaks for twice the time
