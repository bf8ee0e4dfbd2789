"""Draw the figures of README.md and of docs/ from the shipped sample: `make figures` writes them beside this file.

The same version of matplotlib writes the same bytes; `tests/docs/test_figures.py` compares.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulator import simulate
from simulator.engine.history import PORT_UNIT, STALL_UNIT
from simulator.explore import find_break_even
from simulator.report.break_even_plot import gains_by_sparsity
from simulator.report.gantt import gantt
from simulator.report.plots import energy_by_component
from traces import Trace

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "traces" / "samples" / "charlm_t1e-6.npz"
SETTINGS: dict[str, Any] = {"svg.hashsalt": "skipstone", "svg.fonttype": "none"}


def energy() -> str:
    """Energy by component of `zero_skip` and of its dense twin, on the sample."""
    report = simulate("zero_skip", SAMPLE)
    return drawn(lambda figure: energy_by_component(report, figure.subplots()), (6.4, 3.9))


def break_even() -> str:
    """What `zero_skip` gains at each share of zeros: synthetic steps, and the sample's own."""
    with Trace(SAMPLE) as trace:
        report = simulate("zero_skip", trace)
        found = find_break_even(report.arch, trace, report=report)
    return drawn(lambda figure: gains_by_sparsity(found, tuple(figure.subplots(2, 1, sharex=True))), (6.4, 4.8))


def timeline_window() -> str:
    """3,000 cycles of the backward pass of `lstm1` in step 1000, as docs/how-to/timelines.md reads them."""
    first, last = 207_185, 210_185
    report = simulate("zero_skip", SAMPLE, steps=(1000, 1001), baseline=False, record_intervals=(first, last))
    shown = [i for i in report.activity.history.slices if i.unit in (STALL_UNIT, PORT_UNIT)]
    intervals = [*report.activity.intervals, *shown]
    return drawn(lambda figure: gantt(intervals, figure.subplots(), first, last), (8, 2.6))


def drawn(draw: Callable[[Figure], Any], inches: tuple[float, float]) -> str:
    """Draw on a figure and give it as SVG without a date."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(figure)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue().decode()


FIGURES: dict[str, Callable[[], str]] = {
    "energy.svg": energy,
    "break_even.svg": break_even,
    "timeline_window.svg": timeline_window,
}

if __name__ == "__main__":
    for name, make in FIGURES.items():
        path = Path(__file__).parent / name
        path.write_text(make(), encoding="utf-8")
        print(path)
