"""The outer-product law: known answers, the plain form, and published machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.tile_mechanism_contract import TileMechanismContract
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.outer_product import plain_outer_product
from plain.two_masks import two_masks, unpacked_case

from simulator.skipping import IdealTwoSided, OuterProduct, run_pass
from simulator.skipping.masks import from_bools
from simulator.skipping.pairs import nonzeros_by_part
from traces.errors import InputError

KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "known_answers.json").read_text())["outer_product"]
TILES = st.one_of(st.none(), st.integers(1, 9), st.sampled_from([32, 64, 65]))


class TestOuterProductContract(TileMechanismContract):
    mechanisms = (
        OuterProduct(rows=1, columns=1),
        OuterProduct(rows=4, columns=4, tile_rows=5, tile_columns=70),
        OuterProduct(rows=8, columns=16, tile_rows=32, tile_columns=32),
        OuterProduct(rows=2, columns=3, tile_rows=4, tile_columns=6, pe_rows=3, pe_columns=2),
    )


class TestIdealTwoSidedContract(TileMechanismContract):
    mechanisms = (IdealTwoSided(multipliers=7), IdealTwoSided(multipliers=16, tile_rows=4, tile_columns=8))


@settings(max_examples=60)
@given(two_masks(), TILES, TILES, st.integers(1, 20))
def test_bound_of_two_operands_is_counted_tile_by_tile(
    masks: Any, rows: int | None, columns: int | None, n: int
) -> None:
    a, b = masks
    counted = dict.fromkeys(("cycles", "executed", "skipped", "imbalance", "fetches", "reads"), 0)
    for i in range(0, len(a), rows or len(a)):
        for j in range(0, b.shape[1], columns or b.shape[1]):
            left, right = a[i : i + (rows or len(a))], b[:, j : j + (columns or b.shape[1])]
            executed = int((left.astype(int) @ right.astype(int)).sum())
            counted["cycles"] += -(-executed // n)
            counted["executed"] += executed
            counted["skipped"] += left.size * right.shape[1] - executed
            counted["imbalance"] += -executed % n
            needed = int(right[left.any(axis=0)].sum())  # of positions at which no row has anything, none
            counted["fetches"] += needed
            counted["reads"] += needed
    result = vars(run_pass(a, IdealTwoSided(multipliers=n, tile_rows=rows, tile_columns=columns), b))
    assert {name: result[name] for name in counted} == counted


@st.composite
def machines(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the parameters of a grid of PEs."""
    knobs: dict[str, Any] = {"rows": draw(st.integers(1, 9)), "columns": draw(st.integers(1, 9))}
    for side in ("rows", "columns"):
        knobs[f"tile_{side}"] = draw(TILES)
        knobs[f"pe_{side}"] = 1 if knobs[f"tile_{side}"] is None else draw(st.integers(1, 3))
    return knobs


@settings(max_examples=100)
@given(two_masks(), machines())
def test_every_count_equals_the_plain_form(masks: Any, knobs: dict[str, Any]) -> None:
    a, b = masks
    result = vars(run_pass(a, OuterProduct(**knobs), b))
    assert {k: v for k, v in result.items() if k != "idle"} == plain_outer_product(a, b, **knobs)


def test_known_answers_are_met() -> None:
    assert len(KNOWN) == 12
    for case in KNOWN:
        a, b = unpacked_case(case)
        knobs = {"rows": case["rows"], "columns": case["columns"]}
        assert run_pass(a, {"mechanism": "outer_product", **knobs}, b).cycles == case["cycles"]
        assert plain_outer_product(a, b, **knobs)["cycles"] == case["cycles"]


@settings(max_examples=50)
@given(two_masks())
def test_one_by_one_takes_a_cycle_for_each_pair_of_non_zeros(masks: Any) -> None:
    a, b = masks
    pairs = int((a.sum(axis=0) * b.sum(axis=1)).sum())
    result = run_pass(a, OuterProduct(rows=1, columns=1), b)
    assert result.cycles == result.executed == pairs
    assert result.idle == 0


