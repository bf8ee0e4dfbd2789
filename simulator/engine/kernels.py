"""The compiled walk of a plan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled
from simulator.engine.times import STALLS
from simulator.mapping.plan import NONE, OUTPUT
from simulator.memory.timing_kernels import advance, arrive, settle
from simulator.memory.timing_state import DramState, counters

Int64s = npt.NDArray[np.int64]
NEVER = np.int64(2**62)
FEED, DRAIN = STALLS.index("operand_bandwidth"), STALLS.index("drain")
REASONS_BEFORE = FEED
"""Reasons for which the array waits before a job, in the order of `STALLS`; the others are within and after one."""


def commands_until(dram: DramState, cycle: int) -> dict[str, int]:
    """Count what a DRAM did up to a cycle, refreshes of idle channels included."""
    settle(dram, cycle)
    return counters(dram)


@compiled
def walk(
    job_array_cycles: Int64s,
    job_feed_cycles: Int64s,
    job_drains: Int64s,
    job_drain_cycles: Int64s,
    job_tail_cycles: Int64s,
    job_vector_cycles: Int64s,
    job_store_cycles: Int64s,
    job_load_skip: Int64s,
    job_load_shared: Int64s,
    job_load_output: Int64s,
    load_buffer: Int64s,
    load_space_bytes: Int64s,
    load_transfer_cycles: Int64s,
    load_after_job: Int64s,
    load_last_job: Int64s,
    waits_job: Int64s,
    waits_for: Int64s,
    waits_on_chip: Int64s,
    free_bytes: Int64s,
    latency_cycles: int,
    queue: int,
    load_sizes_bytes: Int64s,
    load_addresses: Int64s,
    store_sizes_bytes: Int64s,
    store_addresses: Int64s,
    dram: DramState | None,
    vector_latency_cycles: int,
    started: Int64s,
    ended: Int64s,
    made: Int64s,
    written: Int64s,
    stored: Int64s,
    allocated: Int64s,
    loaded: Int64s,
) -> int:
    """Fill the seven arrays of `Moments` and return the total cycles; -1 where nothing can happen any more.

    The first arguments are columns of `Plan`, with the bytes of loads and stores as the cycles of their transfers.
    ``free_bytes`` is used up.
    ``dram`` is the state of a DRAM at the level `timing`, whose transfers are the loads and then the jobs; None at the
    level `bandwidth`.
    """
    jobs, loads = len(job_array_cycles), len(load_buffer)
    stores = 0
    draining = np.empty(jobs, np.int64)
    for job in range(jobs):
        if job_drains[job]:
            draining[stores] = job
            stores += 1
    # Loads whose room a job gives back, output tiles when it is stored and others when it ends, chained behind the job.
    given_back, next_given_back = np.empty(jobs, np.int64), np.empty(loads, np.int64)
    given_back[:] = -1
    for given in range(loads):
        next_given_back[given] = given_back[load_last_job[given]]
        given_back[load_last_job[given]] = given
    for times in (started, ended, made, written, stored):
        times[:] = NEVER
    for times in (allocated, loaded):
        times[:] = NEVER
    # Requests wait in two queues, reads and writes, each in order of arrival.
    read_queue, read_arrival = np.empty(loads, np.int64), np.empty(loads, np.int64)
    write_queue, write_arrival = np.empty(stores, np.int64), np.empty(stores, np.int64)
    reads_in = reads_out = writes_in = writes_out = 0  # entered the queue, left it
    reads_done = writes_done = 0
    serving, serving_read, dram_end = -1, False, NEVER
    finished = -1  # the transfer that the DRAM at the level `timing` completes next
    load = job = 0
    working = False
    first_wait = 0  # of the job
    out = retired = 0  # indices into `draining`
    port_end = vector_end = np.int64(0)
    now = np.int64(0)
    while True:
        # What happens is seen by all that stands below it. Where something above may go on, too, for a load takes no
        # time or a result of no bytes is stored, all is looked at again.
        again = True
        due = NEVER
        while again:
            again = False
            due = NEVER
            # DRAM: the last byte of what it serves.
            if dram is not None:
                while finished >= 0:
                    if finished < loads:
                        loaded[finished] = now
                    else:
                        written[finished - loads] = now
                    finished, _ = advance(dram, int(now))
            if serving >= 0 and dram_end <= now:
                if serving_read:
                    loaded[serving] = now
                else:
                    written[serving] = now
                serving = -1
            # Places in the queues become free in order.
            while reads_done < reads_in and loaded[read_queue[reads_done]] <= now:
                reads_done += 1
            while writes_done < writes_in and written[write_queue[writes_done]] <= now:
                writes_done += 1
            # Results count as stored in order.
            while retired < out and written[draining[retired]] <= now:
                j = draining[retired]
                stored[j] = now
                given = given_back[j]
                while given >= 0:
                    if load_buffer[given] == OUTPUT:
                        free_bytes[OUTPUT] += load_space_bytes[given]
                    given = next_given_back[given]
                retired += 1
            # Array, and what is behind it: nothing holds back the output port and the vector unit but the array.
            while job < jobs:
                if not working:
                    ready = np.int64(0)
                    wait = first_wait
                    while wait < len(waits_job) and waits_job[wait] == job:
                        awaited = waits_for[wait]
                        at = made[awaited] if waits_on_chip[wait] else stored[awaited]
                        ready = max(ready, at)
                        wait += 1
                    for tile in (job_load_shared[job], job_load_skip[job], job_load_output[job]):
                        if tile >= 0:
                            ready = max(ready, loaded[tile])
                    if ready > now:
                        due = min(due, ready)
                        break
                    started[job] = now
                    first_wait = wait
                    working = True
                end = started[job] + job_array_cycles[job] + job_feed_cycles[job]
                if end > now:
                    due = min(due, end)
                    break
                ended[job] = end
                if job_drains[job]:
                    port_end = max(max(port_end, started[job]) + job_drain_cycles[job], end + job_tail_cycles[job])
                    vector_end = max(vector_end, port_end) + job_vector_cycles[job]
                    made[job] = vector_end + (vector_latency_cycles if job_vector_cycles[job] > 0 else 0)
                given = given_back[job]
                while given >= 0:
                    if load_buffer[given] != OUTPUT:
                        free_bytes[load_buffer[given]] += load_space_bytes[given]
                    given = next_given_back[given]
                working = False
                job += 1
            # DMA out.
            while out < stores:
                j = draining[out]
                if made[j] > now:
                    due = min(due, made[j])
                    break
                if job_store_cycles[j] == 0:
                    written[j] = now
                    again = True
                elif writes_in - writes_done < queue:
                    write_queue[writes_in], write_arrival[writes_in] = j, now
                    writes_in += 1
                    if dram is not None:
                        arrive(dram, loads + j, True, store_addresses[j], store_sizes_bytes[j], int(now))
                else:
                    break
                out += 1
            # DMA in.
            while load < loads:
                after = load_after_job[load]
                if after >= 0 and stored[after] > now:
                    break
                if allocated[load] == NEVER:
                    if free_bytes[load_buffer[load]] < load_space_bytes[load]:
                        break
                    free_bytes[load_buffer[load]] -= load_space_bytes[load]
                    allocated[load] = now
                if load_transfer_cycles[load] == 0:
                    loaded[load] = now
                    again = True
                elif reads_in - reads_done < queue:
                    read_queue[reads_in], read_arrival[reads_in] = load, now
                    reads_in += 1
                    if dram is not None:
                        arrive(dram, load, False, load_addresses[load], load_sizes_bytes[load], int(now))
                else:
                    break
                load += 1
        # DRAM: what to serve next, oldest first, and of one cycle reads first.
        if dram is not None:
            finished, at = advance(dram, int(due))
            due = min(due, np.int64(at))
        elif serving < 0:
            read_waits, write_waits = reads_out < reads_in, writes_out < writes_in
            if read_waits and (not write_waits or read_arrival[reads_out] <= write_arrival[writes_out]):
                serving, serving_read = read_queue[reads_out], True
                begin = max(now, read_arrival[reads_out] + latency_cycles)
                dram_end = begin + load_transfer_cycles[serving]
                reads_out += 1
            elif write_waits:
                serving, serving_read = write_queue[writes_out], False
                dram_end = now + job_store_cycles[serving]
                writes_out += 1
        if serving >= 0:
            due = min(due, dram_end)
        elif finished < 0 and job == jobs and load == loads and retired == stores:  # and nothing is on its way
            for times in (started, ended, made, written, stored):
                for i in range(jobs):
                    if times[i] == NEVER:
                        times[i] = 0
            return int(now)
        if due == NEVER:
            return -1
        now = due


@compiled
def charge_stalls(
    total_cycles: int,
    job_product: Int64s,
    job_feed_cycles: Int64s,
    job_load_skip: Int64s,
    job_load_shared: Int64s,
    job_load_output: Int64s,
    waits_job: Int64s,
    waits_for: Int64s,
    waits_on_chip: Int64s,
    started: Int64s,
    ended: Int64s,
    made: Int64s,
    stored: Int64s,
    allocated: Int64s,
    loaded: Int64s,
    stalls: Int64s,
) -> bool:
    """Add the time in which the array stood before and within each job to its product, by reason.

    Parameters
    ----------
    stalls : int64 [products, len(STALLS)]
        Added to.

    Returns
    -------
    bool
        Whether each job started as soon as all that it needs was there.
    """
    wait = 0
    reached = np.int64(0)
    for job in range(len(job_product)):
        p = job_product[job]
        met = np.int64(0)
        while wait < len(waits_job) and waits_job[wait] == job:
            met = max(met, made[waits_for[wait]] if waits_on_chip[wait] else stored[waits_for[wait]])
            wait += 1
        shared, skip, output = job_load_shared[job], job_load_skip[job], job_load_output[job]
        for reason in range(REASONS_BEFORE):
            if reason == 1:
                met = loaded[shared] if shared != NONE else np.int64(0)
            elif reason == 2:
                met = loaded[skip] if skip != NONE else np.int64(0)
            elif reason == 3:
                met = allocated[output] if output != NONE else np.int64(0)
            elif reason == 4:
                met = loaded[output] if output != NONE else np.int64(0)
            if met > reached:
                stalls[p, reason] += met - reached
                reached = met
        if reached != started[job]:
            return False
        stalls[p, FEED] += job_feed_cycles[job]
        reached = ended[job]
    if len(job_product):
        stalls[job_product[-1], DRAIN] += total_cycles - reached
    return True
