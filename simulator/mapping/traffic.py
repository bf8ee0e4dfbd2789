"""What a machine with a memory system moves for a product: bytes, bits and vector-unit cycles."""

from __future__ import annotations

import numpy as np

from simulator.arch import Architecture
from simulator.mapping.plan import BUFFERS
from simulator.memory import BandwidthDram, bytes_of_bits, stored_bits
from simulator.workload import OperandMask, Product


class Traffic:
    """Converts a product's values to bytes and cycles of one machine.

    Attributes
    ----------
    capacity_bytes, room_bytes : (skip, shared, output)
        Whole buffers, and what one tile may take of each.
    """

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.memory = arch.system
        self.dram = BandwidthDram(*arch.dram_bytes_per_cycle, arch.dram_latency_cycles, self.memory.dram.queue)
        buffers = [getattr(self.memory.buffers, name) for name in BUFFERS]
        self.capacity_bytes: tuple[int, int, int] = tuple(b.capacity_bytes for b in buffers)
        self.room_bytes: tuple[int, int, int] = tuple(b.slot_bytes for b in buffers)

    def skip_bits(self, mask: OperandMask | None, elements: int, nonzeros: int) -> tuple[int, int]:
        """Bits of values and of metadata that a part of a skip operand takes in DRAM; unrecorded ones are dense."""
        fmt = "dense" if mask is None else self.memory.formats.skip
        return stored_bits(fmt, elements, nonzeros, self.arch.precision.operand_bits)

    def skip_bytes(self, product: Product) -> int:
        """DRAM bytes of a product's whole skip operand."""
        elements = product.m * product.k
        nonzeros = elements if product.mask is None else count_nonzeros(product.mask)
        return bytes_of_bits(*self.skip_bits(product.mask, elements, nonzeros))

    def operand_bytes(self, values: int) -> int:
        """Bytes of so many operand values, laid out dense."""
        return bytes_of_bits(values * self.arch.precision.operand_bits)

    def accumulator_bytes(self, values: int) -> int:
        """Bytes of so many sums."""
        return bytes_of_bits(values * self.arch.precision.accumulator_bits)

    def partial_bytes(self, product: Product) -> int:
        """DRAM bytes that the epilogue reads."""
        epilogue = product.epilogue
        return self.operand_bytes(epilogue.load_operand_values) + self.accumulator_bytes(
            epilogue.load_accumulator_values
        )

    def store_bytes(self, product: Product) -> int:
        """DRAM bytes that the epilogue writes."""
        epilogue = product.epilogue
        dense = self.operand_bytes(epilogue.store_operand_values) + self.accumulator_bytes(
            epilogue.store_accumulator_values
        )
        mask = epilogue.store_skip
        if mask is None:
            return dense
        rows, bits = mask.shape
        return dense + bytes_of_bits(*self.skip_bits(mask, rows * bits, count_nonzeros(mask)))

    def vector_cycles(self, forward_values: int, backward_values: int) -> int:
        """Cycles that the vector unit is busy with so many gate values."""
        unit = self.memory.vector_unit
        threshold = unit.threshold_cycles_per_value if self.arch.skipping.uses_mask else 0
        return -(-forward_values // unit.lanes) * unit.gate_forward_cycles_per_value + -(
            -backward_values // unit.lanes
        ) * (unit.gate_backward_cycles_per_value + threshold)


def count_nonzeros(mask: OperandMask) -> int:
    """Count the non-zeros of a mask."""
    return int(np.bitwise_count(mask.packed).sum(dtype=np.int64))
