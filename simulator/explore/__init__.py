"""What if: many machines and traces, one table.

A space (`space`) is enumerated to points (`points`); each point becomes a row (`evaluate`) in a pool of
processes (`pool`), and the rows a table (`table`). `sweeping` is the walk through all of it. `break_even` asks
one machine from which share of zeros on it gains.

What a table says is read from its file (`rows`): which rows no other one beats (`frontier`), which axis moves what
(`sensitivity`), and what changed between two runs, reports or rows (`subjects`, `compare`).
"""

from simulator.explore.break_even import find_break_even
from simulator.explore.points import Grid, Point, Refusal, enumerate_grid
from simulator.explore.space import Axis, Space, load_space, space_names
from simulator.explore.sweeping import Outcome, run_sweep, sweep

__all__ = [
    "Axis",
    "Grid",
    "Outcome",
    "Point",
    "Refusal",
    "Space",
    "enumerate_grid",
    "find_break_even",
    "load_space",
    "run_sweep",
    "space_names",
    "sweep",
]
