"""Every gate is tight: in some stream the command comes at the very clock, and one clock earlier the gate is broken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import dram as plain
from plain.dram import GATE_NAMES, Command, Transfer
from plain.dram_cases import commands_of, dram, drive, small_standard

from simulator.arch import DramStandard, dram_standard_names, load_dram_standard

ROW, BANK, GROUP, COLUMN = 64, 32, 4, 8  # bytes from one to the next: a burst is 4, a row of a bank 16
READ, WRITE = False, True


def stream(*bursts: tuple[bool, int]) -> list[Transfer]:
    """Bursts, all asked for at cycle 0."""
    return [Transfer(0, is_write, address, 4) for is_write, address in bursts]


def later(cycle: int, is_write: bool, address: int) -> Transfer:
    return Transfer(cycle, is_write, address, 4)


# For each gate: clocks that make it the one that counts, a stream, and the command that it holds back.
CASES = {
    "tRCD read": ({"t_rcd_read": 9}, stream((READ, 0)), "RD"),
    "tRCD write": ({"t_rcd_write": 9}, stream((WRITE, 0)), "WR"),
    "tRAS": ({"t_ras": 30, "t_rc": 40}, stream((READ, 0), (READ, ROW)), "PRE"),
    "tRC": ({"t_rc": 60}, stream((READ, 0), (READ, ROW)), "ACT"),
    "tRC to refresh": ({"t_rc": 90, "t_refi": 200}, [later(180, READ, 0)], "REF"),
    "tRP": ({"t_rp": 30, "t_rc": 38}, [*stream((READ, 0)), later(50, READ, ROW)], "ACT"),
    "tRP to refresh": ({"t_rp": 30, "t_rc": 38, "t_refi": 200}, [later(150, READ, 0)], "REF"),
    "tRRD_S": ({"t_rrd_s": 9, "t_rrd_l": 9, "t_faw": 9}, stream((READ, 0), (READ, GROUP)), "ACT"),
    "tRRD_L": ({"t_rrd_l": 9}, stream((READ, 0), (READ, BANK)), "ACT"),
    "tCCD_S read": ({"t_ccd_s": 20, "t_ccd_l": 20}, stream((READ, 0), (READ, GROUP)), "RD"),
    "tCCD_L read": ({"t_ccd_l": 20}, stream((READ, 0), (READ, COLUMN)), "RD"),
    "tCCD_S write": ({"t_ccd_s": 20, "t_ccd_l": 20}, stream((WRITE, 0), (WRITE, GROUP)), "WR"),
    "tCCD_L write": ({"t_ccd_l": 20}, stream((WRITE, 0), (WRITE, COLUMN)), "WR"),
    "tRTW": ({"t_rtw": 30}, stream((READ, 0), (WRITE, COLUMN)), "WR"),
    "tWTR_S": ({"t_wtr_s": 20, "t_wtr_l": 20}, [*stream((WRITE, 0)), later(5, READ, GROUP)], "RD"),
    "tWTR_L": ({"t_wtr_l": 20}, [*stream((WRITE, 0)), later(5, READ, COLUMN)], "RD"),
    "tRTP": ({"t_rtp": 20}, stream((READ, 0), (READ, ROW)), "PRE"),
    "tWR": ({"t_wr": 20}, stream((WRITE, 0), (WRITE, ROW)), "PRE"),
    "tRTP + tRP": ({"t_rtp": 20}, stream((READ, 0), (READ, ROW)), "ACT"),
    "tRTP + tRP to refresh": ({"t_rtp": 40, "t_refi": 200}, [later(185, READ, 0)], "REF"),
    "tWR + tRP": ({"t_wr": 20}, stream((WRITE, 0), (WRITE, ROW)), "ACT"),
    "tWR + tRP to refresh": ({"t_wr": 40, "t_refi": 200}, [later(185, WRITE, 0)], "REF"),
    "tRFC": ({"t_rfc": 50, "t_refi": 200}, [later(201, READ, 0)], "ACT"),
    "tFAW": (
        {"t_faw": 40},
        stream((READ, 0), (READ, GROUP), (READ, BANK), (READ, BANK + GROUP), (READ, 2 * BANK)),
        "ACT",
    ),
    "command bus": ({}, stream((READ, 0), (READ, GROUP)), "ACT"),
    "tREFI": ({"t_refi": 200}, [later(500, READ, 0)], "REF"),
}
CLOSED = {name for name in CASES if "+ tRP" in name}


def run(name: str) -> tuple[DramStandard, list[Command]]:
    clocks, transfers, _ = CASES[name]
    if name == "command bus":  # nothing else keeps two activates apart by as little as a clock
        clocks = {"t_rrd_s": 1, "t_rrd_l": 1, "t_faw": 4}
    banks = 4 if name == "tFAW" else 2
    standard = small_standard({"banks_per_group": banks}, **clocks)
    state, _ = drive(dram(standard, page="closed" if name in CLOSED else "open"), transfers, end_cycle=1000)
    return standard, commands_of(state)


def test_every_gate_has_its_case() -> None:
    assert set(CASES) == set(GATE_NAMES)


@pytest.mark.parametrize("gate", sorted(CASES))
def test_gate_is_kept_to_the_clock_and_the_checker_sees_one_clock_less(gate: str) -> None:
    standard, commands = run(gate)
    assert plain.violations(standard, commands) == []
    held = []
    for place, command in enumerate(commands):
        if not command.name.startswith(CASES[gate][2]):
            continue
        early = [*commands[:place], command._replace(clock=command.clock - 1), *commands[place + 1 :]]
        # Only the moved command: those after it may have been held back by its old clock.
        broken = {name for at, name in plain.violations(standard, early) if at == place}
        if gate in broken:
            held.append(broken)
    # In one place at least it is this gate that the controller waited for, and this one alone.
    shared = {"tRRD_S", "tREFI"} if gate == "command bus" else set()  # one clock is what they ask for, too
    assert any(broken <= {gate} | shared for broken in held), held


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", dram_standard_names())
def test_shipped_standards_keep_their_gates_on_random_streams(name: str, data: st.DataObject) -> None:
    standard = load_dram_standard(name)
    d = dram(
        standard,
        channels=1,
        page=data.draw(st.sampled_from(["open", "closed"])),
        controller_queue=data.draw(st.sampled_from([4, 32])),
    )
    spots = st.integers(0, 3).flatmap(
        lambda row: st.integers(0, 40).map(lambda k: row * d.capacity_bytes // 5 + 32 * k)
    )
    draws = data.draw(st.lists(st.tuples(st.integers(0, 60), st.booleans(), spots), min_size=1, max_size=25))
    cycle, transfers = 3 * standard.clocks.t_refi * 1000 // int(standard.clock_mhz) - 200, []
    for gap, is_write, address in draws:
        cycle += gap
        transfers.append(Transfer(cycle, is_write, address, 2 * standard.burst_bytes))
    state, told = drive(d, transfers)
    assert len(told) == len(transfers)
    assert plain.violations(standard, commands_of(state)) == []
