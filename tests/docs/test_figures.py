"""The figures that README.md and docs/ show are those that `make figures` makes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import pytest

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@pytest.fixture(scope="module")
def making() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures_of_the_readme", IMAGES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(svg: str) -> list[str]:
    """All that can be read in a figure: numbers, labels, the legend."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_figure_is_made_by_the_command(making: ModuleType) -> None:
    assert {path.name for path in IMAGES.glob("*.svg")} == set(making.FIGURES)


@pytest.mark.parametrize("name", ["energy.svg", "break_even.svg", "timeline_window.svg"])
def test_a_figure_is_what_the_command_makes(name: str, making: ModuleType) -> None:
    committed = (IMAGES / name).read_text(encoding="utf-8")
    made = making.FIGURES[name]()
    assert len(words(committed)) > 10
    assert words(committed) == words(made), "run `make figures`"
    if f"Matplotlib v{mpl.__version__}" in committed:
        assert committed == made, "run `make figures`"
    assert len(committed) < 200_000
