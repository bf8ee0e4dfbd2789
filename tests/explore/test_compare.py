"""Comparisons: contributions sum to the difference, whatever the parts; files that are none are refused in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.compare import compare as command
from simulator.explore import Space, run_sweep
from simulator.explore.compare import REST, compare
from simulator.explore.subjects import Subject, read_subject
from simulator.run import simulate
from traces import InputError, Trace

NAMES = st.sampled_from(["dh", "dW", "stall: drain", "mac", "dram_read"])
WHOLE = st.dictionaries(NAMES, st.integers(0, 2**62))
REAL = st.dictionaries(NAMES, st.floats(0, 1e15))


def subject(total: float, parts: dict[str, Any]) -> Subject:
    return Subject("x", {}, {"cycles_total": total}, {"cycles_total": parts})


@settings(max_examples=150, derandomize=True)
@given(before=WHOLE, after=WHOLE, left_over=st.integers(0, 3))
def test_whole_contributions_sum_exactly_to_the_difference(
    before: dict[str, int], after: dict[str, int], left_over: int
) -> None:
    totals = sum(before.values()), sum(after.values()) + left_over
    (found,) = compare(subject(totals[0], before), [subject(totals[1], after)])
    (change,) = found.changes
    assert sum(c.difference for c in change.contributions) == change.difference == totals[1] - totals[0]
    told = {c.name: c.difference for c in change.contributions}
    assert told.get(REST, 0) == left_over
    assert all(told.get(name, 0) == after.get(name, 0) - before.get(name, 0) for name in {*before, *after})
    sizes = [abs(c.difference) for c in change.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 not in sizes


@settings(max_examples=150, derandomize=True)
@given(before=REAL, after=REAL)
def test_real_contributions_sum_to_the_difference_up_to_rounding(
    before: dict[str, float], after: dict[str, float]
) -> None:
    (found,) = compare(subject(sum(before.values()), before), [subject(sum(after.values()), after)])
    (change,) = found.changes
    rounding = 4e-9 * max(sum(before.values()), sum(after.values()))
    assert abs(fsum(c.difference for c in change.contributions) - change.difference) <= rounding
    assert REST not in {c.name for c in change.contributions}


def test_relative_changes_are_of_the_reference_and_none_where_it_is_nothing() -> None:
    first, second, nothing = subject(8, {"dh": 8}), subject(2, {"dh": 2}), subject(0, {})
    forth, back = compare(first, [second])[0], compare(second, [first])[0]
    assert (forth.changes[0].relative, back.changes[0].relative) == (-0.75, 3)
    assert compare(nothing, [first])[0].changes[0].relative is None
    assert compare(first, [first])[0].changes[0].contributions == ()


# --- real runs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two reports of one trace, one of another, and a table that holds the first two as rows."""
    home = tmp_path_factory.mktemp("compare")
    for machine in ("small", "plain"):
        with Trace(folder / "a.npz") as trace:
            report = simulate(folder / f"{machine}.yaml", trace)
        (home / f"{machine}.json").write_text(report.to_json(), encoding="utf-8")
    with Trace(folder / "b.npz") as trace:
        (home / "other.json").write_text(simulate(folder / "small.yaml", trace).to_json(), encoding="utf-8")
    with Trace(folder / "a.npz") as trace:
        (home / "card.json").write_text(simulate("zero_skip", trace).to_json(), encoding="utf-8")
    described = {"name": "x", "archs": ["plain.yaml", "small.yaml"], "traces": ["a.npz"]}
    run_sweep(Space.parse(described, folder), home, workers=1)
    return home


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)


def changes(*words: str | Path) -> dict[str, dict[str, Any]]:
    (found,) = json.loads(call(*words, "--format", "json").stdout)["comparisons"]
    return {one["name"]: one for one in found["measures"]}


@pytest.mark.parametrize("names", [("plain", "small"), ("small", "other"), ("small", "card")])
def test_contributions_of_reports_sum_to_what_the_reports_say(home: Path, names: tuple[str, str]) -> None:
    paths = [home / f"{name}.json" for name in names]
    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    found = changes(*paths)
    cycles = found["cycles_total"]
    assert cycles["difference"] == after["cycles"]["total"] - before["cycles"]["total"]
    assert sum(c["difference"] for c in cycles["contributions"]) == cycles["difference"]
    energy = found["energy_total_pj"]
    assert energy["difference"] == after["energy_pj"]["total"] - before["energy_pj"]["total"]
    parts = fsum(c["difference"] for c in energy["contributions"])
    assert parts == pytest.approx(energy["difference"], abs=1e-9 * before["energy_pj"]["total"])
    traffic = found["dram_bytes"]
    assert sum(c["difference"] for c in traffic["contributions"]) == traffic["difference"]
    told = {c["name"] for one in found.values() for c in one["contributions"]}
    assert REST not in told
    assert any(name in told for name in before["cycles"]["by_product"])


