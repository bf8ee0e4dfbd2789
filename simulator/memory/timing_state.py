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

# --- where things are in the cells of a state ---------------------------------------------------------------

# The beginning: what never changes, and where the blocks are.
(
    CLOCKS_NUMERATOR,  # DRAM clocks per machine cycle, an exact fraction
    CLOCKS_DENOMINATOR,
    CHANNELS,
    GROUPS,
    BANKS_PER_GROUP,
    ROWS,
    BURST_BYTES,
    BELOW_CHANNEL,  # consecutive bursts of a channel
    BELOW_GROUP,
    BELOW_BANK,
    BELOW_ROW,
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
    TRANSFERS_AT,
    READS_AT,  # reads in order of arrival
    WRITES_AT,
    DONE_AT,  # transfers whose last byte is scheduled and that nobody has been told of
    CHANNELS_AT,
    CHANNEL_CELLS,
    GROUPS_IN,  # from the beginning of a channel
    BANKS_IN,
    READ_WINDOW_IN,  # the bursts that the scheduler sees, oldest first
    WRITE_WINDOW_IN,
    RECORD_AT,
    RECORD_ROOM,
    # Counters, and what is in flight.
    READS,
    WRITES,
    ACTIVATIONS,
    ROW_HITS,
    REFRESHES,
    BYTES,
    ARRIVED_READS,
    ARRIVED_WRITES,
    OUTSTANDING,
    DONE,
    RECORDED,
) = range(60)
HEAD_CELLS = 60

COUNTERS = ("reads", "writes", "activations", "row_hits", "refreshes", "bytes")
"""Names of the counters: bursts read and written, activates, bursts that found their row open since an earlier burst,
refreshes of a channel, and bytes asked for."""

# A transfer.
FIRST_BURST, LAST_BURST, ARRIVAL, REMAINING, END, KIND, RANK = range(7)
TRANSFER_CELLS = 7

# A channel. Pairs are read, write. A gate is the first clock at which the command is allowed.
(
    NUMBER,
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
) = range(25)
CHANNEL_FIELDS = 25
NOTHING, ACCESS, REFRESH = range(3)

GROUP_ACT, GROUP_RD, GROUP_WR = range(3)
GROUP_CELLS = 3

BANK_ROW, BANK_ACT, BANK_PRE, BANK_RD, BANK_WR, BANK_FRESH = range(6)
"""The open row or -1, four gates, and whether no burst has used the row since it was opened."""
BANK_CELLS = 6

ENTRY_BANK, ENTRY_GROUP, ENTRY_ROW, ENTRY_TRANSFER = range(4)
ENTRY_CELLS = 4

RECORD_FIELDS = ("clock", "channel", "command", "bank", "row", "transfer")
"""Columns of a record; bank and row are -1 where a command has none, transfer where it is no column command."""


class DramState(NamedTuple):
    """What changes while a DRAM works, in the form that compiled functions take.

    Attributes
    ----------
    cells : int64 [cells]
        Everything, one block behind the other, with their places at its beginning: compiled code then handles one array
        and counts no references, which takes most of the time otherwise.
    """

    cells: Int64s


def counters(state: DramState) -> dict[str, int]:
    """Give the counters of a state by name, see `COUNTERS`."""
    return {name: int(state.cells[READS + index]) for index, name in enumerate(COUNTERS)}


def recorded(state: DramState) -> Int64s:
    """Give the recorded commands, columns `RECORD_FIELDS`: by clock, and within a clock by channel and in order."""
    begin, width = state.cells[RECORD_AT], len(RECORD_FIELDS)
    rows = state.cells[begin : begin + state.cells[RECORDED] * width].reshape(-1, width)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]
