"""How large a step may be: so that no integer of its plan, its counts or its times can be more than 64 bits hold.

Planner, counts and engines reckon in int64, whose sums and products wrap around without a word. Before anything is
planned, the largest number that a step could come to on a machine is bounded in Python's integers, which have no limit.
MODEL.md, "How large a step may be", derives the bound; a property test holds it against what comes of random machines.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.arch import Architecture, TileMechanism
from simulator.mapping.passes import pass_shapes
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


def require_int64(arch: Architecture, workload: Workload) -> None:
    """Refuse a step that could overflow on a machine.

    Raises
    ------
    InputError
        With the bound; or if masks and counts of a product's passes would take more memory than `MOST_BYTES`.
    """
    products = workload.products
    if not products:
        return
    _require_memory(arch, workload)
    largest = workload.structure.kept("largest sizes", lambda: [max(column) for column in _sizes(products)])
    typical = products[0]
    if most_of(arch, typical, largest) * len(products) < MOST:
        return
    each = [
        most_of(arch, product, sizes)
        for product, sizes in zip(products, zip(*_sizes(products), strict=True), strict=True)
    ]
    most = sum(each)
    if most >= MOST:
        at = each.index(max(each))
        p = products[at]
        raise InputError.of(
            f"step {workload.step} on machine {arch.name}",
            f"{p.layer} {p.name} of {p.m:,} x {p.k:,} x {p.n:,}, with which a count or a time might reach "
            f"2^{most.bit_length()}",
            "a step whose counts and times stay below 2^62 for sure, so that 64 bits hold them",
            "fewer sequences or smaller layers" + ("" if arch.ideal_memory else "; or a quicker memory"),
        )


def _require_memory(arch: Architecture, workload: Workload) -> None:
    """Refuse a product whose passes would fill the memory: a header can name any size in a few bytes."""
    largest: dict[tuple[int, int, int, bool], Product] = workload.structure.kept(
        "largest shapes", lambda: {(p.m, p.k, p.n, p.mask is None): p for p in workload.products}
    )
    for (m, k, n, unrecorded), product in largest.items():
        rows, columns = pass_shapes(arch, product)[0]
        tables = -(-m // rows) * (-(-n // columns) if isinstance(arch.skipping, TileMechanism) else 1)
        # An operand without a record is counted as two passes full of ones.
        size_bytes = _COUNTS_BYTES * tables + (2 * k * -(-rows // 64) * 8 if unrecorded else 0)
        if size_bytes > MOST_BYTES:
            raise InputError.of(
                f"step {workload.step} on machine {arch.name}",
                f"{product.layer} {product.name} of {m:,} x {k:,} x {n:,}, whose passes take {size_bytes:,} bytes",
                f"products whose passes take at most {MOST_BYTES:,} bytes of memory",
                "smaller layers, or an array of fewer rows",
            )


def _sizes(products: Iterable[Product]) -> tuple[list[int], ...]:
    """M, K, N and the values of the epilogue, of each product."""
    rows = [(p.m, p.k, p.n, sum(v for v in p.epilogue[:-1] if v)) for p in products]
    m, k, n, values = (list(column) for column in zip(*rows, strict=True))
    return m, k, n, values


def most_of(arch: Architecture, product: Product, sizes: Iterable[int]) -> int:
    """Bound every count, time and intermediate result of a product of some sizes on all chips.

    Parameters
    ----------
    arch : Architecture
    product : Product
        For the shapes of its passes, which are the machine's.
    sizes : (m, k, n, values)
        Values that its epilogue loads, works on and stores.
    """
    m, k, n, values = sizes
    mechanism, chips = arch.skipping, arch.chips.count
    operand, total = arch.precision.operand_bits, arch.precision.accumulator_bits
    tiled = isinstance(mechanism, TileMechanism)
    shapes = [(min(rows, m), min(columns, n)) for rows, columns in pass_shapes(arch, product)]
    down, across = max(-(-m // r) for r, _ in shapes), max(-(-n // c) for _, c in shapes)
    if tiled:  # whose passes may be of other sizes for another product
        down, across = m, n
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
        most += _memory(arch, (m, k, n, values), passes, k_tiles, array)
    most *= chips
    if chips > 1:
        gradient_bytes = m * n * (total // 8 + 4)  # with the place of each row
        most += 2 * chips * (arch.link_latency_cycles + gradient_bytes * (arch.link_bytes_per_cycle[1] + 1))
    return most


def _memory(arch: Architecture, sizes: tuple[int, int, int, int], passes: int, k_tiles: int, array: int) -> int:
    """Bound bytes and times of a machine with a memory system."""
    m, k, n, values = sizes
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
