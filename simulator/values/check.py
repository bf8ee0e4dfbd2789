"""Comparing what the schedule computes with numpy, and what it takes with what was counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.mapping import PassCache, Plan, PlannedProduct
from simulator.values.mismatch import CycleMismatch, ValueMismatch
from simulator.values.operands import StepValues, unpacked
from simulator.values.product_run import Operands, ProductRun
from traces.trace import Step

Floats = npt.NDArray[np.float64]

ROUNDING = 2.0**-51
"""Per position of K, what two float64 sums of the same recorded values may differ by, relative to the sum of |a| |b|.

A sum of K products is off by at most K u sum |a| |b| with u = 2^-53, in any order (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., section 3.1); there are two sums, and the factor 2 beyond that covers the rounding of the
bound. The products themselves are exact: float32 values times integers of 4 bits. Seeded values need no tolerance."""


@dataclass
class ValueTally:
    """What was checked, summed over steps.

    Attributes
    ----------
    products : int
        Products computed and compared; the vector unit's tasks without MACs are none.
    recorded_products : int
        Those of them whose skip operand has recorded values.
    passes : int
        Passes whose cycles and MACs were compared with the counts.
    macs : int
        Multiply-accumulates that the schedules made.
    macs_dense : int
        Those of a dense execution.
    """

    products: int = 0
    recorded_products: int = 0
    passes: int = 0
    macs: int = 0
    macs_dense: int = 0

    def __str__(self) -> str:
        recorded = f", {self.recorded_products:,} of them with recorded gradients" if self.recorded_products else ""
        return (
            f"checked the values of {self.products:,} products{recorded}: {self.macs:,} MACs of {self.macs_dense:,} "
            f"dense ones, in {self.passes:,} passes; all equal numpy's, and cycles equal the counts"
        )


def check_step(
    arch: Architecture, plan: Plan, step: Step, cache: PassCache, tally: ValueTally, where: str = "the trace"
) -> None:
    """Compute every product of a planned step through its schedule.

    Parameters
    ----------
    arch : Architecture
        With a mechanism that `require_schedule` accepts.
    plan : Plan
        Of this step on this machine.
    step : Step
        The record, for its values.
    cache : PassCache
        The pass counts that the plan was made of.
    tally : ValueTally
        Counts what was checked.
    where : str
        Names the trace in messages.

    Raises
    ------
    ValueMismatch
        If an output differs from numpy's ``S @ shared``: seeded values by anything at all, recorded ones by more than
        ``K * ROUNDING * (|S| @ |shared|)``.
    CycleMismatch
        If a pass takes other cycles or MACs than were counted, or a job other array cycles than were planned.
    InputError
        If a recorded value is not finite.
    """
    values = StepValues(step, where)
    for planned in plan.products:
        if planned.product.k:
            _check_product(arch, plan, planned, values, cache, tally)


def _check_product(
    arch: Architecture, plan: Plan, planned: PlannedProduct, values: StepValues, cache: PassCache, tally: ValueTally
) -> None:
    product = planned.product
    skip, recorded = values.skip(product)
    shared, shared_mask = values.shared(product, arch)
    skip_mask = np.ones((product.m, product.k), np.bool_) if product.mask is None else unpacked(product.mask)
    operands = Operands(skip, skip_mask, product.mask is not None, shared, shared_mask)
    run = ProductRun(arch, product, planned.tiling, operands)
    run.run()
    label = f"step {values.step.number}: {planned.label} ({product.m} x {product.k} x {product.n})"
    # Values first: they say which output is wrong, which tells more than a number of cycles.
    _compare_values(label, run.sums, skip, shared, exact=not recorded)
    _compare_counts(label, run, cache)
    _compare_jobs(label, run, plan, planned)
    per_entry = np.ones(run.macs.shape[2], np.int64)
    if not isinstance(arch.skipping, TileMechanism):
        per_entry = np.minimum(product.n - run.columns * np.arange(run.macs.shape[2]), run.columns)
    tally.products += 1
    tally.recorded_products += recorded
    tally.passes += run.cycles.size
    tally.macs += int((run.macs * per_entry).sum())
    tally.macs_dense += product.macs_dense


def _compare_values(label: str, sums: Floats, skip: Floats, shared: Floats, exact: bool) -> None:
    expected = skip @ shared
    if exact:
        wrong = sums != expected
    else:
        allowed = skip.shape[1] * ROUNDING * (np.abs(skip) @ np.abs(shared))
        wrong = ~(np.abs(sums - expected) <= allowed)
    if wrong.any():
        row, column = (int(x) for x in np.argwhere(wrong)[0])
        found, right = float(sums[row, column]), float(expected[row, column])
        raise ValueMismatch(label, row, column, found, right, int(wrong.sum()))


def _compare_counts(label: str, run: ProductRun, cache: PassCache) -> None:
    table = cache.table(run.arch, run.product, run.tiling.tile_k, (run.rows, run.columns))
    counts = table.counts
    for what, found, counted in (("cycles", run.cycles, counts.cycles), ("MACs", run.macs, counts.executed)):
        # Where cycles hold for one column, all tiles of columns take the same.
        expected = np.broadcast_to(counted[:, :, None] if table.per_column else counted, found.shape)
        if not np.array_equal(found, expected):
            at = tuple(int(x) for x in np.argwhere(found != expected)[0])
            place = f"K tile {at[0]}, pass {at[1]}, column tile {at[2]}"
            lane = int(run.last_lane[at])
            place += f", lane {lane} last" if lane >= 0 else ""
            raise CycleMismatch(label, place, what, int(found[at]), int(expected[at]))


def _compare_jobs(label: str, run: ProductRun, plan: Plan, planned: PlannedProduct) -> None:
    expected = plan.job_array_cycles[plan.jobs_of(planned)].tolist()
    if len(expected) != len(run.job_cycles):
        raise CycleMismatch(label, "all of it", "jobs", len(run.job_cycles), len(expected))
    for job, (found, cycles) in enumerate(zip(run.job_cycles, expected, strict=True)):
        if found != cycles:
            raise CycleMismatch(label, f"job {job}", "array cycles", found, cycles)
