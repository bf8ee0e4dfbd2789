"""DRAM at the level `timing`: what the controller and its banks are, as integers, and the state that changes.

`TimingDram` is built once from a machine. `DramState` is a handful of int64 arrays that the compiled functions of
`simulator.memory.timing_kernels` (`arrive`, `advance`, `settle`) read and write; both engines call those. MODEL.md
states the rules, ``tests/plain/dram.py`` steps them clock by clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

import simulator.memory.timing_state as c
from simulator.arch import Architecture
from simulator.arch.memory_system import Dram
from simulator.memory.dram import BandwidthDram
from simulator.memory.timing_state import DramState, Int64s

if TYPE_CHECKING:
    from simulator.arch.dram_standard import DramStandard


@dataclass(frozen=True)
class TimingDram:
    """A DRAM and its controller, as integers.

    Attributes
    ----------
    standard : DramStandard
    machine_clock_mhz : int
        The clock in which `arrive` and `advance` count cycles.
    channels : int
        Channels in all.
    page, address_mapping, scheduler : str
        As in the machine's file.
    controller_queue : int
        Bursts of each channel that the scheduler sees, reads and writes each.
    queue : int
        Requests that each DMA may have in flight; the DRAM itself does not look at it.
    """

    standard: DramStandard
    machine_clock_mhz: int
    channels: int
    page: str
    address_mapping: str
    scheduler: str
    controller_queue: int
    queue: int

    @property
    def clocks_per_cycle(self) -> tuple[int, int]:
        """Clocks of the DRAM per machine cycle, an exact fraction (numerator, denominator), reduced."""
        ratio = self.standard.clock_mhz / self.machine_clock_mhz
        return ratio.numerator, ratio.denominator

    def to_clock(self, cycle: int) -> int:
        """Give the first DRAM clock that does not lie before a machine cycle."""
        numerator, denominator = self.clocks_per_cycle
        return -(-cycle * numerator // denominator)

    def to_cycle(self, clock: int) -> int:
        """Give the first machine cycle that does not lie before a DRAM clock."""
        numerator, denominator = self.clocks_per_cycle
        return -(-clock * denominator // numerator)

    @property
    def capacity_bytes(self) -> int:
        """Bytes of all channels; addresses beyond it begin again at 0."""
        return self.channels * self.standard.channel_bytes

    @property
    def peak_mb_per_s(self) -> int:
        """Bytes that the data pins of all channels can move in a second, in 10^6."""
        return self.channels * self.standard.channel_mb_per_s

    @property
    def watermarks(self) -> tuple[int, int]:
        """Waiting writes at which a channel turns to them, and at which it turns back to waiting reads."""
        return -(-3 * self.controller_queue // 4), self.controller_queue // 4

    @property
    def bursts_below(self) -> dict[str, int]:
        """Give for each field of an address how many consecutive bursts share a value of it."""
        o = self.standard.organisation
        sizes = {"row": o.rows, "bank": o.banks_per_group, "group": o.bank_groups}
        sizes |= {"column": self.standard.bursts_per_row, "channel": self.channels}
        below, product = {}, 1
        for name in reversed(self.address_mapping.split("_")):
            below[name] = product
            product *= sizes[name]
        return below

    @property
    def unloaded(self) -> BandwidthDram:
        """The same memory as a rate and a latency: what the data pins can move, and a read of a closed row, alone.

        The planner estimates with it. Refresh, row misses, turnarounds and queueing only make it slower.
        """
        common = gcd(self.peak_mb_per_s, self.machine_clock_mhz)
        t = self.standard.clocks
        return BandwidthDram(
            self.peak_mb_per_s // common,
            self.machine_clock_mhz // common,
            self.to_cycle(t.t_rcd_read + t.t_cl),
            self.queue,
        )

    @property
    def least_latency_cycles(self) -> int:
        """Latency that no read can beat: that of a burst whose row is open, without its own time on the bus."""
        numerator, denominator = self.clocks_per_cycle
        return self.standard.clocks.t_cl * denominator // numerator  # rounded down: a bound must hold

    def busy_cycles(self, addresses: Int64s, sizes_bytes: Int64s) -> int:
        """Cycles that the bursts of transfers take on the data pins of all channels, evenly spread.

        Parameters
        ----------
        addresses, sizes_bytes : int64 [transfers]
            Each burst that a transfer touches moves whole; a transfer of no bytes has none.
        """
        burst_bytes = self.standard.burst_bytes
        moved = sizes_bytes > 0
        first, last = addresses[moved] // burst_bytes, (addresses[moved] + sizes_bytes[moved] - 1) // burst_bytes
        return self.unloaded.transfer_cycles(int((last - first + 1).sum()) * burst_bytes)

    def new_state(self, transfers: int, record: int = 0) -> DramState:
        """Make the state of a DRAM at cycle 0: nothing asked for, all rows closed, no refresh due before tREFI.

        Parameters
        ----------
        transfers : int
            How many transfers will arrive at most; they are numbered 0 to transfers - 1 by the caller.
        record : int
            How many commands are recorded; one more raises an `IndexError`. 0: none is, and nothing is raised.
        """
        groups, banks = self.standard.organisation.bank_groups, self.standard.banks
        within = [c.CHANNEL_FIELDS, groups * c.GROUP_CELLS, banks * c.BANK_CELLS]
        within += [self.controller_queue * c.ENTRY_CELLS] * 2
        blocks = [c.HEAD_CELLS, transfers * c.TRANSFER_CELLS, transfers, transfers, transfers]
        blocks += [self.channels * sum(within), record * len(c.RECORD_FIELDS)]
        cells = np.zeros(sum(blocks), dtype=np.int64)
        self._write_constants(cells)
        begins = np.cumsum(blocks)
        cells[c.TRANSFERS_AT : c.CHANNELS_AT + 1], cells[c.RECORD_AT] = begins[:5], begins[5]
        cells[c.CHANNEL_CELLS], cells[c.RECORD_ROOM] = sum(within), record
        cells[c.GROUPS_IN : c.WRITE_WINDOW_IN + 1] = np.cumsum(within)[:4]
        channels = cells[begins[4] : begins[5]].reshape(self.channels, sum(within))
        channels[:, c.NUMBER] = np.arange(self.channels)
        channels[:, c.WHEN] = c.NEVER
        channels[:, c.NEXT_BURST : c.NEXT_BURST + 2] = -1
        channels[:, c.DUE] = self.standard.clocks.t_refi
        channels[:, c.FAW : c.FAW + 4] = -self.standard.clocks.t_faw
        first_bank = cells[c.BANKS_IN] + c.BANK_ROW
        channels[:, first_bank : cells[c.READ_WINDOW_IN] : c.BANK_CELLS] = -1
        return DramState(cells)

    def _write_constants(self, cells: Int64s) -> None:
        o, t = self.standard.organisation, self.standard.clocks
        cells[c.CLOCKS_NUMERATOR], cells[c.CLOCKS_DENOMINATOR] = self.clocks_per_cycle
        cells[c.CHANNELS], cells[c.GROUPS] = self.channels, o.bank_groups
        cells[c.BANKS_PER_GROUP], cells[c.ROWS] = o.banks_per_group, o.rows
        cells[c.BURST_BYTES], cells[c.BURST] = self.standard.burst_bytes, self.standard.burst_clocks
        below = self.bursts_below
        cells[c.BELOW_CHANNEL], cells[c.BELOW_GROUP] = below["channel"], below["group"]
        cells[c.BELOW_BANK], cells[c.BELOW_ROW] = below["bank"], below["row"]
        cells[c.CLOSED_PAGE], cells[c.FIRST_COME] = self.page == "closed", self.scheduler == "fcfs"
        cells[c.QUEUE], cells[c.BUSES] = self.controller_queue, self.standard.interface.command_buses
        cells[c.HIGH], cells[c.LOW] = self.watermarks
        cells[c.T_RCD_READ : c.T_RFC + 1] = list(t.model_dump().values())


def timing_dram(arch: Architecture) -> TimingDram:
    """Build the DRAM of a machine at level `timing`.

    Raises
    ------
    InputError
        If the standard is not there or contradicts itself, or the machine has no memory system.
    """
    from simulator.arch.dram_standard import load_dram_standard

    return dram_of(arch.system.dram, arch.clock_mhz, load_dram_standard(arch.system.dram.timing or "", arch.folder))


def dram_of(dram: Dram, machine_clock_mhz: int, standard: DramStandard) -> TimingDram:
    """Build a DRAM from a machine's keys and a standard that is loaded already."""
    return TimingDram(
        standard=standard,
        machine_clock_mhz=machine_clock_mhz,
        channels=standard.organisation.channels if dram.channels == "auto" else dram.channels,
        page=dram.page,
        address_mapping=dram.address_mapping,
        scheduler=dram.scheduler,
        controller_queue=dram.controller_queue,
        queue=dram.queue,
    )
