"""`skipstone report`: a page for a browser, of a run or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traces.errors import InputError
from traces.program import say

if TYPE_CHECKING:
    from simulator.report.html import Provenance

PAGE = "report.html"
SOURCES = ("results.csv", "results.parquet", "report.json")
EXPECTED = "a folder with results.csv or results.parquet of a sweep, or report.json of simulate --out"


@click.command("report", context_settings={"max_content_width": 100})
@click.argument("source", metavar="DIR|FILE")
@click.option("--out", "page", metavar="FILE.html", help="Where to write it; default: report.html beside the results.")
@click.option("--quiet", is_flag=True, help="No notes on stderr.")
def report(source: str, page: str | None, quiet: bool) -> None:
    """Make a page of what is in DIR: a sweep's results.csv, or a run's report.json.

    The page is one file, and fetches nothing. A sweep's has a frontier to click on, parallel axes, filters, two points
    side by side and the table; a run's is that of simulate --html.

    Exit codes: 0 done, 2 the input is at fault, 1 a bug.
    """
    from simulator.commands.provenance import command_line
    from simulator.report.files import check_writable, write_text_atomically
    from simulator.report.html import Provenance

    found = _found(source)
    target = page or str(found.parent / PAGE)
    check_writable(target)
    provenance = Provenance(command_line())
    content = _run_page(found, provenance) if found.suffix == ".json" else _sweep_page(found, provenance)
    written = write_text_atomically(target, content)
    if not quiet:
        say(f"wrote {written}", err=True)


def _found(source: str) -> Path:
    """Find the results that are meant."""
    if "\0" in source:
        raise InputError.of(repr(source), "a name with a NUL", EXPECTED)
    path = Path(source)
    try:
        if not path.is_dir():
            if not path.exists():
                raise InputError.of(source, "nothing of this name", EXPECTED)
            return path
        there = [path / name for name in SOURCES if (path / name).exists()]
    except OSError as error:
        raise InputError.of(source, error.strerror or str(error), EXPECTED) from None
    if not there:
        raise InputError.of(source, "a folder without results", EXPECTED)
    if len(there) > 1:
        names = " and ".join(one.name for one in there)
        raise InputError.of(source, f"a folder with {names}", "one of them", f"name the file: {there[0]}")
    return there[0]


def _run_page(path: Path, provenance: Provenance) -> str:
    from simulator.report.html import run_page
    from simulator.report.saved import read_report

    return run_page(read_report(path), provenance)


def _sweep_page(path: Path, provenance: Provenance) -> str:
    from simulator.explore.rows import read_table
    from simulator.explore.sweep_page import sweep_page

    title = f"Sweep {path.resolve().parent.name}"
    return sweep_page(read_table(path), title, provenance)
