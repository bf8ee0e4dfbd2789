"""The DRAM of the level `timing` at work, from event to event.

A channel decides at a clock of its own: it takes in what has arrived, chooses reads or writes, and issues what is
allowed. Where nothing is, it notes the first clock at which something will be and is left alone until then or until
something arrives. Channels are served in order of their next clock, and never beyond what the caller knows: nothing
that is decided at a clock depends on what arrives later, nor on how far one call of `advance` goes.

Everything lies in one array: `s` are its cells, `ch` is where a channel begins in them, `b` a bank, `g` a bank group,
`e` an entry of a window and `at` a transfer; `c` has the places of their fields (`simulator.memory.timing_state`).
"""

from __future__ import annotations

import numpy as np

import simulator.memory.timing_state as c
from simulator.compiling import compiled
from simulator.memory.timing_state import DramState, Int64s

FAR_CYCLE = 1 << 44
"""Limits from here on are taken as no limit, so that no product of a cycle and a frequency overflows."""


@compiled
def arrive(
    state: DramState, transfer: int, is_write: bool, address_bytes: int, size_bytes: int, now_cycle: int
) -> None:
    """Ask for a transfer of contiguous bytes.

    Parameters
    ----------
    state : DramState
    transfer : int
        The caller's number for it, which `advance` will return; each is used once.
    is_write : bool
    address_bytes, size_bytes : int
        Where it begins and how long it is, at least 1. Every burst that it touches moves whole.
    now_cycle : int
        The machine cycle, never less than in an earlier call.
    """
    s = state.cells
    clock = _to_clock(s, now_cycle)
    kind = c.WRITE if is_write else c.READ
    at = s[c.TRANSFERS_AT] + transfer * c.TRANSFER_CELLS
    first, last = address_bytes // s[c.BURST_BYTES], (address_bytes + size_bytes - 1) // s[c.BURST_BYTES]
    s[at + c.FIRST_BURST], s[at + c.LAST_BURST] = first, last
    s[at + c.ARRIVAL], s[at + c.REMAINING], s[at + c.END] = clock, last - first + 1, 0
    s[at + c.KIND], s[at + c.RANK] = kind, s[c.ARRIVED_READS] + s[c.ARRIVED_WRITES]
    s[s[c.READS_AT + kind] + s[c.ARRIVED_READS + kind]] = transfer
    s[c.ARRIVED_READS + kind] += 1
    s[c.OUTSTANDING] += 1
    s[c.BYTES] += size_bytes
    for channel in range(s[c.CHANNELS]):
        ch = s[c.CHANNELS_AT] + channel * s[c.CHANNEL_CELLS]
        if _next_burst_in(s, first, channel) <= last:
            if s[ch + c.WHEN] == c.NEVER:
                _refresh_until(s, ch, clock)
            if clock <= s[ch + c.WHEN]:
                s[ch + c.WHEN] = clock
                s[ch + c.PLANNED] = c.NOTHING


@compiled
def advance(state: DramState, until_cycle: int) -> tuple[int, int]:
    """Let the DRAM work until a transfer is complete.

    Returns
    -------
    transfer, cycle : int
        The first transfer whose last byte has moved at a machine cycle of at most `until_cycle`, and that cycle; of
        one cycle reads before writes, then the one that arrived earlier. (-1, `until_cycle`) if there is none. What
        arrives from `cycle` on still finds everything undecided that it may have a part in.
    """
    s = state.cells
    if s[c.OUTSTANDING] == 0:
        return -1, until_cycle
    limit = c.NEVER if until_cycle >= FAR_CYCLE else _to_clock(s, until_cycle)
    found, cycle = _first_done(s)
    stop = limit if found < 0 else min(limit, _to_clock(s, cycle))
    end = s[c.CHANNELS_AT] + s[c.CHANNELS] * s[c.CHANNEL_CELLS]
    while True:
        first, when = 0, c.NEVER
        for ch in range(s[c.CHANNELS_AT], end, s[c.CHANNEL_CELLS]):
            if s[ch + c.WHEN] < when:
                first, when = ch, s[ch + c.WHEN]
        if when >= stop:
            break
        done = s[c.DONE]
        _decide(s, first)
        if s[c.DONE] > done:
            found, cycle = _first_done(s)
            stop = min(limit, _to_clock(s, cycle))
    if found < 0 or cycle > until_cycle:
        return -1, until_cycle
    s[c.DONE] -= 1
    s[c.OUTSTANDING] -= 1
    transfer = s[s[c.DONE_AT] + found]
    s[s[c.DONE_AT] + found] = s[s[c.DONE_AT] + s[c.DONE]]
    return transfer, cycle


