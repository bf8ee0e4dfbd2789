"""Why the figures are as they are: where the time goes that skipping cannot touch, and which energy does not shrink.

Every sentence is put together from the report's own numbers, so it is true of any machine, also of one that loses.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulator.arch import TileMechanism
from simulator.mapping import Count
from simulator.report import numbers

if TYPE_CHECKING:
    from simulator.report.result import Report

Bools = np.ndarray[Any, np.dtype[np.bool_]]

# Parts of the time that are the array's own work.
NO_ZEROS, OVERHEAD, MISSED, NEEDED = "no_zeros", "pass_overhead", "missed_zeros", "needed_macs"
LOADS = ("load_shared", "load_skip", "load_partial")
# Waits that a busy DRAM or vector unit causes; the others lie in the array's own buffers.
WAITS = ("dependency", *LOADS, "output_full", "drain")
BUSY_SHARE = 0.75
"""From this share of the time on, a unit counts as the one that the array waits for."""
LEAST_SHARE = 0.0005  # less is told as nothing
NAMED = 3  # at most so many components or parts are named in a sentence
DOES_NOT_SHRINK = 0.995  # of the twin's energy


class TimePart(NamedTuple):
    """A part of the run's cycles that has one reason.

    Attributes
    ----------
    name : str
        ``no_zeros``: the array's work on products without a recorded zero. ``pass_overhead``: the set-up of passes.
        ``missed_zeros``: its work on the other products beyond that of the ideal mechanism. ``needed_macs``: the
        ideal mechanism's work on them. Otherwise the reason of a stall.
    cycles : int
    share : float
        Of the run's cycles.
    """

    name: str
    cycles: int
    share: float


class Limiter(NamedTuple):
    """What keeps the machine from gaining more, or what the sentence says of it.

    Attributes
    ----------
    name : str
        A part of the time (see `TimePart`), ``loads`` for all loads together, ``dram`` or ``vector_unit`` where that
        unit is what the array waits for, or ``nothing``.
    share : float
        Of the run's cycles.
    is_what, moved_by : str
        What it is and what would move it, to be read in a sentence.
    """

    name: str
    share: float
    is_what: str
    moved_by: str


def time_parts(report: Report) -> list[TimePart]:
    """Split the run's cycles by what they were spent on, the array's parts first; their sum is all of them.

    Without the bound nobody knows which zeros were missed: what is left of the work is then ``needed_macs``.
    """
    total = report.total_cycles
    cycles = {**_work_parts(report, np.ones(len(report.activity.keys), dtype=bool)), **report.stalls}
    return [TimePart(name, spent, spent / total if total else 0.0) for name, spent in cycles.items()]


def work_by_product(report: Report) -> list[dict[str, Any]]:
    """Split the array's own cycles of each product of each layer as `time_parts` splits those of the run.

    Returns
    -------
    list of dict
        ``layer``, ``product`` and the four parts in cycles, in order of appearance; products without MACs are left out.
    """
    keys = report.activity.keys
    names = [(key.layer, key.product) for key in keys]
    groups: dict[tuple[str, str], list[int]] = {}
    for place, (key, name) in enumerate(zip(keys, names, strict=True)):
        if key.k:
            groups.setdefault(name, []).append(place)
    rows = []
    for (layer, product), places in groups.items():
        chosen = np.zeros(len(keys), dtype=bool)
        chosen[places] = True
        rows.append({"layer": layer, "product": product, **_work_parts(report, chosen)})
    return rows


def _work_parts(report: Report, chosen: Bools) -> dict[str, int]:
    """Split the array's own cycles on the products where `chosen` [P] is true."""
    overhead = _overhead(report)
    work, zeros = report.activity.array_cycles - overhead, _has_zeros(report) & chosen
    needed = int(work[zeros].sum())
    if report.bound is not None:
        ideal = report.bound.activity.array_cycles - _overhead(report.bound)
        needed = min(needed, int(ideal[zeros].sum()))
    return {
        NO_ZEROS: int(work[chosen & ~zeros].sum()),
        OVERHEAD: int(overhead[chosen].sum()),
        MISSED: int(work[zeros].sum()) - needed,
        NEEDED: needed,
    }


