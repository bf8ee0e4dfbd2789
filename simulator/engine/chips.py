"""Chips that train together: what each did on its share of a step, joined by the all-reduce of weight gradients.

Counts are those of all chips, times those of the slowest one. The links carry one weight gradient after the other, in
the order in which all chips have stored them; what they do after the chips' own last cycle is the stall `all_reduce`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture
from simulator.engine.activity import ProductKey, StepActivity
from simulator.engine.history import STALL_UNIT
from simulator.engine.invariants import check_joined, check_step
from simulator.engine.times import STALLS, Interval, StepTimes, Window
from simulator.mapping import Count, Plan
from traces.errors import InputError

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

ALL_REDUCE = STALLS.index("all_reduce")
WEIGHT_GRADIENTS = ("dW", "dU")
_LARGEST_INT64 = 2**63 - 1


class WeightGradient(NamedTuple):
    """A weight gradient that a chip made.

    Attributes
    ----------
    product : int
        Index of the product that makes it.
    columns : int
    nonzero_rows : bool [M]
        Rows (gates) that are not zero for sure: some gradient of the gate is not.
    ready : int
        The cycle at which it is stored.
    """

    product: int
    columns: int
    nonzero_rows: Bools
    ready: int


@dataclass(frozen=True)
class ChipStep:
    """What one chip did in a step.

    Attributes
    ----------
    activity : StepActivity
    gradients : tuple of WeightGradient
    """

    activity: StepActivity
    gradients: tuple[WeightGradient, ...]

    @classmethod
    def of(cls, arch: Architecture, step: int, plan: Plan, times: StepTimes) -> ChipStep:
        """Take what matters to other chips out of a plan, which need not be kept after that.

        Raises
        ------
        InvariantError
            If counts and times contradict the plan or each other: a bug.
        """
        activity = StepActivity.of(step, plan, times)
        check_step(arch, plan, activity)
        gradients = []
        if arch.chips.count > 1:
            for index, planned in enumerate(plan.products):
                product = planned.product
                if product.name in WEIGHT_GRADIENTS:
                    rows = np.ones(product.m, np.bool_)
                    if product.mask is not None and arch.sends_sparse_gradients:
                        rows = product.mask.nonzero_rows
                    gradients.append(WeightGradient(index, product.n, rows, int(times.end[index])))
        return cls(activity, tuple(gradients))


class Transfer(NamedTuple):
    """The all-reduce of one weight gradient.

    Attributes
    ----------
    product : int
    link_bytes : int
        Over the links of all chips together.
    start, end : int
        Cycles of the step.
    """

    product: int
    link_bytes: int
    start: int
    end: int


def ring_cycles(arch: Architecture, size_bytes: int) -> int:
    """Cycles in which a ring of chips sums so many bytes that each of them has.

    Each chip sends its neighbour one of `count` parts at a time, 2 (count - 1) times: first parts are summed on their
    way round the ring, then the sums are handed round (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for
    clusters of workstations", JPDC 2009).
    """
    chips = arch.chips.count
    if chips == 1 or not size_bytes:
        return 0
    numerator, denominator = arch.link_bytes_per_cycle
    part_bytes = -(-size_bytes // chips)
    return 2 * (chips - 1) * (arch.link_latency_cycles + -(-part_bytes * denominator // numerator))


def gradient_bytes(arch: Architecture, rows: int, columns: int, nonzero_rows: int) -> int:
    """Bytes of a weight gradient as the links carry it, in the precision of sums.

    A sparse one has its non-zero rows, each with its place in ceil(log2(rows)) bits; where that is more, all rows.
    """
    row_bits = columns * arch.precision.accumulator_bits
    dense_bytes = -(-rows * row_bits // 8)
    if not arch.sends_sparse_gradients:
        return dense_bytes
    return min(dense_bytes, -(-nonzero_rows * (row_bits + (rows - 1).bit_length()) // 8))


def join_chips(arch: Architecture, chips: Sequence[ChipStep], window: Window | None = None) -> StepActivity:
    """Join the chips of a step.

    Parameters
    ----------
    arch : Architecture
    chips : sequence of ChipStep
        One for each chip; or one alone, which stands for all: then each works on a minibatch like it.
    window : (first, last), optional
        Also tell what the links did when, as far as it reaches into these cycles.

    Raises
    ------
    InputError
        If a count is more than 64 bits hold.
    InvariantError
        If what was joined is not the sum of the chips: a bug.
    """
    count = arch.chips.count
    if count == 1:
        return chips[0].activity
    joined, places = (chips[0].activity, [np.arange(len(chips[0].activity.keys))])
    if len(chips) > 1:
        joined, places = _side_by_side([chip.activity for chip in chips])
    else:
        most = int(joined.counts.max(initial=0)) * count
        if most > _LARGEST_INT64:
            raise InputError.of("chips.count", f"{count:,}: a count of {most:,}", "counts of less than 2^63")
        joined = replace(joined, counts=joined.counts * count)
    times = joined.times
    transfers = _transfers(arch, _gradients(chips, places, count), times.total_cycles)
    counts, stalls, total = joined.counts.copy(), times.stalls.copy(), times.total_cycles
    for one in transfers:
        counts[one.product, Count.LINK_BYTES] += one.link_bytes
        stalls[one.product, ALL_REDUCE] += max(0, one.end - max(one.start, times.total_cycles))
        total = max(total, one.end)
    history = times.history
    if window is not None:
        named = [(f"{joined.keys[t.product].layer} {joined.keys[t.product].product}", t) for t in transfers]
        told = [Interval("link", f"{name} all-reduce", t.start, t.end) for name, t in named]
        if total > times.total_cycles:
            told.append(Interval(STALL_UNIT, STALLS[ALL_REDUCE], times.total_cycles, total))
        seen = (i for i in told if i.start < window[1] and i.end > window[0])
        history = replace(history, slices=(*history.slices, *seen))
    commands = {name: done * (count if len(chips) == 1 else 1) for name, done in times.dram_commands.items()}
    times = replace(
        times,
        total_cycles=total,
        stalls=stalls,
        dram_commands=commands,
        all_reduce_cycles=sum(t.end - t.start for t in transfers),
        history=history,
    )
    joined = replace(joined, counts=counts, times=times)
    check_joined([chip.activity for chip in chips], count, joined)
    return joined


def _transfers(arch: Architecture, gradients: Sequence[tuple[WeightGradient, int]], last: int) -> list[Transfer]:
    """Let the links carry gradients, each with its non-zero rows, as soon as all chips have them and the links are
    free."""
    overlaps, chips = arch.chips.overlap, arch.chips.count
    waiting = [((g.ready if overlaps else last), g, rows) for g, rows in gradients]
    free_at, transfers = 0, []
    for ready, gradient, nonzero_rows in sorted(waiting, key=lambda one: (one[0], one[1].product)):
        size_bytes = gradient_bytes(arch, len(gradient.nonzero_rows), gradient.columns, nonzero_rows)
        start = max(free_at, ready)
        free_at = start + ring_cycles(arch, size_bytes)
        transfers.append(Transfer(gradient.product, 2 * (chips - 1) * size_bytes, start, free_at))
    return transfers


def _gradients(chips: Sequence[ChipStep], places: Sequence[Int64s], count: int) -> list[tuple[WeightGradient, int]]:
    """Give each weight gradient when all chips have it, and the rows that are not zero on all chips together.

    Of a chip that stands for all only its own rows are known. Those of the others may be other ones, at most as many
    each.
    """
    found: dict[int, WeightGradient] = {}
    for chip, place in zip(chips, places, strict=True):
        for gradient in chip.gradients:
            product = int(place[gradient.product])
            known = found.get(product, gradient)
            rows, ready = known.nonzero_rows | gradient.nonzero_rows, max(known.ready, gradient.ready)
            found[product] = WeightGradient(product, gradient.columns, rows, ready)
    others = count if len(chips) == 1 else 1
    return [(g, min(len(g.nonzero_rows), int(g.nonzero_rows.sum()) * others)) for g in found.values()]


def _side_by_side(chips: Sequence[StepActivity]) -> tuple[StepActivity, list[Int64s]]:
    """Sum the counts of chips product by product, at the times of the slowest; and where each chip's products stand.

    Sequences of other lengths may have other time steps, so that not every chip has every product.
    """
    place_of: dict[tuple[object, ...], int] = {}
    keys: list[ProductKey] = []
    places = []
    for chip in chips:
        own = []
        for key in chip.keys:
            name = (key.layer, key.product, key.phase, key.time, key.recorded)
            place = place_of.setdefault(name, len(keys))
            own.append(place)
            if place == len(keys):
                keys.append(key)
            elif key.product in WEIGHT_GRADIENTS:  # which sum over sequences
                keys[place] = keys[place]._replace(k=keys[place].k + key.k)
            else:
                keys[place] = keys[place]._replace(m=keys[place].m + key.m)
        places.append(np.array(own, dtype=np.int64))
    slowest = max(range(len(chips)), key=lambda i: chips[i].times.total_cycles)  # of equal ones the first
    first, times = chips[slowest], chips[slowest].times

    def of_slowest(column: Int64s) -> Int64s:
        laid = np.zeros((len(keys), *column.shape[1:]), dtype=np.int64)
        laid[places[slowest]] = column
        return laid

    counts = np.zeros((len(keys), first.counts.shape[1]), dtype=np.int64)
    commands: dict[str, int] = {}
    for chip, own_places in zip(chips, places, strict=True):
        counts[own_places] += chip.counts
        for command, done in chip.times.dram_commands.items():
            commands[command] = commands.get(command, 0) + done
    times = replace(
        times,
        start=of_slowest(times.start),
        end=of_slowest(times.end),
        stalls=of_slowest(times.stalls),
        dram_commands=commands,
        events=sum(chip.times.events for chip in chips),
    )
    joined = StepActivity(tuple(keys), counts, of_slowest(first.array_cycles), first.step, times)
    return joined, places
