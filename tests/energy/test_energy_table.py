"""Energy tables: the numbers of their sources, interpolation, and where every price comes from."""

import math
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from simulator.arch import config_root
from simulator.arch.locate import energy_table_names
from simulator.arch.parts import Part
from simulator.energy import EnergyTable, Price, load_energy_table, rows
from simulator.energy.scaled_table import ScaledFrom
from simulator.energy.sram import COLUMNS, SramRow, access_pj_per_bit, read_sram_csv
from traces.errors import InputError

TABLES = ("cmos_45nm", "cmos_7nm")
PARTS = ("register_read", "register_write", "mux_level", "compare", "gate_forward", "gate_backward")
KIB = 1024


@pytest.fixture(scope="module")
def at_45nm() -> EnergyTable:
    return load_energy_table("cmos_45nm")


@pytest.fixture(scope="module")
def at_7nm() -> EnergyTable:
    return load_energy_table("cmos_7nm")


def changed(tmp_path: Path, old: str, new: str, name: str = "cmos_45nm") -> Path:
    """Write a copy of a shipped table with a piece of its text changed."""
    text = (config_root() / "energy" / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def places(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_energy_table(path)
    return [problem.where.removeprefix(f"{path.parent}/") for problem in caught.value.problems]


def test_two_tables_are_shipped() -> None:
    assert set(TABLES) <= set(energy_table_names())


@pytest.mark.parametrize(
    ("operand", "accumulator", "pj"), [("fp16", "fp16", 1.5), ("fp32", "fp32", 4.6), ("int8", "int32", 0.3)]
)
def test_mac_at_45nm_is_horowitz(at_45nm: EnergyTable, operand: str, accumulator: str, pj: float) -> None:
    assert at_45nm.mac_pj(operand, accumulator) == pj
    assert at_45nm.mac_price(operand, accumulator).verified
    assert "Horowitz" in at_45nm.mac_price(operand, accumulator).source


def test_rows_at_45nm_are_horowitz(at_45nm: EnergyTable) -> None:
    add = {"int8": 0.03, "int16": 0.05, "int32": 0.1, "fp16": 0.4, "fp32": 0.9}
    multiply = {"int8": 0.2, "int32": 3.1, "fp16": 1.1, "fp32": 3.7}
    assert {name: at_45nm.add_price(name).pj for name in add} == add
    assert {name: at_45nm.multiply_price(name).pj for name in multiply} == multiply
    for kib, pj in {8: 10, 32: 20, 1024: 100}.items():
        assert at_45nm.sram_pj_per_bit(kib * KIB, False) * 64 == pj
        assert at_45nm.sram_pj_per_bit(kib * KIB, True) * 64 == pj


def test_rows_at_7nm_are_jouppi(at_7nm: EnergyTable) -> None:
    assert {n: at_7nm.multiply_price(n).pj for n in ("int8", "fp16", "fp32")} == {
        "int8": 0.07,
        "fp16": 0.34,
        "fp32": 1.31,
    }
    assert at_7nm.add_price("int32").pj == 0.03
    for kib, pj in {8: 7.5, 32: 8.5, 1024: 14}.items():
        assert at_7nm.sram_pj_per_bit(kib * KIB, False) * 64 == pj
    assert 250 <= at_7nm.dram_pj_per_bit("hbm2") * 64 <= 450
    assert 350 <= at_7nm.dram_pj_per_bit("gddr6") * 64 <= 480


@pytest.mark.parametrize("recalled", ["multiply.bf16", "add.bf16", "add.fp16", "add.fp32", "add.int8"])
def test_recalled_row_is_marked(at_7nm: EnergyTable, recalled: str) -> None:
    section, _, name = recalled.partition(".")
    price = at_7nm.multiply_price(name) if section == "multiply" else at_7nm.add_price(name)
    assert not price.verified
    assert price.source.startswith("recalled")
    assert not at_7nm.mac_price("fp16", "fp32").verified


def test_dram_rows_are_per_bit(at_45nm: EnergyTable) -> None:
    prices = {"lpddr4": 8, "hbm2": 3.9, "gddr5": 14, "ddr3": 1300 / 64, "ddr4": 1300 / 64}
    assert {name: at_45nm.dram_pj_per_bit(name) for name in prices} == prices
    assert at_45nm.dram_pj_per_bit("lpddr_malladi") == 40
    assert at_45nm.dram_pj_per_bit("ddr3_chatterjee") == 70


@pytest.mark.parametrize("name", TABLES)
def test_ratios_are_those_of_their_papers(name: str) -> None:
    table = load_energy_table(name)
    assert table.ratio_price("gated_slot").pj == pytest.approx(0.03, abs=1e-12)
    assert table.ratio_price("metadata").pj == pytest.approx(0.88 / 0.48, abs=1e-9)
    gated, full = table.gated_slot_price("fp16", "fp32"), table.mac_price("fp16", "fp32")
    assert gated.pj == pytest.approx(0.03 * full.pj)
    assert "Sparseloop" in gated.source
    assert full.source in gated.source


@pytest.mark.parametrize("name", TABLES)
def test_estimates_follow_the_rows_that_they_are_derived_from(name: str) -> None:
    """The rules that the `source` of each estimate states."""
    table = load_energy_table(name)
    bit = table.add_price("int32").pj / 32
    multiply, add = table.multiply_price("fp32").pj, table.add_price("fp32").pj
    rules = {
        "register_write": 2 * bit,
        "register_read": bit,
        "mux_level": bit / 4,
        "compare": add,
        "gate_forward": 2 * multiply + 1.5 * add,
        "gate_backward": 4 * multiply + 1.5 * add,
    }
    assert {part: table.part_price(part).pj for part in PARTS} == pytest.approx(rules)
    busy_mw = table.mac_pj("fp16", "fp32")  # a MAC each nanosecond: pJ/ns = mW
    assert table.mac_leakage_price().pj == pytest.approx(0.05 * busy_mw)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_says_where_it_comes_from(name: str) -> None:
    table = load_energy_table(name)
    prices: list[Price] = [table.part_price(part) for part in PARTS]
    prices += [table.multiply_price(k) for k, row in table.multiply if row]
    prices += [table.add_price(k) for k, row in table.add if row]
    prices += [table.dram_price(standard) for standard in table.dram]
    prices += [table.mac_leakage_price(), table.sram_leakage_price(64 * KIB)]
    prices += [table.sram_price(64 * KIB, True), table.ratio_price("metadata")]
    select = table.select_price(16)  # counted by synthesis, but that it switches like an adder is assumed
    assert select.source.startswith("synthesis")
    assert not select.verified
    for price in prices:
        assert price.pj > 0
        assert len(price.source) > 20
        guessed = price.source.startswith(("estimate", "recalled")) or "scaled, not modelled" in price.source
        assert price.verified == (not guessed), price


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("low_kib", [8, 32])
@pytest.mark.parametrize("write", [False, True])
def test_sram_between_rows_is_linear_in_log_capacity(name: str, low_kib: int, write: bool) -> None:
    table = load_energy_table(name)
    high_kib = {8: 32, 32: 1024}[low_kib]
    middle = math.isqrt(low_kib * high_kib * KIB * KIB)
    low, high = (table.sram_pj_per_bit(kib * KIB, write) for kib in (low_kib, high_kib))
    price = table.sram_price(middle, write)
    assert price.pj_per_bit == pytest.approx((low + high) / 2, rel=1e-4)
    assert price.note == ""
    assert price.verified


@given(st.integers(1, 1 << 34), st.integers(1, 1 << 34), st.booleans(), st.sampled_from(TABLES))
def test_larger_sram_never_costs_less(a: int, b: int, write: bool, name: str) -> None:
    table = CACHED[name]
    low, high = sorted((a, b))
    assert 0 < table.sram_pj_per_bit(low, write) <= table.sram_pj_per_bit(high, write) * (1 + 1e-12)


CACHED = {name: load_energy_table(name) for name in TABLES}


@given(st.integers(1, 1 << 30))
def test_extrapolation_is_never_silent(capacity_bytes: int) -> None:
    price = CACHED["cmos_45nm"].sram_price(capacity_bytes, False)
    outside = not 8 * KIB <= capacity_bytes <= 1024 * KIB
    assert bool(price.note) == outside
    assert price.verified == (not outside)


def test_extrapolation_is_the_power_law_of_the_two_nearest_rows(at_45nm: EnergyTable) -> None:
    assert at_45nm.sram_pj_per_bit(2 * KIB, False) * 64 == pytest.approx(5)  # 10 to 20 from 8 to 32: a square root
    assert at_45nm.sram_pj_per_bit(32 * 1024 * KIB, False) * 64 == pytest.approx(500)  # 20 to 100 from 32 to 1024
    assert at_45nm.sram_price(2 * KIB, False).note == "extrapolated to 2 KiB from 8 to 1024 KiB"


def test_single_sram_row_holds_with_a_note_elsewhere(at_45nm: EnergyTable) -> None:
    rows = at_45nm.sram_rows[:1]
    assert access_pj_per_bit(rows, 8 * KIB, False) == (10 / 64, "")
    pj, note = access_pj_per_bit(rows, 16 * KIB, False)
    assert pj == 10 / 64
    assert note


def test_missing_row_names_table_row_and_rows_there_are(at_7nm: EnergyTable) -> None:
    with pytest.raises(InputError) as caught:
        at_7nm.dram_price("hbm")
    text = str(caught.value)
    assert "energy table cmos_7nm: found no row dram.hbm;" in text
    assert "dram.hbm2, dram.gddr6" in text
    assert "did you mean 'hbm2'?" in text
    with pytest.raises(InputError, match=r"no row add\.int16"):
        at_7nm.add_price("int16")
    found = [problem.found for problem in at_7nm.needed_by("int16", "fp9", "ddr9")]
    assert found == ["no row multiply.int16", "no row add.fp9", "no row dram.ddr9"]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("pj: 0.2, bits: 8", "pj: -0.2, bits: 8", "own.yaml:22:14 multiply.int8.pj"),
        ("pj: 0.2, bits: 8", "pj: .nan, bits: 8", "own.yaml:22:14 multiply.int8.pj"),
        ("pj: 0.2, bits: 8", "pj: 0.2, bits: 0", "own.yaml:22:25 multiply.int8.bits"),
        ("pj: 0.2, bits: 8", "pj: 0.2", "own.yaml:22:3 multiply.int8.bits"),
        ("pj: 0.2, bits: 8", "p: 0.2, bits: 8, pj: 1", "own.yaml:22:10 multiply.int8.p"),
    ],
)
def test_wrong_row_is_named_with_its_place(tmp_path: Path, old: str, new: str, where: str) -> None:
    path = changed(
        tmp_path,
        f"  int8: {{{old}, technology_nm: 45, source: horowitz",
        f"  int8: {{{new}, technology_nm: 45, source: horowitz",
    )
    assert places(path) == [where]


