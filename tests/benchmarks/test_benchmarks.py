"""The benchmarks run, on small sizes, and say what they should; no time is asserted."""

from __future__ import annotations

import math

import pytest

from benchmarks import events, kernels, replay, startup, sweep
from benchmarks.rows import Row, table

SMALL = {"hidden": 16, "T": 3, "B": 4}


def test_rows_are_finite_and_the_table_holds_them() -> None:
    axes = {"skipping.depth": [4, 8]}
    priced_axes = {"energy_table": ["cmos_45nm", "cmos_7nm"], **axes}
    rows = [
        *replay.measure(**SMALL, times=1),
        *kernels.measure(**SMALL, times=1),
        *events.measure(times=1),
        *sweep.measure(**SMALL, axes=axes, priced_axes=priced_axes, workers=1, processes=1),
    ]
    names = [f"kernel: {name}" for name in kernels.MECHANISMS]
    assert [r.name for r in rows] == [
        *("step", "step, the first of a trace", "step, with reading", "dh", names[0], *names),
        *("events", "sweep", "sweep, two tables", "sweep, to processes"),
    ]
    assert all(math.isfinite(r.ratio) and r.ours > 0 and r.rival > 0 for r in rows)
    page = table(rows, "1", 0.1)
    assert all(f"| {r.name} |" in page for r in rows)
    assert "busy" not in page
    assert "busy" in table(rows, "1", 3.0)


def test_the_sweeps_that_are_measured_have_a_thousand_points_and_their_frontiers() -> None:
    assert [math.prod(map(len, axes.values())) for axes in (sweep.AXES, sweep.PRICED_AXES)] == [1000, 1000]
    depths = {"skipping.depth": [4, 8, 16]}
    first, second, _ = sweep.measure(**SMALL, axes=depths, priced_axes=depths, workers=1, processes=1)
    for row in (first, second):
        assert row.note.startswith("3 machines over a step of 2 x 16 cells")
        assert "and their frontier in cycles_total, energy_total_pj, area_mm2" in row.note


@pytest.mark.slow
def test_start_up_row_says_what_its_rival_imports() -> None:
    start, first = startup.measure(times=1)
    assert "numba" in start.note
    assert 0 < start.ours < first.ours


def test_ratio_is_rival_over_ours() -> None:
    assert Row("x", 0.5, 10.0, 1, 1, "").ratio == 20
