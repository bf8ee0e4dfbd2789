"""The same inputs give the same bytes of every output, wherever and in whatever surroundings they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability.outputs import COMMANDS
from reliability.surroundings import ALL_AT_ONCE, differing, made, with_locale


def test_report_is_the_same_bytes_in_the_strangest_surroundings(tmp_path: Path) -> None:
    kinds = ["simulate"]
    here = made(tmp_path / "here", kinds, {})
    there = made(tmp_path / "wo anders ı", kinds, with_locale(tmp_path / "locale", ALL_AT_ONCE), umask=0o077)
    assert differing(here, there) == []
    for name in ("run/report.json", "run/products.csv", "run.html", "run.json", "stdout"):
        assert name in here


@pytest.mark.slow
def test_every_output_is_the_same_bytes_in_the_strangest_surroundings(tmp_path: Path) -> None:
    usual = made(tmp_path / "here", list(COMMANDS), {})
    there = made(tmp_path / "there", list(COMMANDS), with_locale(tmp_path / "locale", ALL_AT_ONCE), umask=0o077)
    assert differing(usual, there) == []
    for made_by_each in ("plots", "search/results.csv", "sweep/results.parquet", "recorded.npz"):
        assert any(file.startswith(made_by_each) for file in usual)
