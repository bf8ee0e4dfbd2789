"""What if: many machines and traces, one table.

A space (`space`, `axes`, `sampling`) is enumerated (`grid`) to points (`points`); each point becomes a row
(`evaluate`) in a pool of processes (`pool`) and is kept (`store`), and the rows become a table (`table`). `sweeping` is
the walk through all of it, and `planning` says what it would be. `break_even` asks one machine from which share of
zeros on it gains.

Where combinations are too many, `searching` looks for the best of them: what it is to find (`goals`, `quality`), what a
sampler knows of the space (`dimensions`), and what was asked and told so far (`trials`, kept by `study_storage`).

What a table says is read from its file (`rows`): which rows no other one beats (`frontier`), which axis moves what
(`sensitivity`), and what changed between two runs, reports or rows (`subjects`, `compare`).
"""

from simulator.explore.axes import Axis
from simulator.explore.break_even import find_break_even
from simulator.explore.grid import Grid, enumerate_grid
from simulator.explore.planning import Forecast, forecast
from simulator.explore.points import Point, Refusal
from simulator.explore.searching import Found, search
from simulator.explore.space import Space, load_space, space_names
from simulator.explore.sweeping import Outcome, run_sweep, sweep

__all__ = [
    "Axis",
    "Forecast",
    "Found",
    "Grid",
    "Outcome",
    "Point",
    "Refusal",
    "Space",
    "enumerate_grid",
    "find_break_even",
    "forecast",
    "load_space",
    "run_sweep",
    "search",
    "space_names",
    "sweep",
]
