"""The compiled walk of a plan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.compiling import compiled
from simulator.memory.timing_kernels import advance, arrive, settle
from simulator.memory.timing_state import DramState, counters

Int64s = npt.NDArray[np.int64]
NEVER = np.int64(2**62)


def commands_until(dram: DramState, cycle: int) -> dict[str, int]:
    """Count what a DRAM did up to a cycle, refreshes of idle channels included."""
    settle(dram, cycle)
    return counters(dram)


@compiled
def walk(
    job_cycles: Int64s,
    draining: Int64s,
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
    tiles_of: Int64s,
    tiles: Int64s,
    outputs_of: Int64s,
    outputs: Int64s,
    waits_of: Int64s,
    waits: Int64s,
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
    stored: Int64s,
    allocated: Int64s,
    loaded: Int64s,
) -> int:
    """Fill the six arrays of `Moments` and return the total cycles; -1 where nothing can happen any more.

    The first arguments are columns of `Plan`, with the bytes of loads and stores as the cycles of their transfers.
    ``job_cycles`` are the array's own and those of feeding it. ``tiles_of``, ``outputs_of`` and ``waits_of`` [jobs + 1]
    are offsets into ``tiles``, ``outputs`` (loads whose room a job gives back when it ends, and when it is stored) and
    ``waits`` (rows of ``waits_for`` and ``waits_on_chip``). ``free_bytes`` is used up.
    ``dram`` is the state of a DRAM at the level `timing`, whose transfers are the loads and then the jobs; None at the
    level `bandwidth`.
    """
    jobs, loads, stores = len(job_cycles), len(load_buffer), len(draining)
    for times in (started, ended, made, stored):
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
    port = vector = out = retired = 0  # indices into `draining`
    written = np.zeros(jobs, np.bool_)
    port_end, vector_end = np.int64(0), np.int64(0)
    port_on = vector_on = False
    now = np.int64(0)
    while True:
        moved = True
        due = NEVER
        while moved:
            moved = False
            due = NEVER
            # DRAM: the last byte of what it serves.
            if dram is not None:
                while finished >= 0:
                    if finished < loads:
                        loaded[finished] = now
                    else:
                        written[finished - loads] = True
                    finished, _ = advance(dram, int(now))
                    moved = True
            if serving >= 0 and dram_end <= now:
                if serving_read:
                    loaded[serving] = now
                else:
                    written[serving] = True
                serving = -1
                moved = True
            # Places in the queues become free in order.
            while reads_done < reads_in and loaded[read_queue[reads_done]] <= now:
                reads_done += 1
            while writes_done < writes_in and written[write_queue[writes_done]]:
                writes_done += 1
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
                elif reads_in - reads_done < queue:
                    read_queue[reads_in], read_arrival[reads_in] = load, now
                    reads_in += 1
                    if dram is not None:
                        arrive(dram, load, False, load_addresses[load], load_sizes_bytes[load], int(now))
                else:
                    break
                load += 1
                moved = True
            # Array.
            while job < jobs:
                if not working:
                    ready = np.int64(0)
                    for w in range(waits_of[job], waits_of[job + 1]):
                        awaited = waits_for[waits[w]]
                        at = made[awaited] if waits_on_chip[waits[w]] else stored[awaited]
                        ready = max(ready, at)
                    for tile in (job_load_shared[job], job_load_skip[job], job_load_output[job]):
                        if tile >= 0:
                            ready = max(ready, loaded[tile])
                    if ready > now:
                        due = min(due, ready)
                        break
                    started[job] = now
                    working = True
                    moved = True
                end = started[job] + job_cycles[job]
                if end > now:
                    due = min(due, end)
                    break
                ended[job] = end
                for i in range(tiles_of[job], tiles_of[job + 1]):
                    free_bytes[load_buffer[tiles[i]]] += load_space_bytes[tiles[i]]
                working = False
                job += 1
                moved = True
            # Output port.
            while port < stores:
                j = draining[port]
                if not port_on:
                    if started[j] > now:
                        break
                    port_end = max(port_end, started[j]) + job_drain_cycles[j]
                    port_on = True
                if ended[j] > now:
                    break
                at = max(port_end, ended[j] + job_tail_cycles[j])
                if at > now:
                    due = min(due, at)
                    break
                port_end = at
                port_on = False
                port += 1
                moved = True
            # Vector unit: takes what the port has drained.
            while vector < port:
                j = draining[vector]
                if not vector_on:
                    vector_end = now + job_vector_cycles[j]
                    made[j] = vector_end + (vector_latency_cycles if job_vector_cycles[j] > 0 else 0)
                    vector_on = True
                    moved = True
                if vector_end > now:
                    due = min(due, vector_end)
                    break
                vector_on = False
                vector += 1
            # DMA out.
            while out < stores:
                j = draining[out]
                if made[j] > now:
                    due = min(due, made[j])
                    break
                if job_store_cycles[j] == 0:
                    written[j] = True
                elif writes_in - writes_done < queue:
                    write_queue[writes_in], write_arrival[writes_in] = j, now
                    writes_in += 1
                    if dram is not None:
                        arrive(dram, loads + j, True, store_addresses[j], store_sizes_bytes[j], int(now))
                else:
                    break
                out += 1
                moved = True
            # Results count as stored in order.
            while retired < out and written[draining[retired]]:
                j = draining[retired]
                stored[j] = now
                for i in range(outputs_of[j], outputs_of[j + 1]):
                    free_bytes[load_buffer[outputs[i]]] += load_space_bytes[outputs[i]]
                retired += 1
                moved = True
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
            for times in (started, ended, made, stored):
                for i in range(jobs):
                    if times[i] == NEVER:
                        times[i] = 0
            return int(now)
        if due == NEVER:
            return -1
        now = due
