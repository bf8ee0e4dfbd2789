"""Break-even: found where a known curve crosses, and true of the machine that it is told of."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain.cases import machine

from simulator.arch import Architecture
from simulator.explore.break_even import MOST_ELEMENTS, crossing, find_break_even
from simulator.report.break_even import RESOLUTION, Crossing
from simulator.run import dense_twin, simulate
from traces import DenseLayer, InputError, Layer, Trace, TraceWriter, synthetic_trace

GRID = [i / 10 for i in range(11)]
LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 4}
MEMORY = {"formats": {"skip": "bitmap"}}


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace(
        tmp_path_factory.mktemp("break_even") / "run.npz",
        layers=2,
        input_size=12,
        hidden_size=16,
        sequence_length=5,
        batch_size=6,
        sparsity=0.7,
        steps=[4, 9],
        dense_layers=[DenseLayer("classifier", 16, 20)],
        input_sparsity=0.5,
    )


# --- the search --------------------------------------------------------------------------------------------


@given(st.floats(0.001, 0.999))
def test_the_crossing_of_a_known_curve_is_found(where: float) -> None:
    found = crossing(lambda sparsity: sparsity - where, GRID)
    assert found.kind == "at"
    assert found.sparsity is not None
    assert where <= found.sparsity <= where + RESOLUTION


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.0, 0.1, 0.2], "always"),
        ([0.1, 0.0, 0.2], "always"),
        ([0.0, 0.0, 0.0], "never"),
        ([-0.2, -0.1, 0.0], "never"),
        ([-0.2, -0.1, -0.3], "never"),
        ([-0.1, 0.2, -0.1], "mixed"),
        ([0.1, -0.1, 0.2], "at"),
        ([-0.1, -0.2, 0.2], "at"),
    ],
)
def test_each_kind_of_curve_has_its_name(values: list[float], kind: str) -> None:
    grid = [0.0, 0.5, 1.0]
    found = crossing(lambda sparsity: float(np.interp(sparsity, grid, values)), grid)
    assert found.kind == kind
    assert (found.sparsity is None) == (kind != "at")
    if found.sparsity is not None:
        assert found.sparsity > 0.5  # of several losses the last one counts


def test_the_search_looks_at_few_points() -> None:
    asked: list[float] = []

    def saving(sparsity: float) -> float:
        asked.append(sparsity)
        return sparsity - 0.42

    crossing(saving, GRID)
    assert len(asked) == len(GRID) + 5  # 0.1 halved until it is at most 0.005


# --- machines ----------------------------------------------------------------------------------------------


def alone(arch: Architecture, trace: Trace, sparsity: float, path: Path) -> tuple[float, float]:
    """Replay one synthetic step and its twin: savings of time and energy."""
    shapes: dict[str, Any] = {"sequence_length": trace.sequence_length, "batch_size": trace.batch_size}
    synthetic_trace(path, layers=trace.layers, dense_layers=trace.dense_layers, sparsity=sparsity, **shapes)
    here, twin = simulate(arch, path, baseline=False), simulate(dense_twin(arch), path, baseline=False)
    return 1 - here.total_cycles / twin.total_cycles, 1 - here.energy.total_pj / twin.energy.total_pj


def test_below_it_the_machine_loses_and_from_there_on_it_does_not(trace_file: Path, tmp_path: Path) -> None:
    arch = machine(skipping=LOOKAHEAD, memory=MEMORY)
    with Trace(trace_file) as trace:
        found = find_break_even(arch, trace)
        assert found.energy.kind == "at"
        assert found.energy.sparsity is not None
        at = alone(arch, trace, found.energy.sparsity, tmp_path / "a.npz")
        below = alone(arch, trace, found.energy.sparsity - RESOLUTION, tmp_path / "b.npz")
    assert at[1] >= 0 > below[1]


def test_points_are_what_a_replay_gives(trace_file: Path, tmp_path: Path) -> None:
    arch = machine(skipping=LOOKAHEAD, memory=MEMORY)
    with Trace(trace_file) as trace:
        found = find_break_even(arch, trace, points=5)
        assert [point.sparsity for point in found.points] == [0, 0.25, 0.5, 0.75, 1]
        for point in found.points:
            time, energy = alone(arch, trace, point.sparsity, tmp_path / "a.npz")
            assert point.time_saving == pytest.approx(time)
            assert point.energy_saving == pytest.approx(energy)
    assert all(left.energy_saving < right.energy_saving for left, right in pairwise(found.points))


def test_a_dense_machine_never_saves(trace_file: Path) -> None:
    with Trace(trace_file) as trace:
        found = find_break_even(machine(memory={}), trace, points=3)
    assert found.time == found.energy == Crossing("never")
    assert {point.speedup for point in found.points} == {1.0}


def test_a_gating_machine_saves_energy_and_no_time(trace_file: Path) -> None:
    with Trace(trace_file) as trace:
        found = find_break_even(machine(skipping={"mechanism": "gated"}), trace, points=3)
    assert found.time.kind == "never"
    assert found.energy.kind in ("at", "always")


def test_ideal_skipping_never_takes_longer(trace_file: Path) -> None:
    with Trace(trace_file) as trace:
        found = find_break_even(machine(skipping={"mechanism": "ideal"}), trace, points=3)
    assert found.time.kind == "always"


def test_recorded_steps_are_told_as_they_are(trace_file: Path) -> None:
    arch = machine(skipping=LOOKAHEAD, memory=MEMORY)
    with Trace(trace_file) as trace:
        report = simulate(arch, trace)
        found = find_break_even(arch, trace, report=report, points=2)
    assert [step for step, _ in found.recorded] == [4, 9]
    for step, point in found.recorded:
        one = simulate(arch, trace_file, steps=(step, step + 1))
        assert point.sparsity == pytest.approx(0.7, abs=0.001)
        assert point.speedup == pytest.approx(one.speedup)
        assert point.energy_saving == pytest.approx(one.energy_saving)


def test_the_same_seed_gives_the_same_answer_and_progress_counts_replays(trace_file: Path) -> None:
    arch = machine(skipping=LOOKAHEAD, memory=MEMORY)
    seen: list[int] = []
    with Trace(trace_file) as trace:
        first = find_break_even(arch, trace, points=3, seed=5, progress=seen.append)
        assert find_break_even(arch, trace, points=3, seed=5) == first
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 3


def test_long_steps_are_cut_and_it_is_said(tmp_path: Path) -> None:
    H, B = 4, 2**10
    T = MOST_ELEMENTS // (4 * H * B) + 10
    with TraceWriter(
        tmp_path / "long.npz", {"layers": [Layer("a", "lstm", 2, H)], "batch_size": B, "sequence_length": T}
    ):
        pass  # shapes alone: no step was recorded, and none is needed
    arch = machine(array={"rows": 32, "columns": 32})
    with Trace(tmp_path / "long.npz") as trace:
        short = find_break_even(arch, trace, points=2, time_steps=3)
        assert (short.time_steps, short.recorded_time_steps) == (3, T)
        assert f"3 time steps, cut from {T:,}" in short.method
        from simulator.explore.break_even import _quick_time_steps

        assert _quick_time_steps(trace) == T - 10


@pytest.mark.parametrize("wrong", [{"points": 1}, {"time_steps": 0}, {"seed": -1}], ids=str)
def test_arguments_out_of_range_are_refused(trace_file: Path, wrong: dict[str, int]) -> None:
    with Trace(trace_file) as trace, pytest.raises(InputError, match="at least"):
        find_break_even(machine(), trace, **wrong)


def test_a_machine_of_patterned_masks_is_refused_with_the_reason(trace_file: Path) -> None:
    arch = machine(skipping={"mechanism": "structured", "n": 2, "m": 4})
    with Trace(trace_file) as trace, pytest.raises(InputError, match=r"2:4 masks alone.*independent zeros"):
        find_break_even(arch, trace)
