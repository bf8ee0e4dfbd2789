"""What a machine with a memory system moves for a product: bytes, bits and vector-unit cycles."""

from __future__ import annotations

from simulator.arch import Architecture
from simulator.mapping.plan import BUFFERS
from simulator.mapping.skip_tiles import SkipOperands, StoredMasks
from simulator.memory import BandwidthDram, TimingDram, timing_dram
from simulator.workload import Product


class Traffic:
    """Converts a product's values to bytes and cycles of one machine.

    Attributes
    ----------
    capacity_bytes, room_bytes : (skip, shared, output)
        Whole buffers, and what one tile may take of each.
    operand_bits, accumulator_bits : int
        Of a value.
    skip : SkipOperands
        What tiles of skip operands take in DRAM and on chip.
    """

    def __init__(self, arch: Architecture, masks: StoredMasks) -> None:
        self.arch = arch
        self.memory = arch.system
        self.operand_bits, self.accumulator_bits = arch.precision.operand_bits, arch.precision.accumulator_bits
        self.dram = self._dram()
        buffers = [getattr(self.memory.buffers, name) for name in BUFFERS]
        self.capacity_bytes: tuple[int, int, int] = tuple(b.capacity_bytes for b in buffers)
        self.room_bytes: tuple[int, int, int] = tuple(b.slot_bytes for b in buffers)
        self.skip = SkipOperands(self.memory.formats, arch.precision.operand_bits, arch.skipping.uses_mask, masks)

    def _dram(self) -> BandwidthDram | TimingDram:
        if self.memory.dram.level == "timing":
            return timing_dram(self.arch)
        return BandwidthDram(*self.arch.dram_bytes_per_cycle, self.arch.dram_latency_cycles, self.memory.dram.queue)

    def operand_bytes(self, values: int) -> int:
        """Bytes of so many operand values, laid out dense."""
        return -(-values * self.operand_bits // 8)

    def accumulator_bytes(self, values: int) -> int:
        """Bytes of so many sums."""
        return -(-values * self.accumulator_bits // 8)

    def partial_bytes(self, product: Product) -> int:
        """DRAM bytes that the epilogue reads."""
        epilogue = product.epilogue
        return self.operand_bytes(epilogue.load_operand_values) + self.accumulator_bytes(
            epilogue.load_accumulator_values
        )

    def dense_store_bytes(self, product: Product) -> int:
        """DRAM bytes that the epilogue writes dense."""
        epilogue = product.epilogue
        return self.operand_bytes(epilogue.store_operand_values) + self.accumulator_bytes(
            epilogue.store_accumulator_values
        )

    def store_bytes(self, product: Product) -> int:
        """DRAM bytes that the epilogue writes, if it is one tile."""
        return self.dense_store_bytes(product) + int(self.skip.stored_bytes([product])[0])

    def vector_cycles(self, forward_values: int, backward_values: int) -> int:
        """Cycles that the vector unit is busy with so many gate values."""
        unit = self.memory.vector_unit
        forward = -(-forward_values // unit.lanes) * unit.gate_forward_cycles_per_value
        return forward + -(-backward_values // unit.lanes) * self.gate_backward_cycles_per_value

    @property
    def gate_backward_cycles_per_value(self) -> int:
        """Cycles of a gate value in the backward phase, with its threshold where the mechanism reads masks."""
        unit = self.memory.vector_unit
        threshold = unit.threshold_cycles_per_value if self.arch.skipping.uses_mask else 0
        return unit.gate_backward_cycles_per_value + threshold
