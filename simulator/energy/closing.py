"""What holds of every priced run: it is the run's own counts, times prices, and nothing is left over."""

from __future__ import annotations

from math import fsum, isclose, isfinite
from typing import TYPE_CHECKING

from simulator.engine import Activity, require

if TYPE_CHECKING:
    from simulator.energy.price import EnergyReport

ROUNDING = 1e-9
"""Relative: sums of a few dozen floats, in whatever order."""


def check_energy(activity: Activity, energy: EnergyReport) -> None:
    """Check the prices of a run.

    Raises
    ------
    InvariantError
        If a line is not of this run, no finite energy of 0 or more, or left out of a total.
    """
    counts = activity.counts.sum(axis=0).tolist()
    for line in energy.lines:
        right = activity.total_cycles if line.counter is None else counts[line.counter]
        told = f"{line.component} {line.action}: {line.count:,} {line.unit} of {right:,} at {line.pj_each} pJ"
        require("energy_closes", line.count == right and line.pj_each >= 0 and isfinite(line.pj), told)
    total, lines = energy.total_pj, fsum(line.pj for line in energy.lines)
    components = fsum(energy.by_component().values())
    closes = isclose(total, lines, rel_tol=ROUNDING) and isclose(components, lines, rel_tol=ROUNDING)
    told = f"lines sum to {lines!r} pJ, components to {components!r}, the total is {total!r}"
    require("energy_closes", closes, told)
