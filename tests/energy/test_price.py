"""Prices are exact counts times rows of the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.arch import load_arch
from simulator.energy import COMPONENTS, load_energy_table, price
from simulator.mapping import COUNTS, Count
from simulator.run import simulate
from traces import InputError, synthetic_trace

# Counts that are shares of others, or that have no price of their own.
UNPRICED = {
    Count.MACS_DENSE,
    Count.MACS_SKIPPED,
    Count.SLOTS_IMBALANCE,
    Count.SLOTS_CONFLICT,
    Count.SLOTS_REFILL,
    Count.PASSES,
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.npz"
    synthetic_trace(path, layers=2, hidden_size=32, input_size=16, sequence_length=5, batch_size=8, sparsity=0.8)
    return simulate("zero_skip", path)


def test_energy_is_the_sum_of_counts_times_prices(report):
    totals = report.activity.totals()
    for line in report.energy.lines:
        expected = report.total_cycles if line.counter is None else totals[COUNTS[line.counter]]
        assert line.count == expected
        assert line.pj == line.count * line.pj_each
    by_component = report.energy.by_component()
    assert tuple(by_component) == COMPONENTS
    for component, pj in by_component.items():
        assert pj == pytest.approx(sum(x.pj for x in report.energy.lines if x.component == component), rel=1e-12)
    assert report.energy.total_pj == sum(by_component.values())


def test_every_count_has_a_price_or_a_reason(report):
    links = {Count.LINK_BYTES}  # which a single chip does not have
    assert {line.counter for line in report.energy.lines} - {None} == set(Count) - UNPRICED - links
    pod = price(report.arch.replaced("chips", 2), report.activity, load_energy_table("cmos_45nm"))
    assert {line.counter for line in pod.lines} - {None} == set(Count) - UNPRICED


def test_a_bit_over_a_link_costs_what_the_machine_says_or_a_price_that_is_not_verified(report):
    def link(*changes):
        arch = load_arch("zero_skip", ["chips=4", *changes])
        energy = price(arch, report.activity, load_energy_table("cmos_7nm"))
        return next(line for line in energy.lines if line.component == "link")

    assert link().pj_each == 5.5 * 8
    assert not link().verified
    assert "second hand" in link().source
    assert link("chips.link.pj_per_bit=1.25").pj_each == 10
    assert link("chips.link.pj_per_bit=0").pj_each == 0


def test_leakage_is_that_of_all_arrays_and_of_the_buffers_of_all_chips(report):
    def leakage(*changes):
        energy = price(load_arch("zero_skip", list(changes)), report.activity, load_energy_table("cmos_45nm"))
        return {line.action: line.pj for line in energy.lines if line.component == "leakage"}

    one, many = leakage(), leakage("arrays=3", "chips=2")
    times = {action: 6 if action == "MACs" else 2 for action in one}
    assert many == pytest.approx({action: times[action] * pj for action, pj in one.items()})


def test_mac_energy_is_the_tables(report):
    line = next(x for x in report.energy.lines if x.component == "mac")
    assert line.pj_each == 1.1 + 0.9  # fp16 multiply, fp32 add: Horowitz, ISSCC 2014, 45 nm
    assert line.count == report.activity.totals()["macs_executed"]


def test_another_table_needs_no_new_simulation(report):
    arch = report.arch
    other = price(arch, report.activity, load_energy_table("cmos_7nm"))
    again = simulate_with(report, "cmos_7nm")
    assert other == again
    assert other.total_pj < report.energy.total_pj


def simulate_with(report, table):
    arch = report.arch.replaced("energy_table", table)
    return price(arch, report.activity, load_energy_table(table))


def test_skipping_pays_for_its_overhead(report):
    skipping, dense = report.energy.by_component(), report.baseline.energy.by_component()
    for component in ("skip_logic", "staging", "metadata"):
        assert skipping[component] > 0
        assert dense[component] == 0
    assert skipping["mac"] < dense["mac"]


def test_gated_slots_cost_a_fraction_of_a_mac(tmp_path):
    path = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=16, input_size=8, sequence_length=3, batch_size=4, sparsity=0.5
    )
    gated = simulate("gated", path)
    line = {x.component: x for x in gated.energy.lines}["gated"]
    mac = {x.component: x for x in gated.energy.lines}["mac"]
    assert line.count == gated.activity.totals()["macs_gated"] > 0
    assert line.pj_each == pytest.approx(mac.pj_each * 0.066 / 2.2)  # Sparseloop's 45 nm tables


def test_leakage_follows_time(report):
    cycles = report.activity.total_cycles
    slower = replace(report.activity, total_cycles=3 * cycles)
    table = load_energy_table(report.arch.energy_table)
    leakage = lambda activity: price(report.arch, activity, table).by_component()["leakage"]  # noqa: E731
    assert leakage(slower) == pytest.approx(3 * leakage(report.activity))
    half_clock = report.arch.replaced("clock_mhz", report.arch.clock_mhz // 2)
    assert price(half_clock, report.activity, table).by_component()["leakage"] == pytest.approx(
        2 * leakage(report.activity)
    )


def test_a_row_that_is_missing_names_the_rows_that_are_there(report):
    arch = load_arch("zero_skip", ["memory.dram.standard=optical"])
    with pytest.raises(InputError, match=r"no row dram\.optical; expected one of .*dram\.hbm2"):
        price(arch, report.activity, load_energy_table("cmos_45nm"))


def test_unverified_rows_above_a_twentieth_are_noted(report):
    lines = tuple(
        replace(line, verified=line.component != "mac", source="a guess", note="") for line in report.energy.lines
    )
    notes = replace(report.energy, lines=lines).notes
    assert len(notes) == 1
    assert "mac multiply and add" in notes[0]
    assert "not verified (a guess)" in notes[0]
    quiet = tuple(replace(line, verified=True, note="") for line in lines)
    assert replace(report.energy, lines=quiet).notes == ()