def test_rows_of_a_table_say_what_their_reports_say(home: Path) -> None:
    lines = (home / "results.csv").read_text(encoding="utf-8").splitlines()
    keys = [line.partition(",")[0] for line in lines[1:]]
    by_rows = changes(*(f"{home / 'results.csv'}:{key[:20]}" for key in keys))
    by_reports = changes(home / "plain.json", home / "small.json")
    assert by_rows == by_reports
    assert {"area_mm2", "energy_delay_js", "sparsity"} < {*by_rows}
    mixed = changes(home / "plain.json", f"{home / 'results.csv'}:{keys[1]}")
    assert mixed["cycles_total"] == by_reports["cycles_total"]


def test_a_row_without_its_cycles_by_part_says_so(home: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("key,cycles_total,energy_total_pj\nk1,10,2\nk2,12,2\n", encoding="utf-8")
    said = call(f"{old}:k1", f"{old}:k2").stdout
    assert "note: one of the two does not tell cycles by product and stall" in said
    assert "cycles_total by part" not in said


def test_the_table_tells_settings_parts_and_what_to_know(home: Path) -> None:
    text = call(home / "plain.json", home / "small.json", home / "other.json").stdout
    first, second = text.split(f"\n\nA  {home / 'plain.json'}\n")
    assert [line.split() for line in first.splitlines() if line.startswith("arch ")] == [["arch", "plain", "small"]]
    assert "note" not in first
    assert "not the same trace" in second
    found = changes(home / "plain.json", home / "small.json")["cycles_total"]
    (whole,) = [line for line in first.splitlines() if line.startswith("cycles_total ") and "by part" not in line]
    (all_of_it, *_) = [line for line in first.splitlines() if line.startswith("all")]
    assert whole.split()[3] == all_of_it.split()[1] == f"{found['difference']:+,}"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.json", "{", "no JSON"),
        ("x.json", "[1]", "JSON that is no report"),
        ("x.json", '{"schema_version": 1}', "JSON that is no report"),
        ("x.json", '{"schema_version": 99, "cycles": {}}', "schema version 99"),
        ("x.json", '{"schema_version": 1, "cycles": {"total": 1}}', "cycles.stalls: found nothing"),
        ("x.json", '{"schema_version": 1, "cycles": {"stalls": {"drain": "many"}}}', "stalls.drain: found 'many'"),
        ("x.json", '{"schema_version": 1, "cycles": {"stalls": {"drain": NaN}}}', "finite number"),
        ("x.json", '{"schema_version": 1, "cycles": {"stalls": {"drain": 1%s}}}' % ("0" * 400), "finite number"),
        ("x.csv:k", "a,b\n1,2\n", "'key'"),
        ("x.csv:k", "key,cycles_total,energy_total_pj\nj,1,2\n", "no valid row of the key 'k'"),
        ("x.csv:k", "key,cycles_total,energy_total_pj\nk1,1,2\nk2,1,2\n", "2 rows whose keys begin like this"),
        ("x.csv:k", "key,cycles_total,energy_total_pj\nk1,many,2\n", "x.csv:2 cycles_total: found 'many'"),
        ("x.csv", "key,cycles_total,energy_total_pj\nk1,1,2\n", "without a key"),
    ],
)  # fmt: skip
def test_what_is_no_run_is_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name.partition(":")[0]).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_subject(str(tmp_path / name))
    assert said in str(caught.value)


def test_any_damage_to_a_report_is_an_input_error_or_no_harm(home: Path, tmp_path: Path) -> None:
    whole = json.loads((home / "small.json").read_text(encoding="utf-8"))
    refused = {}
    for key in whole:
        for value in (None, True, "text", [], {}, {"total": "x"}):
            path = tmp_path / "damaged.json"
            path.write_text(json.dumps(whole | {key: value}), encoding="utf-8")
            try:
                read_subject(str(path))
            except InputError as error:
                refused[key] = str(error)
    assert all("damaged.json" in said for said in refused.values())
    assert {"cycles", "energy_pj"} <= refused.keys() < whole.keys()


def test_one_run_is_not_enough_and_a_missing_file_exits_with_2_and_one_line(home: Path) -> None:
    with pytest.raises(InputError, match="at least two"):
        call(home / "small.json")
    script = "from simulator.cli import main; main()"
    words = ["compare", str(home / "small.json"), str(home / "no.json")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")
