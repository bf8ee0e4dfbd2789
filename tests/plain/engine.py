"""The semantics of MODEL.md, stepped in time: the plain form of `simulator.engine`.

In a cycle, whatever can happen happens, again and again until nothing more does; then the DRAM chooses. Cycles
in which nothing is due are passed over.
"""

from __future__ import annotations

from typing import Any

from simulator.mapping.plan import OUTPUT, Plan

NEVER = 10**9


def run(plan: Plan, limit: int = 10**6) -> dict[str, Any]:
    """Give total cycles, and the moments of every job and load (see `simulator.engine.times.Moments`)."""
    jobs, loads = len(plan.job_product), len(plan.load_buffer)
    started, ended = [NEVER] * jobs, [NEVER] * jobs
    drained, made, written, stored = ([NEVER] * jobs for _ in range(4))
    allocated, loaded = [NEVER] * loads, [NEVER] * loads
    completing = [j for j in range(jobs) if plan.job_drains[j]]
    owner = [max(j for j in range(jobs) if plan.job_first_load[j] <= i) for i in range(loads)]
    free = list(plan.capacity_bytes)
    released: set[int] = set()
    queue: list[tuple[int, int, int, int]] = []  # arrival, kind, job, load (read) or -1
    serving: tuple[int, tuple[int, int, int, int]] | None = None
    next_load = next_store = 0
    waits: dict[int, list[tuple[int, int]]] = {}
    for p, q, chip in zip(plan.waits_job, plan.waits_for, plan.waits_on_chip, strict=True):
        waits.setdefault(int(p), []).append((int(q), int(chip)))
    pending_loads: list[int] = []
    pending_stores: list[int] = []

    due = {0}
    while due:
        t = min(due)
        assert t < limit, "not done within the limit"
        due = {d for d in due if d > t}
        if serving is not None and serving[0] == t:
            _, _, job, load = serving[1]
            if load >= 0:
                loaded[load] = t
                pending_loads.remove(load)
            else:
                written[job] = t
                pending_stores.remove(job)
            serving = None
        changed = True
        while changed:
            before = (list(started), list(ended), list(drained), list(made), list(stored), list(allocated))
            before += (list(loaded), list(free), list(queue), next_load, next_store)
            # Space of tiles that nobody needs any more.
            for i in range(loads):
                by = stored if plan.load_buffer[i] == OUTPUT else ended
                if i not in released and allocated[i] <= t and by[plan.load_last_job[i]] <= t:
                    free[plan.load_buffer[i]] += int(plan.load_space_bytes[i])
                    released.add(i)
            # DMA in.
            if next_load < loads:
                i = next_load
                after = plan.load_after_job[i]
                exists = after < 0 or stored[after] <= t
                if allocated[i] == NEVER and exists and free[plan.load_buffer[i]] >= plan.load_space_bytes[i]:
                    free[plan.load_buffer[i]] -= int(plan.load_space_bytes[i])
                    allocated[i] = t
                if allocated[i] <= t:
                    if plan.load_dram_bytes[i] == 0:
                        loaded[i] = t
                        next_load += 1
                    elif len(pending_loads) < plan.dram.queue:
                        queue.append((t, 0, owner[i], i))
                        pending_loads.append(i)
                        next_load += 1
            # Array.
            for j in range(jobs):
                needs = [i for i in (plan.job_load_skip[j], plan.job_load_shared[j], plan.job_load_output[j]) if i >= 0]
                ready = (
                    (j == 0 or ended[j - 1] <= t)
                    and all(loaded[i] <= t for i in needs)
                    and all((made if chip else stored)[q] <= t for q, chip in waits.get(j, []))
                )
                if started[j] == NEVER and ready:
                    started[j] = t
                if ended[j] == NEVER and started[j] != NEVER:
                    end = started[j] + int(plan.job_array_cycles[j]) + int(plan.job_feed_cycles[j])
                    if end == t:
                        ended[j] = t
                    due.add(end)
            # Output port, vector unit: when would each be done, given what has happened?
            port = vector = 0
            for j in completing:
                if started[j] > t:
                    break
                port = max(port, started[j]) + int(plan.job_drain_cycles[j])
                due.add(port)
                if ended[j] > t:
                    break
                port = max(port, ended[j] + int(plan.job_tail_cycles[j]))
                due.add(port)
                if port > t:
                    break
                drained[j] = port
                vector = max(vector, drained[j]) + int(plan.job_vector_cycles[j])
                latency = plan.vector_latency_cycles if plan.job_vector_cycles[j] else 0
                due.add(vector + latency)
                if vector + latency <= t:
                    made[j] = vector + latency
            # DMA out.
            if next_store < len(completing):
                j = completing[next_store]
                if made[j] <= t and plan.job_store_bytes[j] == 0:
                    written[j] = t
                    next_store += 1
                elif made[j] <= t and len(pending_stores) < plan.dram.queue:
                    queue.append((t, 1, j, -1))
                    pending_stores.append(j)
                    next_store += 1
            # Results count as stored in order.
            for j in completing:
                if written[j] > t:
                    break
                stored[j] = min(stored[j], t)
            after_ = (list(started), list(ended), list(drained), list(made), list(stored), list(allocated))
            after_ += (list(loaded), list(free), list(queue), next_load, next_store)
            changed = before != after_
        if serving is None and queue:
            queue.sort()
            request = queue.pop(0)
            arrival, kind, job, load = request
            size = plan.load_dram_bytes[load] if kind == 0 else plan.job_store_bytes[job]
            begin = max(t, arrival + plan.dram.latency_cycles) if kind == 0 else t
            serving = (begin + plan.dram.transfer_cycles(int(size)), request)
        due = {d for d in due if d > t} | ({serving[0]} if serving else set())
        finished = all(e <= t for e in ended) and (plan.dram is None or all(stored[j] <= t for j in completing))
        if finished and next_load == loads:
            moments = {"started": started, "ended": ended, "made": made, "stored": stored}
            return {"total": t, **moments, "allocated": allocated, "loaded": loaded}
    raise AssertionError("stuck")
