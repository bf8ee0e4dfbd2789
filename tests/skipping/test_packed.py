"""The packing law: the plain form, cases by hand, and small points of another simulator of SIGMA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.tile_mechanism_contract import TileMechanismContract
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.packed import plain_packed
from plain.two_masks import two_masks

from simulator.skipping import Packed, run_pass
from traces.errors import InputError

LIMITS = st.one_of(st.none(), st.integers(1, 12))


class TestPackedContract(TileMechanismContract):
    mechanisms = (
        Packed(multipliers=1),
        Packed(multipliers=16, distribution_values_per_cycle=4, reduction_values_per_cycle=2),
        Packed(multipliers=256, whole_rows=True, distribution_latency_cycles=1, reduction_latency_cycles=8),
        Packed(multipliers=10, tile_rows=9, tile_columns=33, distribution_values_per_cycle=3),
    )


@settings(max_examples=100)
@given(
    two_masks(most_positions=25),
    st.integers(1, 40),
    st.booleans(),
    LIMITS,
    LIMITS,
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(1, 70)),
    st.one_of(st.none(), st.integers(1, 70)),
)
def test_every_count_equals_the_plain_form(
    masks: Any,
    multipliers: int,
    whole_rows: bool,
    distribution: int | None,
    reduction: int | None,
    latency: int,
    tile_rows: int | None,
    tile_columns: int | None,
) -> None:
    a, b = masks
    machine = Packed(
        multipliers=multipliers,
        whole_rows=whole_rows,
        distribution_values_per_cycle=distribution,
        reduction_values_per_cycle=reduction,
        distribution_latency_cycles=latency,
        reduction_latency_cycles=2 * latency,
        tile_rows=tile_rows,
        tile_columns=tile_columns,
    )
    result = vars(run_pass(a, machine, b))
    expected = plain_packed(
        a, b, multipliers, whole_rows, distribution, reduction, 3 * latency, tile_rows, tile_columns
    )
    assert {k: v for k, v in result.items() if k != "idle"} == expected


@settings(max_examples=60)
@given(two_masks(), st.integers(1, 40))
def test_ideal_networks_take_a_cycle_to_load_and_one_a_column(masks: Any, multipliers: int) -> None:
    a, b = masks
    placed = int(a[:, b.any(axis=1)].sum())
    result = run_pass(a, Packed(multipliers=multipliers), b)
    assert result.cycles == -(-placed // multipliers) * (1 + b.shape[1])
    assert result.conflict == 0


@settings(max_examples=60)
@given(two_masks(), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_wider_networks_never_cost_cycles(masks: Any, multipliers: int, distribution: int, reduction: int) -> None:
    a, b = masks

    def cycles(to: int | None, out: int | None) -> int:
        limits = {"distribution_values_per_cycle": to, "reduction_values_per_cycle": out}
        return run_pass(a, Packed(multipliers=multipliers, **limits), b).cycles

    narrow = cycles(distribution, reduction)
    assert cycles(distribution + 1, reduction) <= narrow
    assert cycles(distribution, reduction + 1) <= narrow
    assert cycles(None, None) <= narrow


def test_a_product_counted_by_hand() -> None:
    # Five values in packings of 4: rows 0 and 1 at positions 0, 2 | 0, 1, then row 1 at position 3.
    a = np.array([[1, 0, 1, 0], [1, 1, 0, 1]], np.bool_)
    b = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], np.bool_)
    result = run_pass(a, Packed(multipliers=4, distribution_values_per_cycle=2, reduction_values_per_cycle=2), b)
    # Packing 0 loads in 2 cycles; its positions 0, 1, 2 send 3, 2 and 0 values to the three columns: 2 + 1 + 1.
    # Packing 1 loads in 1 and streams in 3.
    assert result.cycles == (2 + 4) + (1 + 3)
    assert result.executed == (4 + 3 + 0) + (0 + 1 + 1)
    assert result.gated == 12 - 7 + 1
    assert result.refill == 3 * 4
    assert result.conflict == 1 * 4
    assert result.imbalance == 3 * 3
    assert result.skipped == 2 * 4 * 3 - 15
    assert result.fetches == 5 + 2


def test_values_that_meet_only_zeros_are_not_packed() -> None:
    a = np.ones((3, 4), np.bool_)
    b = np.array([[0, 0], [1, 0], [0, 0], [0, 0]], np.bool_)
    result = run_pass(a, Packed(multipliers=2), b)
    assert result.cycles == 2 * (1 + 2)
    assert (result.executed, result.gated) == (3, 3)


def test_whole_rows_do_not_cross_a_packing_unless_they_are_longer() -> None:
    a = np.arange(10) < np.array([[3], [2], [9], [1]])
    b = np.ones((10, 5), np.bool_)
    assert run_pass(a, Packed(multipliers=4), b).cycles == 4 * 6  # 15 values
    # 3 | 2 | 4, 4, 1 and the last row's 1
    assert run_pass(a, Packed(multipliers=4, whole_rows=True), b).cycles == 5 * 6


# Cycles that STONNE counts for SIGMA with 256 multipliers and 128 values a cycle in and out, on random stationary
# operands with 80 % zeros: rows, columns, positions, cycles. It lets no row cross a packing, as `whole_rows`.
STONNE = ((8, 65, 260, 290), (16, 130, 520, 2205), (32, 130, 1040, 8830))


@pytest.mark.parametrize(("rows", "columns", "positions", "cycles"), STONNE)
def test_small_points_of_stonne_are_met_within_three_percent(
    rows: int, columns: int, positions: int, cycles: int
) -> None:
    # Our own parameters: a Benes network of one cycle and an adder tree of log2(256) levels (SIGMA, HPCA 2020). STONNE
    # spends 4 to 5 more cycles on each packing, to set up its networks and to empty its queues.
    machine = Packed(
        multipliers=256,
        whole_rows=True,
        distribution_values_per_cycle=128,
        reduction_values_per_cycle=128,
        distribution_latency_cycles=1,
        reduction_latency_cycles=8,
    )
    exactly = np.zeros((rows, positions), np.bool_)
    rng = np.random.default_rng(0)
    for row in exactly:  # as many non-zeros in each row, so that the number of packings is not left to chance
        row[rng.permutation(positions)[: positions // 5]] = True
    found = run_pass(exactly, machine, np.ones((positions, columns), np.bool_)).cycles
    assert 0.97 * cycles < found < cycles


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"multipliers": 0}, "skipping.multipliers: found 0; expected at least 1"),
        ({"distribution_values_per_cycle": 0}, "skipping.distribution_values_per_cycle: found 0"),
        ({"reduction_latency_cycles": -1}, "skipping.reduction_latency_cycles: found -1; expected at least 0"),
        ({"whole_rows": 1}, "skipping.whole_rows: found 1; expected true or false"),
        ({"bandwidth": 4}, "unknown key 'bandwidth'"),
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        run_pass(np.ones((1, 1), np.bool_), {"mechanism": "packed", "multipliers": 4, **wrong})
    assert said in str(refused.value)