@settings(max_examples=50)
@given(two_masks(), st.integers(1, 6), st.integers(1, 6))
def test_more_multipliers_never_cost_cycles_and_smaller_tiles_never_save_any(
    masks: Any, rows: int, columns: int
) -> None:
    a, b = masks
    few = run_pass(a, OuterProduct(rows=rows, columns=columns), b).cycles
    assert run_pass(a, OuterProduct(rows=rows + 1, columns=columns), b).cycles <= few
    assert run_pass(a, OuterProduct(rows=rows, columns=columns + 1), b).cycles <= few
    assert run_pass(a, OuterProduct(rows=rows, columns=columns, tile_rows=5, tile_columns=7), b).cycles >= few


def test_a_product_counted_by_hand() -> None:
    a = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]], np.bool_)  # 3, 0 and 2 non-zeros
    b = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]], np.bool_)  # 4, 4 and 1
    result = run_pass(a, OuterProduct(rows=2, columns=3), b)
    assert result.cycles == 2 * 2 + 0 + 1 * 1
    assert (result.executed, result.skipped, result.imbalance) == (14, 36 - 14, 5 * 6 - 14)
    assert (result.fetches, result.reads) == (5, 5)


def test_a_grid_waits_for_its_slowest_pe() -> None:
    a = np.array([[1, 1, 1, 1], [0, 0, 0, 1]], np.bool_)
    one = OuterProduct(rows=1, columns=1, tile_rows=1, tile_columns=1)
    two = OuterProduct(rows=1, columns=1, tile_rows=1, tile_columns=1, pe_rows=2)
    b = np.ones((4, 1), np.bool_)
    assert run_pass(a, one, b).cycles == 4 + 1
    assert run_pass(a, two, b).cycles == 4
    assert run_pass(a, two, b).imbalance == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rows": 0}, "skipping.rows: found 0; expected at least 1"),
        ({"columns": 1.5}, "skipping.columns: found 1.5"),
        ({"tile_row": 4}, "did you mean 'tile_rows'?"),
        ({"pe_rows": 2}, "found pe_rows 2 with tile_rows null"),
        ({"pe_columns": 2, "tile_rows": 4}, "found pe_columns 2 with tile_columns null"),
        ({"weights": {}}, "skipping.weights: found neither a file nor a density"),
        ({"weights": {"density": 2.0}}, "skipping.weights.density: found 2.0; expected at most 1"),
        ({"weights": {"file": "w.npz", "density": 0.5}}, "found both a file and a density"),
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        run_pass(np.ones((1, 1), np.bool_), {"mechanism": "outer_product", "rows": 4, "columns": 4, **wrong})
    assert said in str(refused.value)


def test_masks_that_do_not_fit_are_refused() -> None:
    mask, spec = np.ones((2, 3), np.bool_), {"mechanism": "outer_product", "rows": 1, "columns": 1}
    for positions in (2, 4):
        with pytest.raises(InputError, match=f"shared: found {positions} positions; expected 3"):
            run_pass(mask, spec, np.ones((positions, 2), np.bool_))
    with pytest.raises(InputError, match=r"shared: found int64 array of shape \(3, 2\).*use mask != 0"):
        run_pass(mask, spec, np.ones((3, 2), np.int64))
    with pytest.raises(InputError, match=r"shared: found bool array of shape \(3, 0\)"):
        run_pass(mask, spec, np.ones((3, 0), np.bool_))
    with pytest.raises(InputError, match=r"shared: found a mask with lookahead, which does not read it.*outer_product"):
        run_pass(mask, {"mechanism": "lookahead", "depth": 1, "refill": 1}, np.ones((3, 2), np.bool_))


@pytest.mark.parametrize(("part", "parts"), [(1, 9), (5, 3), (32, 2), (32, 3), (40, 2), (48, 3), (64, 2), (70, 2)])
def test_non_zeros_are_counted_by_part_wherever_parts_begin_in_a_word(part: int, parts: int) -> None:
    lanes = part * parts
    bools = np.random.default_rng(part).random((1, lanes, 6)) < 0.5
    found = nonzeros_by_part(from_bools(bools), part, parts)
    assert np.array_equal(found, bools.reshape(1, parts, part, 6).sum(axis=2))
