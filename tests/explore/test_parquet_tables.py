"""A table is the same whether it was written as CSV or as Parquet; what is no Parquet file is refused in a line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cli import skipstone
from simulator.explore import Space, run_sweep
from simulator.explore.evaluate import Row
from simulator.explore.rows import read_table
from simulator.explore.subjects import read_subject
from simulator.explore.table import to_csv, to_parquet
from traces import InputError

pytest.importorskip("pyarrow.parquet")

KINDS = {
    "key": st.text("abc0123456789", min_size=1),
    "array.rows": st.integers(-(2**62), 2**62),
    "skipping.banks": st.sampled_from(["null", "4"]),
    "cycles_total": st.integers(0, 2**62),
    "energy_total_pj": st.floats(allow_nan=False, allow_infinity=False),
    "error": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
}
ROWS = st.lists(
    st.fixed_dictionaries({}, optional={name: st.one_of(st.none(), kind) for name, kind in KINDS.items()}),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_both_forms_are_read_as_the_same_table(rows: list[Row], tmp_path: Path) -> None:
    axes = ["array.rows", "skipping.banks"]
    (tmp_path / "r.csv").write_text(to_csv(axes, rows), encoding="utf-8", newline="")
    (tmp_path / "r.parquet").write_bytes(to_parquet(axes, rows))
    by_csv, by_parquet = read_table(tmp_path / "r.csv"), read_table(tmp_path / "r.parquet")
    assert (by_csv.columns, by_csv.rows) == (by_parquet.columns, by_parquet.rows)
    assert by_parquet.places == tuple(range(1, len(rows) + 1))


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a sweep in both forms, an invalid row among them."""
    home = tmp_path_factory.mktemp("both")
    axes = {"skipping.depth": [2, 4, 8], "array.rows": [2, 4], "skipping.refill": [4]}
    space = Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}, folder)
    for file_format in ("csv", "parquet"):
        run_sweep(space, home, workers=1, file_format=file_format)
    return home


def call(home: Path, form: str, *words: str) -> str:
    """Call the command on the table of a form; give what it prints, without the form."""
    words = tuple(word.replace("RESULTS", str(home / f"results.{form}")) for word in words)
    done = CliRunner().invoke(skipstone, words, catch_exceptions=False)
    return done.stdout.replace(f"results.{form}", "results")


@pytest.mark.parametrize(
    "words",
    [
        ("frontier", "RESULTS", "--objective", "cycles_total", "--objective", "area_mm2"),
        ("frontier", "RESULTS", "--format", "csv"),
        ("sensitivity", "RESULTS", "--measure", "stall_dependency_cycles", "--measure", "cycles_total"),
    ],
)
def test_commands_say_the_same_of_both_forms(home: Path, words: tuple[str, ...]) -> None:
    said = call(home, "csv", *words)
    assert said.count("\n") > 3
    assert call(home, "parquet", *words) == said


def test_rows_of_parquet_are_compared_by_their_keys(home: Path) -> None:
    keys = [row["key"] for row in read_table(home / "results.csv").rows][:2]
    words = ("compare", *(f"RESULTS:{key}" for key in keys))
    said = call(home, "csv", *words)
    assert "cycles_total by part" in said
    assert call(home, "parquet", *words) == said
    with pytest.raises(InputError, match="a table without a key"):
        read_subject(str(home / "results.parquet"))


def test_what_is_no_number_is_told_by_the_number_of_its_row(home: Path) -> None:
    with pytest.raises(InputError, match=r"results\.parquet:\d+ trace: found 'a\.npz'; expected a finite number"):
        read_table(home / "results.parquet").numbers("trace")


def test_a_damaged_file_is_refused_wherever_it_is_cut(home: Path, tmp_path: Path) -> None:
    whole = (home / "results.parquet").read_bytes()
    path = tmp_path / "x.parquet"
    for size in [*range(0, len(whole), 509), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError) as caught:
            read_table(path)
        assert str(caught.value).startswith(f"{path}: found ")
        assert "\n" not in str(caught.value)
    (tmp_path / "gone").mkdir()
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "gone" / "x.parquet")


def test_without_its_package_a_parquet_file_is_refused_with_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"results\.parquet: .*not installed.*pip install 'skipstone\[parquet\]'"):
        read_table(home / "results.parquet")
    assert read_table(home / "results.csv").rows
