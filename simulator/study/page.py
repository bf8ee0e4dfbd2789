"""The page of a study: its tables, its figures, and what a loss of quality buys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulator.report.files import write_text_atomically
from simulator.study.codesign import codesign_section
from simulator.study.codesign_figure import write_codesign_figures
from simulator.study.figures import write_figures
from simulator.study.results import Results
from simulator.study.runs import Group
from simulator.study.tables import report

PAGE = "report.md"


def write_page(groups: Sequence[Group], results: Results, scale: str) -> Path:
    """Write ``report.md`` and the figures that stand in it beside a study's results.

    Parameters
    ----------
    groups : sequence of Group
        All tables of the study; what has no result yet is left open in them.
    results : Results
    scale : str
        Its name, for the title.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    folder, rows = results.path.parent, results.rows
    figures = [path.name for path in write_figures(groups, rows, folder)]
    pictures = [path.name for path in write_codesign_figures(groups, rows, folder)]
    parts = [report(groups, rows, scale, figures), *codesign_section(groups, rows, pictures)]
    return write_text_atomically(folder / PAGE, "\n".join(parts).rstrip() + "\n")
