"""The DRAM of the level `timing` at work, from event to event. Importing this file loads numba; nothing else does.

A channel decides at a clock of its own: it takes in what has arrived, chooses reads or writes, and issues what is
allowed. Where nothing is, it notes the first clock at which something will be and is left alone until then or until
something arrives. Channels are served in order of their next clock, and never beyond what the caller knows: nothing
that is decided at a clock depends on what arrives later, nor on how far one call of `advance` goes.
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
    spec, totals, info = state.spec, state.totals, state.transfers[transfer]
    clock = _to_clock(spec, now_cycle)
    kind = c.WRITE if is_write else c.READ
    info[c.FIRST_BURST] = address_bytes // spec[c.BURST_BYTES]
    info[c.LAST_BURST] = (address_bytes + size_bytes - 1) // spec[c.BURST_BYTES]
    info[c.ARRIVAL] = clock
    info[c.REMAINING] = info[c.LAST_BURST] - info[c.FIRST_BURST] + 1
    info[c.END] = 0
    info[c.KIND] = kind
    info[c.RANK] = totals[c.ARRIVED]
    totals[c.ARRIVED] += 1
    totals[c.OUTSTANDING] += 1
    totals[c.BYTES] += size_bytes
    state.order[kind, state.arrivals[kind]] = transfer
    state.arrivals[kind] += 1
    for channel in range(spec[c.CHANNELS]):
        fields = state.channels[channel]
        if _next_burst_in(spec, info[c.FIRST_BURST], channel) > info[c.LAST_BURST]:
            continue
        if fields[c.WHEN] == c.NEVER:
            _refresh_until(state, channel, clock)
        if clock <= fields[c.WHEN]:
            fields[c.WHEN] = clock
            fields[c.PLANNED] = c.NOTHING


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
    spec, totals = state.spec, state.totals
    if totals[c.OUTSTANDING] == 0:
        return -1, until_cycle
    limit = c.NEVER if until_cycle >= FAR_CYCLE else _to_clock(spec, until_cycle)
    found, cycle = _first_done(state)
    stop = limit if found < 0 else min(limit, _to_clock(spec, cycle))
    while True:
        channel, when = 0, c.NEVER
        for number in range(spec[c.CHANNELS]):
            if state.channels[number, c.WHEN] < when:
                channel, when = number, state.channels[number, c.WHEN]
        if when >= stop:
            break
        done = totals[c.DONE]
        _decide(state, channel)
        if totals[c.DONE] > done:
            found, cycle = _first_done(state)
            stop = min(limit, _to_clock(spec, cycle))
    if found < 0 or cycle > until_cycle:
        return -1, until_cycle
    totals[c.DONE] -= 1
    totals[c.OUTSTANDING] -= 1
    transfer = state.done[found]
    state.done[found] = state.done[totals[c.DONE]]
    return transfer, cycle


@compiled
def settle(state: DramState, cycle: int) -> None:
    """Let channels that have nothing to do catch up with the refreshes before a machine cycle.

    Call it once at the end of a run, for the count; what arrives later arrives at `cycle` at the earliest.
    """
    for channel in range(state.spec[c.CHANNELS]):
        if state.channels[channel, c.WHEN] == c.NEVER:
            _refresh_until(state, channel, _to_clock(state.spec, cycle))


@compiled
def _to_clock(spec: Int64s, cycle: int) -> int:
    """Give the first DRAM clock that does not lie before a machine cycle: `TimingDram.to_clock`."""
    return -(-cycle * spec[c.CLOCKS_NUMERATOR] // spec[c.CLOCKS_DENOMINATOR])


@compiled
def _to_cycle(spec: Int64s, clock: int) -> int:
    """Give the first machine cycle that does not lie before a DRAM clock: `TimingDram.to_cycle`."""
    return -(-clock * spec[c.CLOCKS_DENOMINATOR] // spec[c.CLOCKS_NUMERATOR])


@compiled
def _first_done(state: DramState) -> tuple[int, int]:
    """Find, among the completed transfers, the one to give out first: its place and its cycle, or -1."""
    found, best, rank = -1, c.NEVER, c.NEVER
    for place in range(state.totals[c.DONE]):
        info = state.transfers[state.done[place]]
        cycle = _to_cycle(state.spec, info[c.END])
        here = info[c.RANK] + (info[c.KIND] << 40)  # reads before writes
        if cycle < best or (cycle == best and here < rank):
            found, best, rank = place, cycle, here
    return found, best


@compiled
def _next_burst_in(spec: Int64s, burst: int, channel: int) -> int:
    """Give the first burst from `burst` on that lies in a channel."""
    below = np.int64(1)
    for place in range(5):
        field = spec[c.ORDER + place]
        if field == 4:
            break
        below *= _size(spec, field)
    channels = spec[c.CHANNELS]
    block = burst // below
    ahead = (channel - block) % channels
    return burst if ahead == 0 else (block + ahead) * below


@compiled
def _size(spec: Int64s, field: int) -> int:
    """Give how many values a field of an address has: row, bank, group, column, channel."""
    if field == 0:
        return spec[c.ROWS]
    if field == 1:
        return spec[c.BANKS_PER_GROUP]
    if field == 2:
        return spec[c.GROUPS]
    if field == 3:
        return spec[c.COLUMNS]
    return spec[c.CHANNELS]


@compiled
def _take_in(state: DramState, channel: int, kind: int, clock: int) -> int:
    """Fill the scheduler's window of a kind with what has arrived; give the clock at which more of it arrives."""
    spec, fields = state.spec, state.channels[channel]
    count = fields[c.WAITING + kind]
    place, burst = fields[c.PLACE + kind], fields[c.NEXT_BURST + kind]
    more = c.NEVER
    while count < spec[c.QUEUE] and place < state.arrivals[kind]:
        transfer = state.order[kind, place]
        info = state.transfers[transfer]
        if burst < 0:
            burst = _next_burst_in(spec, info[c.FIRST_BURST], channel)
        if burst > info[c.LAST_BURST]:
            place += 1
            burst = -1
            continue
        if info[c.ARRIVAL] > clock:
            more = info[c.ARRIVAL]
            break
        rest, bank, group, row = burst, np.int64(0), np.int64(0), np.int64(0)
        for digit in range(5):
            field = spec[c.ORDER + digit]
            size = _size(spec, field)
            above = rest // size
            value = rest - above * size
            rest = above
            if field == 0:
                row = value
            elif field == 1:
                bank = value
            elif field == 2:
                group = value
        entry = state.windows[channel, kind, count]
        entry[c.ENTRY_BANK] = group * spec[c.BANKS_PER_GROUP] + bank
        entry[c.ENTRY_ROW] = row
        entry[c.ENTRY_TRANSFER] = transfer
        count += 1
        burst = _next_burst_in(spec, burst + 1, channel)
    fields[c.WAITING + kind], fields[c.PLACE + kind], fields[c.NEXT_BURST + kind] = count, place, burst
    return more


