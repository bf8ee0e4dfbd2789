"""Whose energy it is: the priced counts of a run by phase, layer or product; and energy times delay."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from simulator.arch import Architecture
from simulator.energy.price import EnergyReport
from simulator.engine import Activity

FIELDS = ("phase", "product", "layer")

Group = TypeVar("Group", bound=Hashable)


def energy_by(report: EnergyReport, activity: Activity, arch: Architecture, field: str) -> dict[str, dict[str, float]]:
    """Deal the energy of a run out to its products, and sum it by a field of theirs; see `energy_by_groups`.

    Parameters
    ----------
    report : EnergyReport
        Of this activity on this machine.
    activity : Activity
    arch : Architecture
    field : "phase", "product" or "layer"

    Returns
    -------
    dict of dict
        pJ by group, in the order in which groups first occur, and by component, in the order of
        `EnergyReport.components`.

    Raises
    ------
    ValueError
        If the field is another one, or the report was made from another activity.
    """
    if field not in FIELDS:
        raise ValueError(f"field {field!r}: one of {', '.join(FIELDS)}")
    return energy_by_groups(report, activity, arch, [str(getattr(key, field)) for key in activity.keys])


def energy_by_groups(
    report: EnergyReport, activity: Activity, arch: Architecture, names: Sequence[Group]
) -> dict[Group, dict[str, float]]:
    """Deal the energy of a run out to its products, and sum it by whatever group each belongs to.

    Each line is its price times the counts of the group's own products. Leakage, which is priced by time, is dealt
    out by the cycles in which the array works on a product or stalls for it, which sum to the run's. So the groups sum
    to `EnergyReport.by_component`, up to the rounding of the additions.

    Parameters
    ----------
    report : EnergyReport
        Of this activity on this machine.
    activity : Activity
    arch : Architecture
    names : sequence, length P
        The group of each product, in the order of `Activity.keys`.

    Returns
    -------
    dict of dict
        pJ by group, in the order in which groups first occur, and by component, in the order of `COMPONENTS`.

    Raises
    ------
    ValueError
        If the report was made from another activity.
    """
    groups = list(dict.fromkeys(names))
    numbers = {name: number for number, name in enumerate(groups)}
    group = np.array([numbers[name] for name in names], dtype=np.int64)
    # One column more than the counts have: the cycles that a product takes of the run.
    cycles = activity.array_cycles + activity.stalls.sum(axis=1)
    counts = np.zeros((len(groups), activity.counts.shape[1] + 1), dtype=np.int64)
    np.add.at(counts, group, np.column_stack([activity.counts, cycles]))
    columns = [-1 if line.counter is None else int(line.counter) for line in report.lines]
    counted = counts[:, columns]  # [groups, lines]
    if groups and counted.sum(axis=0).tolist() != [line.count for line in report.lines]:
        raise ValueError(f"the report is not of this activity on {arch.name}")
    pj = counted * np.array([line.pj_each for line in report.lines])
    by_group: dict[Group, dict[str, float]] = {}
    for number, name in enumerate(groups):
        sums = dict.fromkeys(report.components, 0.0)
        for line, energy in zip(report.lines, pj[number].tolist(), strict=True):
            sums[line.component] += energy
        by_group[name] = sums
    return by_group


def energy_delay_js(report: EnergyReport, activity: Activity, arch: Architecture) -> float:
    """Energy-delay product of a run in joule seconds: its energy times its time."""
    return report.total_pj * 1e-12 * arch.cycles_to_us(activity.total_cycles) * 1e-6
