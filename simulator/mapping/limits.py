"""How large a step may be: so that no integer of its plan, its counts or its times can be more than 64 bits hold.

Planner, counts and engines reckon in int64, whose sums and products wrap around without a word. Before anything is
planned, the largest number that a step could come to on a machine is bounded in Python's integers, which have no limit.
MODEL.md, "How large a step may be", derives the bound; a property test holds it against what comes of random machines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from simulator.arch import Architecture, TileMechanism
from simulator.workload import Product, Workload
from traces.errors import InputError

MOST = 1 << 62
"""Every number stays below; from here on one stands for "never" in the engines."""
MOST_BYTES = 1 << 31
"""Of masks and counts of one product's passes."""
_COUNTS_BYTES = 72
"""Of a pass: nine counts."""
_STORED_BYTES = 9
"""Of an element in the largest format: a value of 32 bits, a place or a run of 16 bits, and its share of counts."""
_CLOCK_BITS = 18
"""At the level `timing` cycles are multiplied by frequencies, of at most so many bits once they are reduced."""


class Shape(NamedTuple):
    """What the bound of a product depends on.

    Attributes
    ----------
    m, k, n : int
    values : int
        That its epilogue loads, works on and stores.
    recorded : bool
        Whether its skip operand has a mask.
    """

    m: int
    k: int
    n: int
    values: int
    recorded: bool

    @classmethod
    def of(cls, product: Product) -> Shape:
        """Take it out of a product."""
        values = product.epilogue[:-1]
        return cls(product.m, product.k, product.n, sum(v for v in values if v), product.mask is not None)


def require_int64(arch: Architecture, workload: Workload) -> None:
    """Refuse a step that could overflow on a machine.

    Raises
    ------
    InputError
        With the bound; or if masks and counts of a product's passes would take more memory than `MOST_BYTES`.
    """
    products = workload.products
    shapes = workload.structure.kept("shapes of products", lambda: tuple(Counter(map(Shape.of, products)).items()))
    most, size_bytes = _bounds(_Machine(arch, arch.digest), shapes)
    if size_bytes > MOST_BYTES:
        worst = max(products, key=lambda p: bytes_of(arch, Shape.of(p)))
        raise InputError.of(
            f"step {workload.step} on machine {arch.name}",
            f"{_told(worst)}, whose passes take {size_bytes:,} bytes",
            f"products whose passes take at most {MOST_BYTES:,} bytes of memory",
            "smaller layers, or an array of fewer rows",
        )
    if most >= MOST:
        worst = max(products, key=lambda p: most_of(arch, Shape.of(p)))
        raise InputError.of(
            f"step {workload.step} on machine {arch.name}",
            f"{_told(worst)}, with which a count or a time might reach 2^{most.bit_length()}",
            "a step whose counts and times stay below 2^62 for sure, so that 64 bits hold them",
            "fewer sequences or smaller layers" + ("" if arch.ideal_memory else "; or a quicker memory"),
        )


def _told(product: Product) -> str:
    return f"{product.layer} {product.name} of {product.m:,} x {product.k:,} x {product.n:,}"


@dataclass(frozen=True)
class _Machine:
    """A machine that is compared by its digest, which does not change while it lives."""

    arch: Architecture = field(compare=False)
    digest: str


@lru_cache(maxsize=1 << 10)
def _bounds(machine: _Machine, shapes: Sequence[tuple[Shape, int]]) -> tuple[int, int]:
    """The bound of a step with so many products of each shape, and the most bytes of one of them."""
    most = sum(many * most_of(machine.arch, shape) for shape, many in shapes)
    return most, max((bytes_of(machine.arch, shape) for shape, _ in shapes), default=0)


def _pass_shapes(arch: Architecture, shape: Shape) -> list[tuple[int, int]]:
    """Rows and columns of outputs that a pass may work on."""
    own = (arch.array.rows, arch.array.columns)
    found = [arch.skipping.pass_shape(*one) for one in (own, *arch.array.shapes)]
    return [(rows or shape.m, columns or shape.n) for rows, columns in found]


