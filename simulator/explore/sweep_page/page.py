"""The document of a sweep's page: its controls and its data; whatever depends on a choice is drawn by its scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.explore.measures import said
from simulator.explore.rows import ResultTable
from simulator.explore.sweep_page.columns import (
    DIGEST_DIGITS,
    PageColumn,
    measures_first,
    page_columns,
    spoken,
    varied_settings,
)
from simulator.report.html import Provenance, document, read_asset, versions
from simulator.report.html.elements import section, tag, text
from traces.errors import InputError

PACKAGE = "simulator.explore.sweep_page"
SCRIPTS = ("data.js", "scatter.js", "parallel.js", "compare.js", "filters.js", "table.js", "main.js")
BEST = {
    "speedup": "Largest speed-up",
    "energy_saving": "Most energy saved",
    "cycles_total": "Fewest cycles",
    "energy_total_pj": "Least energy",
}
PARALLEL_MEASURES = 4
APART = ("trace", "steps")  # as `skipstone frontier` compares only rows that agree there
NAMED_SETTINGS = 3


def sweep_page(table: ResultTable, title: str, provenance: Provenance | None = None) -> str:
    """Lay the table of a sweep out as one HTML file.

    Parameters
    ----------
    table : ResultTable
    title : str
        What the sweep is called.
    provenance : Provenance, optional
        The command that made the page.

    Raises
    ------
    InputError
        If no column of the table is one of numbers that could be drawn.
    """
    columns = page_columns(table)
    measures = measures_first(columns)
    if not measures:
        raise InputError.of(table.source, "no column of numbers", "at least one measure to draw")
    settings = varied_settings(columns)
    apart = [column.name for column in columns if column.name in APART and column.varied]
    sections = [
        ("frontier", "Frontier"), ("compare", "Side by side"), ("parallel", "Parallel axes"), ("table", "Table"),
        ("provenance", "Provenance"),
    ]  # fmt: skip
    drawings = tag("div", _frontier(measures, settings, apart) + _compare(), class_="drawings")
    body = _head(table, title, columns, settings) + tag("div", drawings + _filters(), class_="desk")
    body += _parallel() + _table() + _provenance(table, provenance or Provenance())
    return document(
        f"{title} · Skipstone",
        body,
        sections,
        [read_asset("sweep.css", PACKAGE)],
        [read_asset(name, PACKAGE) for name in SCRIPTS],
        _data(table, columns, measures, settings, apart),
    )


def _data(
    table: ResultTable,
    columns: Sequence[PageColumn],
    measures: Sequence[str],
    settings: Sequence[str],
    apart: Sequence[str],
) -> dict[str, Any]:
    keys = [row.get("key", "")[:DIGEST_DIGITS] for row in table.rows]
    shown = [column for column in columns if column.role != "text"]
    return {
        "kind": "sweep",
        "rows": len(table.rows),
        "keys": keys,
        "places": list(table.places),
        "columns": [column.to_dict() for column in shown],
        "settings": list(settings),
        "measures": list(measures),
        "apart": list(apart),
        "parallel": [*settings, *measures[:PARALLEL_MEASURES]],
    }


# --- parts ----------------------------------------------------------------------------------------------------


def _head(table: ResultTable, title: str, columns: Sequence[PageColumn], settings: Sequence[str]) -> str:
    points = f"{len(table.rows):,} points" if len(table.rows) != 1 else "1 point"
    over = f" over {', '.join(settings)}" if settings else ""
    left = f"; {table.left_out:,} invalid ones left out" if table.left_out else ""
    head = tag("h1", text(title)) + tag("p", text(f"{points}{over}{left}."))
    by_name = {column.name: column for column in columns}
    best = "".join(_best(table, by_name, settings, name) for name in BEST if name in by_name)
    figures = tag("dl", best, class_="figures") if best else ""
    none = tag("noscript", tag("p", "This page draws with its own script, which is switched off here."))
    return tag("div", head, class_="title") + none + figures


def _best(table: ResultTable, columns: dict[str, PageColumn], settings: Sequence[str], name: str) -> str:
    column = columns[name]
    values = [(v, place) for place, v in enumerate(column.values) if isinstance(v, int | float)]
    if not values:
        return ""
    value, place = max(values, key=lambda v: (v[0] if column.more_is_better else -v[0], -v[1]))
    told = [
        f"{n.rpartition('.')[2]} {spoken(table.rows[place][n]).partition(',')[0]}"
        for n in settings
        if table.rows[place][n]
    ]
    where = ", ".join(told[:NAMED_SETTINGS]) + (", ..." if len(told) > NAMED_SETTINGS else "")
    amount, _, unit = said(name, value).partition(" ")
    big = tag("span", text(amount.replace("x", "\N{MULTIPLICATION SIGN}")) + tag("small", text(unit)), class_="big")
    button = tag("button", "compare this point", type="button", class_="quiet-button", data_pick=place)
    return tag(
        "div",
        tag("dt", text(BEST[name])) + tag("dd", big) + tag("dd", text(where), class_="note") + tag("dd", button),
    )


def _select(anchor: str, name: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    listed = "".join(tag("option", text(shown), value=value, selected=value == chosen) for value, shown in options)
    return tag("label", tag("span", text(name)) + tag("select", listed, id=anchor), class_="field")


def _check(anchor: str, name: str, spoken_name: str | None = None) -> str:
    return tag("label", tag("input", type="checkbox", id=anchor, aria_label=spoken_name) + text(name), class_="check")


def _frontier(measures: Sequence[str], settings: Sequence[str], apart: Sequence[str]) -> str:
    names = [(name, name) for name in measures]
    second = next((n for n in measures[1:] if n == "energy_total_pj"), measures[min(1, len(measures) - 1)])
    colour = next((name for name in (*apart, *settings) if name in settings), "")
    colours = [("", "nothing"), *((name, name) for name in settings)]
    controls = tag(
        "div",
        _select("x-axis", "across", names, measures[0])
        + _check("x-log", "log", "across: logarithmic")
        + _select("y-axis", "up", names, second)
        + _check("y-log", "log", "up: logarithmic")
        + _select("colour", "colour", colours, colour),
        class_="controls",
    )
    canvas = tag(
        "canvas", "", id="scatter", tabindex="0", role="application",
        aria_label="Points of the sweep. Arrow keys go from point to point, Enter chooses one.",
    )  # fmt: skip
    drawn = tag("div", canvas, class_="canvas-box", id="scatter-box")
    legend = tag("ul", "", class_="legend", id="scatter-legend")
    said_frontier = tag("p", "", id="frontier-said", class_="lead", aria_live="polite")
    spoken_point = tag("p", "", id="point-said", class_="unseen", aria_live="polite")
    return section(
        "frontier", "Frontier", controls, legend, drawn, said_frontier, spoken_point,
        lead="Points that no other one beats in both measures are ringed and joined. Click one for A, another for B.",
    )  # fmt: skip


def _parallel() -> str:
    drawn = tag("div", tag("canvas", "", id="lines", aria_hidden="true") + tag("div", "", id="axes"), id="parallel-box")
    return section(
        "parallel", "Parallel axes", tag("div", drawn, class_="scroll", id="parallel-scroll"),
        lead="A line is a point. Drag along an axis, or move its handles by arrow keys, to keep only what is between.",
    )  # fmt: skip


def _filters() -> str:
    head = tag("h2", "Filters", id="filters-title")
    kept = tag("p", "", id="kept", class_="lead", aria_live="polite")
    reset = tag("button", "Show all", type="button", id="reset", class_="quiet-button")
    return tag("aside", head + kept + reset + tag("div", "", id="filters"), aria_labelledby="filters-title")


def _compare() -> str:
    return section("compare", "Side by side", tag("div", "", id="compare-box", aria_live="polite"))


def _table() -> str:
    controls = tag(
        "div",
        _check("frontier-only", "only the frontier")
        + tag("details", tag("summary", "Columns") + tag("div", "", id="columns"), class_="columns-box")
        + tag("span", "", class_="grow")
        + tag("button", "Save as CSV", type="button", id="save", class_="quiet-button"),
        class_="controls",
    )
    grid = tag("div", "", id="grid", class_="scroll", tabindex="0", role="region", aria_label="Table of points")
    pages = tag("div", "", id="pages", class_="controls")
    return section("table", "Table", controls, grid, pages)


def _provenance(table: ResultTable, provenance: Provenance) -> str:
    facts = [
        ("table", table.source),
        *provenance.sources,
        *([("command", provenance.command)] if provenance.command else []),
        ("page made by", ", ".join(f"{name} {version}" for name, version in versions())),
    ]
    for name, shown in (("trace_sha256", "trace"), ("arch", "machine")):
        if name in table.columns:
            facts += [(f"{shown}", value) for value in dict.fromkeys(row[name] for row in table.rows)][:12]
    listed = "".join(
        tag("dt", text(name)) + tag("dd", tag("span", text(value), class_="digest")) for name, value in facts
    )
    return section("provenance", "Provenance", tag("dl", listed, class_="facts"))
