"""Area: counted parts times areas of the table, a machine small enough to add up by hand, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain.cases import machine

from simulator.arch import arch_names, config_root, load_arch
from simulator.energy import AreaReport, EnergyTable, area, load_energy_table
from simulator.energy.area import AREA_COMPONENTS, _lane
from simulator.energy.scaling import area_factor
from simulator.run import dense_twin
from traces import InputError

AT_45NM = load_energy_table("cmos_45nm")
TABLES = {name: load_energy_table(name) for name in ("cmos_45nm", "cmos_14nm", "cmos_7nm")}
INT8 = {"operand": "int8", "accumulator": "int32"}
ADDER_UM2, ADDER_TRANSISTORS, REGISTER_UM2 = 137, 1036, 2.116


def window(depth: int, banks: int | None = None, **changes):
    skipping = {"mechanism": "lookahead", "depth": depth, "refill": min(4, depth), "banks": banks}
    return machine(**{"array": {"rows": 32, "columns": 8}, "precision": INT8, "skipping": skipping, **changes})


def um2(report: AreaReport, component: str, part: str | None = None) -> float:
    return sum(x.mm2 for x in report.lines if x.component == component and part in (None, x.part)) * 1e6


def changed_table(tmp_path: Path, old: str, new: str) -> EnergyTable:
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return load_energy_table(path)


def test_tiny_machine_is_what_one_adds_up_by_hand() -> None:
    report = area(machine(array={"rows": 2, "columns": 3}, precision=INT8), AT_45NM)
    # 6 MACs of an int8 multiplier (282) and an int32 adder (137); 2 + 3 operands of 8 bits, 6 sums of 32 bits
    assert um2(report, "mac", "multipliers") == pytest.approx(6 * 282)
    assert um2(report, "mac", "adders") == pytest.approx(6 * 137)
    assert um2(report, "mac", "operand registers") == pytest.approx(40 * 2.116)
    assert um2(report, "accumulators") == pytest.approx(192 * 2.116)
    assert report.total_mm2 == pytest.approx(3004.912e-6)
    assert report.macs_per_mm2 == pytest.approx(6 / 3004.912e-6)
    assert tuple(report.by_component()) == ("mac", "accumulators")


def test_skip_logic_of_a_lane_is_its_synthesised_parts_less_a_dense_lanes() -> None:
    report = area(window(4), AT_45NM)
    # skip_logic.csv: 4,,4,8,8,400,800,2304,128,76 - and at depth 1, which a dense lane has: values 128, staging 32
    parts = {"selector": 400, "values": 800 - 128, "multiplexer": 2304, "staging": 128 - 32, "control": 76}
    for part, transistors in parts.items():
        assert um2(report, "skip_logic", part) == pytest.approx(32 * transistors * ADDER_UM2 / ADDER_TRANSISTORS), part
    # The same sum from the other columns of that row: zero_skip_lane 58076 less dense_lane 54528.
    whole = 32 * (58076 - 54528) * ADDER_UM2 / ADDER_TRANSISTORS
    assert um2(report, "skip_logic") == pytest.approx(whole)


def test_buffers_are_rows_of_the_sram_file() -> None:
    report = area(load_arch("zero_skip"), AT_45NM)
    found = [um2(report, f"{name}_buffer") / 1e6 for name in ("skip", "shared", "output")]
    assert found == pytest.approx([1.64463, 3.26283, 0.872093])  # 512, 1024 and 256 KiB: CACTI 7 at 45 nm


def test_vector_unit_has_the_units_that_its_cycles_ask_for() -> None:
    def units(forward: int, backward: int) -> list[int]:
        unit = {"lanes": 8, "gate_forward_cycles_per_value": forward, "gate_backward_cycles_per_value": backward}
        report = area(machine(memory={"vector_unit": unit}), AT_45NM)
        return [x.count for x in report.lines if x.component == "vector_unit"]

    assert units(1, 2) == [16, 16]  # 2 multiplies a value in a cycle, or 4 in two; 1.5 adds in a cycle
    assert units(1, 1) == [32, 16]
    assert units(2, 4) == [8, 8]
    assert units(0, 0) == [32, 16]  # work that takes no time still takes its units


def test_what_makes_zeros_stands_in_the_vector_unit() -> None:
    skipping, dense = (area(m, AT_45NM) for m in (window(8, memory={}), dense_twin(window(8, memory={}))))
    assert um2(skipping, "vector_unit", "threshold") == pytest.approx(128 * 4184)
    assert um2(skipping, "vector_unit", "mask packing") == pytest.approx(128 * REGISTER_UM2)
    more = skipping.total_mm2 - dense.total_mm2
    threshold = um2(skipping, "vector_unit", "threshold") + um2(skipping, "vector_unit", "mask packing")
    assert more * 1e6 == pytest.approx(um2(skipping, "skip_logic") + threshold)
    assert "skip_logic" not in dense.by_component()


@pytest.mark.parametrize("name", arch_names())
@pytest.mark.parametrize("table", TABLES)
def test_parts_of_every_shipped_machine_sum_to_its_area(name: str, table: str) -> None:
    arch = load_arch(name)
    report = area(arch, TABLES[table])
    by_component = report.by_component()
    assert report.total_mm2 == pytest.approx(sum(line.count * line.mm2_each for line in report.lines))
    assert list(by_component) == [c for c in AREA_COMPONENTS if c in by_component]
    assert all(mm2 > 0 for mm2 in by_component.values())
    assert {"mac", "accumulators"} <= set(by_component)
    assert ("shared_buffer" in by_component) == (not arch.ideal_memory)
    assert report.macs_per_mm2 == pytest.approx(arch.multipliers / report.total_mm2)
    assert all(len(line.source) > 20 for line in report.lines)
    if arch.skipping.uses_mask and "skip_logic" not in by_component:
        assert f"the skip logic of {arch.skipping.mechanism} is not in it" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("skipping", "why"),
    [
        ({"mechanism": "outer_product", "rows": 4, "columns": 4}, "was not synthesised"),
        ({"mechanism": "packed", "multipliers": 16, "tile_rows": 4, "tile_columns": 4}, "was not synthesised"),
        ({"mechanism": "inner_product", "lanes": 4, "depth": 2}, "was not synthesised"),
        ({"mechanism": "structured", "n": 2, "m": 4}, "was not synthesised"),
        ({"mechanism": "ideal"}, "was not synthesised"),
        ({"mechanism": "vector_skip"}, "was not synthesised"),
        ({"mechanism": "lookahead", "depth": 1, "refill": None, "banks": None}, "were not synthesised"),
        ({"mechanism": "lookahead", "depth": None, "refill": None, "banks": None}, "cannot be built"),
    ],
)
def test_hardware_that_was_not_synthesised_is_named_and_no_zero(skipping: dict[str, object], why: str) -> None:
    report = area(machine(skipping=skipping), AT_45NM)
    assert "skip_logic" not in report.by_component()
    (said,) = [note for note in report.notes if "the skip logic of" in note]
    assert said.startswith(f"area: the skip logic of {skipping['mechanism']} is not in it: ")
    assert said.endswith(why)


def test_dense_array_has_no_skip_logic_to_speak_of() -> None:
    report = area(machine(), AT_45NM)
    assert not [note for note in report.notes if "skip logic" in note]
    gated = area(machine(skipping={"mechanism": "gated"}, array={"rows": 32, "columns": 8}), AT_45NM)
    # A selector of one position and its control: 16 and 4 transistors a lane.
    assert um2(gated, "skip_logic") == pytest.approx(32 * 20 * ADDER_UM2 / ADDER_TRANSISTORS)


@given(st.integers(1, 64), st.integers(1, 64), st.sampled_from(sorted(TABLES)))
def test_overhead_rises_with_depth(one: int, other: int, table: str) -> None:
    shallow, deep = sorted((one, other))
    assert um2(area(window(shallow), TABLES[table]), "skip_logic") <= um2(
        area(window(deep), TABLES[table]), "skip_logic"
    ) * (1 + 1e-9)


@given(st.integers(2, 64), st.integers(1, 64))
def test_lanes_share_one_window(depth: int, rows: int) -> None:
    one = area(window(depth, array={"rows": rows, "columns": 8}), AT_45NM)
    two = area(window(depth, array={"rows": 2 * rows, "columns": 8}), AT_45NM)
    assert um2(two, "skip_logic", "staging") == pytest.approx(um2(one, "skip_logic", "staging"))
    assert um2(two, "skip_logic", "multiplexer") == pytest.approx(2 * um2(one, "skip_logic", "multiplexer"))


@pytest.mark.parametrize("table", TABLES)
def test_area_and_energy_rise_with_the_bits_of_operands(table: str) -> None:
    prices = TABLES[table]
    operands = ["fp8", "bf16", "fp16", "fp32"]

    def whole(operand: str) -> float:
        precision = {"operand": operand, "accumulator": "fp32"}
        return area(window(8, precision=precision), prices).total_mm2

    areas = [whole(operand) for operand in operands]
    assert areas == sorted(areas)
    assert len(set(areas)) == len(areas)
    energies = [prices.mac_pj(operand, "fp32") for operand in operands]
    assert energies == sorted(energies)
    gated = [prices.gated_slot_price(operand, "fp32").pj for operand in operands]
    assert gated == sorted(gated)
    int8 = area(window(8), prices)
    assert int8.total_mm2 < areas[0]  # integer sums are smaller than floating-point ones
    assert prices.mac_pj("int8", "int32") < energies[0]


def test_wide_operands_go_on_from_the_synthesised_widths() -> None:
    of = {
        operand: area(window(8, precision={"operand": operand, "accumulator": "fp32"}), AT_45NM)
        for operand in ("fp8", "fp16", "fp32")
    }
    narrow, middle, wide = (um2(of[operand], "skip_logic", "multiplexer") for operand in ("fp8", "fp16", "fp32"))
    assert wide - middle == pytest.approx(2 * (middle - narrow))  # 32 - 16 is twice 16 - 8
    assert any("extrapolated to operands of 32 bits from 8 and 16" in note for note in of["fp32"].notes)
    assert not any("extrapolated" in note for note in of["fp16"].notes)


def test_operands_of_another_width_than_the_only_synthesised_one_are_refused() -> None:
    logic = AT_45NM.skip_logic
    assert logic is not None
    of_one_width = replace(logic, rows=tuple(row for row in logic.rows if row.operand_bits == 8))
    assert _lane(of_one_width, 8, None, 8, 8) == _lane(logic, 8, None, 8, 8)
    with pytest.raises(InputError, match="no rows for operands of 16 bits; expected operands of 8 bits"):
        _lane(of_one_width, 8, None, 16, 8)


def test_refill_that_was_not_synthesised_is_said() -> None:
    for refill, said in ((None, "an unlimited refill taken as one of 4"), (8, "a refill of 8 taken as one of 4")):
        skipping = {"mechanism": "lookahead", "depth": 8, "refill": refill, "banks": None}
        assert any(said in note for note in area(machine(skipping=skipping), AT_45NM).notes)
    assert not any("refill" in note for note in area(window(8), AT_45NM).notes)


def test_banks_are_memories_of_their_own() -> None:
    arch = load_arch("zero_skip", ["memory.buffers.shared.banks=4", "memory.buffers.shared.ports=2"])
    (line,) = [x for x in area(arch, AT_45NM).lines if x.component == "shared_buffer"]
    assert (line.count, line.unit) == (4, "banks")
    assert line.mm2_each == pytest.approx(0.872093)  # 256 KiB
    assert "4 banks of 256 KiB" in line.note
    assert "2 ports taken as one" in line.note


def test_arrays_multiply_what_is_theirs_and_chips_everything() -> None:
    table = load_energy_table("cmos_45nm")
    one, many = (area(load_arch("zero_skip", said), table).by_component() for said in ([], ["arrays=3", "chips=2"]))
    of_arrays = {"mac", "skip_logic", "accumulators"}
    assert many == pytest.approx({part: mm2 * (6 if part in of_arrays else 2) for part, mm2 in one.items()})
    links = area(load_arch("zero_skip", ["chips=2"]), table).left_out
    assert any("links" in one for one in links)


def test_sram_beyond_the_rows_is_said_and_not_verified() -> None:
    arch = load_arch("zero_skip", ["memory.buffers.shared.capacity_kib=16384"])
    report = area(arch, AT_45NM)
    (line,) = [x for x in report.lines if x.component == "shared_buffer"]
    assert not line.verified
    assert line.note == "extrapolated to 16384 KiB from 8 to 4096 KiB"
    assert line.mm2 == pytest.approx(11.989 * (11.989 / 6.46596) ** 2)  # the last doubling, twice again


def test_table_without_areas_tells_none(tmp_path: Path) -> None:
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(text[: text.index("\narea:")], encoding="utf-8")
    table = load_energy_table(tmp_path / "own.yaml")
    report = area(load_arch("zero_skip"), table)
    assert not report.complete
    assert (report.lines, report.macs_per_mm2, report.by_component()) == ((), None, {})
    assert report.notes == ("energy table cmos_45nm has no section area, so no area is told",)
    with pytest.raises(InputError, match="no section area"):
        table.register_area()


def test_format_without_an_area_is_left_out_aloud(tmp_path: Path) -> None:
    table = changed_table(tmp_path, "    fp16: {um2: 1640,", "    int16: {um2: 1640,")
    report = area(load_arch("zero_skip"), table)
    assert not report.complete
    assert area(load_arch("zero_skip"), AT_45NM).complete
    assert "area: mac multipliers is not in it: no row area.multiply.fp16" in report.notes
    assert report.macs_per_mm2 is None


def test_area_rows_of_zero_are_refused(tmp_path: Path) -> None:
    csv = (config_root() / "energy" / "sram_cacti.csv").read_text()
    (tmp_path / "mine.csv").write_text(csv.replace(",0.0262673,", ",0,"))
    old = "  sram_csv: {file: sram_cacti.csv, technology_nm: 45, source: cacti, verified: true}\n"
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    assert text.endswith(old)
    (tmp_path / "own.yaml").write_text(text.removesuffix(old) + old.replace("sram_cacti", "mine"), encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.yaml:\d+:\d+ area\.sram_csv\.file: found rows whose area_mm2 is 0"):
        load_energy_table(tmp_path / "own.yaml")


def test_unverified_areas_above_a_twentieth_are_noted_once() -> None:
    notes = area(load_arch("zero_skip"), AT_45NM).notes
    (noted,) = [note for note in notes if "not verified" in note]
    assert "vector_unit multipliers, vector_unit adders, vector_unit threshold" in noted
    assert "mac multipliers" not in noted
    assert any("the DRAM's interface is left out" in note for note in notes)


def test_rows_at_45nm_are_those_of_the_slides() -> None:
    """Hennessy and Patterson, 6th edition, figure 1.13, in um2."""
    add = {"int8": 36, "int16": 67, "int32": 137, "fp16": 1360, "fp32": 4184}
    multiply = {"int8": 282, "int32": 3495, "fp16": 1640, "fp32": 7700}
    for section, rows in (("add", add), ("multiply", multiply)):
        for name, expected in rows.items():
            found = AT_45NM.unit_area(section, name)  # type: ignore[arg-type]
            assert found.mm2 * 1e6 == pytest.approx(expected)
            assert found.verified
    for section, name in (("multiply", "bf16"), ("add", "bf16"), ("multiply", "fp8")):
        assert not AT_45NM.unit_area(section, name).verified  # type: ignore[arg-type]
    assert AT_45NM.register_area().mm2 * 1e6 == pytest.approx(16 / ADDER_TRANSISTORS * ADDER_UM2, rel=1e-3)
    assert AT_45NM.transistor_area().mm2 * 1e6 == pytest.approx(ADDER_UM2 / ADDER_TRANSISTORS)


def test_another_measure_of_a_transistor_gives_about_half() -> None:
    """What the module says of its own estimate: the int8 MAC of skip_logic.csv, 54368 transistors for 8 columns."""
    by_mac = (282 + 137 + 32 * REGISTER_UM2) / (54368 / 8)
    assert by_mac / (AT_45NM.transistor_area().mm2 * 1e6) == pytest.approx(0.54, abs=0.005)


def test_rows_at_7nm_are_those_at_45nm_by_the_rule() -> None:
    at_7nm = TABLES["cmos_7nm"]
    assert at_7nm.area is not None
    assert AT_45NM.area is not None
    for section in ("multiply", "add"):
        small, large = dict(getattr(at_7nm.area, section)), dict(getattr(AT_45NM.area, section))
        assert {k for k, row in small.items() if row} == {k for k, row in large.items() if row}
        for name, row in small.items():
            if row is not None:
                assert row.um2 == pytest.approx(large[name].um2 * area_factor(45, 7), rel=1e-5)
                assert not row.verified
    assert at_7nm.register_area().mm2 == pytest.approx(AT_45NM.register_area().mm2 * 0.059, rel=1e-5)


def test_missing_area_row_names_those_that_are_there() -> None:
    with pytest.raises(InputError, match=r"no row area\.add\.fp8; expected one of area\.add\.int8, .*area\.add\.fp32"):
        AT_45NM.unit_area("add", "fp8")
