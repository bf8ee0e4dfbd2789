"""The inner-product law against hardware: every counter and every sum of every pass is equal, and faults are seen."""

from __future__ import annotations

from collections import Counter

import pytest
from rtl.inner_product_rtl import ANY, InnerProductTile, random_cases, recorded_cases
from rtl.passes import Tell, agree, differences, kernel_fault_is_seen
from rtl.verilated import Design, missing_tool

import simulator.skipping.inner_product_kernels as kernels

pytestmark = pytest.mark.skipif(bool(missing_tool()), reason=missing_tool())


@pytest.fixture(scope="module")
def tile() -> InnerProductTile:
    return InnerProductTile(ANY)


def test_random_passes_equal_hardware(tile: InnerProductTile, record_property: Tell) -> None:
    agree(tile, list(random_cases(800, 30, tile.size)), record_property, "random inner-product")


def test_recorded_passes_equal_hardware(tile: InnerProductTile, record_property: Tell) -> None:
    agree(tile, list(recorded_cases(300, 31, tile.size)), record_property, "recorded inner-product")


def test_random_cases_cover_rows_and_depths() -> None:
    cases = list(random_cases(800, 30, dict(ANY.parameters)))
    rows, depths = Counter(c.skip.shape[0] for c in cases), Counter(c.mechanism.depth for c in cases)
    assert set(rows) == set(depths) == set(range(1, 9))
    assert min(*rows.values(), *depths.values()) >= 10
    assert any(not case.skip.any() for case in cases)
    assert any(case.skip.size and case.skip.all() for case in cases)


SMALL = {"ROWS": 3, "COLUMNS": 1, "DEPTH": 4, "LONGEST": 32}
# The order matters only to lanes whose moves meet: 0 and 1 do; 0, 5 and 10 do not.
FAULTS = {
    "lanes choose in another order": ("inner_selector.sv", "4'd1, 4'd10, 4'd5, 4'd0\n", "4'd0, 4'd10, 4'd5, 4'd1\n"),
    "a move goes one lane too far": ("inner_selector.sv", "4'd14, 4'd3, 4'd1", "4'd14, 4'd4, 4'd1"),
    "two lanes take one value": ("inner_selector.sv", "left &= ~bit_of;", "if (t == 0) left &= ~bit_of;"),
    "moves beyond the window": ("inner_selector.sv", "if (t < depth && !busy", "if (t <= depth && !busy"),
    "the window follows the fastest row": ("inner_product_tile.sv", "+:COUNT] < advance)", "+:COUNT] > advance)"),
    "a gap in what is drained is passed": (
        "inner_selector.sv",
        "for (int i = DEPTH - 1; i >= 1; i--) if",
        "for (int i = 1; i < DEPTH; i++) if",
    ),
    "a value comes from another time row": ("inner_row.sv", "slot = base_slot + ahead", "slot = base_slot - ahead"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_the_hardware_is_seen(fault: str) -> None:
    faulty = InnerProductTile(Design(ANY.top, SMALL, FAULTS[fault]))
    assert any(differences(faulty, case) for case in random_cases(150, 32, faulty.size))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stop = min(base + depth, times)", "stop = min(base + depth + 1, times)"),
        ("while base < stop and left[base] == 0:", "while base < stop - 1 and left[base] == 0:"),
        ("for i in range(lanes):", "for i in range(lanes - 1, -1, -1):"),
    ],
)
def test_fault_in_the_kernel_is_seen(tile: InnerProductTile, right: str, wrong: str) -> None:
    cases = list(random_cases(150, 33, tile.size))
    assert kernel_fault_is_seen(tile, cases, kernels, "stage_time_rows", right, wrong)


def test_small_build_without_a_fault_is_right() -> None:
    """What the faults are put in, so that it is the fault that is seen."""
    right = InnerProductTile(Design(ANY.top, SMALL))
    assert [text for case in random_cases(150, 32, right.size) for text in differences(right, case)] == []