def test_voltages_and_node_of_a_scaled_table_have_bounds() -> None:
    fields = ScaledFrom.model_json_schema()["properties"]
    volts = {key: fields["to_volts"][key] for key in ("exclusiveMinimum", "maximum")}
    assert volts == {key: fields["from_volts"][key] for key in volts} == {"exclusiveMinimum": 0, "maximum": 5}
    assert fields["to_nm"]["minimum"] == 1


def test_numbers_of_a_table_have_the_bounds_of_what_they_are() -> None:
    above_zero = {"technology_nm", "um2", "of_pj", "capacity_kib"}  # what is divided by, or cannot be nothing
    from_one = {"bits", "banks"}
    schema = EnergyTable.model_json_schema()
    found = {}
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            for kind in (field, *field.get("anyOf", ())):
                if kind.get("type") in ("number", "integer"):
                    bounds = {key: kind[key] for key in kind if "inimum" in key or "aximum" in key}
                    found.setdefault(name, bounds)
                    assert found[name] == bounds, name
    assert found == {name: {"exclusiveMinimum": 0} for name in above_zero} | {
        name: {"minimum": 1} for name in from_one
    } | {name: {"minimum": 0} for name in ("pj", "mw", "read_pj", "write_pj", "area_mm2", "leakage_mw")}


