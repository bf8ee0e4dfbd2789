"""The fast engine: the same plan and the same rules as `simulator.engine.event`, walked as arrays.

In each cycle in which something is due, whatever can happen happens, again and again until nothing more does; then
the DRAM chooses; then time moves on to the next due cycle. Which of two things of one cycle is done first changes
nothing (MODEL.md, "Same cycle"). Compiled by Numba on first use.
"""

from __future__ import annotations

import numpy as np

from simulator.engine.times import DeadlockError, Moments, StepTimes, Window, summarize
from simulator.mapping.plan import Plan
from simulator.memory import TimingDram


def run(plan: Plan, window: Window | None = None) -> StepTimes:
    """Walk a plan and return its times: those of `event.run`, to the last count.

    Parameters
    ----------
    plan : Plan
    window : (first, last), optional
        Also return what each unit did when, from the first cycle up to, not with, the last.

    Raises
    ------
    DeadlockError
        If the machine gets stuck: the plan asks for what the machine cannot hold.
    """
    if plan.dram is None:
        return summarize(plan, _array_alone(plan), 0, window)
    from simulator.engine.kernels import commands_until, walk

    jobs, loads = len(plan.job_product), len(plan.load_buffer)
    started, ended, made, written, stored = np.empty((5, jobs), dtype=np.int64)
    allocated, loaded = np.empty((2, loads), dtype=np.int64)
    dram = plan.dram.new_state(loads + jobs) if isinstance(plan.dram, TimingDram) else None
    total = walk(
        plan.job_array_cycles,
        plan.job_feed_cycles,
        plan.job_drains,
        plan.job_drain_cycles,
        plan.job_tail_cycles,
        plan.job_vector_cycles,
        plan.dram.unloaded.transfer_cycles(plan.job_store_bytes),
        plan.job_load_skip,
        plan.job_load_shared,
        plan.job_load_output,
        plan.load_buffer,
        plan.load_space_bytes,
        plan.dram.unloaded.transfer_cycles(plan.load_dram_bytes),
        plan.load_after_job,
        plan.load_last_job,
        plan.waits_job,
        plan.waits_for,
        plan.waits_on_chip,
        np.array(plan.capacity_bytes, dtype=np.int64),
        plan.dram.unloaded.latency_cycles,
        plan.dram.queue,
        plan.load_dram_bytes,
        plan.load_address_bytes,
        plan.job_store_bytes,
        plan.job_store_address_bytes,
        dram,
        plan.vector_latency_cycles,
        started,
        ended,
        made,
        written,
        stored,
        allocated,
        loaded,
    )
    if total < 0:
        from simulator.engine.event import run as run_event

        run_event(plan)  # says who waits on what
        raise DeadlockError("the compiled engine is stuck where the event engine is not: please report this plan")
    commands = {} if dram is None else commands_until(dram, int(total))
    moments = Moments(started, ended, made, written, stored, allocated, loaded, int(total), commands)
    return summarize(plan, moments, 0, window)


def _array_alone(plan: Plan) -> Moments:
    """With ``memory: ideal`` the array works through its jobs without a pause."""
    ended = np.cumsum(plan.job_array_cycles)
    nothing = np.zeros_like(ended)
    none = np.zeros(0, dtype=np.int64)
    total = int(ended[-1]) if len(ended) else 0
    return Moments(ended - plan.job_array_cycles, ended, nothing, nothing, nothing, none, none, total)
