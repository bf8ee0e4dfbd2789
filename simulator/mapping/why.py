"""Why a mapping was chosen: in words, from the parts of its price."""

from __future__ import annotations

from simulator.mapping.tilings import Candidate

PARTS = {
    "first_load_cycles": "first load",
    "busiest_cycles": "busiest unit",
    "hidden_cycles": "filled pauses",
    "last_cycles": "last tile",
}


def busiest_unit(candidate: Candidate) -> str:
    """Name what decides the middle part of a price: array, operand bandwidth, DRAM or vector unit."""
    cost = candidate.cost
    array = cost.array_cycles + cost.feed_cycles
    if array >= max(candidate.dram_cycles, candidate.vector_cycles):
        return "operand bandwidth" if cost.feed_cycles > cost.array_cycles else "array"
    return "DRAM" if candidate.dram_cycles >= candidate.vector_cycles else "vector unit"


def why_not(chosen: Candidate, other: Candidate) -> str:
    """Say what the other mapping would cost more, or why it lost where it costs the same."""
    more_cycles = other.price_cycles - chosen.price_cycles
    if more_cycles:
        differences = {
            name: (getattr(other, part) - getattr(chosen, part)) * (-1 if part == "hidden_cycles" else 1)
            for part, name in PARTS.items()
        }
        told = [f"{name} {cycles:+,}" for name, cycles in differences.items() if cycles]
        busiest = busiest_unit(other)
        if differences["busiest unit"] > 0 and busiest != busiest_unit(chosen):
            told.append(f"then bound by {busiest}")
        return f"{more_cycles:,} cycles more ({', '.join(told)})"
    if other.dram_bytes != chosen.dram_bytes:
        return f"as many cycles, but {other.dram_bytes - chosen.dram_bytes:,} bytes more of DRAM traffic"
    if other.jobs != chosen.jobs:
        return f"as many cycles and bytes, but {other.jobs - chosen.jobs:,} jobs more"
    return "equal in cycles, bytes and jobs: the first by name is taken"