@compiled
def _decide(state: DramState, channel: int) -> None:
    """Make the decisions of a channel at its next clock, and note when the next ones are."""
    spec, fields = state.spec, state.channels[channel]
    clock = fields[c.WHEN]
    if fields[c.PLANNED] == c.NOTHING:
        more = min(_take_in(state, channel, c.READ, clock), _take_in(state, channel, c.WRITE, clock))
        reads, writes = fields[c.WAITING], fields[c.WAITING + c.WRITE]
        if reads == 0 and writes == 0 and more == c.NEVER:
            fields[c.WHEN] = c.NEVER  # whatever is due now is done when something arrives, or by `settle`
            return
        _turn(spec, fields, reads, writes)
        if fields[c.DUE] <= clock:
            horizon, when = more, _plan_refresh(state, channel, clock)
        else:
            horizon, when = min(more, fields[c.DUE]), _plan_access(state, channel, clock)
        if when >= horizon:  # something else comes first, or at the same clock: decide then
            when = horizon
            fields[c.PLANNED] = c.NOTHING
        if when > clock:
            fields[c.WHEN] = when
            return
    if fields[c.PLANNED] == c.REFRESH:
        _issue_refresh(state, channel, clock)
    else:
        if fields[c.PLAN_COLUMN] >= 0:
            _issue_column(state, channel, clock)
        if fields[c.PLAN_BANK] >= 0:
            _issue_row(state, channel, clock)
    fields[c.PLANNED] = c.NOTHING
    fields[c.WHEN] = clock + 1


