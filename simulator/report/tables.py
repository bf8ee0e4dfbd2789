"""The report as tidy tables: a row is one thing, a column one quantity with its unit in its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.engine import STALLS
from simulator.mapping import COUNTS, Count
from simulator.report.result import Report

if TYPE_CHECKING:
    import pandas as pd

THIS_MACHINE, DENSE_TWIN = "this machine", "dense twin"


def product_frame(report: Report) -> pd.DataFrame:
    """Tabulate the products: one row each, in program order; tasks without MACs (k = 0) too.

    Returns
    -------
    DataFrame
        Columns ``step, layer, product, time, phase, recorded, m, k, n``; every count by its name in
        `simulator.mapping.COUNTS` (``link_bytes`` of several chips alone); ``array_cycles``;
        ``stall_<reason>_cycles``; ``start_cycle, end_cycle``, which count from the beginning of the run;
        ``energy_<component>_pj`` and their sum ``energy_pj``. ``time`` is missing where the product is not of a serial
        chain. The array's cycles and the stalls sum to the run's cycles, and energies to the run's energy: leakage is
        dealt out by the cycles that a product takes of the run.
        Of a folded run (see `Activity`), ``step`` is missing, and a column ``steps`` says how many a row sums.
    """
    import pandas as pd

    activity = report.activity
    fields = ("step", "layer", "product", "time", "phase", "recorded", "m", "k", "n")
    columns: dict[str, Any] = {name: [getattr(key, name) for key in activity.keys] for name in fields}
    columns["time"] = pd.array(columns["time"], dtype="Int64")
    if activity.folded:
        columns = {"step": pd.array(columns.pop("step"), dtype="Int64"), "steps": activity.steps, **columns}
    alone = report.arch.chips.count == 1
    columns |= {name: activity.counts[:, i] for i, name in enumerate(COUNTS) if not (alone and i == Count.LINK_BYTES)}
    columns["array_cycles"] = activity.array_cycles
    told = report.stalls
    columns |= {f"stall_{name}_cycles": activity.stalls[:, i] for i, name in enumerate(STALLS) if name in told}
    columns |= {"start_cycle": activity.start, "end_cycle": activity.end}
    columns |= _energy_columns(report)
    whole = dict.fromkeys(("m", "k", "n") if activity.folded else ("step", "m", "k", "n"), np.int64)
    return pd.DataFrame(columns).astype({**whole, "recorded": bool})


def _energy_columns(report: Report) -> dict[str, Any]:
    """Price the counts of each product: float64 [P] by column."""
    activity = report.activity
    cycles = activity.array_cycles + activity.stalls.sum(axis=1)
    sums = {component: np.zeros(len(activity.keys)) for component in report.energy.components}
    for line in report.energy.lines:
        counted = cycles if line.counter is None else activity.counts[:, line.counter]
        sums[line.component] += counted * line.pj_each
    named = {f"energy_{component}_pj": energy for component, energy in sums.items()}
    return {**named, "energy_pj": sum(sums.values(), np.zeros(len(activity.keys)))}


def energy_frame(report: Report) -> pd.DataFrame:
    """Tabulate the energies: one row per component and action, of this machine and of its dense twin.

    Returns
    -------
    DataFrame
        Columns ``machine`` ("this machine" or "dense twin"), ``component, action, count, unit, pj_each,
        energy_pj, source, verified``; ``energy_pj`` sums to each machine's total.
    """
    import pandas as pd

    rows = []
    for machine, one in ((THIS_MACHINE, report), (DENSE_TWIN, report.baseline)):
        if one is None:
            continue
        for line in one.energy.lines:
            rows.append(
                {
                    "machine": machine,
                    "component": line.component,
                    "action": line.action,
                    "count": line.count,
                    "unit": line.unit,
                    "pj_each": line.pj_each,
                    "energy_pj": line.pj,
                    "source": line.source,
                    "verified": line.verified,
                }
            )
    names = ["machine", "component", "action", "count", "unit", "pj_each", "energy_pj", "source", "verified"]
    return pd.DataFrame(rows, columns=names)


def to_csv(frame: pd.DataFrame) -> str:
    """Write a table as CSV; the same table gives the same bytes on any system."""
    return frame.to_csv(index=False, lineterminator="\n")
