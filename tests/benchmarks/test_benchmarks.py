"""The benchmarks run, on small sizes, and say what they should; no time is asserted."""

from __future__ import annotations

import math

from benchmarks import events, replay
from benchmarks.rows import Row, table


def test_rows_are_finite_and_the_table_holds_them() -> None:
    rows = [*replay.measure(hidden=16, T=3, B=4, times=1), *events.measure(times=1)]
    assert [r.name for r in rows] == ["step", "dh", "events"]
    assert all(math.isfinite(r.ratio) and r.ours > 0 and r.rival > 0 for r in rows)
    page = table(rows, "1", 0.1)
    assert all(f"| {r.name} |" in page for r in rows)
    assert "busy" not in page
    assert "busy" in table(rows, "1", 3.0)


def test_ratio_is_rival_over_ours() -> None:
    assert Row("x", 0.5, 10.0, 1, 1, "").ratio == 20
