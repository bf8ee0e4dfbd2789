"""A sweep as a notebook shows it: how far it came, and its points with what people ask of them first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.explore.evaluate import NOT_EVALUATED
from simulator.report import numbers
from traces.html_tables import pairs, side_by_side, table
from traces.inspection import even_selection

if TYPE_CHECKING:
    from simulator.explore.sweeping import Outcome

SHOWN_ROWS = 20
"""At most so many points are shown, evenly chosen; `Outcome.frame` has all."""
_NAMED = ("arch", "trace")
_MEASURES = ("cycles", "time", "energy", "speed-up", "energy saved")


def to_html(outcome: Outcome) -> str:
    """Lay a sweep out as an HTML fragment without scripts; every text in it is escaped."""
    valid = [row for row in outcome.rows if row["status"] not in NOT_EVALUATED]
    lines = [("points", numbers.count(outcome.points)), ("evaluated", numbers.count(len(valid)))]
    lines += [("known before", numbers.count(outcome.kept))] if outcome.kept else []
    lines += [("unfinished", numbers.count(outcome.unfinished))] if outcome.unfinished else []
    lines += [("invalid", f"{numbers.count(n)}: {numbers.plain(reason)}") for reason, n in outcome.invalid.items()]
    lines += [("failed", f"{numbers.count(n)}: {numbers.plain(reason)}") for reason, n in outcome.failed.items()]
    lines += [("table", numbers.plain(str(outcome.path)))] if outcome.path is not None else []
    varied = [name for name in (*_NAMED, *outcome.axes) if len({str(row.get(name)) for row in valid}) > 1]
    chosen = even_selection(len(valid), SHOWN_ROWS)
    shown = "" if len(chosen) == len(valid) else f" ({len(chosen)} of {numbers.count(len(valid))})"
    body = [
        (numbers.count(index + 1), 1, [*(_cell(valid[index].get(name)) for name in varied), *_measures(valid[index])])
        for index in chosen
    ]
    points = table(f"Points{shown}", [*map(numbers.plain, varied), *_MEASURES], body)
    return f'<div class="skipstone-sweep"><h4>Sweep</h4>{pairs(lines)}{side_by_side(points)}</div>'


def _measures(row: Mapping[str, Any]) -> list[str]:
    saving = row.get("energy_saving")
    return [
        numbers.count(row["cycles_total"]),
        numbers.time(row["time_us"]),
        numbers.energy(row["energy_total_pj"]),
        numbers.times(row.get("speedup")),
        "-" if saving is None else numbers.percent(saving),
    ]


def _cell(value: object) -> str:
    return "-" if value is None else numbers.plain(str(value))