def limiter(report: Report) -> Limiter:
    """Find the largest part of the time that more zeros or better skipping of this kind would not shorten.

    Waits are taken together, as ``dram`` or ``vector_unit``, where that unit is busy for `BUSY_SHARE` of the time:
    then all of them are waits for it, whatever they are called. The non-zero MACs themselves are no limiter.
    """
    share = {part.name: part.share for part in time_parts(report)}
    del share[NEEDED]
    busy = {
        unit: report.activity.busy_cycles[unit] / report.total_cycles if report.total_cycles else 0.0
        for unit in ("dram", "vector_unit")
    }
    unit = max(busy, key=lambda name: busy[name])
    if busy[unit] >= BUSY_SHARE:
        share[unit] = fsum(share.pop(name) for name in WAITS)
    else:
        share["loads"] = fsum(share.pop(name) for name in LOADS)
    name = max(share, key=lambda part: share[part])
    if share[name] < LEAST_SHARE:
        return Limiter("nothing", 0.0, "nothing but the non-zero MACs", "more zeros, or more MACs in the array")
    is_what, moved_by = _SAID[name]
    if name == NO_ZEROS:
        is_what = f"{is_what} ({', '.join(_names_without_zeros(report))})"
    if name in (*busy, "loads"):
        is_what = is_what.format(numbers.percent(busy.get(name, busy["dram"])))
    if name == MISSED:
        moved_by = _of_missed(report)
    return Limiter(name, share[name], is_what, moved_by)


_SAID = {
    NO_ZEROS: (
        "array work on products without a recorded zero",
        "zeros in their operands (dropout or ReLU, recorded as masks), or a larger array",
    ),
    OVERHEAD: (
        "the set-up of passes, which takes as long however few MACs a pass has",
        "a shorter set-up, or longer passes (a larger K tile)",
    ),
    MISSED: ("array work beyond that of ideal skipping", ""),
    "dependency": (
        "waiting for the result before, along the serial chain of time steps",
        "a larger batch, a quicker vector unit or a shorter way back into the array",
    ),
    "loads": (
        "waiting for tiles from the DRAM, which is busy for {} only",
        "a shorter DRAM latency, a longer queue, or buffers that let loads run further ahead",
    ),
    "operand_bandwidth": (
        "waiting for operands from the buffers",
        "more banks, more ports or wider words of the operand buffers",
    ),
    "output_full": (
        "waiting for room in the output buffer",
        "a larger output buffer or a wider output port",
    ),
    "all_reduce": (
        "waiting for the links between the chips, which sum the weight gradients",
        "faster links, more work on each chip between two sums, fewer chips, or an all-reduce that overlaps the "
        "backward phase",
    ),
    "drain": (
        "storing the last results of each step, when the array has nothing left to do",
        "a shorter way out: port, vector unit and DRAM",
    ),
    "dram": (
        "waiting for the DRAM, which is busy for {}",
        "more DRAM bandwidth, or larger buffers so that less is loaded again",
    ),
    "vector_unit": ("waiting for the vector unit, which is busy for {}", "more lanes of the vector unit"),
}


def explain(report: Report) -> list[str]:
    """Say in a few sentences what skipping saves on this machine, why, and what limits it.

    Returns
    -------
    list of str
        The first one begins ``At x % sparsity of dG``; every number in them is the report's.
    """
    if not report.total_cycles:
        return ["Nothing was replayed: the recorded steps have no work."]
    sentences = [_headline(report)]
    sentences += _of_time(report)
    sentences += _of_energy(report)
    what = limiter(report)
    share = f", {numbers.percent(what.share)} of the time" if what.share else ""
    sentences.append(f"Largest limit{share}: {what.is_what}. What would move it: {what.moved_by}.")
    return sentences


