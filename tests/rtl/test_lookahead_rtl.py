"""The lookahead law against hardware: every counter and every sum of every pass is equal, and faults are seen."""

from __future__ import annotations

import types
from collections import Counter

import numpy as np
import pytest
from plain.lookahead import plain_lookahead
from rtl.lookahead_rtl import ANY, BANKED, LookaheadTile, random_cases, recorded_cases
from rtl.passes import Bools, Case, Tell, agree, differences, kernel_fault_is_seen
from rtl.verilated import Design, missing_tool

import simulator.skipping.kernels as kernels
from simulator.skipping import Lookahead

pytestmark = pytest.mark.skipif(bool(missing_tool()), reason=missing_tool())


@pytest.fixture(scope="module")
def tile() -> LookaheadTile:
    return LookaheadTile(ANY)


@pytest.fixture(scope="module")
def banked_tile() -> LookaheadTile:
    return LookaheadTile(BANKED)


def test_random_passes_equal_hardware(tile: LookaheadTile, record_property: Tell) -> None:
    agree(tile, list(random_cases(2500, 20, tile.size)), record_property, "random lookahead")


def test_recorded_passes_equal_hardware(tile: LookaheadTile, record_property: Tell) -> None:
    agree(tile, list(recorded_cases(500, 21, tile.size)), record_property, "recorded lookahead")


def test_passes_through_window_registers_in_banks_equal_hardware(
    banked_tile: LookaheadTile, record_property: Tell
) -> None:
    cases = list(random_cases(1000, 22, banked_tile.size))
    agree(banked_tile, cases, record_property, "random (window in 4 banks) lookahead")


def test_random_cases_cover_every_knob() -> None:
    """A law that nothing tries is not tested."""
    cases = list(random_cases(2500, 20, dict(ANY.parameters)))
    tried = Counter[str]()
    for case in cases:
        m = case.mechanism
        tried["dense"] += m.depth == 1 and m.refill == 1 and not m.gate
        tried["gated"] += m.depth == 1 and m.refill == 1 and m.gate
        tried["vector skip"] += m.depth == 1 and m.refill is None
        tried["unlimited depth"] += m.depth is None
        tried["unlimited refill"] += m.refill is None and m.depth != 1
        tried["refill"] += m.depth is not None and m.depth > 1 and m.refill is not None
        tried["banks"] += m.banks is not None
        tried["unlimited banks"] += m.banks is None
        tried["no positions"] += case.skip.shape[1] == 0
        tried["empty"] += not case.skip.any()
        tried["full"] += case.skip.size > 0 and bool(case.skip.all())
        tried[f"{case.skip.shape[0]} lanes"] += 1
        tried[f"{case.shared.shape[1]} columns"] += 1
    assert {n for n in range(1, 33) if tried[f"{n} lanes"]} == set(range(1, 33))
    assert {n for n in range(1, 9) if tried[f"{n} columns"]} == set(range(1, 9))
    assert {case.mechanism.depth for case in cases} >= set(range(1, 65))
    assert min(tried.values()) >= 10, tried


def plain_law(mask: Bools, mechanism: Lookahead) -> types.SimpleNamespace:
    window = {"depth": mechanism.depth, "refill": mechanism.refill, "banks": mechanism.banks}
    return types.SimpleNamespace(**plain_lookahead(mask, **window, gate=mechanism.gate))


def test_plain_form_equals_hardware(tile: LookaheadTile) -> None:
    assert [text for case in random_cases(200, 23, tile.size) for text in differences(tile, case, plain_law)] == []


# One wrong line each. Those of unlimited refill need the large build.
FAULTS = {
    "a refused lane loses its position": ("lane_selector.sv", "pending & ~(request & granted)", "pending & ~request"),
    "one position too many is open": ("window_control.sv", "COUNT'(i) < depth", "COUNT'(i) <= depth"),
    "the window slides over what is needed": (
        "window_control.sv",
        "unlimited || first_left < refill",
        "unlimited || first_left > refill",
    ),
    "one bank less": ("bank_arbiter.sv", "bank[banks-1] ?", "bank[banks-2] ?"),
    "a slot too many is overwritten": ("slot_writes.sv", "SLIDE'(distance) < slide", "SLIDE'(distance) <= slide"),
    "a bank hands out a neighbour's word": ("shared_window.sv", "<< base_slot)", "<< (base_slot + 1'b1))"),
    "idle slots have the wrong reason": ("slot_counters.sv", "else if (asks != '0)", "else if (asks == '0)"),
    "a sum is not cleared": ("lookahead_array.sv", ".clear(start)", ".clear(1'b0)"),
    "products lose their sign": ("mac_lane.sv", "logic signed [WIDTH-1:0] a, b;", "logic [WIDTH-1:0] a, b;"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_the_hardware_is_seen(fault: str) -> None:
    faulty = LookaheadTile(Design(BANKED.top, BANKED.parameters, FAULTS[fault]))
    assert any(differences(faulty, case) for case in random_cases(100, 24, faulty.size))


def test_fault_in_the_hardwares_search_is_seen() -> None:
    fault = "lookahead_tile.sv", "POSITION'(k) >= search_from", "POSITION'(k) > search_from"
    faulty = LookaheadTile(Design(ANY.top, ANY.parameters, fault))
    wrong = [case for case in random_cases(400, 25, faulty.size) if differences(faulty, case)]
    assert wrong
    assert all(case.mechanism.refill is None for case in wrong)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stop = min(base + window, positions)", "stop = min(base + window + 1, positions)"),
        ("reach = positions if refill == UNLIMITED else min(base + refill, positions)", "reach = positions"),
        ("refuse = banked and taken[bank] == now", "refuse = False"),
    ],
)
def test_fault_in_the_kernel_is_seen(tile: LookaheadTile, right: str, wrong: str) -> None:
    cases = [case for case in random_cases(200, 26, tile.size) if case.mechanism.depth not in (None, 1)]
    assert kernel_fault_is_seen(tile, cases, kernels, "scan_window", right, wrong)


def test_wrong_value_alone_is_seen(tile: LookaheadTile) -> None:
    """A sum can be wrong while every count is right."""
    case = next(c for c in random_cases(50, 27, tile.size) if c.skip.any())
    other = Case(case.skip, np.zeros_like(case.shared), case.mechanism, case.origin)

    class Swapped(LookaheadTile):
        def __init__(self) -> None:
            pass

        def run(self, case: Case[Lookahead]):  # type: ignore[no-untyped-def]
            return tile.run(other)

    assert differences(Swapped(), case) == [f"{case}: sums differ from numpy's"]
