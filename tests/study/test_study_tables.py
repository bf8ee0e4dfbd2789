"""Tables say what the rows hold: means, spreads, losses seed by seed, and the small dense network of equal quality."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from simulator.study import StudyRun, report
from simulator.study.figures import curves, quality_energy, write_figures
from simulator.study.measuring import MACHINES
from simulator.study.paper import OFF, fixed
from simulator.study.runs import Condition, Group
from simulator.study.tables import Measure, loss_of_quality, summary

SEEDS = range(3)


def runs(hidden: int, policy: dict[str, Any]) -> tuple[StudyRun, ...]:
    return tuple(StudyRun("char-lm", {"hidden": hidden}, policy, seed) for seed in SEEDS)


def row(run: StudyRun, bits: float, zeros: float, cost: float = 1.0) -> dict[str, Any]:
    costs = {
        "cycles": 100 * cost, "joules": 2 * cost, "macs_executed": 10 * cost, "macs_dense": 20 * cost,
        "dense_cycles": 150 * cost, "dense_joules": 3 * cost, "speedup": 1.5, "energy_saving": 0.25,
        "bound_speedup": 2.0, "macs_saved": {"layers": 2 * zeros / 3, "backward": zeros, "network": zeros / 2},
    }  # fmt: skip
    return {
        "key": run.key, "status": "ok", "quality": {"test_bits_per_character": bits, "test_loss": bits / 1.44},
        "sparsity": {"first": zeros, "last": zeros, "late": zeros, "training": zeros - 0.1},
        "structure": {"dead": 0.25, "column": 0.25, "row": 0.0, "scattered": 0.5, "dead_gates": 0.1},
        "natural_zeros": {"saturated": 0.01, "underflow": 0.02, "padding": 0.3}, "cosine": 0.9,
        "curve": {"gradient_norm": [9.0, 1.0, 2.0]}, "machines": dict.fromkeys(MACHINES, costs),
    }  # fmt: skip


SPARSE, DENSE = runs(8, fixed(1e-6)), runs(8, OFF)
CONDITION = Condition("threshold 1e-06", SPARSE, DENSE)


def rows_of(sparse: list[float], dense: list[float]) -> dict[str, dict[str, Any]]:
    found = [row(run, bits, 0.8) for run, bits in zip(SPARSE, sparse, strict=True)]
    found += [row(run, bits, 0.0) for run, bits in zip(DENSE, dense, strict=True)]
    return {one["key"]: one for one in found}


def test_loss_is_told_seed_by_seed_and_spreads_are_of_the_sample() -> None:
    told = summary(CONDITION, rows_of([2.02, 2.2, 3.03], [2.0, 2.0, 3.0]))
    assert told["quality"] == Measure(fmean([2.02, 2.2, 3.03]), stdev([2.02, 2.2, 3.03]))
    assert told["loss"].mean == pytest.approx(fmean([0.01, 0.1, 0.01]))
    assert told["natural"].mean == pytest.approx(0.03)
    assert told["macs_saved"].mean == pytest.approx(2 * 0.8 / 3)
    assert told["gradient_norm"].mean == 2.0  # of the second half of the curve
    assert told[MACHINES[0]]["speedup"] == Measure(1.5, 0.0)


def test_more_bleu_is_better_and_fewer_bits_are() -> None:
    def quality(name: str, value: float) -> dict[str, Any]:
        return {"quality": {name: value}}

    assert loss_of_quality(quality("test_bleu", 18.0), quality("test_bleu", 20.0)) == pytest.approx(0.1)
    assert loss_of_quality(quality("test_perplexity", 110.0), quality("test_perplexity", 100.0)) == pytest.approx(0.1)
    assert loss_of_quality({}, quality("test_bleu", 20.0)) is None
    assert loss_of_quality(quality("test_bleu", 1.0), quality("test_bleu", 0.0)) is None


def test_missing_and_diverged_runs_are_told_and_counted_in_no_mean() -> None:
    rows = rows_of([2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
    del rows[SPARSE[0].key]
    rows[SPARSE[1].key] = {"key": SPARSE[1].key, "status": "diverged", "error": "..."}
    told = summary(CONDITION, rows)
    assert (told["runs"], told["diverged"]) == (2, 1)
    assert told["quality"] == Measure(2.0, None)
    page = report([Group("thresholds", "Thresholds", (CONDITION,))], rows, "small")
    assert "| 2, 1 diverged |" in page
    assert "| 0 |" in report([Group("thresholds", "Thresholds", (CONDITION,))], {}, "small")


def test_the_smallest_dense_network_that_is_as_good_stands_beside_the_sparse_one() -> None:
    rows = rows_of([2.1, 2.1, 2.1], [2.0, 2.0, 2.0])
    small = []
    for hidden, bits, cost in ((2, 2.5, 0.1), (4, 2.05, 0.4), (6, 2.01, 0.7)):
        members = runs(hidden, OFF)
        small.append(Condition(f"{hidden} cells", members, members))
        rows |= {run.key: row(run, bits, 0.0, cost) for run in members}
    groups = [
        Group("thresholds", "Thresholds", (CONDITION,)),
        Group("dense-sizes", "Smaller", tuple(small)),
    ]
    (line,) = [one for one in report(groups, rows, "small").split("\n") if "4 cells |" in one and "threshold" in one]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["threshold 1e-06", "2.100 ± 0.000", "4 cells", "2.050 ± 0.000"]
    assert cells[4:] == [f"{value:.2f}" for value in (10 / 8, *[100 / 60, 2 / 1.2] * 2)]


def test_no_dense_network_as_good_is_said() -> None:
    rows = rows_of([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    members = runs(4, OFF)
    rows |= {run.key: row(run, 2.0, 0.0) for run in members}
    groups = [
        Group("thresholds", "Thresholds", (CONDITION,)),
        Group("dense-sizes", "Smaller", (Condition("4 cells", members, members),)),
    ]
    assert "| threshold 1e-06 | 1.000 ± 0.000 | none |" in report(groups, rows, "small")


def test_figures_draw_every_condition_and_are_the_same_bytes_again(tmp_path: Path) -> None:
    rows = rows_of([2.02, 2.2, 3.03], [2.0, 2.0, 3.0])
    for one in rows.values():
        one["curve"] |= {"step": [1, 2, 3], "valid_loss": [3.0, 2.5, 2.0]}
    groups = [Group("thresholds", "Thresholds", (CONDITION, Condition("threshold 0", DENSE, DENSE)))]
    axes = curves(groups[0], rows)
    assert [line.get_label() for line in axes.get_lines()] == ["threshold 1e-06", "threshold 0"]
    assert axes.get_xlabel() == "optimiser steps"
    marks = quality_energy(groups, rows)
    assert {text.get_text() for text in marks.texts} == {"threshold 1e-06", "threshold 0"}
    written = write_figures(groups, rows, tmp_path)
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_figures(groups, rows, tmp_path)] == before
    assert b"threshold 1e-06" in before[0]
    assert write_figures(groups, {}, tmp_path) == []
    assert all(f"]({path.name})" in report(groups, rows, "small", [p.name for p in written]) for path in written)