def to_dict(report: Report) -> dict[str, Any]:
    """Give the explanation as plain data: sentences, parts of the time, the array's by product, the largest limit."""
    what = limiter(report)
    return {
        "sentences": explain(report),
        "time": {part.name: part.share for part in time_parts(report)},
        "work_by_product": work_by_product(report),
        "limiter": {"name": what.name, "share": what.share, "is_what": what.is_what, "moved_by": what.moved_by},
    }


# --- sentences -----------------------------------------------------------------------------------------------


def _headline(report: Report) -> str:
    begin = f"At {numbers.percent(report.sparsity)} sparsity of dG, "
    twin, saving = report.baseline, report.energy_saving
    totals = report.activity.totals()
    less_macs = numbers.percent(report.savings["network"])
    if twin is None or report.speedup is None or saving is None:
        return (
            f"{begin}{less_macs} of the network's MACs are not executed here; nothing was replayed to compare it with."
        )
    skipping = "zero-gating" if totals["macs_gated"] and not totals["macs_skipped"] else "zero-skipping"
    time = 1 - report.total_cycles / twin.total_cycles
    said = _gain(time, "time"), _gain(saving, "energy")
    if said[0][0] == said[1][0]:
        both = f"{said[0][0]} {said[0][1]} and {said[1][1]}"
    else:
        both = f"{said[0][0]} {said[0][1]} but {said[1][0]} {said[1][1]}"
    work, twin_work = int(report.activity.array_cycles.sum()), int(twin.activity.array_cycles.sum())
    stalls, twin_stalls = report.total_cycles - work, twin.total_cycles - twin_work
    executes_all = totals["macs_executed"] == totals["macs_dense"]
    because = ["every MAC is executed" if executes_all else f"{less_macs} of the network's MACs are not executed"]
    because.append(f"the array's own cycles {_changed(work, twin_work)}")
    because.append(f"its stalled cycles {_changed(stalls, twin_stalls)}")
    return f"{begin}{skipping} {both} here, because {because[0]}, {because[1]} and {because[2]}."


def _gain(saving: float, what: str) -> tuple[str, str]:
    """Verb and object: ``saves``, ``12.3 % of time``."""
    if saving >= LEAST_SHARE:
        return "saves", f"{numbers.percent(saving)} of {what}"
    if saving <= -LEAST_SHARE:
        return "costs", f"{numbers.percent(-saving)} more {what}"
    return "changes", f"less than 0.1 % of {what}"


def _changed(here: int, twin: int) -> str:
    if here == twin:
        return f"stay at {numbers.count(here)}"
    way = "fall" if here < twin else "rise"
    by = f" by {numbers.percent(abs(1 - here / twin))}" if twin else ""
    return f"{way}{by} to {numbers.count(here)}"


def _of_time(report: Report) -> list[str]:
    parts = {part.name: part.share for part in time_parts(report) if part.share >= LEAST_SHARE}
    stalls = {name: cycles / report.total_cycles for name, cycles in report.stalls.items()}
    said = []
    for name, text in _TIME_TEXTS.items():
        if name in parts:
            names = f" ({', '.join(_names_without_zeros(report))})" if name == NO_ZEROS else ""
            if name == NEEDED and report.bound is None:
                text = "work on products with zeros"
            said.append(f"{numbers.percent(parts[name])} is {text}{names}")
    if fsum(stalls.values()) >= LEAST_SHARE:
        largest = sorted(stalls, key=lambda name: -stalls[name])[:NAMED]
        named = ", ".join(f"{name} {numbers.percent(stalls[name])}" for name in largest if stalls[name] >= LEAST_SHARE)
        said.append(f"{numbers.percent(fsum(stalls.values()))} is stalls ({named})")
    return [f"Of the time here, {_joined(said)}."] if said else []


_TIME_TEXTS = {
    NEEDED: "the MACs that ideal skipping would leave",
    MISSED: "work beyond that",
    NO_ZEROS: "work on products without a recorded zero",
    OVERHEAD: "the set-up of passes",
}