@compiled
def _turn(spec: Int64s, fields: Int64s, reads: int, writes: int) -> None:
    """Choose between reads and writes."""
    if fields[c.MODE] == c.READ:
        turns = writes > 0 and (reads == 0 or (writes >= spec[c.HIGH] and fields[c.SERVED] >= spec[c.QUEUE]))
    else:
        turns = reads > 0 and (writes <= spec[c.LOW] or fields[c.SERVED] >= spec[c.QUEUE])
    if turns:
        fields[c.MODE] = c.WRITE if fields[c.MODE] == c.READ else c.READ
        fields[c.SERVED] = 0


@compiled
def _plan_access(state: DramState, channel: int, clock: int) -> int:
    """Find the next command for the bursts of the channel's mode; give its clock."""
    spec, fields, banks = state.spec, state.channels[channel], state.banks[channel]
    groups, mode = state.groups[channel], fields[c.MODE]
    window = state.windows[channel, mode]
    count = min(fields[c.WAITING + mode], 1) if spec[c.FIRST_COME] else fields[c.WAITING + mode]
    per_group = spec[c.BANKS_PER_GROUP]
    bank_gate, group_gate = (c.BANK_RD, c.GROUP_RD) if mode == c.READ else (c.BANK_WR, c.GROUP_WR)
    column_from = max(clock, fields[c.COLUMN_BUS], fields[c.RD_GATE + mode])
    column, column_at = -1, c.NEVER
    hits, misses = np.uint64(0), np.uint64(0)
    one = np.uint64(1)
    for i in range(count):
        bank = window[i, c.ENTRY_BANK]
        bit = one << np.uint64(bank)
        if banks[bank, c.BANK_ROW] == window[i, c.ENTRY_ROW]:
            hits |= bit
            if column_at > column_from:
                at = max(column_from, banks[bank, bank_gate], groups[bank // per_group, group_gate])
                if at < column_at:
                    column, column_at = i, at
        else:
            misses |= bit
    row_bank, row, row_at = -1, -1, c.NEVER
    if misses:
        row_from = max(clock, fields[c.ROW_BUS])
        act_from = max(row_from, fields[c.ACT_GATE], fields[c.FAW] + spec[c.T_FAW])
        seen = np.uint64(0)
        for i in range(count):
            bank = window[i, c.ENTRY_BANK]
            bit = one << np.uint64(bank)
            if seen & bit or not misses & bit:
                continue
            seen |= bit
            if banks[bank, c.BANK_ROW] < 0:
                at = max(act_from, banks[bank, c.BANK_ACT], groups[bank // per_group, c.GROUP_ACT])
                if at < row_at:
                    row_bank, row, row_at = bank, window[i, c.ENTRY_ROW], at
            elif not hits & bit:
                at = max(row_from, banks[bank, c.BANK_PRE])
                if at < row_at:
                    row_bank, row, row_at = bank, -1, at
            if row_at == row_from or seen == misses:
                break
    when = min(column_at, row_at)
    takes_row = row_at == when and (column_at > when or spec[c.BUSES] == 2)
    fields[c.PLANNED] = c.ACCESS
    fields[c.PLAN_COLUMN] = column if column_at == when else -1
    fields[c.PLAN_BANK] = row_bank if takes_row else -1
    fields[c.PLAN_ROW] = row
    return when


@compiled
def _plan_refresh(state: DramState, channel: int, clock: int) -> int:
    """Find the next step towards the refresh that is due; give its clock."""
    fields, banks = state.channels[channel], state.banks[channel]
    fields[c.PLANNED] = c.REFRESH
    fields[c.PLAN_BANK] = -1
    earliest = max(clock, fields[c.ROW_BUS])
    when, ready = c.NEVER, fields[c.REF_GATE]
    for bank in range(banks.shape[0]):
        ready = max(ready, banks[bank, c.BANK_ACT])
        if banks[bank, c.BANK_ROW] >= 0:
            at = max(earliest, banks[bank, c.BANK_PRE])
            if at < when:
                when, fields[c.PLAN_BANK] = at, bank
    return max(earliest, ready) if when == c.NEVER else when


@compiled
def _issue_refresh(state: DramState, channel: int, clock: int) -> None:
    """Precharge the bank that is planned, or refresh all of them."""
    spec, fields = state.spec, state.channels[channel]
    if fields[c.PLAN_BANK] >= 0:
        fields[c.PLAN_ROW] = -1
        _issue_row(state, channel, clock)
        return
    _note(state, clock, channel, c.REF, -1, -1, -1)
    _take_bus(spec, fields, clock, c.ROW_BUS)
    fields[c.ACT_GATE] = max(fields[c.ACT_GATE], clock + spec[c.T_RFC])
    fields[c.REF_GATE] = clock + spec[c.T_RFC]
    fields[c.DUE] += spec[c.T_REFI]
    state.totals[c.REFRESHES] += 1


@compiled
def _issue_row(state: DramState, channel: int, clock: int) -> None:
    """Open the planned row, or precharge the planned bank."""
    spec, fields = state.spec, state.channels[channel]
    number, row = fields[c.PLAN_BANK], fields[c.PLAN_ROW]
    bank = state.banks[channel, number]
    _take_bus(spec, fields, clock, c.ROW_BUS)
    bank[c.BANK_ROW] = row
    if row < 0:
        _note(state, clock, channel, c.PRE, number, -1, -1)
        bank[c.BANK_ACT] = max(bank[c.BANK_ACT], clock + spec[c.T_RP])
        return
    _note(state, clock, channel, c.ACT, number, row, -1)
    state.totals[c.ACTIVATIONS] += 1
    group = state.groups[channel, number // spec[c.BANKS_PER_GROUP]]
    bank[c.BANK_FRESH] = 1
    bank[c.BANK_ACT] = clock + spec[c.T_RC]
    bank[c.BANK_PRE] = clock + spec[c.T_RAS]
    bank[c.BANK_RD] = clock + spec[c.T_RCD_READ]
    bank[c.BANK_WR] = clock + spec[c.T_RCD_WRITE]
    group[c.GROUP_ACT] = clock + spec[c.T_RRD_L]
    fields[c.ACT_GATE] = clock + spec[c.T_RRD_S]
    for i in range(3):
        fields[c.FAW + i] = fields[c.FAW + i + 1]
    fields[c.FAW + 3] = clock


@compiled
def _issue_column(state: DramState, channel: int, clock: int) -> None:
    """Read or write the planned burst."""
    spec, totals, fields = state.spec, state.totals, state.channels[channel]
    mode, place = fields[c.MODE], fields[c.PLAN_COLUMN]
    window, count = state.windows[channel, mode], fields[c.WAITING + mode] - 1
    number, row, transfer = window[place, c.ENTRY_BANK], window[place, c.ENTRY_ROW], window[place, c.ENTRY_TRANSFER]
    for i in range(place, count):
        for field in range(3):
            window[i, field] = window[i + 1, field]
    fields[c.WAITING + mode] = count
    fields[c.SERVED] += 1
    bank = state.banks[channel, number]
    group = state.groups[channel, number // spec[c.BANKS_PER_GROUP]]
    _take_bus(spec, fields, clock, c.COLUMN_BUS)
    group[c.GROUP_RD + mode] = max(group[c.GROUP_RD + mode], clock + spec[c.T_CCD_L])
    fields[c.RD_GATE + mode] = max(fields[c.RD_GATE + mode], clock + spec[c.T_CCD_S])
    if mode == c.READ:
        totals[c.READS] += 1
        fields[c.WR_GATE] = max(fields[c.WR_GATE], clock + spec[c.T_RTW])
        bank[c.BANK_PRE] = max(bank[c.BANK_PRE], clock + spec[c.T_RTP])
        end = clock + spec[c.T_CL] + spec[c.BURST]
    else:
        totals[c.WRITES] += 1
        end = clock + spec[c.T_CWL] + spec[c.BURST]
        group[c.GROUP_RD] = max(group[c.GROUP_RD], end + spec[c.T_WTR_L])
        fields[c.RD_GATE] = max(fields[c.RD_GATE], end + spec[c.T_WTR_S])
        bank[c.BANK_PRE] = max(bank[c.BANK_PRE], end + spec[c.T_WR])
    totals[c.ROW_HITS] += 1 - bank[c.BANK_FRESH]
    bank[c.BANK_FRESH] = 0
    closes = spec[c.CLOSED_PAGE] == 1
    if closes:
        for i in range(count):
            if window[i, c.ENTRY_BANK] == number and window[i, c.ENTRY_ROW] == row:
                closes = False
                break
    if closes:
        bank[c.BANK_ROW] = -1
        bank[c.BANK_ACT] = max(bank[c.BANK_ACT], bank[c.BANK_PRE] + spec[c.T_RP])
    if state.record.shape[0] > 0:
        command = (c.RDA if closes else c.RD) if mode == c.READ else (c.WRA if closes else c.WR)
        _note(state, clock, channel, command, number, row, transfer)
    info = state.transfers[transfer]
    info[c.REMAINING] -= 1
    info[c.END] = max(info[c.END], end)
    if info[c.REMAINING] == 0:
        state.done[totals[c.DONE]] = transfer
        totals[c.DONE] += 1


@compiled
def _take_bus(spec: Int64s, fields: Int64s, clock: int, bus: int) -> None:
    """Keep a command bus for one clock; the only one, or the one of row or of column commands."""
    fields[bus] = clock + 1
    if spec[c.BUSES] == 1:
        fields[c.ROW_BUS] = fields[c.COLUMN_BUS] = clock + 1


@compiled
def _refresh_until(state: DramState, channel: int, clock: int) -> None:
    """Do the refreshes of a channel without bursts, as far as they lie before a clock."""
    spec, fields = state.spec, state.channels[channel]
    while fields[c.DUE] < clock:
        when = max(fields[c.DUE], _plan_refresh(state, channel, fields[c.DUE]))
        if when >= clock:
            break
        refreshes = fields[c.PLAN_BANK] < 0
        _issue_refresh(state, channel, when)
        if refreshes and state.record.shape[0] == 0 and fields[c.DUE] < clock:
            # All rows are closed, and tREFI is longer than anything that lasts: the rest are on time.
            missed = (clock - 1 - fields[c.DUE]) // spec[c.T_REFI]
            fields[c.DUE] += missed * spec[c.T_REFI]
            state.totals[c.REFRESHES] += missed
    fields[c.PLANNED] = c.NOTHING


@compiled
def _note(state: DramState, clock: int, channel: int, command: int, bank: int, row: int, transfer: int) -> None:
    """Record a command, if commands are recorded."""
    if state.record.shape[0] == 0:
        return
    place = state.totals[c.RECORDED]
    if place >= state.record.shape[0]:
        raise IndexError("more commands than the record has room for")
    entry = state.record[place]
    entry[0], entry[1], entry[2], entry[3], entry[4], entry[5] = clock, channel, command, bank, row, transfer
    state.totals[c.RECORDED] += 1
