"""What holds of every run, looked at before a number of it is told: a run in which something does not hold has a bug.

The checks follow a run on its way: the moments that an engine found (`check_moments`), the step that comes of them and
of the plan's counts (`check_step`), the chips that were joined (`check_joined`), and all steps together
(`check_activity`). They look at each job, load and product once, and at no mask. A violation is the user's to send, and
not to mend: `InvariantError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping import COUNTS, Count, Plan
from simulator.mapping.plan import NONE, SHARED
from simulator.memory import BandwidthDram

if TYPE_CHECKING:
    from simulator.engine.activity import Activity, StepActivity
    from simulator.engine.times import Moments

Int64s = npt.NDArray[np.int64]

INVARIANTS = {
    "moments_within_the_run": "nothing happens before cycle 0 or after the last, and everything happens",
    "array_does_its_work": "a job takes the array its own cycles and those in which it waits for words",
    "array_is_one": "the array begins a job when the one before has ended",
    "jobs_start_at_once": "a job starts as soon as all that it needs is there, and not before",
    "results_follow_their_job": "a job's end, drain, vector work, write and store follow each other, stores in order",
    "loads_take_their_time": "a tile gets its room in order once its bytes exist, and has them after their transfer",
    "run_ends_with_its_work": "the last cycle is that of the last job or the last store",
    "no_count_is_negative": "counts, cycles and stalls are 0 or more",
    "cycles_are_work_or_stalls": "array cycles and stalls sum to the total",
    "units_are_busy_with_the_plan": "the array is busy for what its products take, and no unit beyond the total",
    "macs_close": "executed, gated and skipped MACs are m x k x n, the dense ones",
    "slots_close": "executed, gated and idle slots are those that the array offered",
    "slots_fit_the_array": "no product uses more slots than the array has in its cycles",
    "dram_bytes_close": "bytes counted by product are those of loads and stores, and those that the DRAM moved",
    "buffer_bits_close": "bits written to the shared buffer are those that came for it",
    "products_lie_within_the_step": "a product starts, then ends, within its step",
    "chips_sum": "counts of several chips are the sum of theirs, and what crossed the links",
    "steps_sum": "counts and cycles of the run are the sums of its steps",
    "energy_closes": "every line is a count of the run times a finite price, and the lines sum to the total",
    "twins_have_the_same_work": "a machine, its dense twin and its bound have the same dense MACs",
    "twins_are_in_order": "the bound executes no more MACs than the machine, and the dense twin executes all",
    "no_deadlock": "as long as there is work, something can happen",
}
"""Every invariant by name, as a sentence."""


class InvariantError(RuntimeError):
    """A run contradicts the model: a bug of Skipstone, never the user's mistake. No number of the run is told.

    Attributes
    ----------
    invariant : str
        One of `INVARIANTS`.
    place : str
        Step, layer, product; empty where the whole run is meant.
    found : str
        What was found, with the numbers, and what would be right.
    bundle : str
        The folder that reproduces it; empty where none was written.
    """

    def __init__(self, invariant: str, found: str, place: str = "") -> None:
        super().__init__(invariant, found, place)
        self.invariant, self.found, self.place, self.bundle = invariant, found, place, ""

    def __str__(self) -> str:
        said = f"{self.place}: {self.found}" if self.place else self.found
        return f"{said} ({self.invariant}: {INVARIANTS[self.invariant]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.__dict__)  # it may come from another process


def _again(kind: type[InvariantError], state: dict[str, Any]) -> InvariantError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    return error


def require(invariant: str, holds: Any, found: Callable[[int], str] | str, place: str = "") -> None:
    """Raise unless something holds.

    Parameters
    ----------
    invariant : str
        One of `INVARIANTS`.
    holds : bool, or bool [N]
    found : str or callable
        What to say; a callable is told the first index at which it does not hold.
    place : str
        Where.

    Raises
    ------
    InvariantError
    """
    if holds is True or np.all(holds):
        return
    at = int(np.argmin(holds)) if np.ndim(holds) else 0
    raise InvariantError(invariant, found(at) if callable(found) else found, place)


def check_moments(plan: Plan, moments: Moments) -> None:
    """Check what an engine found.

    Raises
    ------
    InvariantError
    """
    total, started, ended = moments.total_cycles, moments.started, moments.ended
    if not len(started):
        require("run_ends_with_its_work", total == 0, f"the run ends in cycle {total:,} and has no jobs")
        return
    # The order of all others is checked below; a moment that never came is one far behind the last.
    for name in ("started", "allocated"):
        first = int(getattr(moments, name)[:1].sum())
        require("moments_within_the_run", first >= 0, f"the first is {name} in cycle {first:,}")
    last = int(ended[-1])
    ends = {"ended": last, "loaded": int(moments.loaded.max(initial=0))}
    if plan.dram is not None:
        ends["stored"] = int(moments.stored.max())
        last = max(last, ends["stored"])
    for name, end in ends.items():
        require("moments_within_the_run", end <= total, f"the last is {name} in cycle {end:,} of a run of {total:,}")
    _check_jobs(plan, moments)
    if plan.dram is not None:
        _check_loads(plan, moments)
    require("run_ends_with_its_work", last == total, f"the run ends in cycle {total:,}, its last work in {last:,}")


def _check_jobs(plan: Plan, moments: Moments) -> None:
    from simulator.engine.moment_kernels import ORDER, WORK, wrong_job

    at = np.zeros(1, np.int64)
    wrong = wrong_job(
        plan.job_array_cycles,
        plan.job_feed_cycles,
        plan.job_drains,
        plan.job_tail_cycles,
        plan.job_vector_cycles,
        plan.job_store_bytes,
        plan.vector_latency_cycles,
        *_rate(plan),
        int(plan.dram is not None),
        moments.started,
        moments.ended,
        moments.made,
        moments.written,
        moments.stored,
        at,
    )
    if not wrong:
        return
    j = int(at[0])
    started, ended, made = moments.started, moments.ended, moments.made
    if wrong == WORK:
        due = plan.job_array_cycles[j] + plan.job_feed_cycles[j]
        told = f"job {j} took {ended[j] - started[j]:,} cycles; its work is {due:,}"
        raise InvariantError("array_does_its_work", told)
    if wrong == ORDER:
        told = f"job {j} started in cycle {started[j]:,}, before job {j - 1} ended in {ended[j - 1]:,}"
        raise InvariantError("array_is_one", told)
    told = (
        f"job {j} ended in cycle {ended[j]:,}, was made in {made[j]:,}, written in {moments.written[j]:,} "
        f"({plan.job_store_bytes[j]:,} bytes) and stored in {moments.stored[j]:,}"
    )
    raise InvariantError("results_follow_their_job", told)


def _check_loads(plan: Plan, moments: Moments) -> None:
    from simulator.engine.moment_kernels import wrong_load

    at = np.zeros(1, np.int64)
    wrong = wrong_load(
        plan.load_dram_bytes,
        plan.load_after_job,
        plan.dram.latency_cycles if isinstance(plan.dram, BandwidthDram) else 0,
        *_rate(plan),
        moments.stored,
        moments.allocated,
        moments.loaded,
        at,
    )
    if wrong:
        t = int(at[0])
        after, size = int(plan.load_after_job[t]), int(plan.load_dram_bytes[t])
        since = f"; its bytes were stored in {moments.stored[after]:,}" if after != NONE else ""
        room = f"tile {t} ({size:,} bytes) had its room in cycle {moments.allocated[t]:,}"
        raise InvariantError("loads_take_their_time", f"{room} and was there in {moments.loaded[t]:,}{since}")


def _rate(plan: Plan) -> tuple[int, int]:
    """Bytes a cycle as a fraction; (0, 1) where it is not one rate that decides."""
    return (plan.dram.rate_numerator, plan.dram.rate_denominator) if isinstance(plan.dram, BandwidthDram) else (0, 1)


def check_step(arch: Architecture, plan: Plan, step: StepActivity) -> None:
    """Check the counts and times of a step of one chip against its plan.

    Raises
    ------
    InvariantError
    """
    where = f"step {step.step}"
    counts, cycles, times = step.counts, step.array_cycles, step.times

    def product(at: int) -> str:
        key = step.keys[at]
        return f"{where}: {key.layer} {key.product}{'' if key.time is None else f' t={key.time}'}"

    _check_counts(where, step)
    work = int(cycles.sum())
    told = f"products take {work:,} array cycles, jobs {times.busy['array']:,}"
    require("units_are_busy_with_the_plan", work == times.busy["array"], told, where)
    for unit, taken in times.busy.items():
        told = f"{unit} busy for {taken:,} of {times.total_cycles:,} cycles"
        require("units_are_busy_with_the_plan", 0 <= taken <= times.total_cycles, told, where)
    dense, executed, gated, skipped = counts[:, Count.MACS_DENSE : Count.MACS_SKIPPED + 1].T
    shapes = np.array([key.m * key.k * key.n for key in step.keys], dtype=np.int64)
    require(
        "macs_close",
        (executed + gated + skipped == dense) & (dense == shapes),
        lambda p: (
            f"{product(p)}: {executed[p]:,} executed + {gated[p]:,} gated + {skipped[p]:,} skipped MACs; "
            f"{dense[p]:,} dense, m x k x n is {shapes[p]:,}"
        ),
    )
    _check_slots(arch, plan, counts, cycles, product)
    _check_bytes(plan, step, where)


def _check_slots(arch: Architecture, plan: Plan, counts: Int64s, cycles: Int64s, product: Callable[[int], str]) -> None:
    skipping, mpl = arch.skipping, arch.skipping.macs_per_lane
    used = counts[:, [Count.MACS_EXECUTED, Count.MACS_GATED]].sum(axis=1)
    used += counts[:, Count.SLOTS_IMBALANCE : Count.SLOTS_REFILL + 1].sum(axis=1)
    # In floats, for this is more than any count: an array's slots in cycles that stand for few MACs overflow first.
    offered = cycles * float(arch.array.rows * arch.array.columns * mpl * arch.arrays) * (1 + 1e-12)
    told = "{product}: {used:,} slots executed, gated or idle; {right:,.0f} {what}"

    def say(right: npt.NDArray[Any], what: str) -> Callable[[int], str]:
        return lambda p: told.format(product=product(p), used=used[p], right=right[p], what=what)

    if isinstance(skipping, TileMechanism):
        if arch.arrays == 1:
            law = cycles - counts[:, Count.PASSES] * arch.array.pass_overhead_cycles
            taken = law * skipping.slots_per_cycle
            require("slots_close", used == taken, say(taken, "in the cycles of its passes"))
    elif skipping.uses_mask:
        # A lane's control selects once a cycle for the columns of a pass, so selections tell lanes x cycles.
        n = np.array([p.product.n for p in plan.products], dtype=np.int64)
        tiles = -(-n // np.array([p.tiling.columns for p in plan.products], dtype=np.int64))
        selections = counts[:, Count.LANE_SELECTIONS]
        taken = selections // tiles * n
        closes = (selections == 0) | ((used == taken) & (taken // n * tiles == selections))
        require("slots_close", closes, say(taken, "by its lanes' selections"))
    require("slots_fit_the_array", used <= offered, say(offered, "in its array cycles"))


def _check_bytes(plan: Plan, step: StepActivity, where: str) -> None:
    counts, commands = step.counts, step.times.dram_commands
    sums = counts.sum(axis=0).tolist()
    reads, writes = int(plan.load_dram_bytes.sum()), int(plan.job_store_bytes.sum())
    moved = commands.get("bytes", reads + writes)
    counted = (sums[Count.DRAM_READ_BYTES], sums[Count.DRAM_WRITE_BYTES])
    told = (
        f"{counted[0]:,} bytes read and {counted[1]:,} written by products; "
        f"loads have {reads:,} and stores {writes:,}, and the DRAM moved {moved:,}"
    )
    require("dram_bytes_close", counted == (reads, writes) and moved == reads + writes, told, where)
    shared = plan.load_buffer == SHARED
    bits, written = 8 * int((plan.load_dram_bytes * shared).sum()), sums[Count.SHARED_BUFFER_BITS_WRITTEN]
    tiles = int(np.count_nonzero(shared))
    told = f"{written:,} bits written to the shared buffer; {bits:,} came for it in {tiles:,} tiles"
    require("buffer_bits_close", 0 <= bits - written <= 7 * tiles, told, where)


def _check_counts(where: str, step: StepActivity) -> None:
    """Check what holds of one chip and of several."""
    counts, times = step.counts, step.times
    if counts.size and counts.min() < 0:
        at, count = np.unravel_index(int(counts.argmin()), counts.shape)
        told = f"{COUNTS[count]} of {step.keys[at].layer} {step.keys[at].product} is {counts[at, count]:,}"
        raise InvariantError("no_count_is_negative", told, where)
    least = int(min(times.stalls.min(initial=0), step.array_cycles.min(initial=0)))
    require("no_count_is_negative", least >= 0, f"array cycles or stalls of a product are {least:,}", where)
    work, stalled = int(step.array_cycles.sum()), int(times.stalls.sum())
    told = f"{work:,} array cycles + {stalled:,} stalled ones; {times.total_cycles:,} in all"
    require("cycles_are_work_or_stalls", work + stalled == times.total_cycles, told, where)
    start, end = times.start, times.end
    require(
        "products_lie_within_the_step",
        (start >= 0) & (start <= end) & (end <= times.total_cycles),
        lambda p: (
            f"{step.keys[p].layer} {step.keys[p].product} lasts from cycle {start[p]:,} to {end[p]:,} of a step "
            f"of {times.total_cycles:,}"
        ),
        where,
    )


def check_joined(chips: Sequence[StepActivity], copies: int, joined: StepActivity) -> None:
    """Check a step of several chips against each of them; one alone stands for `copies` of them.

    Raises
    ------
    InvariantError
    """
    where = f"step {joined.step}"
    _check_counts(where, joined)
    expected = sum(chip.counts.sum(axis=0) for chip in chips) * (copies if len(chips) == 1 else 1)
    found = joined.counts.sum(axis=0)
    own = np.arange(len(COUNTS)) != Count.LINK_BYTES
    require(
        "chips_sum",
        (found == expected) | ~own,
        lambda c: f"{COUNTS[c]} of {copies:,} chips is {found[c]:,}; theirs sum to {expected[c]:,}",
        where,
    )
    slowest = max(chip.times.total_cycles for chip in chips)
    told = f"the step takes {joined.times.total_cycles:,} cycles, its slowest chip {slowest:,}"
    require("chips_sum", joined.times.total_cycles >= slowest, told, where)


def check_activity(activity: Activity) -> None:
    """Check a run of all its steps.

    Raises
    ------
    InvariantError
    """
    total, steps = activity.total_cycles, list(activity.step_cycles.values())
    rows, by_step = activity.counts.sum(axis=0), activity.step_counts.sum(axis=0)
    told = "{} sums to {:,} over products and to {:,} over steps"
    require("steps_sum", rows == by_step, lambda c: told.format(COUNTS[c], rows[c], by_step[c]))
    require("steps_sum", sum(steps) == total, f"steps take {sum(steps):,} cycles, the run {total:,}")
    work, stalled = int(activity.array_cycles.sum()), int(activity.stalls.sum())
    require(
        "cycles_are_work_or_stalls",
        work + stalled == total and work == activity.busy_cycles["array"],
        f"{work:,} array cycles + {stalled:,} stalled ones; {total:,} in all, {activity.busy_cycles['array']:,} busy",
    )
    require(
        "products_lie_within_the_step",
        (activity.start >= 0) & (activity.start <= activity.end) & (activity.end <= total),
        lambda p: f"row {p} lasts from cycle {activity.start[p]:,} to {activity.end[p]:,} of a run of {total:,}",
    )


def check_twins(own: Mapping[str, Any], dense: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
    """Check a machine's MACs, by name as `Activity.totals` has them, against its dense twin's and its bound's.

    Raises
    ------
    InvariantError
    """
    works = [int(of["macs_dense"]) for of in (own, dense, bound)]
    told = "{:,} dense MACs on the machine, {:,} on its dense twin, {:,} on its bound".format(*works)
    require("twins_have_the_same_work", len(set(works)) == 1, told)
    least, some, most = (int(of["macs_executed"]) for of in (bound, own, dense))
    told = f"the bound executes {least:,} MACs, the machine {some:,}, its dense twin {most:,} of {works[1]:,}"
    require("twins_are_in_order", least <= some <= most == works[1], told)