def _of_energy(report: Report) -> list[str]:
    twin = report.baseline
    if twin is None or not twin.energy.total_pj or report.arch.digest == twin.arch.digest:
        return []
    here, there = report.energy.by_component(), twin.energy.by_component()
    total, twin_total = report.energy.total_pj, twin.energy.total_pj
    sentences = []
    saved = {name: there[name] - here[name] for name in here}
    fallen = [name for name in sorted(saved, key=lambda n: -saved[n]) if saved[name] >= LEAST_SHARE * twin_total]
    if fallen:
        each = [f"{name} {numbers.percent(saved[name] / twin_total)}" for name in fallen[:NAMED]]
        sentences.append(f"Of the dense twin's energy, {_joined(each)} {'are' if len(each) > 1 else 'is'} saved.")
    same = [n for n in here if there[n] and DOES_NOT_SHRINK * there[n] <= here[n] and here[n] >= LEAST_SHARE * total]
    if same:
        largest = sorted(same, key=lambda name: -here[name])
        share = fsum(here[name] for name in same) / total
        sentences.append(
            f"Not smaller than the twin's: {_joined(largest)}, {numbers.percent(share)} of the energy here."
        )
    added = {name: -value for name, value in saved.items() if value < 0}
    if fsum(added.values()) >= LEAST_SHARE * twin_total:
        largest = sorted(added, key=lambda name: -added[name])[:NAMED]
        sentences.append(
            f"What skipping adds ({', '.join(largest)}) costs {numbers.percent(fsum(added.values()) / twin_total)} of "
            "the dense twin's energy."
        )
    making = report.energy.making_zeros_pj / total if total else 0.0
    if making >= LEAST_SHARE:
        said = "Making the zeros (threshold, mask packing, metadata writes) takes"
        sentences.append(f"{said} {numbers.percent(making)} of the energy.")
    return sentences


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# --- what the counts say ---------------------------------------------------------------------------------------


def _overhead(report: Report) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Cycles of each product that are the set-up of its passes: int64 [P]. Of several arrays, of one on average."""
    arch, activity = report.arch, report.activity
    every = activity.counts[:, Count.PASSES] * arch.array.pass_overhead_cycles
    if not arch.scaled_out:
        return every
    return np.minimum(every // (arch.arrays * arch.chips.count), activity.array_cycles)


def _has_zeros(report: Report) -> Bools:
    """Whether the ideal mechanism (or, without it, this one) finds MACs of a product to leave out: bool [P]."""
    counts = (report if report.bound is None else report.bound).activity.counts
    zeros: Bools = counts[:, Count.MACS_EXECUTED] < counts[:, Count.MACS_DENSE]
    return zeros


def _names_without_zeros(report: Report) -> list[str]:
    """Products with work and without a zero, those with the most cycles first."""
    cycles: dict[str, int] = {}
    zeros = _has_zeros(report).tolist()
    for key, spent, has in zip(report.activity.keys, report.activity.array_cycles.tolist(), zeros, strict=True):
        if spent and not has:
            cycles[key.product] = cycles.get(key.product, 0) + spent
    names = sorted(cycles, key=lambda name: -cycles[name])
    return names[:NAMED] + (["others"] if len(names) > NAMED else [])


def _of_missed(report: Report) -> str:
    """Say what would help the mechanism, from what became of its slots while the array ran."""
    skipping, totals = report.arch.skipping, report.activity.counts.sum(axis=0).tolist()
    if isinstance(skipping, TileMechanism):  # its idle slots have other causes than a window's
        return "tiles that fill its multipliers better"
    slots = {
        "lanes that wait less for each other: a deeper window, or fewer of them in step": Count.SLOTS_IMBALANCE,
        "more banks, for lanes ask one bank for different words": Count.SLOTS_CONFLICT,
        "a larger refill, for the window slides over zeros": Count.SLOTS_REFILL,
        "skipping zeros in place of gating them": Count.MACS_GATED,
    }
    said = max(slots, key=lambda text: totals[slots[text]])
    return said if totals[slots[said]] else "a mechanism that skips zeros"
