"""The event-driven DRAM equals the plain one, and does not depend on how it is asked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from plain import dram as plain
from plain.dram_cases import commands_of, dram, drams, drive, small_standard, streams

from simulator.memory.timing_kernels import advance, arrive, settle
from simulator.memory.timing_state import NEVER, counters


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_commands_and_completions_are_those_of_the_plain_form(data):
    d = data.draw(drams())
    transfers = data.draw(streams(d))
    end = transfers[-1].cycle + data.draw(st.integers(0, 900))
    commands, completions = plain.run(d, transfers, end)
    state, told = drive(d, transfers, data.draw(st.sampled_from(["between", "afterwards"])), end)
    assert told == completions
    # Both go on refreshing until the end, or until the last transfer is complete: compare what both have.
    last = max(c.clock for c in commands if c.transfer >= 0)
    horizon = max(d.to_clock(end), last + 1)
    mine = [c for c in commands_of(state) if c.clock < horizon]
    assert mine == [c for c in commands if c.clock < horizon]
    assert plain.violations(d.standard, mine) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_results_do_not_depend_on_how_finely_it_is_asked(data):
    d = data.draw(drams())
    transfers = data.draw(streams(d))
    state, told = drive(d, transfers)
    for asking in ("every cycle", "afterwards"):
        other, other_told = drive(d, transfers, asking)
        assert other_told == told
        assert counters(other) == counters(state)
        assert commands_of(other) == commands_of(state)


def closed_loop(d, transfers, in_flight, every_cycle):
    """Ask for the next transfer when one completes: what arrives depends on what was told."""
    state = d.new_state(len(transfers), 50_000)
    told, now, asked = [], 0, 0
    while len(told) < len(transfers):
        while asked < len(transfers) and asked - len(told) < in_flight:
            _, is_write, address, size = transfers[asked]
            arrive(state, asked, is_write, address, size, now)
            asked += 1
        transfer, cycle = -1, now
        while transfer < 0:
            transfer, cycle = advance(state, now if every_cycle else NEVER)
            now = now + 1 if transfer < 0 else int(cycle)
        told.append((int(transfer), int(cycle)))
    return commands_of(state), told


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_caller_that_reacts_gets_the_same_from_far_limits_as_from_every_cycle(data):
    d = data.draw(drams())
    transfers = data.draw(streams(d, longest=20))
    in_flight = data.draw(st.integers(1, 5))
    far = closed_loop(d, transfers, in_flight, every_cycle=False)
    assert far == closed_loop(d, transfers, in_flight, every_cycle=True)
    # The same arrivals, known beforehand, give the same commands: no decision looked ahead.
    cycles = [0] * min(in_flight, len(transfers)) + [cycle for _, cycle in far[1]]
    known = [t._replace(cycle=cycle) for t, cycle in zip(transfers, cycles, strict=False)]
    commands, completions = plain.run(d, known)
    assert far[1] == completions
    assert [c for c in far[0] if c.transfer >= 0] == [c for c in commands if c.transfer >= 0]


def test_nothing_outstanding_is_told_at_once_and_refreshes_are_caught_up():
    d = dram(small_standard(t_refi=100))
    state = d.new_state(2)
    assert advance(state, NEVER) == (-1, NEVER)
    arrive(state, 0, False, 0, 4, 10)
    first, cycle = advance(state, NEVER)
    t = d.standard.clocks
    assert (first, cycle) == (0, 10 + t.t_rcd_read + t.t_cl + d.standard.burst_clocks)
    pause = 10**12  # stepping it would take hours
    arrive(state, 1, False, 0, 4, pause + 50)
    assert advance(state, NEVER) == (1, pause + 50 + cycle - 10)
    assert counters(state)["refreshes"] == pause // 100
    settle(state, pause + 1001)
    assert counters(state)["refreshes"] == pause // 100 + 10


def test_reads_come_before_writes_of_the_same_cycle_and_older_ones_first():
    # Four channels; a write takes as long as a read.
    d = dram(small_standard({"channels": 4}, t_cl=2, t_rcd_read=3, t_rtw=2))
    state = d.new_state(4)
    for number, (is_write, channel) in enumerate([(True, 0), (False, 3), (True, 1), (False, 2)]):
        arrive(state, number, is_write, 4 * channel, 4, 0)
    assert [advance(state, NEVER)[0] for _ in range(4)] == [1, 3, 0, 2]


def test_row_that_closes_itself_waits_for_an_older_write_to_it():
    # Two reads, then two of three writes, then the last read: it closes the row, but the writes are not yet restored.
    d = dram(small_standard(t_wr=30), page="closed", controller_queue=2)
    kinds = [False, False, True, True, True, False]
    transfers = [plain.Transfer(0, is_write, 8 * (n % 4), 4) for n, is_write in enumerate(kinds)]
    commands, completions = plain.run(d, transfers)
    state, told = drive(d, transfers)
    assert (commands_of(state), told) == (commands, completions)
    assert [c.name for c in commands] == ["ACT", "RD", "RD", "WR", "WR", "RDA", "ACT", "WRA"]
    t = d.standard.clocks
    written = commands[4].clock + t.t_cwl + d.standard.burst_clocks
    assert commands[6].clock == written + t.t_wr + t.t_rp


def test_counters_count_bursts_activates_and_hits():
    d = dram(small_standard(t_refi=100))
    state = d.new_state(2)
    arrive(state, 0, False, 2, 5, 0)  # touches two bursts, in the two groups
    arrive(state, 1, True, 8, 4, 0)  # the next column of the first
    while advance(state, NEVER)[0] >= 0:
        pass
    settle(state, 350)
    assert counters(state) == {
        "reads": 2, "writes": 1, "activations": 2, "row_hits": 1, "refreshes": 3, "bytes": 9,
    }  # fmt: skip


def test_arrivals_during_a_refresh_turn_the_channel_when_they_come():
    # The row that is written at 188 may not be closed before 252, for the refresh that is due at 200. Meanwhile a write
    # comes (the channel serves writes), a read (one write is no reason to stay: reads), and three more writes.
    d = dram(small_standard(t_refi=200, t_wr=60), controller_queue=4)
    arrivals = [(185, True), (210, True), (212, False), (214, True), (214, True), (214, True)]
    transfers = [plain.Transfer(cycle, is_write, 0, 4) for cycle, is_write in arrivals]
    commands, completions = plain.run(d, transfers)
    assert [number for number, _ in completions] == [0, 2, 1, 3, 4, 5]
    for asking in ("between", "every cycle", "afterwards"):
        state, told = drive(d, transfers, asking)
        assert told == completions
        assert commands_of(state) == commands
