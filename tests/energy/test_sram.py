"""SRAM by capacity, banks and width: interpolation, what is said, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simulator.arch import config_root, load_arch
from simulator.energy import EnergyTable, load_energy_table, price
from simulator.energy.sram import (
    COLUMNS,
    PORT_WIDTHS,
    SramRow,
    area_mm2,
    bank_of,
    leakage_mw,
    read_sram_csv,
    width_factor,
)
from simulator.run import simulate
from traces import InputError, synthetic_trace

FILE = config_root() / "energy" / "sram_cacti.csv"
ROWS = {node: read_sram_csv(FILE, node, "CACTI 7", True) for node in (45, 22, 7)}
KIB = 1024


def from_csv(tmp_path: Path, **changes: object) -> EnergyTable:
    """The 45 nm table with the SRAM of a file."""
    data = yaml.safe_load((config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8"))
    del data["sram"]
    data["sram_csv"] = {"file": "sram_cacti.csv", "technology_nm": 45, "source": "CACTI 7 again", "verified": True}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**data, **changes}), encoding="utf-8")
    return load_energy_table(tmp_path / "own.yaml")


@pytest.mark.parametrize("node", ROWS)
def test_rows_are_given_back_as_they_are(node: int) -> None:
    assert [row.capacity_kib for row in ROWS[node]] == [8, 32, 64, 128, 256, 512, 1024, 2048, 4096]
    for row in ROWS[node]:
        size = int(row.capacity_kib * KIB)
        assert area_mm2(ROWS[node], size) == (pytest.approx(row.area_mm2), "")
        assert leakage_mw(ROWS[node], size) == (pytest.approx(row.leakage_mw), "")
        assert (row.bits, row.banks) == (64, 1)


@given(st.integers(1, 1 << 34), st.integers(1, 1 << 34), st.sampled_from(sorted(ROWS)))
def test_larger_sram_never_takes_less(one: int, other: int, node: int) -> None:
    small, large = sorted((one, other))
    for found in (area_mm2, leakage_mw):
        assert 0 < found(ROWS[node], small)[0] <= found(ROWS[node], large)[0] * (1 + 1e-12)


@given(st.integers(1, 1 << 30), st.sampled_from(sorted(ROWS)))
def test_extrapolation_is_never_silent(capacity_bytes: int, node: int) -> None:
    outside = not 8 * KIB <= capacity_bytes <= 4096 * KIB
    for found in (area_mm2, leakage_mw):
        assert bool(found(ROWS[node], capacity_bytes)[1]) == outside


def test_area_is_a_power_law_and_leakage_a_line_between_rows() -> None:
    rows = ROWS[45]
    low, high = rows[5], rows[6]  # 512 and 1024 KiB
    assert low.area_mm2 is not None
    assert high.area_mm2 is not None
    assert area_mm2(rows, 724 * KIB)[0] == pytest.approx(math.sqrt(low.area_mm2 * high.area_mm2), rel=1e-3)
    assert leakage_mw(rows, 768 * KIB)[0] == pytest.approx(((low.leakage_mw or 0) + (high.leakage_mw or 0)) / 2)
    assert leakage_mw(rows, 4 * KIB)[0] == pytest.approx((rows[0].leakage_mw or 0) / 2)
    assert leakage_mw(rows, 8192 * KIB)[0] == pytest.approx((rows[-1].leakage_mw or 0) * 2)


def test_single_row_goes_in_proportion() -> None:
    row = ROWS[45][:1]
    assert area_mm2(row, 16 * KIB)[0] == pytest.approx(2 * (row[0].area_mm2 or 0))
    assert area_mm2(row, 16 * KIB)[1] == "extrapolated to 16 KiB from 8 to 8 KiB"
    assert leakage_mw(row, 8 * KIB) == (pytest.approx(row[0].leakage_mw), "")


@pytest.mark.parametrize(("name", "node"), [("cmos_45nm", 45), ("cmos_7nm", 7)])
def test_shipped_tables_leak_as_their_rows_do(name: str, node: int) -> None:
    table = load_energy_table(name)
    for row in ROWS[node]:
        found = table.sram_leakage_price(int(row.capacity_kib * KIB))
        assert found.pj == pytest.approx(row.leakage_mw)
        assert found.verified == (node == 45)
    assert table.sram_leakage_price(1 << 20, banks=4).pj == pytest.approx(4 * (ROWS[node][4].leakage_mw or 0))
    beyond = table.sram_leakage_price(1 << 24)
    assert beyond.note
    assert not beyond.verified


def test_leakage_may_be_stated_by_the_kibibyte(tmp_path: Path) -> None:
    mac = {"mw": 0.1, "technology_nm": 45, "source": "a guess of my own", "verified": False}
    by_kib = {"mw": 0.002, "technology_nm": 45, "source": "a guess of my own", "verified": False}
    table = from_csv(tmp_path, leakage={"mac": mac, "sram_kib": by_kib})
    assert table.sram_leakage_price(3 * KIB).pj == pytest.approx(0.006)
    named = {"file": "sram_cacti.csv", "technology_nm": 45, "source": "CACTI 7 again", "verified": True}
    with pytest.raises(InputError, match=r"both leakage\.sram_kib and leakage\.sram_csv"):
        from_csv(tmp_path, leakage={"mac": mac, "sram_kib": by_kib, "sram_csv": named})
    with pytest.raises(InputError, match=r"neither leakage\.sram_kib nor leakage\.sram_csv"):
        from_csv(tmp_path, leakage={"mac": mac})


def test_a_bank_costs_what_a_memory_of_its_size_costs() -> None:
    table = load_energy_table("cmos_45nm")
    whole, banked = table.sram_price(1 << 20, False), table.sram_price(1 << 20, False, banks=32)
    assert banked.pj == table.sram_price(32 * KIB, False).pj == 20 / 64
    assert whole.pj == 100 / 64
    assert banked.note == "priced as 32 banks of 32 KiB, with nothing for the wires between them and the array"
    assert banked.verified


def with_banks(banks: int) -> tuple[SramRow, ...]:
    return tuple(row.model_copy(update={"banks": banks}) for row in ROWS[45])


def test_a_file_of_banked_memories_has_their_wires() -> None:
    assert bank_of(with_banks(4), 1 << 20, 4) == (1, 1 << 20, "")
    assert bank_of(ROWS[45], 1 << 20, 1) == (1, 1 << 20, "")
    memories, each_bytes, note = bank_of(ROWS[45], 1000, 3)
    assert (memories, each_bytes) == (3, 334)
    assert note
    for banks in (1, 2, 8):
        with pytest.raises(InputError, match="expected 4 banks, as the file's memories have"):
            bank_of(with_banks(4), 1 << 20, banks)


def test_remarks_state_the_port_and_the_banks(tmp_path: Path) -> None:
    head, row = ",".join(COLUMNS) + "\n", "45,8,1,2,1,1,1,1\n"
    file = tmp_path / "s.csv"
    file.write_text(f"# port_bits = 128\n# banks = 4\n{head}{row}")
    (read,) = read_sram_csv(file, 45, "test", True)
    assert (read.bits, read.banks) == (128, 4)
    file.write_text(head + row)
    assert [(read.bits, read.banks) for read in read_sram_csv(file, 45, "test", True)] == [(64, 1)]
    file.write_text(f"# port_bits = 0\n{head}{row}")
    with pytest.raises(InputError, match="port_bits = 0, banks = 1; expected at least one bit"):
        read_sram_csv(file, 45, "test", True)
    file.write_text(head + row + row)
    with pytest.raises(InputError, match="two rows of one capacity at 45 nm"):
        read_sram_csv(file, 45, "test", True)
    file.write_text(head + "45,8,1,2,1,1,nan,1\n")
    with pytest.raises(InputError, match="none negative"):
        read_sram_csv(file, 45, "test", True)


def test_energy_per_bit_falls_with_the_width() -> None:
    """pJ per bit of a read at 22 nm and 64 KiB, as the design document of this project measured them."""
    measured = {8: 0.437, 16: 0.220, 32: 0.136, 64: 0.089, 128: 0.070, 256: 0.053, 512: 0.039}
    assert {bits: round(pj[0], 3) for bits, pj in PORT_WIDTHS.items()} == measured
    reads = [width_factor(bits, 64, False)[0] for bits in PORT_WIDTHS]
    assert reads == sorted(reads, reverse=True)
    assert width_factor(64, 64, True) == (1, "")
    assert width_factor(512, 64, False)[0] == pytest.approx(0.03885 / 0.08859)


@given(st.integers(1, 1 << 14), st.integers(1, 1 << 14), st.booleans())
def test_width_rule_is_a_ratio(one: int, other: int, write: bool) -> None:
    there, back = width_factor(one, other, write)[0], width_factor(other, one, write)[0]
    assert there * back == pytest.approx(1)
    assert bool(width_factor(one, 64, write)[1]) == (not 8 <= one <= 512)


def test_widths_are_those_that_were_measured() -> None:
    # Nobody can tell a wrong digit by any rule. Whoever changes one measures all of them again.
    assert hashlib.sha256(json.dumps(PORT_WIDTHS).encode()).hexdigest()[:16] == "a7fad68387648ee8"


def test_width_rule_is_applied_where_the_table_asks_for_it(tmp_path: Path) -> None:
    ruled, plain = from_csv(tmp_path, sram_width_rule="cacti_port_width"), from_csv(tmp_path)
    assert ruled.sram_price(65536, False) == plain.sram_price(65536, False)  # the machine says no width
    wide = ruled.sram_price(65536, False, width_bits=512)
    assert wide.pj == pytest.approx(plain.sram_price(65536, False).pj * 0.03885 / 0.08859)
    assert "x 0.439 for a word of 512 bits (rule cacti_port_width)" in wide.source
    assert wide.verified
    assert ruled.sram_price(65536, False, width_bits=64).pj == plain.sram_price(65536, False).pj
    beyond = ruled.sram_price(65536, False, width_bits=4096)
    assert beyond.note == "width extrapolated to 4096 bits from 8 to 512"
    assert not beyond.verified
    unruled = plain.sram_price(65536, False, width_bits=512)
    assert unruled.pj == plain.sram_price(65536, False).pj
    assert unruled.note == "a word of 512 bits, priced by the bit as the table's 64 bits"


def test_width_rule_stays_in_its_family(tmp_path: Path) -> None:
    text = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(text + "\nsram_width_rule: cacti_port_width\n", encoding="utf-8")
    with pytest.raises(InputError, match="the rule with sram_csv alone, so that families do not mix"):
        load_energy_table(tmp_path / "own.yaml")


def test_machine_that_says_its_banks_and_width_is_priced_by_them(tmp_path: Path) -> None:
    trace = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=8, input_size=4, sequence_length=2, batch_size=2, sparsity=0.5
    )
    run = simulate(load_arch("zero_skip"), trace, baseline=False)
    buffer = "memory.buffers.shared"
    arch = load_arch("zero_skip", [f"{buffer}.banks=16", f"{buffer}.width_bits=512", f"{buffer}.ports=2"])
    table = from_csv(tmp_path, sram_width_rule="cacti_port_width")
    lines = {(x.component, x.action): x for x in price(arch, run.activity, table).lines}
    plain = {(x.component, x.action): x for x in price(run.arch, run.activity, table).lines}
    read = lines["shared_buffer", "read"]
    assert read.pj_each == pytest.approx(table.sram_price(64 * KIB, False, width_bits=512).pj)
    assert "16 banks of 64 KiB" in read.note
    assert "2 ports priced as one" in read.note
    assert lines["skip_buffer", "read"] == plain["skip_buffer", "read"]
    leak = lines["leakage", "shared buffer"]
    assert leak.pj_each == pytest.approx(16 * (ROWS[45][2].leakage_mw or 0))  # 1 GHz: a nanosecond a cycle
    assert plain["leakage", "shared buffer"].pj_each == pytest.approx(ROWS[45][6].leakage_mw)


def test_notes_of_the_whole_table_come_first(tmp_path: Path) -> None:
    trace = synthetic_trace(
        tmp_path / "t.npz", layers=1, hidden_size=8, input_size=4, sequence_length=2, batch_size=2, sparsity=0.5
    )
    energy = simulate("zero_skip", trace, baseline=False).energy
    assert energy.table_notes == ()
    assert replace(energy, table_notes=("of the whole",)).notes == ("of the whole", *energy.notes)