def bytes_of(arch: Architecture, shape: Shape) -> int:
    """Bound the memory that counting a product takes: a header can name any size in a few bytes."""
    tiled, sizes = isinstance(arch.skipping, TileMechanism), []
    for rows, columns in _pass_shapes(arch, shape):
        tables = -(-shape.m // rows) * (-(-shape.n // columns) if tiled else 1)
        # An operand without a record is counted as two passes full of ones.
        sizes.append(_COUNTS_BYTES * tables + (0 if shape.recorded else 2 * shape.k * -(-rows // 64) * 8))
    return max(sizes)


def most_of(arch: Architecture, shape: Shape) -> int:
    """Bound every count, time and intermediate result of a product of a shape on all chips."""
    m, k, n, values, _ = shape
    mechanism, chips = arch.skipping, arch.chips.count
    operand, total = arch.precision.operand_bits, arch.precision.accumulator_bits
    tiled = isinstance(mechanism, TileMechanism)
    passes_of = _pass_shapes(arch, shape)
    down, across = max(-(-m // rows) for rows, _ in passes_of), max(-(-n // columns) for _, columns in passes_of)
    k_tiles = max(1, 1 if arch.ideal_memory else k)
    passes = down * across * k_tiles
    # A pass takes no longer than its positions one after the other, and what it takes to begin and end.
    ends: int = 2 + sum(getattr(mechanism, name) for name in type(mechanism).model_fields if name.endswith("_cycles"))
    ends += getattr(mechanism, "m", 0)  # the rest of a group, which `structured` fills up
    law = (m * n * k if tiled else down * across * k) + passes * ends
    array = law + passes * arch.array.pass_overhead_cycles
    lanes = (mechanism.slots_per_cycle or 1) * law if tiled else m * n * (k + k_tiles * ends) * mechanism.macs_per_lane
    bits = (m * k * n + m * k + k * n + m * n * k_tiles) * max(operand, total)
    most: int = array + lanes + bits + values * total
    if not arch.ideal_memory:
        most += _memory(arch, shape, passes, k_tiles, array)
    most *= chips
    if chips > 1:
        gradient_bytes = m * n * (total // 8 + 4)  # with the place of each row
        most += 2 * chips * (arch.link_latency_cycles + gradient_bytes * (arch.link_bytes_per_cycle[1] + 1))
    return most


def _memory(arch: Architecture, shape: Shape, passes: int, k_tiles: int, array: int) -> int:
    """Bound bytes and times of a machine with a memory system."""
    m, k, n, values, _ = shape
    memory, width = arch.system, max(arch.precision.operand_bits, arch.precision.accumulator_bits)
    formats = memory.formats
    encoded = {formats.skip, formats.skip_on_chip} != {"dense"}
    # Each pass may be a tile, which fetches its operands and the segments that it touches, and moves its sums twice.
    segment = 2 * formats.segment if encoded else 0
    elements = m * n * (2 * k + 2 * k_tiles) + values
    moved = elements * (1 + segment) * _STORED_BYTES + 16 * passes
    requests = 5 * (passes + 1)
    feed = (passes * 2 + m * n * k * 2) * width
    unit = memory.vector_unit
    vector = values + requests * unit.latency_cycles
    vector += (values + requests) * (
        unit.gate_forward_cycles_per_value + unit.gate_backward_cycles_per_value + unit.threshold_cycles_per_value
    )
    most = 8 * moved + array + feed + vector + 2 * (m * n * k_tiles + passes)
    if memory.dram.level == "timing":
        return most << _CLOCK_BITS
    # Bytes x denominator is an intermediate result, so it is not divided by the numerator.
    return most + moved * arch.dram_bytes_per_cycle[1] + requests * (arch.dram_latency_cycles + 1)
