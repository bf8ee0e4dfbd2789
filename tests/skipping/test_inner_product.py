"""The inner-product law (TensorDash): known answers, published curves, the plain form, and its bounds."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from contract.mechanism_contract import MechanismContract
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.inner_product import MOVES, plain_inner_product, plain_lane_order

from simulator import load_arch, simulate
from simulator.arch import Mechanism, mechanism_of
from simulator.run import bound_of, dense_twin
from simulator.skipping import InnerProduct, run_pass
from simulator.skipping.inner_product import PUBLISHED_MOVES, lane_order
from simulator.skipping.masks import from_bools
from traces import Layer, synthetic_trace
from traces.errors import InputError

Bools = npt.NDArray[np.bool_]
KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "known_answers.json").read_text())


class TestInnerProductContract(MechanismContract):
    mechanisms = (
        InnerProduct(),
        InnerProduct(lanes=16, depth=2),
        InnerProduct(lanes=4, depth=1),
        InnerProduct(lanes=1, depth=5),
        InnerProduct(lanes=7, depth=4, moves=((3, 2), (1, 0))),
    )


def counted(mask: Bools, mechanism: Mechanism) -> dict[str, int]:
    return mechanism.count(from_bools(mask)).total()


def known_mask(case: dict[str, Any]) -> Bools:
    shape = (case["rows"], case["positions"])
    packed = np.frombuffer(base64.b64decode(case["mask"]), np.uint8)
    return np.unpackbits(packed, count=shape[0] * shape[1], bitorder="little").astype(bool).reshape(shape)


@pytest.mark.parametrize("index", range(len(KNOWN["inner_product"]["cases"])))
def test_inner_product_gives_the_known_cycles(index: int) -> None:
    case = KNOWN["inner_product"]["cases"][index]
    mask = known_mask(case)
    assert run_pass(mask, {"mechanism": "inner_product", "depth": case["depth"]}).cycles == case["cycles"]
    assert plain_inner_product(mask, depth=case["depth"])["cycles"] == case["cycles"]


@pytest.mark.parametrize("rows", [1, 4])
def test_inner_product_meets_the_curves_of_random_masks(rows: int) -> None:
    curves = KNOWN["inner_product_random_masks"]
    times = 20_000
    for zeros, expected in zip(curves["zero_fraction"], curves[f"array_rows_{rows}"], strict=True):
        mask = np.random.default_rng([20201017, rows]).random((rows, 16 * times)) >= zeros
        assert times / counted(mask, InnerProduct())["cycles"] == pytest.approx(expected, rel=0.01), zeros


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bools, InnerProduct]:
    """Draw masks of uneven density, and machines published and not."""
    rows = draw(st.sampled_from([1, 2, 3, 8, 65, 70]))
    lanes = draw(st.sampled_from([1, 2, 3, 5, 6, 16, 20]))
    positions = draw(st.integers(0, 6 * lanes + 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chance = draw(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9, 1.0])) * 2 * rng.random((rows, 1))
    mask = rng.random((rows, positions)) < chance
    moves = draw(
        st.just(PUBLISHED_MOVES)
        | st.lists(st.tuples(st.integers(1, 4), st.integers(-5, 5)), max_size=6, unique=True).map(tuple)
    )
    return mask, InnerProduct(lanes=lanes, depth=draw(st.integers(1, 5)), moves=moves)


@settings(max_examples=200)
@given(cases())
def test_inner_product_counts_as_its_plain_form(case: tuple[Bools, InnerProduct]) -> None:
    mask, machine = case
    assert counted(mask, machine) == plain_inner_product(mask, machine.lanes, machine.depth, machine.moves)


@settings(max_examples=150)
@given(cases())
def test_inner_product_is_between_dense_and_depth_times_faster(case: tuple[Bools, InnerProduct]) -> None:
    mask, machine = case
    rows, positions = mask.shape
    times = -(-positions // machine.lanes)
    count = counted(mask, machine)
    assert -(-times // machine.depth) <= count["cycles"] <= times
    busiest = max(int(row.sum()) for row in mask)
    assert count["cycles"] >= -(-busiest // machine.lanes)
    assert count["executed"] + count["skipped"] == mask.size
    idle = count["imbalance"] + count["conflict"] + count["refill"]
    assert rows * machine.lanes * count["cycles"] == count["executed"] + idle


@settings(max_examples=60)
@given(cases(), st.integers(1, 40))
def test_zeros_behind_the_last_position_of_a_time_row_change_nothing_but_the_skipped(
    case: tuple[Bools, InnerProduct], more: int
) -> None:
    mask, machine = case
    short = -mask.shape[1] % machine.lanes
    padded = np.pad(mask, ((0, 0), (0, min(more, short))))
    before, after = counted(mask, machine), counted(padded, machine)
    changed = {"skipped", "fetches"}
    assert {k: v for k, v in before.items() if k not in changed} == {k: v for k, v in after.items() if k not in changed}


@settings(max_examples=80)
@given(cases())
def test_inner_product_is_between_its_twins(case: tuple[Bools, InnerProduct]) -> None:
    mask, machine = case
    bound, dense = mechanism_of(machine.bound(4, 4)), mechanism_of(machine.dense_twin())
    assert bound.macs_per_lane == dense.macs_per_lane == dense.position_grain == machine.position_grain
    cycles = [counted(mask, mechanism)["cycles"] for mechanism in (bound, machine, dense)]
    assert cycles == sorted(cycles)
    assert cycles[2] == -(-mask.shape[1] // machine.lanes)


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95])
def test_tensordash_is_told_against_as_many_multipliers(tmp_path: Path, sparsity: float) -> None:
    layers = [Layer("lstm0", "lstm", 64, 64), Layer("out", "linear", 64, 70)]
    path = synthetic_trace(
        tmp_path / "t.npz", layers=layers, sequence_length=6, batch_size=8, sparsity=sparsity, input_sparsity=sparsity
    )
    arch = load_arch("tensordash", ["memory=ideal"])
    assert dense_twin(arch).multipliers == bound_of(arch).multipliers == arch.multipliers == 4096
    report = simulate(arch, path)
    assert report.baseline is not None
    ours, dense = report.frame(), report.baseline.frame()
    speedups = dense["array_cycles"] / ours["array_cycles"]
    assert speedups.min() >= 1
    assert speedups.max() <= 3
    if sparsity == 0.0:
        assert speedups.max() == 1
    if sparsity == 0.95:
        assert speedups[ours["product"] == "dx"].min() > 2.4
    assert 0 < report.utilization <= report.baseline.utilization <= 1
    per_column = -(-dense["n"] // 64) * -(-dense["m"] // 4) * -(-dense["k"] // 16)
    assert (dense["array_cycles"] == per_column).all()


def test_depth_1_takes_the_time_of_a_dense_array() -> None:
    mask = np.random.default_rng(1).random((4, 100)) < 0.3
    count = counted(mask, InnerProduct(depth=1))
    assert count["cycles"] == 7
    assert count["executed"] == mask.sum()


def test_array_rows_in_lock_step_wait_for_the_fullest() -> None:
    mask = np.zeros((2, 96), np.bool_)
    assert counted(mask, InnerProduct())["cycles"] == 2
    mask[1] = True
    both = counted(mask, InnerProduct())
    assert both["cycles"] == 6
    assert both["imbalance"] == 6 * 16
    assert both["refill"] == 0


def test_a_lane_takes_the_first_of_its_moves_and_an_earlier_lane_goes_first() -> None:
    # Lane 0 and lane 10 both reach lane 1 of the next time row if (1, 1) and (1, -9) are their moves; lane 0 chooses
    # first, so the non-zero is gone when lane 10 looks, and either way all is done in one cycle.
    mask = np.zeros((1, 32), np.bool_)
    mask[0, 16 + 1] = True
    one = counted(mask, InnerProduct(moves=((1, 1), (1, -9)), depth=2))
    assert (one["cycles"], one["executed"], one["reads"], one["imbalance"]) == (1, 1, 1, 15)
    # Without a move that reaches it, it waits for the base.
    assert counted(mask, InnerProduct(moves=(), depth=2))["cycles"] == 2


def test_lane_order_of_the_published_size_is_as_published() -> None:
    assert lane_order(16) == (0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14, 15)
    assert PUBLISHED_MOVES == MOVES


@pytest.mark.parametrize("lanes", [*range(1, 40), 64, 100])
def test_lane_order_names_each_lane_once_as_the_plain_form(lanes: int) -> None:
    assert sorted(lane_order(lanes)) == list(range(lanes))
    assert list(lane_order(lanes)) == plain_lane_order(lanes)


def test_selector_and_multipliers_follow_the_parameters() -> None:
    assert InnerProduct().selector_positions == 8
    assert InnerProduct(depth=2).selector_positions == 5
    assert InnerProduct(depth=1).selector_positions == 1
    assert not InnerProduct(depth=1).staged
    assert InnerProduct().staged
    assert InnerProduct(lanes=8).macs_per_lane == 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lanes": 0}, "skipping.lanes: found 0"),
        ({"depth": 0}, "skipping.depth: found 0"),
        ({"depth": None}, "skipping.depth: found null"),
        ({"moves": [[0, 1]]}, "found 0; expected"),
        ({"moves": [[1, 1], [2, 0], [1, 1]]}, r"the move \[1, 1\] twice"),
        ({"moves": [[1, 1, 1]]}, "skipping.moves"),
        ({"lane": 16}, "did you mean 'lanes'"),
    ],
)
def test_a_wrong_parameter_of_inner_product_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_pass(np.ones((1, 4), np.bool_), {"mechanism": "inner_product"} | wrong)
