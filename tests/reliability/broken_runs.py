"""Faults of the model, by the invariant that finds each: a count, a moment or a price that is not what it should be."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import simulator.engine.activity as rows
import simulator.engine.chips as chips
import simulator.engine.kernels as kernels
import simulator.run as walk
from simulator.energy import EnergyReport
from simulator.engine import Activity, StepTimes
from simulator.mapping import Count, Plan

Patch = pytest.MonkeyPatch
LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}
MACHINE: dict[str, Any] = {"skipping": LOOKAHEAD, "memory": {}}
DIVIDED = {**MACHINE, "chips": {"count": 2, "batch": "divided"}}
TWO_SIDED: dict[str, Any] = {
    "array": {"rows": 2, "columns": 2},
    "skipping": {"mechanism": "outer_product", "rows": 2, "columns": 2},
    "memory": {},
}


MOMENTS = ("started", "ended", "made", "written", "stored", "allocated", "loaded")
"""The last arguments of the compiled walk, which it fills; the latency of the vector unit comes before them."""


def moments(change: Callable[..., None], longer: int = 0) -> Callable[[Patch], None]:
    """The compiled walk finds other moments."""

    def fault(patch: Patch) -> None:
        walked = kernels.walk

        def wrong(*arguments: Any) -> int:
            total = walked(*arguments) + longer
            change(**dict(zip(MOMENTS, arguments[-len(MOMENTS) :], strict=True)))
            return total

        patch.setattr(kernels, "walk", wrong)

    return fault


def plans(change: Callable[[Plan], Plan | None]) -> Callable[[Patch], None]:
    """The planner counts something else."""

    def fault(patch: Patch) -> None:
        planned = walk.plan

        def wrong(*arguments: Any) -> Plan:
            plan = planned(*arguments)
            return change(plan) or plan

        patch.setattr(walk, "plan", wrong)

    return fault


def counted(product: str, count: Count, more: int) -> Callable[[Patch], None]:
    """A count of a product is another one."""

    def change(plan: Plan) -> None:
        found = next(p for p in plan.products if p.product.name == product)
        found.counts[count] += more

    return plans(change)


def times(change: Callable[[StepTimes], Any]) -> Callable[[Patch], None]:
    """The times that are derived from the moments are others."""

    def fault(patch: Patch) -> None:
        run = walk.run

        def wrong(*arguments: Any) -> StepTimes:
            found = run(*arguments)
            change(found)
            return found

        patch.setattr(walk, "run", wrong)

    return fault


def a_job_earlier(started: Any, ended: Any, **_: Any) -> None:
    ended[1] += started[0] - started[1]
    started[1] = started[0]


def last_job_later(started: Any, ended: Any, made: Any, written: Any, stored: Any, **_: Any) -> None:
    for when in (started, ended, made, written, stored):
        when[-1] += 1


def set_at(name: str, index: int, value: int) -> Callable[..., None]:
    def change(**found: Any) -> None:
        found[name][index] = value

    return change


def one_less(name: str) -> Callable[..., None]:
    def change(**found: Any) -> None:
        found[name][found[name] > 0] -= 1

    return change


def written_in_half_the_time(made: Any, written: Any, **_: Any) -> None:
    written[:] = made + (written - made + 1) // 2


def without_vector_latency(patch: Patch) -> None:
    walked, filled = kernels.walk, len(MOMENTS)
    patch.setattr(kernels, "walk", lambda *given: walked(*given[: -filled - 1], 0, *given[-filled:]))


def stalls_lost(patch: Patch) -> None:
    charge = kernels.charge_stalls

    def wrong(*arguments: Any) -> bool:
        told = bool(charge(*arguments))
        arguments[-1][0, 0] += 1
        return told

    patch.setattr(kernels, "charge_stalls", wrong)


def a_chip_lost(patch: Patch) -> None:
    joined = chips._side_by_side

    def wrong(activities: Sequence[Any]) -> Any:
        step, places = joined(activities)
        step.counts[0, Count.PASSES] -= 1
        return step, places

    patch.setattr(chips, "_side_by_side", wrong)


def a_row_lost(patch: Patch) -> None:
    columns = rows._Apart.columns

    def wrong(own: Any) -> Any:
        found = columns(own)
        found["counts"][0] = 0
        return found

    patch.setattr(rows._Apart, "columns", wrong)


def a_line_lost(patch: Patch) -> None:
    by_component = EnergyReport.by_component
    wrong = lambda own: {**by_component(own), "mac": 0.0}  # noqa: E731
    patch.setattr(EnergyReport, "by_component", wrong)


def a_total_lost(patch: Patch) -> None:
    total = EnergyReport.total_pj.fget
    assert total is not None
    patch.setattr(EnergyReport, "total_pj", property(lambda own: 1.01 * total(own)))


def counts_of_another_run(patch: Patch) -> None:
    pricing = importlib.import_module("simulator.energy.price")  # the package has a function of this name
    check = pricing.check_energy

    def wrong(activity: Activity, found: EnergyReport) -> None:
        first, *others = found.lines
        check(activity, replace(found, lines=(replace(first, count=first.count + 1), *others)))

    patch.setattr(pricing, "check_energy", wrong)


def work_lost(patch: Patch) -> None:
    totals, told = Activity.totals, list[int]()

    def wrong(own: Activity) -> dict[str, int]:
        told.append(1)
        found = totals(own)
        return found if len(told) != 2 else {**found, "macs_dense": found["macs_dense"] - 1}

    patch.setattr(Activity, "totals", wrong)


def bound_is_dense(patch: Patch) -> None:
    patch.setattr(walk, "bound_of", walk.dense_twin)


def no_room(plan: Plan) -> Plan:
    skip, _, output = plan.capacity_bytes
    return replace(plan, capacity_bytes=(skip, 3, output))


def busier(unit: str) -> Callable[[StepTimes], None]:
    def change(found: StepTimes) -> None:
        found.busy[unit] += 1

    return change


FAULTS: dict[str, list[tuple[Callable[[Patch], None], dict[str, Any]]]] = {
    "moments_within_the_run": [
        (moments(set_at("loaded", -1, int(kernels.NEVER))), MACHINE),
        (moments(set_at("stored", 0, int(kernels.NEVER))), MACHINE),
        (moments(set_at("allocated", 0, -1)), MACHINE),
    ],
    "array_does_its_work": [(moments(one_less("ended")), MACHINE)],
    "array_is_one": [(moments(a_job_earlier), MACHINE)],
    "jobs_start_at_once": [(moments(last_job_later, longer=1), MACHINE)],
    "results_follow_their_job": [
        (moments(one_less("written")), MACHINE),
        (moments(one_less("made")), MACHINE),
        (moments(set_at("stored", -1, 1)), MACHINE),
        (moments(written_in_half_the_time), MACHINE),
        (without_vector_latency, {**MACHINE, "memory": {"vector_unit": {"latency_cycles": 9}}}),
    ],
    "loads_take_their_time": [
        (moments(one_less("loaded")), MACHINE),
        (moments(set_at("allocated", 0, 1)), MACHINE),
    ],
    "run_ends_with_its_work": [(moments(lambda **_: None, longer=1), MACHINE)],
    "no_count_is_negative": [
        (counted("dx", Count.MASK_BITS_PACKED, -1), MACHINE),
        (times(lambda found: found.stalls.__setitem__((0, 0), -1)), MACHINE),
    ],
    "cycles_are_work_or_stalls": [(stalls_lost, MACHINE), (stalls_lost, DIVIDED)],
    "units_are_busy_with_the_plan": [
        (times(busier("array")), MACHINE),
        (times(lambda found: found.busy.update(vector_unit=found.total_cycles + 1)), MACHINE),
        (times(lambda found: found.busy.update(dram=found.total_cycles + 1)), MACHINE),
    ],
    "macs_close": [
        (counted("dh", Count.MACS_EXECUTED, -1), MACHINE),
        (counted("dW", Count.MACS_SKIPPED, 1), {"skipping": LOOKAHEAD}),
        (counted("gates_x", Count.MACS_DENSE, -1), MACHINE),
        (counted("dh", Count.MACS_GATED, 1), TWO_SIDED),
    ],
    "slots_close": [
        (counted("dh", Count.SLOTS_IMBALANCE, 1), MACHINE),
        (counted("dU", Count.SLOTS_REFILL, 1), {"skipping": LOOKAHEAD}),
        (counted("dx", Count.LANE_SELECTIONS, -1), {"skipping": LOOKAHEAD}),
        (counted("dh", Count.SLOTS_CONFLICT, 1), TWO_SIDED),
    ],
    "slots_fit_the_array": [(counted("gates_x", Count.SLOTS_IMBALANCE, 10**9), MACHINE)],
    "dram_bytes_close": [
        (counted("gates_x", Count.DRAM_READ_BYTES, 1), MACHINE),
        (counted("dW", Count.DRAM_WRITE_BYTES, -1), MACHINE),
    ],
    "buffer_bits_close": [(counted("dx", Count.SHARED_BUFFER_BITS_WRITTEN, 8), MACHINE)],
    "products_lie_within_the_step": [
        (times(lambda found: found.end.__setitem__(0, found.total_cycles + 1)), MACHINE),
        (times(lambda found: found.start.__setitem__(0, found.end[0] + 1)), MACHINE),
        (times(lambda found: found.start.__setitem__(0, -1)), MACHINE),
    ],
    "chips_sum": [(a_chip_lost, DIVIDED)],
    "steps_sum": [(a_row_lost, MACHINE)],
    "energy_closes": [(a_line_lost, MACHINE), (a_total_lost, MACHINE), (counts_of_another_run, MACHINE)],
    "twins_have_the_same_work": [(work_lost, MACHINE)],
    "twins_are_in_order": [(bound_is_dense, MACHINE)],
    "no_deadlock": [(plans(no_room), MACHINE)],
}