@compiled
def settle(state: DramState, cycle: int) -> None:
    """Let channels that have nothing to do catch up with the refreshes before a machine cycle.

    Call it once at the end of a run, for the count; what arrives later arrives at `cycle` at the earliest.
    """
    s = state.cells
    for channel in range(s[c.CHANNELS]):
        ch = s[c.CHANNELS_AT] + channel * s[c.CHANNEL_CELLS]
        if s[ch + c.WHEN] == c.NEVER:
            _refresh_until(s, ch, _to_clock(s, cycle))


@compiled
def _to_clock(s: Int64s, cycle: int) -> int:
    """Give the first DRAM clock that does not lie before a machine cycle: `TimingDram.to_clock`."""
    return -(-cycle * s[c.CLOCKS_NUMERATOR] // s[c.CLOCKS_DENOMINATOR])


@compiled
def _to_cycle(s: Int64s, clock: int) -> int:
    """Give the first machine cycle that does not lie before a DRAM clock: `TimingDram.to_cycle`."""
    return -(-clock * s[c.CLOCKS_DENOMINATOR] // s[c.CLOCKS_NUMERATOR])


@compiled
def _first_done(s: Int64s) -> tuple[int, int]:
    """Find, among the completed transfers, the one to give out first: its place and its cycle, or -1."""
    found, best, rank = -1, c.NEVER, c.NEVER
    for place in range(s[c.DONE]):
        at = s[c.TRANSFERS_AT] + s[s[c.DONE_AT] + place] * c.TRANSFER_CELLS
        cycle = _to_cycle(s, s[at + c.END])
        here = s[at + c.RANK] + (s[at + c.KIND] << 40)  # reads before writes
        if cycle < best or (cycle == best and here < rank):
            found, best, rank = place, cycle, here
    return found, best


@compiled
def _next_burst_in(s: Int64s, burst: int, channel: int) -> int:
    """Give the first burst from `burst` on that lies in a channel."""
    block = burst // s[c.BELOW_CHANNEL]
    ahead = (channel - block) % s[c.CHANNELS]
    return burst if ahead == 0 else (block + ahead) * s[c.BELOW_CHANNEL]


@compiled
def _take_in(s: Int64s, ch: int, kind: int, clock: int) -> int:
    """Fill the scheduler's window of a kind with what has arrived; give the clock at which more of it arrives."""
    count, place = s[ch + c.WAITING + kind], s[ch + c.PLACE + kind]
    if count == s[c.QUEUE] or place == s[c.ARRIVED_READS + kind]:
        return c.NEVER
    burst, more = s[ch + c.NEXT_BURST + kind], c.NEVER
    e = ch + s[c.READ_WINDOW_IN + kind] + count * c.ENTRY_CELLS
    while count < s[c.QUEUE] and place < s[c.ARRIVED_READS + kind]:
        transfer = s[s[c.READS_AT + kind] + place]
        at = s[c.TRANSFERS_AT] + transfer * c.TRANSFER_CELLS
        if burst < 0:
            burst = _next_burst_in(s, s[at + c.FIRST_BURST], s[ch + c.NUMBER])
        if burst > s[at + c.LAST_BURST]:
            place += 1
            burst = -1
            continue
        if s[at + c.ARRIVAL] > clock:
            more = s[at + c.ARRIVAL]
            break
        group = burst // s[c.BELOW_GROUP] % s[c.GROUPS]
        bank = burst // s[c.BELOW_BANK] % s[c.BANKS_PER_GROUP]
        s[e + c.ENTRY_BANK] = group * s[c.BANKS_PER_GROUP] + bank
        s[e + c.ENTRY_GROUP] = group
        s[e + c.ENTRY_ROW] = burst // s[c.BELOW_ROW] % s[c.ROWS]
        s[e + c.ENTRY_TRANSFER] = transfer
        e += c.ENTRY_CELLS
        count += 1
        burst = _next_burst_in(s, burst + 1, s[ch + c.NUMBER])
    s[ch + c.WAITING + kind], s[ch + c.PLACE + kind], s[ch + c.NEXT_BURST + kind] = count, place, burst
    return more


@compiled
def _decide(s: Int64s, ch: int) -> None:
    """Make the decisions of a channel at its next clock, and note when the next ones are."""
    clock = s[ch + c.WHEN]
    if s[ch + c.PLANNED] == c.NOTHING:
        more = min(_take_in(s, ch, c.READ, clock), _take_in(s, ch, c.WRITE, clock))
        reads, writes = s[ch + c.WAITING], s[ch + c.WAITING + c.WRITE]
        if reads == 0 and writes == 0 and more == c.NEVER:
            s[ch + c.WHEN] = c.NEVER  # whatever falls due now is done when something arrives, or by `settle`
            return
        _turn(s, ch, reads, writes)
        if s[ch + c.DUE] <= clock:
            horizon, when = more, _plan_refresh(s, ch, clock)
        else:
            horizon, when = min(more, s[ch + c.DUE]), _plan_access(s, ch, clock)
        if when >= horizon:  # something else comes first, or at the same clock: decide then
            when = horizon
            s[ch + c.PLANNED] = c.NOTHING
        if when > clock:
            s[ch + c.WHEN] = when
            return
    if s[ch + c.PLANNED] == c.REFRESH:
        _issue_refresh(s, ch, clock)
    else:
        if s[ch + c.PLAN_COLUMN] >= 0:
            _issue_column(s, ch, clock)
        if s[ch + c.PLAN_BANK] >= 0:
            _issue_row(s, ch, clock)
    s[ch + c.PLANNED] = c.NOTHING
    s[ch + c.WHEN] = clock + 1


@compiled
def _turn(s: Int64s, ch: int, reads: int, writes: int) -> None:
    """Choose between reads and writes."""
    enough = s[ch + c.SERVED] >= s[c.QUEUE]
    if s[ch + c.MODE] == c.READ:
        turns = writes > 0 and (reads == 0 or (writes >= s[c.HIGH] and enough))
    else:
        turns = reads > 0 and (writes <= s[c.LOW] or enough)
    if turns:
        s[ch + c.MODE] = c.WRITE if s[ch + c.MODE] == c.READ else c.READ
        s[ch + c.SERVED] = 0


@compiled
def _plan_access(s: Int64s, ch: int, clock: int) -> int:
    """Find the next command for the bursts of the channel's mode; give its clock."""
    mode, banks, groups = s[ch + c.MODE], ch + s[c.BANKS_IN], ch + s[c.GROUPS_IN]
    window, count = ch + s[c.READ_WINDOW_IN + mode], s[ch + c.WAITING + mode]
    if s[c.FIRST_COME]:
        count = min(count, 1)
    end = window + count * c.ENTRY_CELLS
    column_from = max(clock, s[ch + c.COLUMN_BUS], s[ch + c.RD_GATE + mode])
    column, column_at = -1, c.NEVER
    hits, misses, one = np.uint64(0), np.uint64(0), np.uint64(1)  # banks, as bits
    for e in range(window, end, c.ENTRY_CELLS):
        bank = s[e + c.ENTRY_BANK]
        b = banks + bank * c.BANK_CELLS
        if s[b + c.BANK_ROW] == s[e + c.ENTRY_ROW]:
            hits |= one << np.uint64(bank)
            if column_at > column_from:
                g = groups + s[e + c.ENTRY_GROUP] * c.GROUP_CELLS
                may = max(column_from, s[b + c.BANK_RD + mode], s[g + c.GROUP_RD + mode])
                if may < column_at:
                    column, column_at = e, may
        else:
            misses |= one << np.uint64(bank)
    row_bank, row, row_at = -1, -1, c.NEVER
    if misses:
        row_from = max(clock, s[ch + c.ROW_BUS])
        act_from = max(row_from, s[ch + c.ACT_GATE], s[ch + c.FAW] + s[c.T_FAW])
        left = misses
        for e in range(window, end, c.ENTRY_CELLS):
            bank = s[e + c.ENTRY_BANK]
            bit = one << np.uint64(bank)
            b = banks + bank * c.BANK_CELLS
            if not left & bit or s[b + c.BANK_ROW] == s[e + c.ENTRY_ROW]:
                continue
            left &= ~bit
            if s[b + c.BANK_ROW] < 0:
                g = groups + s[e + c.ENTRY_GROUP] * c.GROUP_CELLS
                may = max(act_from, s[b + c.BANK_ACT], s[g + c.GROUP_ACT])
                if may < row_at:
                    row_bank, row, row_at = bank, s[e + c.ENTRY_ROW], may
            elif not hits & bit:
                may = max(row_from, s[b + c.BANK_PRE])
                if may < row_at:
                    row_bank, row, row_at = bank, -1, may
            if row_at == row_from or not left:
                break
    when = min(column_at, row_at)
    takes_row = row_at == when and (column_at > when or s[c.BUSES] == 2)
    s[ch + c.PLANNED] = c.ACCESS
    s[ch + c.PLAN_COLUMN] = (column - window) // c.ENTRY_CELLS if column_at == when else -1
    s[ch + c.PLAN_BANK] = row_bank if takes_row else -1
    s[ch + c.PLAN_ROW] = row
    return when


@compiled
def _plan_refresh(s: Int64s, ch: int, clock: int) -> int:
    """Find the next step towards the refresh that is due; give its clock."""
    s[ch + c.PLANNED] = c.REFRESH
    s[ch + c.PLAN_BANK] = -1
    earliest = max(clock, s[ch + c.ROW_BUS])
    when, ready = c.NEVER, s[ch + c.REF_GATE]
    for bank in range(s[c.GROUPS] * s[c.BANKS_PER_GROUP]):
        b = ch + s[c.BANKS_IN] + bank * c.BANK_CELLS
        ready = max(ready, s[b + c.BANK_ACT])
        if s[b + c.BANK_ROW] >= 0:
            may = max(earliest, s[b + c.BANK_PRE])
            if may < when:
                when = may
                s[ch + c.PLAN_BANK] = bank
    return max(earliest, ready) if when == c.NEVER else when


@compiled
def _issue_refresh(s: Int64s, ch: int, clock: int) -> None:
    """Precharge the bank that is planned, or refresh all of them."""
    if s[ch + c.PLAN_BANK] >= 0:
        s[ch + c.PLAN_ROW] = -1
        _issue_row(s, ch, clock)
        return
    _note(s, ch, clock, c.REF, -1, -1, -1)
    _take_bus(s, ch, clock, c.ROW_BUS)
    s[ch + c.ACT_GATE] = max(s[ch + c.ACT_GATE], clock + s[c.T_RFC])
    s[ch + c.REF_GATE] = clock + s[c.T_RFC]
    s[ch + c.DUE] += s[c.T_REFI]
    s[c.REFRESHES] += 1


@compiled
def _issue_row(s: Int64s, ch: int, clock: int) -> None:
    """Open the planned row, or precharge the planned bank."""
    bank, row = s[ch + c.PLAN_BANK], s[ch + c.PLAN_ROW]
    b = ch + s[c.BANKS_IN] + bank * c.BANK_CELLS
    _take_bus(s, ch, clock, c.ROW_BUS)
    s[b + c.BANK_ROW] = row
    if row < 0:
        _note(s, ch, clock, c.PRE, bank, -1, -1)
        s[b + c.BANK_ACT] = max(s[b + c.BANK_ACT], clock + s[c.T_RP])
        return
    _note(s, ch, clock, c.ACT, bank, row, -1)
    s[c.ACTIVATIONS] += 1
    s[b + c.BANK_FRESH] = 1
    s[b + c.BANK_ACT] = clock + s[c.T_RC]
    s[b + c.BANK_PRE] = clock + s[c.T_RAS]
    s[b + c.BANK_RD] = clock + s[c.T_RCD_READ]
    s[b + c.BANK_WR] = clock + s[c.T_RCD_WRITE]
    g = ch + s[c.GROUPS_IN] + bank // s[c.BANKS_PER_GROUP] * c.GROUP_CELLS
    s[g + c.GROUP_ACT] = clock + s[c.T_RRD_L]
    s[ch + c.ACT_GATE] = clock + s[c.T_RRD_S]
    for i in range(3):
        s[ch + c.FAW + i] = s[ch + c.FAW + i + 1]
    s[ch + c.FAW + 3] = clock


@compiled
def _issue_column(s: Int64s, ch: int, clock: int) -> None:
    """Read or write the planned burst."""
    mode = s[ch + c.MODE]
    window = ch + s[c.READ_WINDOW_IN + mode]
    e = window + s[ch + c.PLAN_COLUMN] * c.ENTRY_CELLS
    bank, row, transfer = s[e + c.ENTRY_BANK], s[e + c.ENTRY_ROW], s[e + c.ENTRY_TRANSFER]
    b = ch + s[c.BANKS_IN] + bank * c.BANK_CELLS
    g = ch + s[c.GROUPS_IN] + s[e + c.ENTRY_GROUP] * c.GROUP_CELLS
    s[ch + c.WAITING + mode] -= 1
    end_of_window = window + s[ch + c.WAITING + mode] * c.ENTRY_CELLS
    for cell in range(e, end_of_window):
        s[cell] = s[cell + c.ENTRY_CELLS]
    s[ch + c.SERVED] += 1
    _take_bus(s, ch, clock, c.COLUMN_BUS)
    s[g + c.GROUP_RD + mode] = max(s[g + c.GROUP_RD + mode], clock + s[c.T_CCD_L])
    s[ch + c.RD_GATE + mode] = max(s[ch + c.RD_GATE + mode], clock + s[c.T_CCD_S])
    if mode == c.READ:
        s[ch + c.WR_GATE] = max(s[ch + c.WR_GATE], clock + s[c.T_RTW])
        s[b + c.BANK_PRE] = max(s[b + c.BANK_PRE], clock + s[c.T_RTP])
        end = clock + s[c.T_CL] + s[c.BURST]
    else:
        end = clock + s[c.T_CWL] + s[c.BURST]
        s[g + c.GROUP_RD] = max(s[g + c.GROUP_RD], end + s[c.T_WTR_L])
        s[ch + c.RD_GATE] = max(s[ch + c.RD_GATE], end + s[c.T_WTR_S])
        s[b + c.BANK_PRE] = max(s[b + c.BANK_PRE], end + s[c.T_WR])
    s[c.READS + mode] += 1
    s[c.ROW_HITS] += 1 - s[b + c.BANK_FRESH]
    s[b + c.BANK_FRESH] = 0
    command = c.RD if mode == c.READ else c.WR
    if s[c.CLOSED_PAGE] and not _is_wanted(s, window, end_of_window, bank, row):
        command = c.RDA if mode == c.READ else c.WRA
        s[b + c.BANK_ROW] = -1
        s[b + c.BANK_ACT] = max(s[b + c.BANK_ACT], s[b + c.BANK_PRE] + s[c.T_RP])
    _note(s, ch, clock, command, bank, row, transfer)
    at = s[c.TRANSFERS_AT] + transfer * c.TRANSFER_CELLS
    s[at + c.END] = max(s[at + c.END], end)
    s[at + c.REMAINING] -= 1
    if s[at + c.REMAINING] == 0:
        s[s[c.DONE_AT] + s[c.DONE]] = transfer
        s[c.DONE] += 1


@compiled
def _is_wanted(s: Int64s, window: int, end: int, bank: int, row: int) -> bool:
    """Find out whether a burst of a window lies in a row."""
    found = False
    for e in range(window, end, c.ENTRY_CELLS):
        found |= s[e + c.ENTRY_BANK] == bank and s[e + c.ENTRY_ROW] == row
    return found


@compiled
def _take_bus(s: Int64s, ch: int, clock: int, bus: int) -> None:
    """Keep a command bus for one clock; the only one, or the one of row or of column commands."""
    s[ch + bus] = clock + 1
    if s[c.BUSES] == 1:
        s[ch + c.ROW_BUS] = s[ch + c.COLUMN_BUS] = clock + 1


@compiled
def _refresh_until(s: Int64s, ch: int, clock: int) -> None:
    """Do the refreshes of a channel without bursts, as far as they lie before a clock."""
    while s[ch + c.DUE] < clock:
        when = _plan_refresh(s, ch, s[ch + c.DUE])
        if when >= clock:
            break
        refreshes = s[ch + c.PLAN_BANK] < 0
        _issue_refresh(s, ch, when)
        if refreshes and s[c.RECORD_ROOM] == 0 and s[ch + c.DUE] < clock:
            # All rows are closed, and tREFI is longer than anything that lasts: the rest are on time.
            missed = (clock - 1 - s[ch + c.DUE]) // s[c.T_REFI]
            s[ch + c.DUE] += missed * s[c.T_REFI]
            s[c.REFRESHES] += missed
    s[ch + c.PLANNED] = c.NOTHING


@compiled
def _note(s: Int64s, ch: int, clock: int, command: int, bank: int, row: int, transfer: int) -> None:
    """Record a command, if commands are recorded."""
    if s[c.RECORD_ROOM] == 0:
        return
    if s[c.RECORDED] == s[c.RECORD_ROOM]:
        raise IndexError("more commands than the record has room for")
    r = s[c.RECORD_AT] + s[c.RECORDED] * 6
    s[r], s[r + 1], s[r + 2] = clock, s[ch + c.NUMBER], command
    s[r + 3], s[r + 4], s[r + 5] = bank, row, transfer
    s[c.RECORDED] += 1