@pytest.mark.parametrize("name", ["gated_slot", "metadata"])
def test_a_ratio_is_one_number_and_of_no_bits(at_45nm: EnergyTable, name: Literal["gated_slot", "metadata"]) -> None:
    ratio = at_45nm.ratio_price(name)
    assert ratio.pj_per_bit == ratio.pj > 0


def test_no_energy_area_or_power_is_infinite_or_no_number() -> None:
    seen = set()
    for kind in (*vars(rows).values(), SramRow):
        if not (isinstance(kind, type) and issubclass(kind, Part)):
            continue
        for name, field in kind.model_fields.items():
            if name.partition("_")[0] in ("pj", "um2", "mw", "of", "read", "write", "area", "leakage", "capacity"):
                refused = [m.allow_inf_nan for m in field.metadata if hasattr(m, "allow_inf_nan")]
                if field.annotation in (float, float | None):
                    assert refused == [False], f"{kind.__name__}.{name}"
                    seen.add(f"{kind.__name__}.{name}")
    assert len(seen) == 10


def test_every_source_and_file_is_named() -> None:
    seen = 0
    for kind in vars(rows).values():
        for name, field in kind.model_fields.items() if isinstance(kind, type) and issubclass(kind, Part) else ():
            if name in ("source", "file"):
                told = TypeAdapter(Annotated[field.annotation, field])
                assert told.validate_python("x") == "x"
                with pytest.raises(ValidationError, match="at least 1 character"):
                    told.validate_python("")
                seen += 1
    assert seen == 8


