"""What a study keeps of a recorded training: sparsity and its shape, and what machines make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.arch import load_arch
from simulator.mapping import Count
from simulator.report import Report
from simulator.run import simulate
from traces import Trace
from traces.zero_structure import ZeroStructure, step_structure

MACHINES = ("zero_skip", "vector_skip", "independent_lanes")
"""The realistic middle, hardware that skips whole columns alone, and lanes that wait for each other at a tile's end."""


def measured(path: Path, machines: Sequence[str] = MACHINES) -> dict[str, Any]:
    """Measure a trace.

    Returns
    -------
    dict
        ``sparsity`` (``first`` and ``last`` recorded step, ``late``: the mean of the second half of the recorded
        steps, and ``training``: the whole training, integrated), ``layers`` (late sparsity by layer), ``structure``
        (late shares of the zeros by where they lie, and ``dead_gates``: the share of all elements in dead gates),
        ``natural_zeros`` (late shares of all elements, by cause), ``cosine`` (least over layers of the late mean of the
        weight gradients' cosine with the unthresholded ones), and ``machines``: by name, see `_machine`.
    """
    with Trace(path) as trace:
        steps = trace.steps
        late = steps[len(steps) // 2 :]
        structures = {number: step_structure(trace.step(number), trace.layers) for number in steps}
        whole = sum((structures[number] for number in late), ZeroStructure())
        entries = {entry["step"]: entry for entry in trace.header["steps"]}
        reports = [simulate(load_arch(name), trace) for name in machines]
        training = reports[0].training
        return {
            "sparsity": {
                "first": structures[steps[0]].sparsity,
                "last": structures[steps[-1]].sparsity,
                "late": whole.sparsity,
                "training": None if training is None else training.run.sparsity,
            },
            "layers": _by_layer([entries[number] for number in late]),
            "structure": whole.shares() | {"dead_gates": whole.dead / whole.elements if whole.elements else 0.0},
            "natural_zeros": _natural([entries[number] for number in late], whole.elements),
            "cosine": _cosine([entries[number] for number in late]),
            "machines": {name: _machine(one) for name, one in zip(machines, reports, strict=True)},
        }


def _machine(report: Report) -> dict[str, Any]:
    """Whole training on a machine: ``cycles``, ``joules``, ``macs``, each with its dense twin's, and what they save."""
    training, twin, bound = report.training, report.baseline, report.bound
    assert training is not None, "all steps were replayed"
    assert twin is not None, "it was asked for"
    assert bound is not None, "it was asked for"
    run, course = training.run, training.course
    shares = course.shares(0, course.total_steps)
    macs = {
        count: float(
            sum(share * n for share, n in zip(shares, report.activity.step_counts[:, count].tolist(), strict=True))
        )
        for count in (Count.MACS_DENSE, Count.MACS_EXECUTED)
    }
    return {
        "cycles": round(run.cycles),
        "joules": run.joules,
        "macs_executed": macs[Count.MACS_EXECUTED],
        "macs_dense": macs[Count.MACS_DENSE],
        "dense_cycles": None if run.twin_cycles is None else round(run.twin_cycles),
        "dense_joules": run.twin_joules,
        "speedup": run.speedup,
        "energy_saving": run.energy_saving,
        "bound_speedup": report.bound_speedup,
        "macs_saved": report.savings,
    }


def _by_layer(entries: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean sparsity of each layer over steps, gates alike."""
    names = dict.fromkeys(name for entry in entries for name in entry.get("sparsity") or {})
    return {
        name: float(np.mean([np.mean(list(entry["sparsity"][name].values())) for entry in entries])) for name in names
    }


def _natural(entries: Sequence[dict[str, Any]], elements: int) -> dict[str, float]:
    """Natural zeros over all elements, by cause."""
    found: dict[str, int] = {}
    for entry in entries:
        for causes in (entry.get("natural_zeros") or {}).values():
            for cause, count in causes.items():
                found[cause] = found.get(cause, 0) + int(count)
    return {cause: count / elements if elements else 0.0 for cause, count in found.items()}


def _cosine(entries: Sequence[dict[str, Any]]) -> float | None:
    """Mean cosine of the layer whose weight gradients were turned most; None where none was recorded."""
    by_layer: dict[str, list[float]] = {}
    for entry in entries:
        for name, value in (entry.get("weight_gradient_cosine") or {}).items():
            for number in value.values() if isinstance(value, dict) else [value]:
                if number is not None and math.isfinite(number):
                    by_layer.setdefault(name, []).append(float(number))
    return min((float(np.mean(values)) for values in by_layer.values()), default=None)
