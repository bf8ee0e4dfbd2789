"""Results are lines that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.study import Results
from traces.errors import InputError

ROWS = [{"key": "a", "status": "ok", "value": 0.1}, {"key": "b", "status": "diverged", "value": None}]


def written(folder: Path) -> Path:
    results = Results(folder)
    for row in ROWS:
        results.add(row)
    return results.path


def test_results_are_read_as_they_were_added(tmp_path: Path) -> None:
    path = written(tmp_path / "new" / "folder")
    assert list(Results(path.parent).rows.values()) == ROWS
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_that_a_kill_cut_off_is_dropped_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = Results(tmp_path)
    assert list(again.rows) == ["a"]
    again.add(ROWS[1])
    assert path.read_bytes() == whole


def test_a_later_line_of_the_same_run_counts(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add({"key": "a", "value": 1})
    results.add({"key": "a", "value": 2})
    assert Results(tmp_path).rows == {"a": {"key": "a", "value": 2}}


@pytest.mark.parametrize("line", ["no json", "[1, 2]", '{"value": 3}', "3"])
def test_a_line_that_is_no_result_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"results\.jsonl:3"):
        Results(tmp_path)


def test_a_number_that_is_not_finite_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Results(tmp_path).add({"key": "a", "value": float("nan")})
    assert not (tmp_path / "results.jsonl").exists() or not (tmp_path / "results.jsonl").read_text()
