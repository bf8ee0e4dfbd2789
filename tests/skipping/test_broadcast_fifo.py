"""The broadcast law: known answers, the plain form that steps cycles, padding, and what depth brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from contract.tile_mechanism_contract import TileMechanismContract
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.broadcast_fifo import plain_broadcast_fifo, plain_finish, plain_share
from plain.two_masks import two_masks

from simulator.skipping import BroadcastFifo, run_pass
from traces.errors import InputError

KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "known_answers.json").read_text())["broadcast_fifo"]


class TestBroadcastFifoContract(TileMechanismContract):
    mechanisms = (
        BroadcastFifo(pes=1, depth=1, tile_rows=1),
        BroadcastFifo(pes=8, depth=4, index_bits=2),
        BroadcastFifo(pes=64, depth=None, tile_rows=70),
    )


def shared_of(work: list[list[int]]) -> npt.NDArray[np.bool_]:
    """Make a shared operand in which PE p has ``work[j][p]`` non-zeros at position j."""
    pes, most = len(work[0]), max(map(max, work))
    shared = np.zeros((len(work), most, pes), np.bool_)
    for j, of_pes in enumerate(work):
        for p, cycles in enumerate(of_pes):
            shared[j, :cycles, p] = True
    return shared.reshape(len(work), most * pes)


def test_known_answers_are_met() -> None:
    assert len(KNOWN) == 12
    for case in KNOWN:
        work, depth = case["work"], case["depth"]
        spec = {"mechanism": "broadcast_fifo", "pes": len(work[0]), "depth": depth}
        assert run_pass(np.ones((1, len(work)), np.bool_), spec, shared_of(work)).cycles == case["cycles"]
        assert plain_finish(work, depth) == case["cycles"]


@settings(max_examples=100)
@given(
    two_masks(most_positions=25),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 9)),
    st.one_of(st.none(), st.integers(1, 4)),
    st.sampled_from([1, 4, 64, 65]),
)
def test_every_count_equals_the_plain_form(
    masks: Any, pes: int, depth: int | None, index_bits: int | None, tile_rows: int
) -> None:
    a, b = masks
    machine = BroadcastFifo(pes=pes, depth=depth, index_bits=index_bits, tile_rows=tile_rows)
    result = vars(run_pass(a, machine, b))
    assert {k: v for k, v in result.items() if k != "idle"} == plain_broadcast_fifo(a, b, pes, depth, index_bits)


@settings(max_examples=60)
@given(two_masks(most_positions=30), st.integers(1, 9), st.integers(1, 12))
def test_a_deeper_fifo_never_costs_cycles(masks: Any, pes: int, depth: int) -> None:
    a, b = masks
    shallow = run_pass(a, BroadcastFifo(pes=pes, depth=depth), b).cycles
    assert run_pass(a, BroadcastFifo(pes=pes, depth=depth + 1), b).cycles <= shallow
    deep = run_pass(a, BroadcastFifo(pes=pes, depth=None), b).cycles
    assert run_pass(a, BroadcastFifo(pes=pes, depth=1000), b).cycles == deep <= shallow


def test_rows_follow_each_other() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.random((5, 30)) < 0.4, rng.random((30, 16)) < 0.3
    machine = BroadcastFifo(pes=4, depth=2)
    assert run_pass(a, machine, b).cycles == sum(run_pass(a[i : i + 1], machine, b).cycles for i in range(5))


@pytest.mark.parametrize(
    ("share", "padding"),
    [
        ("1" + "0" * 15 + "1", 0),
        ("1" + "0" * 16 + "1", 1),
        ("0" * 16 + "1", 1),
        ("0" * 48 + "1" + "0" * 40, 3),
        ("0" * 100, 0),
        # The column of the paper's example: [0, 0, 1, 2, 18 zeros, 3] is stored as values [1, 2, 0, 3].
        ("0011" + "0" * 18 + "1", 1),
    ],
)
def test_a_zero_is_stored_after_fifteen(share: str, padding: int) -> None:
    b = np.array([[digit == "1" for digit in share]])
    result = run_pass(np.ones((1, 1), np.bool_), BroadcastFifo(pes=1, depth=8, index_bits=4), b)
    assert result.gated == padding
    assert result.executed == share.count("1")
    # A cycle for the broadcast, then one for each stored value.
    assert result.cycles == 1 + share.count("1") + padding
    assert plain_share(b, 1, 4)[1] == [[padding]]


def test_depth_one_idles_half_the_time_and_eight_is_enough() -> None:
    # A layer like those of the paper: 64 PEs, 9 % of 1024 x 4096 weights, 35 % of the activations.
    rng = np.random.default_rng(1)
    a, b = rng.random((1, 1024)) < 0.35, rng.random((1024, 4096)) < 0.09
    busy = {}
    for depth in (1, 2, 8, 16, None):
        result = run_pass(a, BroadcastFifo(pes=64, depth=depth), b)
        busy[depth] = result.executed / (64 * result.cycles)
    assert 0.4 < busy[1] < 0.6
    assert busy[1] < busy[2] < busy[8]
    assert busy[8] > 0.85
    assert busy[16] - busy[8] < 0.06


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pes": 0}, "skipping.pes: found 0; expected at least 1"),
        ({"depth": 0}, "skipping.depth: found 0; expected at least 1"),
        ({"index_bits": 33}, "skipping.index_bits: found 33; expected at most 32"),
        ({"tile_rows": None}, "skipping.tile_rows: found null; expected a whole number"),
        ({"bits": 4}, "unknown key 'bits'"),
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        run_pass(np.ones((1, 1), np.bool_), {"mechanism": "broadcast_fifo", "pes": 4, "depth": 8, **wrong})
    assert said in str(refused.value)


def test_depth_must_be_said() -> None:
    with pytest.raises(InputError, match="no key 'depth'"):
        run_pass(np.ones((1, 1), np.bool_), {"mechanism": "broadcast_fifo", "pes": 4})
