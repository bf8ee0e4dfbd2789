"""Waves of the model beside those of the hardware: signal by signal, cycle by cycle, the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plain import vcd
from plain.cases import machine
from rtl import inner_product_rtl
from rtl.lookahead_rtl import random_cases, recorded_cases
from rtl.passes import Bools
from rtl.waves import hardware_waves, missing_tool

from simulator.report.chosen_pass import ChosenPass
from simulator.report.waves import CYCLE_NS, write_waves
from simulator.skipping import InnerProduct, Lookahead

pytest.importorskip("vcd", reason="pyvcd not found; pip install 'skipstone[waves]'")
pytestmark = pytest.mark.skipif(bool(missing_tool()), reason=missing_tool())

# Builds are as large as their passes need; a few sizes keep the compiler out of the test's time.
SIZE = {"LANES": 6, "COLUMNS": 1, "SLOTS": 16, "REFILL": 16, "BANKS": 16}


def differences(
    mechanism: Lookahead | InnerProduct, mask: Bools, folder: Path, fault: tuple[str, str, str] | None = None
) -> list[str]:
    """Write both waves of a pass and list where they differ: the signal, the time, the hardware's and the model's."""
    arch = machine(skipping=mechanism.model_dump())
    write_waves(arch, ChosenPass("l dh t=0:0", mask, True), folder / "model.vcd")
    hardware_waves(mechanism, mask, folder / "hardware.vcd", fault)
    (widths, model), (their_widths, theirs) = (vcd.read(folder / f"{name}.vcd") for name in ("model", "hardware"))
    own = [signal for signal in widths if signal.startswith("skipstone.tile.")]
    assert len(own) == (24 if isinstance(mechanism, Lookahead) else 12) + 5 * len(mask)
    wrong = [f"{signal} has other bits" for signal in own if widths[signal] != their_widths.get(signal)]
    (last,) = [time for time, value in model["skipstone.tile.done"] if value == "1"]
    for time in range(last + CYCLE_NS):
        for signal in own:
            ours, hardware = vcd.at(model[signal], time), vcd.at(theirs[signal], time)
            if ours != hardware:
                wrong.append(f"{mechanism!r} {mask.shape}: {signal} at {time} ns: {hardware} in hardware, {ours} here")
    return wrong


def test_random_passes_have_the_hardwares_waves(tmp_path: Path, record_property) -> None:  # type: ignore[no-untyped-def]
    cases = [case for case in random_cases(160, 30, SIZE) if case.skip.shape[1] <= 64]
    kinds = {(c.mechanism.depth == 1, c.mechanism.refill is None, c.mechanism.gate) for c in cases}
    assert len(kinds) == 8
    wrong = [text for case in cases for text in differences(case.mechanism, case.skip != 0, tmp_path)]
    assert wrong == []
    record_property("told in the summary", f"RTL: waves of {len(cases)} random passes equal, signal by signal")


def test_recorded_passes_have_the_hardwares_waves(tmp_path: Path) -> None:
    cases = list(recorded_cases(12, 31, SIZE))
    assert [text for case in cases for text in differences(case.mechanism, case.skip != 0, tmp_path)] == []


def test_inner_product_passes_have_the_hardwares_waves(tmp_path: Path) -> None:
    size = {"ROWS": 3, "COLUMNS": 1, "DEPTH": 8, "LONGEST": 32}
    cases = [*inner_product_rtl.random_cases(30, 32, size), *inner_product_rtl.recorded_cases(10, 33, size)]
    assert [text for case in cases for text in differences(case.mechanism, case.skip != 0, tmp_path)] == []


@pytest.mark.parametrize(
    ("mechanism", "like"),
    [
        ({"mechanism": "dense"}, Lookahead(depth=1, refill=1, gate=False)),
        ({"mechanism": "gated"}, Lookahead(depth=1, refill=1)),
        ({"mechanism": "vector_skip"}, Lookahead(depth=1, refill=None)),
        ({"mechanism": "lookahead", "depth": None, "refill": None}, Lookahead(depth=None, refill=None)),
    ],
    ids=["dense", "gated", "vector_skip", "independent lanes"],
)
def test_named_mechanisms_have_the_waves_of_the_family(mechanism, like, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    mask = np.random.default_rng(5).random((4, 30)) < 0.3
    for name, skipping in (("named", mechanism), ("family", like.model_dump())):
        write_waves(machine(skipping=skipping), ChosenPass("l dh t=0:0", mask, True), tmp_path / f"{name}.vcd")
    assert vcd.read(tmp_path / "named.vcd") == vcd.read(tmp_path / "family.vcd")
    assert differences(like, mask, tmp_path) == []


@pytest.mark.parametrize(
    "fault",
    [
        ("lane_selector.sv", "pending & ~(request & granted)", "pending & ~request"),
        ("window_control.sv", "COUNT'(i) < depth", "COUNT'(i) <= depth"),
        ("slot_writes.sv", "SLIDE'(distance) < slide", "SLIDE'(distance) <= slide"),
        ("lane_selector.sv", "base_slot + index", "base_slot - index"),
    ],
    ids=lambda fault: fault[2],
)
def test_a_fault_in_the_hardware_is_seen(fault: tuple[str, str, str], tmp_path: Path) -> None:
    mask = np.random.default_rng(6).random((4, 40)) < 0.5
    mechanism = Lookahead(depth=6, refill=4, banks=2)
    assert differences(mechanism, mask, tmp_path) == []
    assert differences(mechanism, mask, tmp_path, fault) != []
