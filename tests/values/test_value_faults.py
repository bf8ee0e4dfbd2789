"""Faults of schedules, accumulators, masks and plans: each is found, and the output or the pass is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain.cases import machine

from simulator import simulate
from simulator.arch import Mechanism
from simulator.mapping import PassCache, plan
from simulator.skipping import Lookahead, OuterProduct
from simulator.values import (
    SCHEDULES,
    TILE_RUNS,
    CycleMismatch,
    LaneSchedule,
    ValueMismatch,
    ValueTally,
    check_step,
    kernels,
)
from simulator.workload import Workload, lower
from traces import InputError, Layer, Trace, synthetic_trace

ROWS, TOKENS, BITS = 4, 12, 11
LOOKAHEAD = {"mechanism": "lookahead", "depth": 4, "refill": 2, "banks": 2}


@pytest.fixture(params=[False, True], ids=["seeded", "recorded"])
def linear(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A trace whose dx is the only product of 12 x 11 on lanes, so that a fault can be aimed at it."""
    return synthetic_trace(
        tmp_path / "linear.npz",
        layers=[Layer(name="top", kind="linear", input_size=7, hidden_size=BITS, input_needs_gradient=True)],
        sequence_length=3,
        batch_size=4,
        sparsity=0.5,
        values=request.param,
    )


def faulty(monkeypatch: pytest.MonkeyPatch, path: Path, change: Any, pass_number: int, tile_k: int) -> np.ndarray:
    """Change the schedule of one pass of dx, in its second K tile where there is one; give the mask of that pass."""
    with Trace(path) as trace:
        mask = trace.step(0).layers["top"].gate_gradient.unpack().reshape(TOKENS, BITS)
    first = tile_k if tile_k < BITS else 0
    target = mask[ROWS * pass_number : ROWS * (pass_number + 1), first : first + tile_k]
    law = SCHEDULES[Lookahead]

    def schedule(mechanism: Mechanism, mask: np.ndarray, is_recorded: bool) -> LaneSchedule:
        right = law(mechanism, mask, is_recorded)
        hit = is_recorded and np.array_equal(mask, target)
        return change(right, mask) if hit else right

    monkeypatch.setitem(SCHEDULES, Lookahead, schedule)
    return target


def drop(s: LaneSchedule, mask: np.ndarray) -> LaneSchedule:
    keep = np.arange(len(s.lane)) != 2
    return LaneSchedule(s.cycles, s.cycle[keep], s.lane[keep], s.position[keep])


def double(s: LaneSchedule, mask: np.ndarray) -> LaneSchedule:
    twice = np.sort(np.append(np.arange(len(s.lane)), 2))
    return LaneSchedule(s.cycles, s.cycle[twice], s.lane[twice], s.position[twice])


def swap(s: LaneSchedule, mask: np.ndarray) -> LaneSchedule:
    """Let two lanes take each other's positions, where neither has anything."""
    a, b = swapped(s, mask)
    lane = s.lane.copy()
    lane[[a, b]] = lane[[b, a]]
    return LaneSchedule(s.cycles, s.cycle, lane, s.position)


def swapped(s: LaneSchedule, mask: np.ndarray) -> tuple[int, int]:
    return next(
        (a, b)
        for a in range(len(s.lane))
        for b in range(a)
        if s.lane[a] != s.lane[b] and not mask[s.lane[a], s.position[b]] and not mask[s.lane[b], s.position[a]]
    )


@pytest.mark.parametrize("tile_k", [BITS, 6])
@pytest.mark.parametrize("change", [drop, double, swap])
def test_a_wrong_schedule_is_found_and_the_output_named(
    linear: Path, monkeypatch: pytest.MonkeyPatch, change: Any, tile_k: int
) -> None:
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD, memory={"mapping": {"tile_k": tile_k}})
    simulate(arch, linear, baseline=False, check_values=True)  # right as it is
    right = SCHEDULES[Lookahead]
    mask = faulty(monkeypatch, linear, change, pass_number=1, tile_k=tile_k)
    schedule = right(arch.skipping, mask, True)
    lanes = {int(schedule.lane[2])}
    if change is swap:
        lanes = {int(schedule.lane[e]) for e in swapped(schedule, mask)}
    with pytest.raises(ValueMismatch, match=r"^step 0: top dx \(12 x 11 x 7\): row \d, column 0: found ") as caught:
        simulate(arch, linear, baseline=False, check_values=True)
    assert caught.value.row == ROWS + min(lanes)
    assert caught.value.column == 0
    assert caught.value.found != caught.value.expected
    assert f"{7 * len(lanes)} outputs" in str(caught.value)


def test_a_wrong_column_is_named(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = kernels.multiply_accumulate

    def one_column_late(lane, position, skip, shared, sums):
        if shared.shape == (BITS, 3) and skip.shape == (ROWS, BITS):  # of dx, the first two of three column tiles
            shared = shared.copy()
            shared[:, 2] = 0
        exact(lane, position, skip, shared, sums)

    monkeypatch.setattr(kernels, "multiply_accumulate", one_column_late)
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD)
    with pytest.raises(ValueMismatch) as caught:
        simulate(arch, linear, baseline=False, check_values=True)
    assert caught.value.product == "step 0: top dx (12 x 11 x 7)"
    assert (caught.value.row, caught.value.column) == (0, 2)


