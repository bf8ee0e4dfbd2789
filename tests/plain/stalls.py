"""The plain form of `simulator.engine.kernels.charge_stalls`: each job's wait is split in the order of `STALLS`."""

from __future__ import annotations

from simulator.engine.times import STALLS
from simulator.mapping.plan import NONE, Plan


def stalls(plan: Plan, moments: dict[str, list[int]], total: int) -> list[list[int]]:
    """Cycles in which the array stands, by product and reason, from the moments that an engine found."""
    charged = [[0] * len(STALLS) for _ in plan.products]
    before = 0  # up to when all that was looked at so far is accounted for
    for job in range(plan.jobs):
        own = charged[plan.job_product[job]]
        needed = {
            "dependency": [
                moments["made" if on_chip else "stored"][awaited]
                for waiting, awaited, on_chip in zip(plan.waits_job, plan.waits_for, plan.waits_on_chip, strict=True)
                if waiting == job
            ],
            "load_shared": _of(moments["loaded"], plan.job_load_shared[job]),
            "load_skip": _of(moments["loaded"], plan.job_load_skip[job]),
            "output_full": _of(moments["allocated"], plan.job_load_output[job]),
            "load_partial": _of(moments["loaded"], plan.job_load_output[job]),
        }
        for reason, times in needed.items():
            there = max([before, *times])
            own[STALLS.index(reason)] += there - before
            before = there
        assert before == moments["started"][job]
        own[STALLS.index("operand_bandwidth")] += int(plan.job_feed_cycles[job])
        before = moments["ended"][job]
    if plan.jobs:
        charged[plan.job_product[-1]][STALLS.index("drain")] += total - before
    return charged


def _of(times: list[int], load: int) -> list[int]:
    return [] if load == NONE else [times[load]]
