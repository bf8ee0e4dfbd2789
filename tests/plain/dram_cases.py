"""Small random DRAMs and streams, and drivers that ask a `DramState` as engines do."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from plain.dram import Command, Transfer

from simulator.arch import DramStandard
from simulator.memory.timing import TimingDram
from simulator.memory.timing_kernels import advance, arrive, settle
from simulator.memory.timing_state import COMMANDS, NEVER, DramState, recorded

SMALL_CLOCKS: dict[str, int] = {
    "t_rcd_read": 4, "t_rcd_write": 3, "t_rp": 4, "t_cl": 4, "t_cwl": 2, "t_ras": 8, "t_rc": 12, "t_rrd_s": 2,
    "t_rrd_l": 3, "t_ccd_s": 2, "t_ccd_l": 3, "t_faw": 10, "t_wr": 5, "t_rtp": 3, "t_wtr_s": 2, "t_wtr_l": 4,
    "t_rtw": 6, "t_refi": 100_000, "t_rfc": 20,
}  # fmt: skip


def small_standard(
    organisation: dict[str, int] | None = None, interface: dict[str, int] | None = None, **clocks: int
) -> DramStandard:
    """A standard with few banks and rows; keyword arguments replace clocks."""
    parts = {"channels": 1, "bus_bits": 8, "bank_groups": 2, "banks_per_group": 2, "rows": 8, "columns": 16}
    parts = {**parts, "burst_length": 4, **(organisation or {})}
    parts["page_bytes"] = parts["columns"] * parts["bus_bits"] // 8
    data = {
        "name": "small",
        "source": "none: made up for tests",
        "verified": False,
        "energy_row": "hbm2",
        "organisation": parts,
        "interface": {"data_rate_mt_per_s": 2000, "transfers_per_clock": 2, "command_buses": 1, **(interface or {})},
        "clocks": {**SMALL_CLOCKS, **clocks},
    }
    return DramStandard.model_validate(data)


def dram(standard: DramStandard | None = None, **changes: Any) -> TimingDram:
    """A DRAM with a small standard; keyword arguments replace fields of `TimingDram`."""
    standard = standard or small_standard()
    fields: dict[str, Any] = {
        "standard": standard,
        "machine_clock_mhz": 1000,
        "channels": standard.organisation.channels,
        "page": "open",
        "address_mapping": "row_bank_column_group_channel",
        "scheduler": "fr_fcfs",
        "controller_queue": 8,
        "queue": 4,
    }
    return TimingDram(**{**fields, **changes})


@st.composite
def standards(draw: st.DrawFn) -> DramStandard:
    """Standards of any shape that contradict themselves nowhere."""

    def pick(least: int, most: int) -> int:
        return draw(st.integers(least, max(least, most)))

    per_clock = draw(st.sampled_from([1, 2, 4]))
    burst = pick(1, 4)
    length = per_clock * burst
    organisation = {
        "channels": pick(1, 3), "bus_bits": draw(st.sampled_from([8, 16])), "bank_groups": pick(1, 3),
        "banks_per_group": pick(1, 3), "rows": pick(1, 4), "columns": length * pick(1, 4), "burst_length": length,
    }  # fmt: skip
    c = {name: pick(1, most) for name, most in SMALL_CLOCKS.items() if name not in ("t_refi", "t_rfc")}
    c["t_rc"] = c["t_ras"] + c["t_rp"] + pick(0, 5)
    c["t_rrd_l"] = c["t_rrd_s"] + pick(0, 3)
    c["t_ccd_s"] = burst + pick(0, 3)
    c["t_ccd_l"] = c["t_ccd_s"] + pick(0, 3)
    c["t_faw"] = c["t_rrd_s"] + pick(0, 30)
    c["t_wtr_l"] = c["t_wtr_s"] + pick(0, 4)
    c["t_rtw"] = max(1, c["t_cl"] + burst - c["t_cwl"]) + pick(0, 4)
    c["t_rfc"] = pick(1, 40)
    banks = organisation["bank_groups"] * organisation["banks_per_group"]
    least = c["t_rfc"] + c["t_rc"] + c["t_cwl"] + burst + c["t_wr"] + c["t_rp"] + banks
    c["t_refi"] = least + pick(0, 300)
    rate = per_clock * draw(st.sampled_from([500, 800, 1000, 1333]))
    interface = {"data_rate_mt_per_s": rate, "transfers_per_clock": per_clock, "command_buses": pick(1, 2)}
    return small_standard(organisation, interface, **c)


@st.composite
def drams(draw: st.DrawFn) -> TimingDram:
    standard = draw(standards())
    mapping = st.permutations(["row", "bank", "group", "column", "channel"]).map("_".join)
    return dram(
        standard,
        machine_clock_mhz=draw(st.sampled_from([333, 700, 1000, 1800])),
        page=draw(st.sampled_from(["open", "closed"])),
        address_mapping=draw(mapping),
        scheduler=draw(st.sampled_from(["fr_fcfs", "fr_fcfs", "fcfs"])),
        controller_queue=draw(st.integers(1, 9)),
    )


@st.composite
def streams(draw: st.DrawFn, dram: TimingDram, longest: int = 14) -> list[Transfer]:
    """Transfers in order of arrival, some of them at once, some after a long pause."""
    gap = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 400))
    size = st.one_of(st.integers(1, 2 * dram.standard.burst_bytes), st.integers(1, 24 * dram.standard.burst_bytes))
    cycle, found = 0, []
    for _ in range(draw(st.integers(1, longest))):
        cycle += draw(gap)
        address = draw(st.integers(0, dram.capacity_bytes + dram.capacity_bytes // 2))
        found.append(Transfer(cycle, draw(st.booleans()), address, draw(size)))
    return found


def commands_of(state: DramState) -> list[Command]:
    """Give a record as the plain form has it, by clock and channel."""
    rows = recorded(state).tolist()
    return [Command(clock, channel, COMMANDS[name], *rest) for clock, channel, name, *rest in rows]


def drive(
    dram: TimingDram, transfers: list[Transfer], asking: str = "between", end_cycle: int = 0, record: int = 50_000
) -> tuple[DramState, list[tuple[int, int]]]:
    """Ask for transfers at their cycles; give the state at the end and the completions as they were told.

    `asking` for completions: ``between`` arrivals, at ``every cycle``, or only ``afterwards``.
    """
    state = dram.new_state(len(transfers), record)
    found, now = [], 0

    def work(until: int) -> None:
        while True:
            transfer, cycle = advance(state, until)
            if transfer < 0:
                assert cycle == until
                return
            found.append((int(transfer), int(cycle)))

    for number, (cycle, is_write, address, size) in enumerate(transfers):
        if asking == "every cycle":
            for passing in range(now, cycle):
                work(passing)
        if asking != "afterwards":
            work(cycle)
        arrive(state, number, is_write, address, size, cycle)
        now = cycle
    while asking == "every cycle" and len(found) < len(transfers):
        work(now)
        now += 1
    work(NEVER)
    settle(state, max(end_cycle, found[-1][1] if found else 0))
    return state, found
