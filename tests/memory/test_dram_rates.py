"""What streams reach, against what the standards' numbers say they can: rates and latencies with their errors."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.arch import dram_standard_names, load_dram_standard
from simulator.arch.memory_system import Dram
from simulator.memory.timing import TimingDram, dram_of
from simulator.memory.timing_kernels import advance, arrive
from simulator.memory.timing_state import NEVER, counters

NAMES = dram_standard_names()
# Errors: with the second order all banks must be opened anew after each refresh, tFAW apart.
ORDERS = [("row_bank_column_group_channel", 1.03), ("row_column_bank_group_channel", 1.08)]


def timed(name: str, **keys: object) -> TimingDram:
    """A DRAM whose machine has its clock, so that cycles are clocks."""
    standard = load_dram_standard(name)
    return dram_of(Dram(level="timing", timing=name, **keys), int(standard.clock_mhz), standard)


def finish(d: TimingDram, addresses: np.ndarray, size: int, is_write=False, in_flight: int = 64) -> tuple[int, dict]:
    """Ask for transfers, so many in flight; give the last cycle and the counters."""
    state = d.new_state(len(addresses))
    asked = now = 0
    for told in range(len(addresses)):
        while asked < len(addresses) and asked - told < in_flight:
            arrive(state, asked, is_write, int(addresses[asked]), size, now)
            asked += 1
        _, now = advance(state, NEVER)
    return now, counters(state)


@pytest.mark.parametrize(("mapping", "most"), ORDERS)
@pytest.mark.parametrize("is_write", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_sequential_stream_reaches_the_peak_less_refresh(name, is_write, mapping, most):
    d = timed(name, address_mapping=mapping)
    t = d.standard.clocks
    size = 256 * d.channels * d.standard.burst_bytes
    clocks_each = 256 * d.standard.burst_clocks
    number = 30 * t.t_refi // clocks_each
    cycles, counts = finish(d, np.arange(number) * size, size, is_write, in_flight=16)
    ideal = number * clocks_each / (1 - t.t_rfc / t.t_refi)
    assert 0.995 * ideal < cycles < most * ideal, cycles / ideal
    assert counts["row_hits"] > 0.9 * (counts["reads"] + counts["writes"])


@pytest.mark.parametrize("name", NAMES)
def test_one_row_alone_is_bound_by_the_gate_of_its_bank_group(name):
    d = timed(name, address_mapping="row_bank_group_column_channel", channels=1)
    t = d.standard.clocks
    size = d.standard.organisation.page_bytes
    number = 20 * t.t_refi // (d.standard.bursts_per_row * t.t_ccd_l)
    cycles, _ = finish(d, np.zeros(number), size)
    ideal = number * d.standard.bursts_per_row * t.t_ccd_l / (1 - t.t_rfc / t.t_refi)
    assert 0.99 * ideal < cycles < 1.03 * ideal, cycles / ideal


def spots(d: TimingDram, number: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, d.capacity_bytes // d.standard.burst_bytes, number) * (
        d.standard.burst_bytes
    )


def latencies(d: TimingDram, number: int = 400) -> np.ndarray:
    """Latencies of lonely reads of random rows, each long after the one before."""
    state, now, found = d.new_state(number), 0, []
    for transfer, address in enumerate(spots(d, number).tolist()):
        arrive(state, transfer, False, address, 1, now)
        _, end = advance(state, NEVER)
        found.append(end - now)
        now += 1777
    return np.array(found)


@pytest.mark.parametrize("name", NAMES)
def test_lonely_random_read_takes_activate_column_and_burst(name):
    d = timed(name, page="closed")
    t = d.standard.clocks
    ideal = t.t_rcd_read + t.t_cl + d.standard.burst_clocks
    found = latencies(d)
    assert np.median(found) == found.min() == ideal
    # A read that comes during a refresh waits for half of it on average.
    waits = t.t_rfc / t.t_refi * t.t_rfc / 2
    assert abs(found.mean() - ideal - waits) < 0.35 * waits + 2, (found.mean(), ideal, waits)
    first_byte = ideal - d.standard.burst_clocks
    assert d.unloaded.latency_cycles == first_byte


@pytest.mark.parametrize("name", NAMES)
def test_lonely_random_read_with_open_pages_also_waits_for_a_precharge(name):
    # One bank and far rows, so that each read finds another row open unless a refresh has closed it.
    d = timed(name, page="open", channels=1)
    t = d.standard.clocks
    state, now, found = d.new_state(200), 0, []
    row_bytes = d.capacity_bytes // d.standard.organisation.rows
    for transfer in range(200):
        arrive(state, transfer, False, transfer * row_bytes, 1, now)
        _, end = advance(state, NEVER)
        found.append(end - now)
        now += 400
    hidden = t.t_rcd_read + t.t_cl + d.standard.burst_clocks
    assert np.median(found) == hidden + t.t_rp
    assert min(found) == hidden  # after a refresh


@pytest.mark.parametrize("page", ["open", "closed"])
@pytest.mark.parametrize("name", NAMES)
def test_random_reads_reach_the_bound_of_activates_within_twelve_percent(name, page):
    d = timed(name, page=page, channels=1, controller_queue=128)
    t, banks = d.standard.clocks, d.standard.banks
    number = 4000
    cycles, counts = finish(d, spots(d, number), d.standard.burst_bytes, in_flight=512)
    assert counts["activations"] > 0.97 * number
    each = max(t.t_faw / 4, t.t_rrd_s, t.t_ccd_s, t.t_rc / banks)
    ideal = number * each / (1 - t.t_rfc / t.t_refi)
    assert 0.99 * ideal < cycles < 1.12 * ideal, cycles / ideal


@pytest.mark.parametrize("name", NAMES)
def test_one_bank_is_bound_by_its_row_cycle(name):
    d = timed(name, channels=1, page="closed")
    t = d.standard.clocks
    row_bytes = d.capacity_bytes // d.standard.organisation.rows
    number = 20 * t.t_refi // t.t_rc
    rows = np.arange(number) * 7 % d.standard.organisation.rows
    cycles, _ = finish(d, rows * row_bytes, d.standard.burst_bytes)
    each = max(t.t_rc, t.t_rcd_read + t.t_rtp + t.t_rp)
    ideal = number * each / (1 - t.t_rfc / t.t_refi)
    assert 0.99 * ideal < cycles < 1.03 * ideal, cycles / ideal


@pytest.mark.parametrize("name", NAMES)
def test_first_come_first_served_is_slower_on_random_reads_and_equal_on_one(name):
    cycles = {}
    for scheduler in ("fr_fcfs", "fcfs"):
        d = timed(name, channels=1, scheduler=scheduler)
        cycles[scheduler] = finish(d, spots(d, 500), 1)[0], finish(d, spots(d, 1), 1)[0]
    assert cycles["fcfs"][0] > 2 * cycles["fr_fcfs"][0]
    assert cycles["fcfs"][1] == cycles["fr_fcfs"][1]


def test_unloaded_is_the_peak_rate_and_the_latency_in_machine_cycles():
    standard = load_dram_standard("ddr4_3200")
    d = dram_of(Dram(level="timing", timing="ddr4_3200", queue=5, channels=3), 800, standard)
    unloaded = d.unloaded
    assert (unloaded.rate_numerator, unloaded.rate_denominator) == (96, 1)  # 3 x 25.6 GB/s at 800 MHz
    assert unloaded.latency_cycles == 22  # 44 clocks of 1600 MHz
    assert unloaded.queue == 5


def test_clocks_are_converted_rounding_up_both_ways():
    d = dram_of(Dram(level="timing", timing="ddr4_3200"), 700, load_dram_standard("ddr4_3200"))
    assert [d.to_clock(cycle) for cycle in (0, 1, 7, 8)] == [0, 3, 16, 19]
    assert [d.to_cycle(clock) for clock in (0, 1, 16, 17)] == [0, 1, 7, 8]
    for size in (1, 64, 65):
        state = d.new_state(1)
        arrive(state, 0, False, 0, size, 10)
        clocks = 44 + 4 * (2 if size > 64 else 1)
        # The second burst is in another bank group, whose row opens tRRD_S later: no later than the bus is free.
        assert advance(state, NEVER) == (0, d.to_cycle(d.to_clock(10) + clocks))
