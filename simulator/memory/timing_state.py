"""What changes while a DRAM of the level `timing` works: arrays of integers, and the names of their columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
NEVER = 1 << 62
"""A cycle, or a clock, that never comes."""

READ, WRITE = 0, 1

COMMANDS = ("ACT", "PRE", "RD", "WR", "RDA", "WRA", "REF")
"""Names of the commands in a record: RDA and WRA close their row, REF refreshes all banks."""
ACT, PRE, RD, WR, RDA, WRA, REF = range(len(COMMANDS))

# --- columns of the arrays of a state ------------------------------------------------------------------------

# spec: what never changes.
(
    CLOCKS_NUMERATOR,  # DRAM clocks per machine cycle, an exact fraction
    CLOCKS_DENOMINATOR,
    CHANNELS,
    GROUPS,
    BANKS_PER_GROUP,
    ROWS,
    COLUMNS,  # bursts of a row
    BURST_BYTES,
    ORDER,  # five columns: the fields of an address, least significant first
    _ORDER_1,
    _ORDER_2,
    _ORDER_3,
    _ORDER_4,
    CLOSED_PAGE,
    FIRST_COME,  # 1: the scheduler sees the oldest burst alone
    QUEUE,  # bursts that the scheduler sees, of each kind
    HIGH,  # writes that make the channel turn to them
    LOW,  # writes at which it turns back
    BUSES,
    BURST,
    T_RCD_READ,
    T_RCD_WRITE,
    T_RP,
    T_CL,
    T_CWL,
    T_RAS,
    T_RC,
    T_RRD_S,
    T_RRD_L,
    T_CCD_S,
    T_CCD_L,
    T_FAW,
    T_WR,
    T_RTP,
    T_WTR_S,
    T_WTR_L,
    T_RTW,
    T_REFI,
    T_RFC,
) = range(39)
SPECS = 39

FIELDS = ("row", "bank", "group", "column", "channel")
"""Fields of an address, in the numbering of the spec's order."""

# totals: counters, and what is in flight.
READS, WRITES, ACTIVATIONS, ROW_HITS, REFRESHES, BYTES, ARRIVED, OUTSTANDING, DONE, RECORDED = range(10)
TOTALS = 10
COUNTERS = ("reads", "writes", "activations", "row_hits", "refreshes", "bytes")
"""Names of the first totals: bursts read and written, activates, bursts that found their row open since an earlier
burst, refreshes of a channel, and bytes asked for."""

# transfers: one row each.
FIRST_BURST, LAST_BURST, ARRIVAL, REMAINING, END, KIND, RANK = range(7)
TRANSFER_FIELDS = 7

# channels: one row each. Pairs are read, write. A gate is the first clock at which the command is allowed.
(
    WHEN,  # clock of the channel's next decision
    PLANNED,  # what was planned for then: nothing, a command to a bank, or a refresh step
    PLAN_COLUMN,  # its burst, as a place in the window; -1: none
    PLAN_BANK,  # the bank of its row command; -1: none
    PLAN_ROW,  # the row to open; -1: precharge
    MODE,
    SERVED,  # column commands since the mode last turned
    WAITING,  # bursts in the windows
    _WAITING_WRITES,
    PLACE,  # how many transfers of the kind have gone into the windows whole
    _PLACE_WRITES,
    NEXT_BURST,  # the channel's next burst of the transfer at that place; -1: not looked up
    _NEXT_WRITE,
    DUE,  # clock of the next refresh
    ACT_GATE,
    RD_GATE,
    WR_GATE,
    REF_GATE,
    ROW_BUS,  # gates of the command buses; one and the same clock where there is one bus
    COLUMN_BUS,
    FAW,  # clocks of the last four activates, the oldest first
    _FAW_1,
    _FAW_2,
    _FAW_3,
) = range(24)
CHANNEL_FIELDS = 24
NOTHING, ACCESS, REFRESH = range(3)

GROUP_ACT, GROUP_RD, GROUP_WR = range(3)
GROUP_FIELDS = 3

BANK_ROW, BANK_ACT, BANK_PRE, BANK_RD, BANK_WR, BANK_FRESH = range(6)
"""The open row or -1, four gates, and whether no burst has used the row since it was opened."""
BANK_FIELDS = 6

ENTRY_BANK, ENTRY_ROW, ENTRY_TRANSFER = range(3)
ENTRY_FIELDS = 3

RECORD_FIELDS = ("clock", "channel", "command", "bank", "row", "transfer")
"""Columns of a record; bank and row are -1 where a command has none, transfer where it is no column command."""


class DramState(NamedTuple):
    """What changes while a DRAM works: int64 arrays, in the form that compiled functions take.

    Attributes
    ----------
    spec : [SPECS]
        The constants of `TimingDram`.
    totals : [TOTALS]
        Counters (`COUNTERS`, see `counters`) and what is in flight.
    transfers : [transfers, TRANSFER_FIELDS]
    order : [2, transfers]
        Reads, and writes, in order of arrival; the counts are in `arrivals`.
    arrivals : [2]
    done : [transfers]
        Transfers whose last byte is scheduled and that `advance` has not yet given out.
    channels : [channels, CHANNEL_FIELDS]
    groups : [channels, groups, GROUP_FIELDS]
    banks : [channels, banks, BANK_FIELDS]
    windows : [channels, 2, queue, ENTRY_FIELDS]
        The bursts that the scheduler sees, oldest first.
    record : [capacity, len(RECORD_FIELDS)]
        Commands, in order of clock within a channel; see `recorded`.
    """

    spec: Int64s
    totals: Int64s
    transfers: Int64s
    order: Int64s
    arrivals: Int64s
    done: Int64s
    channels: Int64s
    groups: Int64s
    banks: Int64s
    windows: Int64s
    record: Int64s


def counters(state: DramState) -> dict[str, int]:
    """Give the counters of a state by name, see `COUNTERS`."""
    return {name: int(state.totals[index]) for index, name in enumerate(COUNTERS)}


def recorded(state: DramState) -> Int64s:
    """Give the recorded commands, columns `RECORD_FIELDS`, by clock and, within a clock, by channel and bus."""
    rows = state.record[: state.totals[RECORDED]]
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]
