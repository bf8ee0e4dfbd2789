"""The study in the repository: its page is what its results give, and what its README quotes stands in that page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from simulator.study import Results, paper_study, write_page

STUDY = Path(__file__).parents[2] / "notebooks" / "study"
NUMBER = re.compile(r"[-+]?\d+\.\d+")


def test_page_is_made_of_the_results_alone(tmp_path: Path) -> None:
    shutil.copy(STUDY / "results.jsonl", tmp_path)
    made = write_page(paper_study("small"), Results(tmp_path), "small").read_text(encoding="utf-8")
    assert made == (STUDY / "report.md").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.glob("*.svg")} == {path.name for path in STUDY.glob("*.svg")}


def test_every_run_of_the_headline_table_is_there_three_times() -> None:
    rows = Results(STUDY).rows
    for condition in paper_study("small")[0].conditions:
        assert sum(run.key in rows for run in condition.runs) >= 3


def test_figures_of_ours_that_the_readme_quotes_stand_in_the_page() -> None:
    page = (STUDY / "report.md").read_text(encoding="utf-8")
    known = {number.lstrip("+") for number in NUMBER.findall(page)}
    lines = (STUDY / "README.md").read_text(encoding="utf-8").splitlines()
    ours = [cell for line in lines if line.startswith("| ") for cell in line.split("|")[3:]]
    quoted = [number.lstrip("+") for cell in ours for number in NUMBER.findall(cell)]
    assert len(quoted) > 20
    assert [number for number in quoted if number not in known] == []
