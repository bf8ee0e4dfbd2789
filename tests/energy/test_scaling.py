"""Node scaling: identities of the rule, its numbers, and tables that are scaled by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.arch import config_root, load_arch
from simulator.energy import EnergyTable, area, load_energy_table, price, scaling
from simulator.energy.scaling import NODES_NM, Operation, area_factor, delay_factor, energy_factor
from simulator.run import simulate
from traces import InputError, synthetic_trace

nodes = st.sampled_from(NODES_NM)
operations = st.builds(Operation, nodes, st.floats(0.6, 1.3), st.sampled_from(["high_performance", "low_power"]))
# Voltages to ask at: nominal ones of the predictive technology models, some of them recalled.
NOMINAL = {180: 1.8, 130: 1.3, 90: 1.2, 65: 1.1, 45: 1.0, 32: 0.9, 20: 0.9, 16: 0.85, 14: 0.8, 10: 0.75, 7: 0.7}


def possible(factor, *operations) -> float:
    """Give a factor, or skip the example where the rule refuses a voltage."""
    try:
        return factor(*operations)
    except InputError:
        assume(False)
        raise


@given(nodes)
def test_scaling_to_the_same_node_changes_nothing(node: int) -> None:
    same = Operation(node, NOMINAL[node])
    assert area_factor(node, node) == energy_factor(same, same) == delay_factor(same, same) == 1


@given(nodes, nodes)
def test_area_there_and_back_is_one_within_two_digits(one: int, other: int) -> None:
    # Factors from 1.05 on and down to 0.0032 have two digits: half a unit of the last is at most 5 % of each.
    assert area_factor(one, other) * area_factor(other, one) == pytest.approx(1, abs=0.1)


@given(operations, operations)
def test_energy_and_delay_there_and_back_are_one(start: Operation, end: Operation) -> None:
    assert possible(energy_factor, start, end) * energy_factor(end, start) == pytest.approx(1)
    assert possible(delay_factor, start, end) * delay_factor(end, start) == pytest.approx(1)


@given(operations, operations, operations)
def test_energy_in_two_steps_is_energy_in_one(a: Operation, b: Operation, c: Operation) -> None:
    assert possible(energy_factor, a, b) * possible(energy_factor, b, c) == pytest.approx(energy_factor(a, c))


@given(operations, st.floats(0.01, 0.3))
def test_energy_rises_with_the_voltage(start: Operation, more: float) -> None:
    higher = Operation(start.node_nm, start.volts + more, start.transistors)
    assert possible(energy_factor, start, higher) > 1


def test_smaller_nodes_take_less_at_their_nominal_voltage() -> None:
    factors = [energy_factor(Operation(45, 1.0), Operation(node, NOMINAL[node])) for node in NODES_NM]
    assert factors == sorted(factors, reverse=True)
    areas = [area_factor(45, node) for node in NODES_NM]
    assert areas == sorted(areas, reverse=True)
    assert all(areas[i] > areas[i + 1] for i in range(len(areas) - 1))


def test_factors_by_hand() -> None:
    start, end = Operation(45, 0.9), Operation(14, 0.8)
    of_45nm = 1.018 * 0.81 - 0.3107 * 0.9 + 0.1539
    of_14nm = 0.2363 * 0.64 - 0.09675 * 0.8 + 0.02239
    assert energy_factor(start, end) == pytest.approx(of_14nm / of_45nm)
    slow, fast = Operation(45, 1.0), Operation(7, 0.7)
    of_45nm = -501.6 + 1567 - 1619 + 566.1
    of_7nm = -28.58 * 0.343 + 76.6 * 0.49 - 70.26 * 0.7 + 24.69
    assert delay_factor(slow, fast) == pytest.approx(of_7nm / of_45nm)
    assert area_factor(45, 7) == 0.059
    assert area_factor(65, 45) == 0.66  # as a program of another group has it, too


def test_tables_are_those_that_were_compared_with_the_paper() -> None:
    # Nobody can tell a wrong digit by any rule. Whoever changes one compares all with the paper again.
    tables = json.dumps([scaling.NODES_NM, scaling._AREA, scaling._FITS]).encode()
    assert hashlib.sha256(tables).hexdigest()[:16] == "663290da4225887f"


def test_kinds_of_transistors_differ_below_65_nm_alone() -> None:
    for node in NODES_NM:
        high, low = (
            energy_factor(Operation(90, 1.2), Operation(node, NOMINAL[node], kind))
            for kind in ("high_performance", "low_power")
        )
        assert (high == low) == (node >= 65)


def test_nodes_that_are_not_in_the_paper_are_refused() -> None:
    for node in (22, 28, 5, 45.5, 250):
        with pytest.raises(InputError, match=r"a node of [\d.]+ nm; expected one of 180, 130, .*, 7 nm"):
            area_factor(45, node)
        with pytest.raises(InputError, match="a node of"):
            energy_factor(Operation(node, 1.0), Operation(45, 1.0))


def test_voltages_at_which_the_fit_turns_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"0\.5 V at 65 nm; expected a voltage at which the node's fit of energy holds"
    ):
        energy_factor(Operation(65, 1.1), Operation(65, 0.5))
    with pytest.raises(InputError, match="fit of delay"):
        delay_factor(Operation(45, 1.0), Operation(45, 2.5))


# Tables


SCALED = """name: mine
scaled_from: {table: cmos_45nm, rule: stillmaker_baas_2017, from_volts: 0.9, to_nm: 14, to_volts: 0.8}
"""


def load(tmp_path: Path, text: str) -> EnergyTable:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return load_energy_table(tmp_path / "mine.yaml")


def test_rows_of_a_scaled_table_are_the_factors_times_those_of_its_base(tmp_path: Path) -> None:
    base, table = load_energy_table("cmos_45nm"), load(tmp_path, SCALED)
    energy = energy_factor(Operation(45, 0.9), Operation(14, 0.8))
    for section in ("multiply", "add"):
        rows = {k: row.pj for k, row in getattr(base, section) if row}
        assert {k: row.pj for k, row in getattr(table, section) if row} == pytest.approx(
            {k: pj * energy for k, pj in rows.items()}
        )
    assert table.part_price("compare").pj == pytest.approx(base.part_price("compare").pj * energy)
    assert table.mac_leakage_price().pj == pytest.approx(base.mac_leakage_price().pj * energy)
    assert table.sram_pj_per_bit(9999, True) == pytest.approx(base.sram_pj_per_bit(9999, True) * energy)
    assert table.sram_leakage_price(1 << 20).pj == pytest.approx(base.sram_leakage_price(1 << 20).pj * energy)
    assert table.select_price(8).pj == pytest.approx(base.select_price(8).pj * energy)
    assert table.unit_area("add", "fp32").mm2 == pytest.approx(base.unit_area("add", "fp32").mm2 * 0.17)
    assert table.sram_area(1 << 20)[1].mm2 == pytest.approx(base.sram_area(1 << 20)[1].mm2 * 0.17)
    assert table.technology_nm == 14


def test_dram_and_ratios_never_scale(tmp_path: Path) -> None:
    base, table = load_energy_table("cmos_45nm"), load(tmp_path, SCALED)
    assert {k: table.dram_price(k) for k in table.dram} == {k: base.dram_price(k) for k in base.dram}
    for name in ("gated_slot", "metadata"):
        assert table.ratio_price(name) == base.ratio_price(name)


def test_every_scaled_price_says_so(tmp_path: Path) -> None:
    table = load(tmp_path, SCALED)
    prices = [table.mac_price("fp16", "fp32"), table.sram_price(65536, False), table.mac_leakage_price()]
    prices += [table.part_price("register_read"), table.sram_leakage_price(65536)]
    for priced in prices:
        assert "from 45 nm by stillmaker_baas_2017" in priced.source
        assert not priced.verified
    assert "Horowitz" in prices[0].source
    unit = table.unit_area("multiply", "fp16")
    assert "x 0.17 from 45 nm by stillmaker_baas_2017" in unit.source
    assert not unit.verified


def test_report_prints_the_rule(tmp_path: Path) -> None:
    trace = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=8, input_size=4, sequence_length=2, batch_size=2, sparsity=0.5
    )
    report = simulate(load_arch("zero_skip", ["energy_table=cmos_14nm"]), trace)
    table = load_energy_table("cmos_14nm")
    said = "cmos_14nm is cmos_45nm scaled from 45 nm at 0.9 V to 14 nm at 0.8 V by the rule stillmaker_baas_2017"
    assert report.energy.notes[0].startswith(said)
    assert area(report.arch, table).notes[0].startswith(said)
    base = price(report.arch, report.activity, load_energy_table("cmos_45nm"))
    assert report.energy.by_component()["dram_read"] == base.by_component()["dram_read"]
    assert report.energy.by_component()["mac"] < base.by_component()["mac"]


def test_scaled_table_may_take_sram_of_its_own_node(tmp_path: Path) -> None:
    csv = (config_root() / "energy" / "sram_cacti.csv").read_text().replace("\n22,", "\n14,")
    (tmp_path / "at14.csv").write_text(csv)
    own = SCALED + 'sram_csv: {file: at14.csv, technology_nm: 14, source: "made up for a test", verified: true}\n'
    table = load(tmp_path, own)
    assert table.sram_pj_per_bit(65536, False) * 64 == pytest.approx(5.66959)
    assert table.sram_leakage_price(65536).pj == pytest.approx(0.00976956)
    assert table.sram_area(65536)[1].mm2 == pytest.approx(0.0586014)
    assert table.sram_price(65536, False).verified
    assert "SRAM from rows of the new node" in table.notes[0]
    with pytest.raises(InputError, match=r"sram_csv\.technology_nm: found rows of 22 nm; expected 14 nm"):
        load(tmp_path, own.replace("technology_nm: 14", "technology_nm: 22").replace("at14.csv", "sram_cacti.csv"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to_nm: 14", "to_nm: 22", r"mine\.yaml:2:14 scaled_from: .*a node of 22 nm; expected one of 180"),
        ("to_volts: 0.8", "to_volts: 0.1", "0.1 V at 14 nm"),
        ("rule: stillmaker_baas_2017", "rule: linear", r"scaled_from\.rule"),
        ("rule: stillmaker_baas_2017, ", "", r"scaled_from\.rule"),
        ("from_volts: 0.9, ", "", r"scaled_from\.from_volts"),
        ("cmos_45nm", "mine.yaml", "which is scaled itself; expected a table of sources"),
        ("cmos_45nm", "cmos_14nm", "which is scaled itself"),
        ("cmos_45nm", "cmos_46nm", "no shipped energy table of this name"),
        ("to_nm: 14", "to_mm: 14", r"scaled_from\.to_mm"),
    ],
)
def test_wrong_scaled_table_is_an_input_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SCALED
    with pytest.raises(InputError, match=message):
        load(tmp_path, SCALED.replace(old, new))


def test_rows_of_another_node_are_not_scaled_with_the_rest(tmp_path: Path) -> None:
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    odd = text.replace("int8: {pj: 0.2, bits: 8, technology_nm: 45", "int8: {pj: 0.2, bits: 8, technology_nm: 65")
    assert odd != text
    (tmp_path / "odd.yaml").write_text(odd, encoding="utf-8")
    with pytest.raises(InputError, match=r"multiply\.int8\.technology_nm: found 65 nm; expected 45 nm"):
        load(tmp_path, SCALED.replace("cmos_45nm", "odd.yaml"))


def test_digest_knows_the_rule(tmp_path: Path) -> None:
    one = load(tmp_path, SCALED).digest
    assert one != load_energy_table("cmos_45nm").digest
    assert one != load(tmp_path, SCALED.replace("to_volts: 0.8", "to_volts: 0.85")).digest
    assert one == load(tmp_path, SCALED + "description: other words\n").digest
