"""Schedules of a pass: equal to the plain form, complete, within the lanes' slots, and as long as counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS
from plain.schedules import plain_schedule
from plain.structured import pruned

from simulator.arch import Mechanism
from simulator.arch.schema import mechanism_of
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.masks import from_bools, full
from simulator.values import SCHEDULES, TILE_RUNS
from simulator.values.schedules import schedule_pass

POSITIONS = 24
LOOKAHEADS = st.integers(1, 12).flatmap(
    lambda depth: st.fixed_dictionaries(
        {
            "mechanism": st.just("lookahead"),
            "depth": st.sampled_from([depth, None]),
            "refill": st.one_of(st.none(), st.integers(1, depth)),
            "banks": st.one_of(st.none(), st.integers(1, 40)),
            "gate": st.booleans(),
        }
    )
)
ONE_SIDED = st.one_of(
    MECHANISMS,
    LOOKAHEADS,
    st.fixed_dictionaries({"mechanism": st.just("vector_skip"), "block": st.integers(1, 9)}),
    st.fixed_dictionaries(
        {
            "mechanism": st.just("inner_product"),
            "lanes": st.integers(1, 9),
            "depth": st.integers(1, 4),
            "moves": st.lists(st.tuples(st.integers(1, 4), st.integers(-9, 9)).map(list), max_size=5, unique_by=tuple),
        }
    ),
    st.fixed_dictionaries(
        {
            "mechanism": st.sampled_from(["dense", "ideal"]),
            "positions_per_cycle": st.integers(1, 9),
        }
    ),
    st.integers(1, 6).flatmap(
        lambda m: st.fixed_dictionaries({"mechanism": st.just("structured"), "n": st.integers(1, m), "m": st.just(m)})
    ),
)


@st.composite
def passes(draw: st.DrawFn) -> tuple[dict[str, Any], np.ndarray]:
    """Draw a mechanism and a mask that it takes."""
    skipping = draw(ONE_SIDED)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lanes, positions = draw(st.integers(1, 9)), draw(st.integers(0, POSITIONS))
    mask = rng.random((lanes, positions)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]))
    if skipping["mechanism"] == "structured":
        mask = pruned(mask, skipping["n"], skipping["m"])
    return skipping, mask


@settings(max_examples=300)
@given(passes())
@example(({"mechanism": "lookahead", "depth": 2, "refill": 1, "banks": 1}, np.array([[0, 1, 1], [1, 0, 1]], bool)))
def test_a_schedule_equals_the_plain_form(case: tuple[dict[str, Any], np.ndarray]) -> None:
    skipping, mask = case
    schedule = schedule_pass(mechanism_of(skipping), mask)
    cycles, entries = plain_schedule(skipping, mask)
    assert schedule.cycles == cycles
    found = list(zip(*(x.tolist() for x in (schedule.cycle, schedule.lane, schedule.position)), strict=True))
    assert sorted(found) == sorted(entries)


@settings(max_examples=300)
@given(passes())
def test_a_schedule_takes_every_non_zero_once_within_its_slots_and_counted_cycles(
    case: tuple[dict[str, Any], np.ndarray],
) -> None:
    skipping, mask = case
    mechanism = mechanism_of(skipping)
    schedule, counts = schedule_pass(mechanism, mask), mechanism.count(from_bools(mask))
    assert schedule.cycles == counts.cycles[0]
    assert len(schedule.lane) == counts.executed[0]
    taken = Counter(zip(schedule.lane.tolist(), schedule.position.tolist(), strict=True))
    if counts.executed[0] == mask.sum():
        assert taken == Counter(map(tuple, np.argwhere(mask).tolist()))
    assert max(taken.values(), default=1) == 1
    assert (np.diff(schedule.cycle) >= 0).all()
    assert (schedule.cycle < schedule.cycles).all()
    assert (schedule.cycle >= 0).all()
    # No lane has more slots in a cycle than multipliers; the bound shares them among all lanes.
    slots = Counter(schedule.cycle.tolist())
    shared = skipping["mechanism"] == "ideal"
    if not shared:
        slots = Counter(zip(schedule.cycle.tolist(), schedule.lane.tolist(), strict=True))
    per_cycle = mechanism.macs_per_lane * (len(mask) if shared else 1)
    assert max(slots.values(), default=0) <= per_cycle


@pytest.mark.parametrize("positions", [0, 1, 7, 8, 9])
def test_a_structured_array_runs_unrecorded_operands_dense(positions: int) -> None:
    mechanism = mechanism_of({"mechanism": "structured", "n": 2, "m": 4})
    schedule = schedule_pass(mechanism, np.ones((3, positions), bool), recorded=False)
    assert schedule.cycles == positions == mechanism.count(full(3, positions)).cycles[0]
    assert len(schedule.lane) == 3 * positions


def test_every_shipped_mechanism_has_a_schedule() -> None:
    shipped = {m for m in Mechanism.registered.values() if m.__module__.startswith("simulator.")}
    assert shipped == {*SCHEDULES, *TILE_RUNS}
    assert all(issubclass(m, TileMechanism) for m in TILE_RUNS)
    assert not any(issubclass(m, TileMechanism) for m in SCHEDULES)
