"""The DRAM of the level `timing` clock by clock: the plain form of `simulator.memory.timing_kernels`.

Two things, apart from each other. `GATES` states what a stream of commands must keep, and `violations` says where one
does not. `run` is a controller that looks at every clock and asks the gates for every command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from simulator.arch import DramStandard
from simulator.memory.timing import TimingDram

READS, WRITES = ("RD", "RDA"), ("WR", "WRA")
COLUMN = (*READS, *WRITES)


class Command(NamedTuple):
    """A command as it stands in a record."""

    clock: int
    channel: int
    name: str
    bank: int
    row: int
    transfer: int = -1


class Gate(NamedTuple):
    """After one of some commands, one of others must wait; within a bank, a bank group or a channel."""

    name: str
    first: tuple[str, ...]
    then: tuple[str, ...]
    within: str
    clocks: Callable[[DramStandard], int]


def _written(s: DramStandard) -> int:
    """From a write to its last data."""
    return s.clocks.t_cwl + s.burst_clocks


GATES = [
    Gate("tRCD read", ("ACT",), READS, "bank", lambda s: s.clocks.t_rcd_read),
    Gate("tRCD write", ("ACT",), WRITES, "bank", lambda s: s.clocks.t_rcd_write),
    Gate("tRAS", ("ACT",), ("PRE",), "bank", lambda s: s.clocks.t_ras),
    Gate("tRC", ("ACT",), ("ACT",), "bank", lambda s: s.clocks.t_rc),
    Gate("tRC to refresh", ("ACT",), ("REF",), "channel", lambda s: s.clocks.t_rc),
    Gate("tRP", ("PRE",), ("ACT",), "bank", lambda s: s.clocks.t_rp),
    Gate("tRP to refresh", ("PRE",), ("REF",), "channel", lambda s: s.clocks.t_rp),
    Gate("tRRD_S", ("ACT",), ("ACT",), "channel", lambda s: s.clocks.t_rrd_s),
    Gate("tRRD_L", ("ACT",), ("ACT",), "group", lambda s: s.clocks.t_rrd_l),
    Gate("tCCD_S read", READS, READS, "channel", lambda s: s.clocks.t_ccd_s),
    Gate("tCCD_L read", READS, READS, "group", lambda s: s.clocks.t_ccd_l),
    Gate("tCCD_S write", WRITES, WRITES, "channel", lambda s: s.clocks.t_ccd_s),
    Gate("tCCD_L write", WRITES, WRITES, "group", lambda s: s.clocks.t_ccd_l),
    Gate("tRTW", READS, WRITES, "channel", lambda s: s.clocks.t_rtw),
    Gate("tWTR_S", WRITES, READS, "channel", lambda s: _written(s) + s.clocks.t_wtr_s),
    Gate("tWTR_L", WRITES, READS, "group", lambda s: _written(s) + s.clocks.t_wtr_l),
    Gate("tRTP", ("RD",), ("PRE",), "bank", lambda s: s.clocks.t_rtp),
    Gate("tWR", ("WR",), ("PRE",), "bank", lambda s: _written(s) + s.clocks.t_wr),
    # A row that closes itself does so when a precharge would be allowed, by every access to it.
    Gate("tRTP + tRP", READS, ("ACT",), "bank", lambda s: s.clocks.t_rtp + s.clocks.t_rp),
    Gate("tRTP + tRP to refresh", READS, ("REF",), "channel", lambda s: s.clocks.t_rtp + s.clocks.t_rp),
    Gate("tWR + tRP", WRITES, ("ACT",), "bank", lambda s: _written(s) + s.clocks.t_wr + s.clocks.t_rp),
    Gate("tWR + tRP to refresh", WRITES, ("REF",), "channel", lambda s: _written(s) + s.clocks.t_wr + s.clocks.t_rp),
    Gate("tRFC", ("REF",), ("ACT", "REF"), "channel", lambda s: s.clocks.t_rfc),
]
FAW, BUS, DUE, STATE = "tFAW", "command bus", "tREFI", "bank state"
GATE_NAMES = [*(gate.name for gate in GATES), FAW, BUS, DUE]


def earliest(standard: DramStandard, history: Iterable[Command], name: str, bank: int) -> dict[str, int]:
    """Give for each gate the first clock at which it lets a command of one channel through, after a history."""
    per_group = standard.organisation.banks_per_group
    history = list(history)
    found = dict.fromkeys(GATE_NAMES, 0)
    for gate in GATES:
        if name not in gate.then:
            continue
        for old in history:
            same = {"channel": True, "group": old.bank // per_group == bank // per_group, "bank": old.bank == bank}
            if old.name in gate.first and same[gate.within]:
                found[gate.name] = max(found[gate.name], old.clock + gate.clocks(standard))
    activates = [old.clock for old in history if old.name == "ACT"]
    if name == "ACT" and len(activates) >= 4:
        found[FAW] = activates[-4] + standard.clocks.t_faw
    buses = standard.interface.command_buses
    taken = [old.clock for old in history if buses == 1 or (old.name in COLUMN) == (name in COLUMN)]
    found[BUS] = max(taken, default=-1) + 1
    if name == "REF":
        found[DUE] = (1 + sum(old.name == "REF" for old in history)) * standard.clocks.t_refi
    return found


def violations(standard: DramStandard, commands: list[Command]) -> list[tuple[int, str]]:
    """Find the commands, by their place in the list, that break a gate or meet a bank in the wrong state."""
    found = []
    for channel in {command.channel for command in commands}:
        history: list[Command] = []
        for place, command in enumerate(commands):
            if command.channel != channel:
                continue
            gates = earliest(standard, history, command.name, command.bank)
            found += [(place, name) for name, clock in gates.items() if command.clock < clock]
            rows = open_rows(history)
            wanted = {"ACT": None, "PRE": rows.get(command.bank), "REF": None}.get(command.name, command.row)
            right = not rows if command.name == "REF" else rows.get(command.bank) == wanted
            if not right or (command.name == "PRE" and wanted is None):
                found.append((place, STATE))
            due = (1 + sum(old.name == "REF" for old in history)) * standard.clocks.t_refi
            if command.clock >= due and command.name not in ("PRE", "REF"):
                found.append((place, DUE))  # a refresh that is due goes first
            history.append(command)
    return found


def open_rows(history: Iterable[Command]) -> dict[int, int]:
    """Give the open row of each bank that has one."""
    rows: dict[int, int] = {}
    for command in history:
        if command.name == "ACT":
            rows[command.bank] = command.row
        elif command.name in ("PRE", "RDA", "WRA"):
            rows.pop(command.bank, None)
    return rows


@dataclass
class Burst:
    """One burst of a transfer, and where it lies."""

    transfer: int
    is_write: bool
    arrival_clock: int
    channel: int
    bank: int
    row: int


def place_of(dram: TimingDram, burst: int) -> dict[str, int]:
    """Give the fields of the address of a burst, counted from address 0."""
    o = dram.standard.organisation
    sizes = {
        "row": o.rows,
        "bank": o.banks_per_group,
        "group": o.bank_groups,
        "column": o.columns // o.burst_length,
        "channel": dram.channels,
    }
    fields = {}
    for name in reversed(dram.address_mapping.split("_")):
        burst, fields[name] = divmod(burst, sizes[name])
    return fields


class Transfer(NamedTuple):
    """What somebody asks for at a machine cycle."""

    cycle: int
    is_write: bool
    address_bytes: int
    size_bytes: int


@dataclass
class Channel:
    """A channel of the controller."""

    dram: TimingDram
    number: int
    waiting: list[Burst]
    history: list[Command] = field(default_factory=list)
    writing: bool = False
    served: int = 0
    refreshes: int = 0
    ends: list[tuple[Burst, int]] = field(default_factory=list)

    def may(self, name: str, bank: int, clock: int) -> bool:
        return max(earliest(self.dram.standard, self.history, name, bank).values()) <= clock

    def issue(self, clock: int, name: str, bank: int, row: int, transfer: int = -1) -> None:
        self.history.append(Command(clock, self.number, name, bank, row, transfer))

    def step(self, clock: int) -> None:
        """Do what belongs to one clock."""
        queue, t = self.dram.controller_queue, self.dram.standard.clocks
        here = [b for b in self.waiting if b.arrival_clock <= clock]
        reads = [b for b in here if not b.is_write][:queue]
        writes = [b for b in here if b.is_write][:queue]
        high, low = -(-3 * queue // 4), queue // 4
        if not self.writing:
            turns = bool(writes) and (not reads or (len(writes) >= high and self.served >= queue))
        else:
            turns = bool(reads) and (len(writes) <= low or self.served >= queue)
        if turns:
            self.writing, self.served = not self.writing, 0
        if clock >= (self.refreshes + 1) * t.t_refi:
            self.refresh(clock)
            return
        window = writes if self.writing else reads
        seen = window[:1] if self.dram.scheduler == "fcfs" else window
        served = self.column(clock, window, seen)
        if served is None or self.dram.standard.interface.command_buses == 2:
            self.row(clock, [b for b in seen if b is not served])

    def refresh(self, clock: int) -> None:
        """Close the rows, then refresh."""
        rows = open_rows(self.history)
        for bank in sorted(rows):
            if self.may("PRE", bank, clock):
                self.issue(clock, "PRE", bank, -1)
                return
        if not rows and self.may("REF", -1, clock):
            self.issue(clock, "REF", -1, -1)
            self.refreshes += 1

    def column(self, clock: int, window: list[Burst], seen: list[Burst]) -> Burst | None:
        """Serve the oldest burst whose row is open and that may go."""
        rows = open_rows(self.history)
        for burst in seen:
            name = "WR" if burst.is_write else "RD"
            if rows.get(burst.bank) == burst.row and self.may(name, burst.bank, clock):
                others = [b for b in window if b is not burst]
                if self.dram.page == "closed" and not any((b.bank, b.row) == (burst.bank, burst.row) for b in others):
                    name += "A"
                self.issue(clock, name, burst.bank, burst.row, burst.transfer)
                self.served += 1
                self.waiting = [b for b in self.waiting if b is not burst]
                latency = self.dram.standard.clocks.t_cwl if burst.is_write else self.dram.standard.clocks.t_cl
                self.ends.append((burst, clock + latency + self.dram.standard.burst_clocks))
                return burst
        return None

    def row(self, clock: int, seen: list[Burst]) -> None:
        """Open the row of the oldest burst that may; close one that nobody who is seen needs."""
        rows = open_rows(self.history)
        for burst in seen:
            row = rows.get(burst.bank)
            if row is None and self.may("ACT", burst.bank, clock):
                self.issue(clock, "ACT", burst.bank, burst.row)
                return
            needed = any((b.bank, b.row) == (burst.bank, row) for b in seen)
            if row is not None and not needed and self.may("PRE", burst.bank, clock):
                self.issue(clock, "PRE", burst.bank, -1)
                return


def run(dram: TimingDram, transfers: list[Transfer], end_cycle: int = 0) -> tuple[list[Command], list[tuple[int, int]]]:
    """Step every clock until everything is done and a cycle has come.

    Returns
    -------
    commands
        By clock and channel.
    completions
        Transfer and machine cycle, in the order in which they are told.
    """
    ratio = Fraction(dram.standard.clock_mhz, dram.machine_clock_mhz)
    channels = [Channel(dram, number, []) for number in range(dram.channels)]
    size = dram.standard.burst_bytes
    for number, (cycle, is_write, address, length) in enumerate(transfers):
        for burst in range(address // size, (address + length - 1) // size + 1):
            at = place_of(dram, burst)
            bank = at["group"] * dram.standard.organisation.banks_per_group + at["bank"]
            clock = -(-cycle * ratio.numerator // ratio.denominator)
            channels[at["channel"]].waiting.append(Burst(number, is_write, clock, at["channel"], bank, at["row"]))
    last = -(-end_cycle * ratio.numerator // ratio.denominator)
    clock = 0
    while clock < last or any(channel.waiting for channel in channels):
        for channel in channels:
            channel.step(clock)
        clock += 1
        assert clock < 200_000, "not done within the limit"
    ends: dict[int, int] = {}
    for channel in channels:
        for burst, end in channel.ends:
            ends[burst.transfer] = max(ends.get(burst.transfer, 0), end)
    cycles = {number: -(-end * ratio.denominator // ratio.numerator) for number, end in ends.items()}
    order = sorted(cycles, key=lambda n: (cycles[n], transfers[n].is_write, n))
    commands = sorted((c for channel in channels for c in channel.history), key=lambda c: (c.clock, c.channel))
    return commands, [(number, cycles[number]) for number in order]