def test_misspelt_source_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "pj: 3.1, bits: 32, technology_nm: 45, source: horowitz",
        "pj: 3.1, bits: 32, technology_nm: 45, source: horowits",
    )
    with pytest.raises(InputError, match=r"multiply\.int32\.source: found 'horowits'.*did you mean 'horowitz'"):
        load_energy_table(path)


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    assert places(changed(tmp_path, "  fp16: {pj: 1.1", "  fp15: {pj: 1.1"))[0].endswith(" multiply.fp15")


def test_sram_rows_must_rise(tmp_path: Path) -> None:
    path = changed(tmp_path, "capacity_kib: 32,", "capacity_kib: 8,")
    with pytest.raises(InputError, match="in rising order of capacity_kib"):
        load_energy_table(path)


def test_sram_comes_from_one_place(tmp_path: Path) -> None:
    both = "sram_csv: {file: sram_cacti.csv, technology_nm: 45, source: horowitz, verified: true}\nsram:\n"
    with pytest.raises(InputError, match="both sram and sram_csv"):
        load_energy_table(changed(tmp_path, "\nsram:\n", f"\n{both}"))


def from_csv(tmp_path: Path, node: int) -> EnergyTable:
    data = yaml.safe_load((config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8"))
    del data["sram"]
    data["sram_csv"] = {
        "file": "sram.csv",
        "technology_nm": node,
        "source": "CACTI 7, for a test",
        "verified": True,
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "sram.csv").write_bytes((config_root() / "energy" / "sram_cacti.csv").read_bytes())
    return load_energy_table(tmp_path / "own.yaml")


@pytest.mark.parametrize("node", [45, 22, 7])
def test_shipped_csv_may_stand_for_the_sram_rows(tmp_path: Path, node: int) -> None:
    table = from_csv(tmp_path, node)
    lines = (config_root() / "energy" / "sram_cacti.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.startswith(f"{node},")]
    assert len(rows) == 9
    for row in rows:
        capacity_bytes = int(row[1]) * KIB
        assert table.sram_pj_per_bit(capacity_bytes, False) * 64 == pytest.approx(float(row[2]))
        assert table.sram_pj_per_bit(capacity_bytes, True) * 64 == pytest.approx(float(row[3]))
    assert table.sram_price(KIB * 64, False).source == "CACTI 7, for a test"
    assert table.digest != load_energy_table("cmos_45nm").digest


def test_digest_knows_the_rows_of_the_csv(tmp_path: Path) -> None:
    before = from_csv(tmp_path, 45).digest
    file = tmp_path / "sram.csv"
    file.write_text(file.read_text().replace("45,8,6.137", "45,8,6.138"))
    assert load_energy_table(tmp_path / "own.yaml").digest != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found nothing; expected the columns"),
        ("a,b\n1,2\n", r"sram\.csv:1: found a,b"),
        ("# r\n" + ",".join(COLUMNS) + "\n45,8,x,1,1,1,1,1\n", r"sram\.csv:3: found 45,8,x"),
        (",".join(COLUMNS) + "\n45,8,-1,1,1,1,1,1\n", r"sram\.csv:2: .*none negative"),
        (",".join(COLUMNS) + "\n45,8,1\n", r"sram\.csv:2: found 45,8,1"),
        (",".join(COLUMNS) + "\n22,8,1,1,1,1,1,1\n", "no rows for 45 nm; expected one of the nodes 22"),
    ],
)
def test_wrong_csv_is_an_input_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sram.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sram_csv(tmp_path / "sram.csv", 45, "test", True)


def test_missing_csv_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_sram_csv(tmp_path / "no.csv", 45, "test", True)


def test_table_is_found_beside_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed(tmp_path, "name: cmos_45nm", "name: own")
    monkeypatch.chdir(config_root())
    assert load_energy_table("own.yaml", relative_to=tmp_path).name == "own"
    assert load_energy_table(path).name == "own"
    assert load_energy_table("energy/cmos_7nm.yaml", relative_to=tmp_path).name == "cmos_7nm"
    assert load_energy_table("cmos_7nm", relative_to=tmp_path).name == "cmos_7nm"


def test_unknown_table_lists_the_shipped_ones() -> None:
    with pytest.raises(InputError, match=r"no shipped energy table of this name; .*cmos_45nm, cmos_7nm.*did you mean"):
        load_energy_table("cmos_45")


@pytest.mark.parametrize("text", ["", "- 1", "3", "a: 1", "multiply: {int8: 3}\nsram: 3\ndram: []", "a: ["])
def test_file_that_is_no_table_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"t\.yaml:1:"):
        load_energy_table(path)
