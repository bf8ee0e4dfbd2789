"""The co-design picture: what a loss of quality buys, in energy and in time, on each of several machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from simulator.explore.frontier import pareto
from simulator.study.measuring import MACHINES
from simulator.study.results import Row
from simulator.study.runs import Condition, Group, StudyRun
from simulator.study.tables import DASH, Measure, loss_of_quality

BUDGETS = (0.0, 0.01, 0.02, 0.05)
"""Losses of quality, as shares, for which the best threshold is told."""
ROUNDING = 1e-9
LEAST_POLICIES = 2
"""A network with fewer thresholds has no curve; its tables say all there is."""
DENSE_LABEL = "no threshold"
WITHIN_SPREAD = "~"
EXPLAINED = (
    "Each row is a threshold policy on the same network, *loss* the mean over seeds of how much worse its test figure "
    "is than the dense run's of the same seed. Of each machine: energy and time that the whole training saves against "
    "the same machine as a dense array, and what the loss *buys*: from one point of the machine's frontier to the "
    "next, by how many per cent of the dense energy the saving grows for each per cent of loss. The frontier is all "
    "points that no other one beats in loss and energy, so this is above 0 and finite; what would be 0, negative or "
    "infinite is a point *behind* the one of that number, which loses no more and saves no less. *start* is the "
    "frontier's first point, *same* one whose loss and energy are those of the point before. "
    f"{WITHIN_SPREAD} says that the step in loss is smaller than the spread over seeds of one of its ends; of a single "
    "seed nobody knows that."
)
BUDGETS_EXPLAINED = (
    "The most energy that any of these policies saves with a mean loss of no more than that; in brackets, how much "
    "more that is than with the loss of the row above."
)


@dataclass(frozen=True)
class DesignPoint:
    """A threshold policy on a network: what it costs, and what it saves on each machine.

    Attributes
    ----------
    label : str
    runs : int
        Seeds with a result, of the run and of its dense one.
    loss : Measure
        Of quality, as a share of the dense figure; negative is better.
    energy, time : dict of str to Measure
        Saved, as shares of the dense twin's, by machine.
    """

    label: str
    runs: int
    loss: Measure
    energy: Mapping[str, Measure]
    time: Mapping[str, Measure]


@dataclass(frozen=True)
class Picture:
    """The policies of a network.

    Attributes
    ----------
    name : str
        The application, and the options in which the network differs from the application's main one.
    points : tuple of DesignPoint
        By loss. Figures and tables number them from 1 on, in this order.
    """

    name: str
    points: tuple[DesignPoint, ...]

    @property
    def file_name(self) -> str:
        """Of its figure."""
        return f"codesign_{''.join(c if c.isalnum() else '_' for c in self.name)}.svg"


@dataclass(frozen=True)
class Trade:
    """What the loss of a point buys on a machine.

    Attributes
    ----------
    kind : str
        ``start``: the first point of the frontier. ``buys``: a later one. ``same``: one whose loss and saving are those
        of the point before. ``behind``: not on the frontier.
    slope : float or None
        Per cent of the dense cost saved more, for each per cent of loss more, from the point before: above 0. None but
        for ``buys``.
    other : int or None
        Place of the point before; of one behind, that of the frontier's point that saves most among those that beat it.
    within_spread : bool
        Whether the step in loss is smaller than the spread over seeds of one of its ends.
    """

    kind: Literal["start", "buys", "same", "behind"]
    slope: float | None = None
    other: int | None = None
    within_spread: bool = False


def pictures(
    groups: Sequence[Group], rows: Mapping[str, Row], machines: Sequence[str] = MACHINES
) -> tuple[list[Picture], int]:
    """Collect the policies of each network over all tables.

    A network is an application with its options. Conditions are taken that differ from their dense runs in the policy
    alone; of those with the same policy, the one with the most seeds.

    Returns
    -------
    (list of Picture, int)
        In order of appearance, and the number of networks with results that have fewer than `LEAST_POLICIES` policies.
    """
    networks: dict[str, dict[str, Condition]] = {}
    for condition in (condition for group in groups for condition in group.conditions):
        key = _network(condition.dense[0])
        if any(_network(run) != key for run in (*condition.runs, *condition.dense)):
            continue
        policies = networks.setdefault(key, {})
        dense = Condition(DENSE_LABEL, condition.dense, condition.dense)
        for one in (dense, condition):
            policy = json.dumps(one.runs[0].policy, sort_keys=True)
            if policy not in policies or len(one.runs) > len(policies[policy].runs):
                label = policies[policy].label if policy in policies else one.label
                policies[policy] = Condition(label, one.runs, one.dense)
    found, few = [], 0
    names = _names({key: len(policies) for key, policies in networks.items()})
    for key, policies in networks.items():
        points = [point for c in policies.values() if (point := _point(c, rows, machines)) is not None]
        if len(points) > LEAST_POLICIES:
            found.append(Picture(names[key], tuple(sorted(points, key=lambda point: point.loss.mean))))
        elif len(points) > 1:
            few += 1
    return found, few


def trades(points: Sequence[DesignPoint], saved: Callable[[DesignPoint], Measure | None]) -> dict[int, Trade]:
    """Say what the loss of each point buys.

    Parameters
    ----------
    points : sequence of DesignPoint
    saved : callable
        What a point saves, such as energy on a machine; None where nobody knows.

    Returns
    -------
    dict of int to Trade
        By place in `points`; those without a saving have none.
    """
    savings = {i: measure.mean for i, point in enumerate(points) if (measure := saved(point)) is not None}
    losses = {i: points[i].loss.mean for i in savings}
    known = list(savings)
    on = pareto(np.array([[losses[i], -savings[i]] for i in known]).reshape(-1, 2))
    frontier = sorted((i for i, kept in zip(known, on.tolist(), strict=True) if kept), key=lambda i: (losses[i], i))
    found: dict[int, Trade] = {}
    for before, here in zip([None, *frontier], frontier, strict=False):
        if before is None:
            found[here] = Trade("start")
            continue
        lost, more = losses[here] - losses[before], savings[here] - savings[before]
        if not lost:
            found[here] = Trade("same", other=before)
            continue
        spread = max(points[i].loss.spread or 0.0 for i in (before, here))
        found[here] = Trade("buys", more / lost, before, lost < spread)
    for i in known:
        if i not in found:
            better = [j for j in frontier if losses[j] <= losses[i] and savings[j] >= savings[i]]
            found[i] = Trade("behind", other=max(better, key=lambda j: savings[j]))
    return found


def best_within(
    points: Sequence[DesignPoint], saved: Callable[[DesignPoint], Measure | None], budget: float
) -> tuple[DesignPoint, float] | None:
    """Find the point that saves most with a mean loss of at most a budget (and rounding), and what it saves."""
    known = [(p, m.mean) for p in points if p.loss.mean <= budget + ROUNDING and (m := saved(p)) is not None]
    return max(known, key=lambda found: found[1], default=None)


# --- the page -------------------------------------------------------------------------------------------------


def codesign_section(
    groups: Sequence[Group],
    rows: Mapping[str, Row],
    figures: Sequence[str] = (),
    machines: Sequence[str] = MACHINES,
) -> list[str]:
    """Write the co-design picture as lines of Markdown: for each network a figure, a table, and the best by budget.

    Parameters
    ----------
    groups : sequence of Group
    rows : mapping
        Results by key.
    figures : sequence of str
        Names of image files that stand beside the page, see `simulator.study.codesign_figure`.
    machines : sequence of str

    Returns
    -------
    list of str
        Empty where no network has results of `LEAST_POLICIES` policies.
    """
    found, few = pictures(groups, rows, machines)
    if not found:
        return []
    lines = ["## What a loss of quality buys", "", EXPLAINED, ""]
    for picture in found:
        lines += [f"### {picture.name}", ""]
        if picture.file_name in figures:
            lines += [f"![{picture.name}]({picture.file_name})", ""]
        lines += [*_table(picture, machines), "", BUDGETS_EXPLAINED, "", *_budgets(picture, machines), ""]
        for sentence in remarks(picture, machines):
            lines += [sentence, ""]
    if few:
        lines += [f"Networks with a single threshold, {few} of them, are in their tables alone.", ""]
    return lines


def remarks(picture: Picture, machines: Sequence[str] = MACHINES) -> list[str]:
    """Say of each machine what no number of the table says: savings that cost nothing, and none at all."""
    said = []
    for machine in machines:
        every = [point.energy[machine].mean for point in picture.points if machine in point.energy]
        if not every:
            continue
        if max(every) <= 0:
            said.append(f"`{machine}`: no policy saves energy against the dense array.")
            continue
        found = trades(picture.points, _energy(machine))
        dense = next((i for i, point in enumerate(picture.points) if point.label == DENSE_LABEL), None)
        trade = None if dense is None else found.get(dense)
        if trade is not None and trade.kind == "behind" and trade.other is not None:
            better = picture.points[trade.other].label
            said.append(f"`{machine}`: {better} loses nothing on average, and saves more than {DENSE_LABEL}.")
    return said


def _table(picture: Picture, machines: Sequence[str]) -> list[str]:
    bought = {machine: trades(picture.points, _energy(machine)) for machine in machines}
    lines = _head(["", "policy", "loss", *(f"`{machine}`: energy / time / buys" for machine in machines), "runs"])
    for i, point in enumerate(picture.points):
        cells = [str(i + 1), point.label, _signed(point.loss)]
        for machine in machines:
            saved = [_percent(of.get(machine)) for of in (point.energy, point.time)]
            cells.append(" / ".join([*saved, _told(bought[machine].get(i))]))
        lines.append(_line([*cells, str(point.runs)]))
    return lines


def _budgets(picture: Picture, machines: Sequence[str]) -> list[str]:
    lines = _head(["loss of at most", *(f"`{machine}`" for machine in machines)])
    before: dict[str, float] = {}
    for budget in BUDGETS:
        cells = [f"{100 * budget:g} %"]
        for machine in machines:
            best = best_within(picture.points, _energy(machine), budget)
            if best is None:
                cells.append(DASH)
                continue
            point, saved = best
            more = f" ({100 * (saved - before[machine]):+.1f})" if machine in before else ""
            before[machine] = saved
            cells.append(f"{100 * saved:.1f} %{more}, {point.label}")
        lines.append(_line(cells))
    return lines


def _told(trade: Trade | None) -> str:
    if trade is None:
        return DASH
    if trade.kind == "behind" and trade.other is not None:
        return f"behind {trade.other + 1}"
    if trade.slope is None:
        return trade.kind
    slope = f"{trade.slope:.3g}" if trade.slope < 100 else f"{trade.slope:,.0f}"
    return slope + (WITHIN_SPREAD if trade.within_spread else "")


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), "| --- " * len(names) + "|"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _signed(measure: Measure) -> str:
    beside = "" if measure.spread is None else f" ± {100 * measure.spread:.2f}"
    return f"{100 * measure.mean:+.2f}{beside} %"


def _percent(measure: Measure | None) -> str:
    return DASH if measure is None else f"{100 * measure.mean:.1f} %"


def _energy(machine: str) -> Callable[[DesignPoint], Measure | None]:
    return lambda point: point.energy.get(machine)


# --- networks -------------------------------------------------------------------------------------------------


def _network(run: StudyRun) -> str:
    return json.dumps([run.application, dict(run.options)], sort_keys=True)


def _names(policies: Mapping[str, int]) -> dict[str, str]:
    """Name networks, given by their number of policies: by what differs from the one of the application with most."""
    read: dict[str, tuple[str, dict[str, Any]]] = {key: tuple(json.loads(key)) for key in policies}
    main: dict[str, str] = {}
    for key, (application, _) in read.items():
        if application not in main or policies[key] > policies[main[application]]:
            main[application] = key
    names = {}
    for key, (application, options) in read.items():
        usual = read[main[application]][1]
        told = [f"{name} {options.get(name, 'default')}" for name in sorted({*options, *usual})
                if options.get(name) != usual.get(name)]  # fmt: skip
        names[key] = ", ".join([application, *told])
    return names


def _point(condition: Condition, rows: Mapping[str, Row], machines: Sequence[str]) -> DesignPoint | None:
    """Summarise the seeds of which both the run and its dense one have ended well; None without any."""
    pairs = [
        (rows[run.key], rows[dense.key])
        for run, dense in zip(condition.runs, condition.dense, strict=True)
        if rows.get(run.key, {}).get("status") == rows.get(dense.key, {}).get("status") == "ok"
    ]
    loss = Measure.of([loss_of_quality(row, dense) for row, dense in pairs])
    if loss is None:
        return None

    def saved(get: Callable[[Mapping[str, Any]], float | None]) -> dict[str, Measure]:
        found = {m: Measure.of([get(row["machines"][m]) for row, _ in pairs if m in row["machines"]]) for m in machines}
        return {machine: measure for machine, measure in found.items() if measure is not None}

    return DesignPoint(
        condition.label,
        len(pairs),
        loss,
        saved(lambda cost: cost["energy_saving"]),
        saved(lambda cost: 1 - 1 / cost["speedup"] if cost["speedup"] else None),
    )