def test_partial_sums_that_are_lost_are_found(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = kernels.multiply_accumulate

    def forgetful(lane, position, skip, shared, sums):
        sums[:] = 0
        exact(lane, position, skip, shared, sums)

    monkeypatch.setattr(kernels, "multiply_accumulate", forgetful)
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD)
    simulate(arch, linear, baseline=False, check_values=True)  # nothing to forget where K is whole
    cut = arch.replaced("memory", {"mapping": {"tile_k": 6}})
    with pytest.raises(ValueMismatch, match=r"top y .*row 0, column 0|top dx .*row 0, column 0"):
        simulate(cut, linear, baseline=False, check_values=True)


def test_a_schedule_of_other_cycles_is_found_and_the_pass_and_lane_named(
    linear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(s: LaneSchedule, mask: np.ndarray) -> LaneSchedule:
        return replace(s, cycles=s.cycles + 1)

    right = SCHEDULES[Lookahead]
    mask = faulty(monkeypatch, linear, slow, pass_number=2, tile_k=BITS)
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD)
    schedule = right(arch.skipping, mask, True)
    with pytest.raises(CycleMismatch) as caught:
        simulate(arch, linear, baseline=False, check_values=True)
    assert str(caught.value) == (
        f"step 0: top dx (12 x 11 x 7): K tile 0, pass 2, column tile 0, lane {schedule.lane[-1]} last: "
        f"{schedule.cycles + 1} cycles by the schedule; expected {schedule.cycles}, as counted"
    )


def test_a_law_that_takes_a_zero_is_found_by_its_macs(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take_a_zero(s: LaneSchedule, mask: np.ndarray) -> LaneSchedule:
        lane, position = np.argwhere(~mask)[0]
        return LaneSchedule(s.cycles, np.append(s.cycle, 0), np.append(s.lane, lane), np.append(s.position, position))

    faulty(monkeypatch, linear, take_a_zero, pass_number=0, tile_k=BITS)
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD)
    with pytest.raises(CycleMismatch, match=r"top dx .* K tile 0, pass 0, column tile 0, .* MACs by the schedule"):
        simulate(arch, linear, baseline=False, check_values=True)


def test_a_pair_too_few_of_a_two_sided_mechanism_is_found(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = TILE_RUNS[OuterProduct]

    def forgets_a_pair(mechanism, tile):
        done = right(mechanism, tile)
        if tile.sums.shape == (ROWS, 2) and tile.skip.shape[1] == BITS:  # dx, from its second column on
            tile.sums[3, 1] -= 1
        return done

    monkeypatch.setitem(TILE_RUNS, OuterProduct, forgets_a_pair)
    skipping = {"mechanism": "outer_product", "rows": 2, "columns": 2, "tile_rows": ROWS, "tile_columns": 2}
    with pytest.raises(ValueMismatch) as caught:
        simulate(machine(array={"rows": 2, "columns": 2}, skipping=skipping), linear, check_values=True)
    assert "top dx" in caught.value.product
    assert (caught.value.row, caught.value.column) == (3, 1)


def test_a_plan_with_other_array_cycles_or_a_mask_that_lost_a_bit_is_found(linear: Path) -> None:
    arch = machine(array={"rows": ROWS, "columns": 3}, skipping=LOOKAHEAD, memory={})
    with Trace(linear) as trace:
        step = trace.step(0)
        workload = lower(trace, step)
    cache = PassCache()
    right = plan(arch, workload, cache)
    check_step(arch, right, step, cache, ValueTally())
    cycles = right.job_array_cycles.copy()
    cycles[-1] += 1
    with pytest.raises(CycleMismatch, match=r"top dW .*: job \d+: \d+ array cycles by the schedule"):
        check_step(arch, replace(right, job_array_cycles=cycles), step, cache, ValueTally())

    dx = next(i for i, p in enumerate(workload.products) if p.name == "dx")
    products = list(workload.products)
    packed = products[dx].mask.packed.copy()
    row = int(np.flatnonzero(packed[:, 0])[0])
    packed[row, 0] &= packed[row, 0] - 1
    products[dx] = replace(products[dx], mask=replace(products[dx].mask, packed=packed, key=("top", "gate_gradient")))
    cache = PassCache()
    wrong = plan(arch, Workload(0, tuple(products)), cache)
    with pytest.raises(ValueMismatch, match=rf"top dx .*: row {row}, column 0: "):
        check_step(arch, wrong, step, cache, ValueTally())


# --- mechanisms without a schedule -----------------------------------------------------------------------


def test_a_mechanism_without_a_schedule_is_refused_before_the_run(
    linear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(SCHEDULES, Lookahead)
    with pytest.raises(InputError) as caught:
        simulate(machine(skipping=LOOKAHEAD), linear, check_values=True)
    (problem,) = caught.value.problems
    assert problem.where == "machine small: skipping.mechanism"
    assert problem.found.startswith("lookahead, whose schedule is not stated yet")
    assert "dense" in problem.expected
    assert "lookahead" not in problem.expected
    simulate(machine(skipping=LOOKAHEAD), linear)  # counting needs none
