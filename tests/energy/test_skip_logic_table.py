"""The synthesised skip logic: the committed table, its interpolation, its price, and that yosys makes it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtl import synthesis

from simulator.arch import config_root
from simulator.energy import load_energy_table
from simulator.energy.skip_logic import COLUMNS, LaneParts, SkipLogic, SkipLogicRow, read_skip_logic
from traces.errors import InputError

FILE = config_root() / "energy" / "skip_logic.csv"
LOGIC = read_skip_logic(FILE)
needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason=f"yosys not found; {synthesis.INSTALL}")

# Versions of yosys and its abc find gates that differ by some percent.
SAME_GATES = 0.05


def test_table_has_every_row_that_the_generator_makes() -> None:
    expected = {
        (depth, banks, width, columns)
        for depth in (1, 4, 8, 16, 32, 64)
        for banks in (None, 4, 8, 16)
        if banks is None or banks < depth
        for width in (8, 16)
        for columns in (8, 16, 32)
    }
    assert {(r.depth, r.banks, r.operand_bits, r.columns) for r in LOGIC.rows} == expected
    assert COLUMNS == synthesis.FIELDS


def test_table_says_how_it_was_made() -> None:
    head = [line.removeprefix("# ") for line in FILE.read_text().splitlines() if line.startswith("#")]
    assert head[: len(synthesis.ABOUT.splitlines())] == synthesis.ABOUT.splitlines()
    assert head[-2].startswith("Yosys ")


def test_totals_in_the_file_are_the_sums_of_their_parts() -> None:
    lines = [line.split(",") for line in FILE.read_text().splitlines() if line[0].isdigit()]
    for cells, row in zip(lines, LOGIC.rows, strict=True):
        assert row.parts.total == int(cells[COLUMNS.index("zero_skip_lane")])
        assert row.parts.overhead_percent == pytest.approx(float(cells[COLUMNS.index("overhead_percent")]), abs=0.006)


@needs_yosys
@pytest.mark.parametrize(
    ("depth", "banks", "width", "columns"),
    [(1, None, 16, 8), *(pytest.param(*row, marks=pytest.mark.slow) for row in [(4, None, 8, 8), (8, 4, 8, 8)])],
)
def test_synthesis_makes_the_row_again(depth: int, banks: int | None, width: int, columns: int) -> None:
    wanted = depth, banks, width, columns
    committed = next(r for r in LOGIC.rows if (r.depth, r.banks, r.operand_bits, r.columns) == wanted)
    made = synthesis.row(*wanted)
    again = [made.selector, made.values, made.multiplexer, made.staging, made.control, made.macs, made.dense_lane]
    assert again == pytest.approx(committed.parts.numbers, rel=SAME_GATES, abs=20)


@needs_yosys
def test_synthesis_makes_the_adder_again() -> None:
    assert synthesis.adder() == pytest.approx(LOGIC.int32_adder, rel=SAME_GATES)


@needs_yosys
@pytest.mark.slow
def test_parts_sum_to_the_whole_array() -> None:
    """Lanes are put together from parts; a whole array, synthesised in one piece, is not cheaper or dearer."""
    columns = 2
    sizes = {"SLOTS": 4, "REFILL": 4, "BANKS": 4, "COLUMNS": columns, "WIDTH": 8, "SUM": 32, "POSITION": 12}
    two, three = (synthesis.transistors("lookahead_array", sizes | {"LANES": lanes}) for lanes in (2, 3))
    read_out = columns * 32 * synthesis.TRANSISTORS["MUX"]  # a dense array has it, too
    parts = LOGIC.lane(4, None, 8, columns)
    lane = parts.selector + parts.values + parts.multiplexer + parts.macs
    assert three - two == pytest.approx(lane + read_out, rel=0.05)


def test_generator_says_where_yosys_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    monkeypatch.setattr(synthesis.sys, "argv", ["synthesis.py", "--out", str(tmp_path / "made.csv")])
    with pytest.raises(SystemExit, match="apt-get install yosys"):
        synthesis.main()
    assert not list(tmp_path.iterdir())


def test_rows_are_given_back_as_they_are() -> None:
    for row in LOGIC.rows:
        parts = LOGIC.lane(row.depth, row.banks, row.operand_bits, row.columns)
        assert parts.numbers == pytest.approx(row.parts.numbers, rel=1e-9)
        assert parts.note == ""


@given(st.integers(1, 64), st.one_of(st.none(), st.integers(4, 64)), st.sampled_from([8, 16]), st.integers(1, 64))
def test_overhead_lies_between_those_of_the_neighbours(depth: int, banks: int | None, bits: int, columns: int) -> None:
    parts = LOGIC.lane(depth, banks, bits, columns)
    shallower, deeper = LOGIC.lane(1, None, bits, columns), LOGIC.lane(64, None, bits, columns)
    assert shallower.total - 1 <= parts.total <= deeper.total + 1
    assert parts.note == ""
    assert parts.dense == pytest.approx(deeper.dense)


@given(st.integers(2, 64), st.sampled_from([8, 16]), st.integers(1, 64))
def test_more_columns_dilute_the_selector(depth: int, bits: int, columns: int) -> None:
    few, many = LOGIC.lane(depth, 4, bits, columns), LOGIC.lane(depth, 4, bits, columns + 1)
    assert many.selector == few.selector
    assert many.total > few.total
    assert many.overhead_percent < few.overhead_percent


def test_what_lies_beyond_the_rows_is_said() -> None:
    assert LOGIC.lane(128, None, 8, 8).note == "extrapolated to a depth of 128 from 1 to 64"
    assert LOGIC.lane(128, None, 8, 8).total > LOGIC.lane(64, None, 8, 8).total
    assert LOGIC.lane(16, 2, 8, 8).note == "extrapolated to 2 banks from 4"
    assert LOGIC.lane(4, 2, 8, 8).note == "extrapolated to 2 banks from 4"
    with pytest.raises(InputError, match="no rows for operands of 32 bits; expected operands of 8 or 16 bits"):
        LOGIC.lane(8, None, 32, 8)


@pytest.mark.parametrize(("name", "adder_pj"), [("cmos_45nm", 0.1), ("cmos_7nm", 0.03)])
@pytest.mark.parametrize("depth", [1, 4, 8, 16, 32, 64])
def test_selection_costs_its_transistors_in_adders(name: str, adder_pj: float, depth: int) -> None:
    price = load_energy_table(name).select_price(depth)
    row = next(r for r in LOGIC.rows if (r.depth, r.banks) == (depth, None))
    expected = adder_pj * (row.parts.selector + row.parts.control) / LOGIC.int32_adder
    assert price.pj == pytest.approx(expected)
    assert price.note == ""
    assert not price.verified
    assert "synthesis" in price.source
    assert load_energy_table(name).add_price("int32").source in price.source


def own_table(tmp_path: Path, select: str, csv: str) -> Path:
    lines = (config_root() / "energy" / "cmos_45nm.yaml").read_text(encoding="utf-8").splitlines()
    lines = [csv if line.startswith("skip_logic_csv:") else line for line in lines]
    lines = [f"{line}\n{select}" if line == "parts:" else line for line in lines]
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


SELECT = '  select: {pj: 0.03, bits: 8, technology_nm: 45, source: "a guess of my own", verified: false}'
BY_FILE = 'skip_logic_csv: {file: mine.csv, source: "my own synthesis", verified: false}'


def test_table_of_ones_own_may_price_a_selection_by_position(tmp_path: Path) -> None:
    table = load_energy_table(own_table(tmp_path, SELECT, ""))
    assert table.select_price(16).pj == pytest.approx(0.06)
    assert table.select_price(16).source == "a guess of my own"
    assert table.skip_logic is None


def test_selector_has_one_price(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"both parts\.select and skip_logic_csv"):
        load_energy_table(own_table(tmp_path, SELECT, BY_FILE))
    with pytest.raises(InputError, match=r"neither parts\.select nor skip_logic_csv"):
        load_energy_table(own_table(tmp_path, "", ""))


def test_file_of_ones_own_lies_beside_the_table_and_changes_its_digest(tmp_path: Path) -> None:
    path = own_table(tmp_path, "", BY_FILE)
    (tmp_path / "mine.csv").write_text(FILE.read_text())
    before = load_energy_table(path)
    (tmp_path / "mine.csv").write_text(FILE.read_text().replace("# int32_adder = ", "# int32_adder = 1"))
    after = load_energy_table(path)
    assert after.select_price(8).pj < before.select_price(8).pj
    assert after.digest != before.digest
    (tmp_path / "mine.csv").unlink()
    with pytest.raises(InputError, match=r"mine\.csv: found No such file"):
        load_energy_table(path)


HEAD = "# int32_adder = 1000\n" + ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found nothing; expected the columns"),
        ("a,b\n", r"s\.csv:1: found a,b"),
        (",".join(COLUMNS) + "\n", "0 remarks"),
        (HEAD, "no rows of unlimited banks"),
        (HEAD + "4,,4,8,8,1,1,1,1,1,1,x,1,1\n", r"s\.csv:3: found 4,,4,8,8"),
        (HEAD + "4,,4,8,8,1,1,1,1,1,1,0,1,1\n", r"s\.csv:3"),
        (HEAD + "4,,4,8,8,-1,1,1,1,1,1,9,1,1\n", "of at least 0"),
        (HEAD + "4,,4,8\n", r"s\.csv:3"),
        (HEAD + "0,,4,8,8,1,1,1,1,1,1,9,1,1\n", r"s\.csv:3"),
    ],
)
def test_wrong_file_is_an_input_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_skip_logic(tmp_path / "s.csv")


def test_row_without_neighbours_holds_everywhere(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEAD + "4,,4,8,8,1,2,3,4,5,6,9,21,133\n")
    logic = read_skip_logic(tmp_path / "s.csv")
    assert len(logic.rows) == 1
    assert isinstance(logic.rows[0], SkipLogicRow)
    assert logic.lane(4, None, 8, 8).total == 21
    assert logic.lane(9, None, 8, 8).note == "extrapolated to a depth of 9 from 4 to 4"


def test_banks_of_another_depth_are_none_of_this_ones() -> None:
    def row(depth: int, banks: int | None) -> SkipLogicRow:
        return SkipLogicRow(depth, banks, 8, 8, LaneParts.of([100.0 * depth + (banks or depth)] * 7))

    logic = SkipLogic(1000, (row(4, 2), row(4, None), row(16, 8), row(16, None)))
    assert logic.lane(16, 8, 8, 8).selector == 1608
    assert logic.lane(16, 12, 8, 8).selector == 1612
    beyond = logic.lane(16, 2, 8, 8)  # the line through 8 and 16 banks, though depth 4 has a row of 2
    assert (beyond.selector, beyond.note) == (1602, "extrapolated to 2 banks from 8")
    assert logic.lane(4, 2, 8, 8).note == ""
