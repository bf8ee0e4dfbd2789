"""Whole trainings: each optimiser step counted once, recorded steps as they are, the others between them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain.cases import machine

from simulator.report import Course, Report
from simulator.report.course import FROM_CURVE, FROM_HEADER, FROM_LAST_STEP
from simulator.report.terminal import render
from simulator.run import simulate
from traces import DenseLayer, Layer, Trace, TraceWriter

LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}
T, B, H = 3, 4, 8


def write(path: Path, zeros_of_step: dict[int, float], **header: Any) -> Path:
    """Write a trace whose steps have such shares of zeros."""
    layers = [Layer("lstm0", "lstm", 6, H)]
    shapes = {"batch_size": B, "sequence_length": T, "dense_layers": [DenseLayer("classifier", H, 20)]}
    rng = np.random.default_rng(1)
    with TraceWriter(path, {"layers": layers, **shapes, **header}) as writer:
        for number, share in zeros_of_step.items():
            writer.add_step(number, {"lstm0": {"gate_gradient": rng.random((T, B, 4 * H)) >= share}})
    return path


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("training") / "run.npz"
    zeros = {1: 0.1, 50: 0.9, 200: 0.6, 380: 0.7}
    return write(path, zeros, training={"total_steps": 400, "steps_per_epoch": 80})


@pytest.fixture(scope="module")
def whole(trace_file: Path) -> Report:
    return simulate(machine(skipping=LOOKAHEAD, memory={}), trace_file)


# --- the course --------------------------------------------------------------------------------------------


@st.composite
def courses(draw: st.DrawFn) -> Course:
    recorded = tuple(sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=6))))
    least = recorded[-1] if recorded[-1] else 1
    return Course(recorded, draw(st.integers(least, least + 20)))


def plainly(course: Course, values: list[int], number: int) -> Fraction:
    """Interpolate at one optimiser step, as the text has it."""
    for left, right, a, b in zip(course.recorded, course.recorded[1:], values, values[1:], strict=False):
        if left <= number <= right:
            return a + Fraction(number - left, right - left) * (b - a)
    return Fraction(values[0] if number <= course.recorded[0] else values[-1])


@given(courses(), st.data())
def test_shares_give_the_sum_over_every_optimiser_step(course: Course, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, course.total_steps))
    end = data.draw(st.integers(begin, course.total_steps))
    values = data.draw(st.lists(st.integers(0, 99), min_size=len(course.recorded), max_size=len(course.recorded)))
    shares = course.shares(begin, end)
    assert sum(shares) == end - begin
    assert min(shares) >= 0
    expected = sum((plainly(course, values, n) for n in course.numbers(begin, end)), Fraction(0))
    assert sum(s * v for s, v in zip(shares, values, strict=True)) == expected


@given(courses(), st.data())
def test_extremes_take_the_lesser_and_the_greater_neighbour_of_each_step(course: Course, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 99), min_size=len(course.recorded), max_size=len(course.recorded)))
    at = dict(zip(course.recorded, values, strict=True))

    def neighbours(number: int) -> tuple[int, int]:
        left = at[max((r for r in course.recorded if r <= number), default=course.recorded[0])]
        right = at[min((r for r in course.recorded if r >= number), default=course.recorded[-1])]
        return left, right

    numbers = course.numbers(0, course.total_steps)
    expected = (sum(min(neighbours(n)) for n in numbers), sum(max(neighbours(n)) for n in numbers))
    assert course.extremes(values) == expected
    total = sum(s * v for s, v in zip(course.shares(0, course.total_steps), values, strict=True))
    assert expected[0] <= total <= expected[1]


@pytest.mark.parametrize(
    ("header", "total", "known_from"),
    [
        ({"training": {"total_steps": 30}, "curve": {"step": [40]}}, 30, FROM_HEADER),
        ({"training": {"total_steps": None}, "curve": {"step": [10, 25]}}, 25, FROM_CURVE),
        ({"curve": {"step": [5, 10]}}, 20, FROM_LAST_STEP),
        ({"curve": {"step": [None, "many", True, 1e9]}}, 20, FROM_LAST_STEP),
        ({"curve": {"loss": [2.0]}}, 20, FROM_LAST_STEP),
        ({}, 20, FROM_LAST_STEP),
    ],
)
def test_the_length_is_the_headers_else_the_curves_else_the_last_steps(
    header: dict[str, Any], total: int, known_from: str, tmp_path: Path
) -> None:
    with Trace(write(tmp_path / "x.npz", {3: 0.5, 20: 0.5}, **header)) as trace:
        course = Course.of(trace)
    assert (course.total_steps, course.total_from) == (total, known_from)
    assert course.numbers(0, total) == range(1, total + 1)


def test_steps_are_numbered_from_0_where_step_0_is_recorded(tmp_path: Path) -> None:
    with Trace(write(tmp_path / "x.npz", {0: 0.5, 9: 0.5})) as trace:
        course = Course.of(trace)
    assert (course.total_steps, course.numbers(0, 10)) == (10, range(10))


# --- the training ------------------------------------------------------------------------------------------


def test_the_run_is_the_sum_over_its_steps_of_what_each_was_alone(whole: Report, trace_file: Path) -> None:
    training = whole.training
    assert training is not None
    alone = [simulate(whole.arch, trace_file, steps=(n, n + 1)) for n in whole.steps]
    cycles = [one.total_cycles for one in alone]
    every = range(1, 401)
    assert training.run.cycles == sum(plainly(training.course, cycles, n) for n in every)
    assert training.run.seconds == pytest.approx(float(training.run.cycles) / 1e9)
    for joules, reports in (
        (training.run.joules, alone),
        (training.run.twin_joules, [one.baseline for one in alone if one.baseline]),
    ):
        each = [one.energy.total_pj * 1e-12 for one in reports]
        assert joules == pytest.approx(np.interp(every, whole.steps, each).sum(), rel=1e-9)
    sparsities = [one.sparsity for one in alone]
    assert training.run.sparsity == pytest.approx(np.interp(every, whole.steps, sparsities).mean())
    low, high = training.joules_range
    assert low < training.run.joules < high


def test_phases_are_the_run_cut_in_three(whole: Report) -> None:
    training = whole.training
    assert training is not None
    assert [phase.steps for phase in training.phases] == [range(1, 3), range(3, 41), range(41, 401)]
    assert [phase.recorded_steps for phase in training.phases] == [1, 0, 3]
    assert sum(phase.cycles for phase in training.phases) == training.run.cycles
    assert sum(phase.joules for phase in training.phases) == pytest.approx(training.run.joules)
    early, _, late = training.phases
    assert early.sparsity < 0.2 < late.sparsity
    assert (early.speedup or 9) < (late.speedup or 0)


def test_the_json_says_the_same(whole: Report) -> None:
    training, data = whole.training, whole.to_dict()["training"]
    assert training is not None
    assert (data["total_steps"], data["steps_per_epoch"]) == (400, 80)
    assert abs(data["cycles"] - training.run.cycles) <= Fraction(1, 2)
    assert data["per_epoch"]["epochs"] == 5
    assert data["per_epoch"]["joules"] == pytest.approx(data["joules"] / 5)
    assert data["per_epoch"]["cycles"] == pytest.approx(data["cycles"] / 5, abs=1)
    assert data["speedup"] == pytest.approx(data["baseline"]["cycles"] / data["cycles"], rel=1e-6)
    assert data["energy_saving"] == pytest.approx(1 - data["joules"] / data["baseline"]["joules"])
    assert [phase["until"] for phase in data["phases"]] == [0.005, 0.1, 1.0]
    assert [phase["last_step"] for phase in data["phases"]] == [2, 40, 400]
    assert "step 380 stands for all after it" in data["method"]
    assert "before it" not in data["method"]


def test_a_run_shorter_than_an_epoch_tells_no_epoch(tmp_path: Path) -> None:
    training = {"total_steps": 10, "steps_per_epoch": 11}
    report = simulate(machine(), write(tmp_path / "x.npz", {1: 0.5, 9: 0.5}, training=training), baseline=False)
    data = report.to_dict()["training"]
    assert (data["steps_per_epoch"], data["per_epoch"]) == (11, None)
    assert "mean epoch" not in render(report, width=80, color=False)


def test_an_epoch_is_told_where_one_was_made(whole: Report) -> None:
    text = render(whole, width=80, color=False)
    row = next(line for line in text.splitlines() if line.startswith("mean epoch"))
    assert row.split()[2] == "80"


def test_a_single_step_stands_for_all_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "one.npz", {7: 0.8}, training={"total_steps": 1000})
    report = simulate(machine(skipping=LOOKAHEAD, memory={}), path)
    training = report.training
    assert training is not None
    assert training.run.cycles == 1000 * report.total_cycles
    assert training.phases == ()
    assert "recorded step 7 stands for all 1,000" in training.method
    assert training.seconds_range[0] == training.seconds_range[1] == training.run.seconds


def test_a_part_of_the_recorded_steps_says_nothing_of_the_whole(trace_file: Path) -> None:
    arch = machine(skipping=LOOKAHEAD, memory={})
    assert simulate(arch, trace_file, steps=(50, None), baseline=False).to_dict()["training"] is None
    assert simulate(arch, trace_file, steps=(1, 381), baseline=False).training is not None


def test_without_a_twin_nothing_is_compared(trace_file: Path) -> None:
    data = simulate(machine(skipping=LOOKAHEAD, memory={}), trace_file, baseline=False).to_dict()["training"]
    assert (data["baseline"], data["speedup"], data["energy_saving"]) == (None, None, None)
    assert data["joules"] > 0
