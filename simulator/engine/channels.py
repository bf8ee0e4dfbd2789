"""What the channels of a DRAM at the level `timing` moved when: the same requests served again, commands recorded."""

from __future__ import annotations

import numpy as np

from simulator.engine.times import Int64s, Interval
from simulator.memory import TimingDram
from simulator.memory.timing_state import RD, RDA, WR, WRA, recorded
from traces.errors import InputError

MOST_COMMANDS = 2**23
"""Commands of a step that are looked at: some 400 MB."""

NAMES = ("reads", "writes")
"""What a channel moves, in the order of READ and WRITE; each is a unit ``dram 0 reads``."""


def channel_intervals(
    dram: TimingDram,
    addresses_bytes: Int64s,
    sizes_bytes: Int64s,
    writes: Int64s,
    asked: Int64s,
    done: Int64s,
    commands: dict[str, int],
) -> list[Interval]:
    """Serve requests once more and say when data were on the pins of each channel.

    Parameters
    ----------
    dram : TimingDram
    addresses_bytes, sizes_bytes, writes : int64 [transfers]
        In the order in which they are numbered; `writes` is 1 where it is one.
    asked, done : int64 [transfers]
        When each came to the DRAM, and when it was done, in cycles.
    commands : dict
        What the DRAM counted when it served them first.

    Returns
    -------
    list of Interval
        By channel, reads and writes apart, in order of time. Bursts that follow each other are one; a burst that ends
        or begins within a cycle takes the whole of it. The bytes of a transfer are dealt out over its bursts.

    Raises
    ------
    InputError
        If there are more commands than are looked at.
    """
    # Every row that is closed was opened, and none of the commands is without a counter but that which closes a row.
    room = commands["reads"] + commands["writes"] + 2 * commands["activations"] + commands["refreshes"]
    if room > MOST_COMMANDS:
        raise InputError.of(
            "timeline", f"a step with up to {room:,} DRAM commands",
            f"at most {MOST_COMMANDS:,}, which are kept in memory",
            "a rate and a latency: --set 'memory.dram={bandwidth_gb_per_s: 64, latency_ns: 100}'",
        )  # fmt: skip
    rows = _serve(dram, addresses_bytes, sizes_bytes, writes, asked, done, max(1, room))
    bursts = rows[np.isin(rows[:, 2], (RD, WR, RDA, WRA))]
    is_write = np.isin(bursts[:, 2], (WR, WRA)).astype(np.int64)
    clocks = dram.standard.clocks
    first_clock = bursts[:, 0] + np.where(is_write, clocks.t_cwl, clocks.t_cl)
    size = _dealt_out(bursts[:, 5], sizes_bytes)
    intervals = []
    for channel in range(dram.channels):
        for kind, name in enumerate(NAMES):
            own = (bursts[:, 1] == channel) & (is_write == kind)
            intervals += _stretches(dram, f"dram {channel} {name}", name, first_clock[own], size[own])
    return intervals


def _serve(
    dram: TimingDram,
    addresses_bytes: Int64s,
    sizes_bytes: Int64s,
    writes: Int64s,
    asked: Int64s,
    done: Int64s,
    room: int,
) -> Int64s:
    """Serve the requests in order of arrival, reads first, and give the recorded commands."""
    from simulator.memory.timing_kernels import advance, arrive
    from simulator.memory.timing_state import NEVER

    state = dram.new_state(len(asked), record=room)
    again = np.zeros_like(done)

    def until(cycle: int) -> None:
        transfer, when = advance(state, cycle)
        while transfer >= 0:
            again[transfer] = when
            transfer, when = advance(state, cycle)

    for transfer in np.lexsort((np.arange(len(asked)), writes, asked)).tolist():
        until(int(asked[transfer]))
        address, size = int(addresses_bytes[transfer]), int(sizes_bytes[transfer])
        arrive(state, transfer, bool(writes[transfer]), address, size, int(asked[transfer]))
    until(NEVER)
    assert np.array_equal(again, done), "a DRAM that is asked the same answers the same"
    return recorded(state)


def _dealt_out(transfers: Int64s, sizes_bytes: Int64s) -> Int64s:
    """Deal the bytes of each transfer out over its bursts, to the byte: int64 [bursts]."""
    order = np.argsort(transfers, kind="stable")
    of = transfers[order]
    bursts = np.bincount(of, minlength=len(sizes_bytes))
    place = np.arange(len(of)) - (np.cumsum(bursts) - bursts)[of]
    share = sizes_bytes[of] * (place + 1) // bursts[of] - sizes_bytes[of] * place // bursts[of]
    dealt = np.empty_like(share)
    dealt[order] = share
    return dealt


def _stretches(dram: TimingDram, unit: str, name: str, first_clock: Int64s, size_bytes: Int64s) -> list[Interval]:
    """Join the bursts of one channel and kind that follow each other, or share a cycle."""
    if not len(first_clock):
        return []
    numerator, denominator = dram.clocks_per_cycle
    end_clock = first_clock + dram.standard.burst_clocks
    start, end = first_clock * denominator // numerator, -(-end_clock * denominator // numerator)
    apart = (first_clock[1:] > end_clock[:-1]) & (start[1:] >= end[:-1])
    begins = np.flatnonzero(np.concatenate([[True], apart]))
    ends = np.append(begins[1:], len(first_clock))
    sizes = np.add.reduceat(size_bytes, begins)
    return [
        Interval(unit, name, int(start[a]), int(end[b - 1]), about=f"{b - a} bursts", size_bytes=int(size))
        for a, b, size in zip(begins.tolist(), ends.tolist(), sizes.tolist(), strict=True)
    ]
