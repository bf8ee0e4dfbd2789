"""How each product of a step was mapped, what was second and why, and what bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture
from simulator.engine import STALLS, run
from simulator.engine.bounds import BOUNDS, Bounds, bounds
from simulator.mapping import Candidate, Choice, PassCache, busiest_unit, choices, plan, why_not
from simulator.workload import Workload

MOVES = {
    "array": "more MACs, or a mechanism that loses fewer slots",
    "dram": "more DRAM bandwidth, larger buffers, or a format with fewer bytes",
    "vector_unit": "more vector lanes, or fewer cycles per value",
    "chain": "a shorter way from the array to the next time step: vector unit, output port, latency",
    "dependency": "shorter pauses of the serial chain (vector unit, output port), or more work to put into them",
    "load_shared": "more DRAM bandwidth or queue, or a shared buffer that keeps the operand",
    "load_skip": "more DRAM bandwidth or queue, or a format with fewer bytes",
    "output_full": "a larger output buffer, or faster stores",
    "load_partial": "more DRAM bandwidth, or an output buffer that keeps the sums",
    "operand_bandwidth": "wider or more banks of the operand buffers, or another shape of the array",
    "drain": "a wider output port, or faster stores",
}
"""What would move a bound or shorten a stall."""


@dataclass(frozen=True)
class MappedProduct:
    """A product of a step; the time steps of a serial one together.

    Attributes
    ----------
    choice : Choice
        What the planner chose among.
    limits : Bounds
        What its jobs take at least on each unit, and the longest chain of those that wait for each other, over all
        time steps. They bound the time from the first need to the last result, in which other products run, too; so
        `spent_cycles` may be less where the array works on those meanwhile.
    array_cycles : int
    stalls : dict
        Stalled cycles before and within its jobs, by reason; those without any are left out.
    """

    choice: Choice
    limits: Bounds
    array_cycles: int
    stalls: dict[str, int]

    @property
    def chosen(self) -> Candidate:
        """The mapping that was taken."""
        return self.choice.candidates[0]

    @property
    def second(self) -> Candidate | None:
        """The best of the others; None where nothing else fits."""
        return self.choice.candidates[1] if len(self.choice.candidates) > 1 else None

    @property
    def spent_cycles(self) -> int:
        """Array cycles and stalls: the product's part of the total."""
        return self.array_cycles + sum(self.stalls.values())

    @property
    def limiter(self) -> str:
        """What most of its time went to: its longest stall, where that exceeds the array's own time, or the array."""
        worst = max(self.stalls, key=lambda reason: self.stalls[reason], default="array")
        return worst if self.stalls.get(worst, 0) > self.array_cycles else "array"

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        product = self.choice.product
        return {
            "layer": product.layer,
            "product": product.name,
            "times": self.choice.times,
            "m": product.m,
            "k": product.k,
            "n": product.n,
            "candidates": len(self.choice.candidates),
            "chosen": candidate_data(self.chosen),
            "second": None if self.second is None else candidate_data(self.second),
            "second_lost_by": None if self.second is None else why_not(self.chosen, self.second),
            "cycles": {"array": self.array_cycles, "stalls": self.stalls, "spent": self.spent_cycles},
            "bounds": {bound: getattr(self.limits, bound) for bound in BOUNDS},
            "bound": self.limits.largest[0],
            "limiter": self.limiter,
            "would_move_it": MOVES[self.limiter],
        }


@dataclass(frozen=True)
class MappedStep:
    """All products of a step on a machine, and the bounds of the whole.

    Attributes
    ----------
    products : tuple of MappedProduct
        Those with MACs, in order of appearance.
    without_macs : dict
        Stalled cycles of the vector unit's own tasks (``gates_backward``), by reason; those without any are left out.
    total_cycles : int
        The products' ``spent_cycles`` and those of `without_macs`.
    limits : Bounds
        Of the whole step.
    """

    products: tuple[MappedProduct, ...]
    without_macs: dict[str, int]
    total_cycles: int
    limits: Bounds

    @property
    def over_bound(self) -> float:
        """How far the total is above the largest bound, as a share of it; 0 where there is no work."""
        cycles = self.limits.largest[1]
        return self.total_cycles / cycles - 1 if cycles else 0.0


def candidate_data(candidate: Candidate) -> dict[str, Any]:
    """Give a priced mapping as plain data."""
    tiling, cost = candidate.tiling, candidate.cost
    return {
        "order": tiling.order,
        "tile": [tiling.tile_m, tiling.tile_n, tiling.tile_k],
        "shape": [tiling.rows, tiling.columns],
        "skip_on_chip": tiling.skip_on_chip,
        "shared_resident": tiling.shared_resident,
        "sums_stay": tiling.sums_stay,
        "price_cycles": candidate.price_cycles,
        "array_cycles": cost.array_cycles,
        "operand_bandwidth_cycles": cost.feed_cycles,
        "dram_cycles": candidate.dram_cycles,
        "vector_cycles": candidate.vector_cycles,
        "first_load_cycles": candidate.first_load_cycles,
        "last_cycles": candidate.last_cycles,
        "hidden_cycles": candidate.hidden_cycles,
        "busiest": busiest_unit(candidate),
        "dram_bytes": candidate.dram_bytes,
        "jobs": candidate.jobs,
    }


def map_step(arch: Architecture, workload: Workload) -> MappedStep:
    """Plan and replay a step, and say for each product what was chosen and what bounds it.

    Raises
    ------
    InputError
        If no tile of a product fits the buffers, or the machine has no memory system.
    """
    cache = PassCache()
    chosen = choices(arch, workload, cache)
    step = plan(arch, workload, cache)
    times = run(step, "compiled")
    mapped = []
    for choice in chosen:
        key = (choice.product.layer, choice.product.name)
        own = [i for i, p in enumerate(step.products) if (p.product.layer, p.product.name) == key]
        array_cycles = sum(step.products[i].array_cycles for i in own)
        mapped.append(MappedProduct(choice, bounds(step, own), array_cycles, _by_reason(times.stalls[own])))
    tasks = [i for i, p in enumerate(step.products) if not p.product.k]
    return MappedStep(tuple(mapped), _by_reason(times.stalls[tasks]), times.total_cycles, bounds(step))


def _by_reason(stalls: npt.NDArray[np.int64]) -> dict[str, int]:
    """Sum stalls int64 [products, len(STALLS)] over products; reasons without any are left out."""
    sums = zip(STALLS, stalls.sum(axis=0).tolist(), strict=True)
    return {reason: cycles for reason, cycles in sums if cycles}
