"""The machine's memory system: buffers, DRAM, vector unit, formats and tiling; each key has a default."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulator.arch.parts import Part, Thousandths, TileSize, thousandths


class Buffer(Part):
    """An on-chip SRAM in front of the array."""

    capacity_kib: int = Field(default=256, ge=1, le=1 << 20, description="Whole size in KiB (1024 bytes), both halves.")
    double: bool = Field(
        default=True, description="Double-buffered: a tile may use half of it while the other half is filled."
    )
    banks: int = Field(default=1, ge=1, le=4096, description="SRAM banks, all of which work in the same cycle.")
    ports: int = Field(default=1, ge=1, le=8, description="Words that a bank hands out in a cycle.")
    width_bits: int | None = Field(
        default=None, ge=1, le=1 << 20, description="Bits of a bank's word; null: as wide as the array needs."
    )

    @property
    def read_bits_per_cycle(self) -> int | None:
        """Bits that the array can read in a cycle: banks x ports x width; None: as many as it asks for."""
        return None if self.width_bits is None else self.banks * self.ports * self.width_bits

    @property
    def capacity_bytes(self) -> int:
        """Whole size in bytes."""
        return self.capacity_kib * 1024

    @property
    def slots(self) -> int:
        """Tiles that it holds at once: 2 when double-buffered, else 1."""
        return 2 if self.double else 1

    @property
    def slot_bytes(self) -> int:
        """Bytes that one tile may take."""
        return self.capacity_bytes // self.slots


class SkipBuffer(Buffer):
    """The SRAM of the skip operand: rows of a long reduction axis should fit it whole."""

    capacity_kib: int = Field(default=512, ge=1, le=1 << 20, description="Whole size in KiB (1024 bytes), both halves.")


class SharedBuffer(Buffer):
    """The SRAM of the shared operand: larger, so that a recurrent weight matrix may stay in it."""

    capacity_kib: int = Field(
        default=1024, ge=1, le=1 << 20, description="Whole size in KiB (1024 bytes), both halves."
    )


class OutputBuffer(Buffer):
    """The SRAM that finished and partial sums drain into."""

    port_values_per_cycle: int = Field(
        default=32, ge=1, le=1 << 24, description="Sums that leave the array's accumulators per cycle."
    )


class Buffers(Part):
    """The three on-chip buffers."""

    skip: SkipBuffer = Field(default=SkipBuffer(), description="Holds the skip operand (the gate gradients).")
    shared: SharedBuffer = Field(
        default=SharedBuffer(), description="Holds the shared operand (weights or activations)."
    )
    output: OutputBuffer = Field(default=OutputBuffer(), description="Holds sums on their way to the vector unit.")


class Dram(Part):
    """Off-chip memory as a server with a rate and a latency."""

    standard: str = Field(
        default="hbm2", min_length=1, description="Names the row dram.<standard> of the energy table."
    )
    bandwidth_gb_per_s: Thousandths = Field(
        default=64.0, gt=0, le=1e6, description="Sustained rate in GB/s (10^9 bytes), at most three decimals."
    )
    latency_ns: Thousandths = Field(
        default=100.0, ge=0, le=1e6, description="From a request to its first byte, in nanoseconds."
    )
    queue: int = Field(default=16, ge=1, le=65536, description="Requests in flight whose latency overlaps.")

    @property
    def bandwidth_mb_per_s(self) -> int:
        """Sustained rate in 10^6 bytes per second, a whole number."""
        return thousandths(self.bandwidth_gb_per_s)

    @property
    def latency_ps(self) -> int:
        """Latency in picoseconds, a whole number."""
        return thousandths(self.latency_ns)


class VectorUnit(Part):
    """Gate functions forward; gate derivatives, threshold and mask packing backward."""

    lanes: int = Field(default=128, ge=1, le=65536, description="Gate values worked on at once.")
    gate_forward_cycles_per_value: int = Field(
        default=1, ge=0, le=1024, description="Cycles per gate value and lane in the forward phase."
    )
    gate_backward_cycles_per_value: int = Field(
        default=2, ge=0, le=1024, description="Cycles per gate value and lane in the backward phase."
    )
    threshold_cycles_per_value: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Cycles per gate value and lane for threshold and mask, where the mechanism reads masks; 0: hidden "
        "in the pipeline.",
    )
    latency_cycles: int = Field(
        default=16,
        ge=0,
        le=65536,
        description="Pipeline depth: from the last value in to the last value out.",
    )


class Formats(Part):
    """How a skip operand whose mask was recorded lies in DRAM and in its buffer."""

    skip: Literal["dense", "bitmap", "rle", "csc"] = Field(
        default="dense",
        description="The skip operand in DRAM: dense values; bitmap, its non-zeros and one mask bit per value; rle, "
        "its non-zeros each with the run of zeros before it; csc, its non-zeros each with its place.",
    )
    skip_on_chip: Literal["dense", "bitmap", "rle", "csc"] = Field(
        default="dense",
        description="The skip operand in its buffer: dense takes the room of every value, with the mask beside it; the "
        "others take the room of what they store, metadata included.",
    )
    segment: int = Field(
        default=32,
        ge=1,
        le=65536,
        description="Elements along a stored row that bitmap, rle and csc encode, and that are fetched together.",
    )
    run_bits: int = Field(
        default=4, ge=1, le=16, description="Bits of a run of zeros in rle; a longer run is broken by a stored zero."
    )


class Tiling(Part):
    """How products are cut into tiles; `auto` lets the planner choose."""

    tile_m: TileSize = Field(default="auto", description="Rows of a tile: auto, or a multiple of a pass's rows.")
    tile_n: TileSize = Field(default="auto", description="Columns of a tile: auto, or a multiple of a pass's columns.")
    tile_k: TileSize = Field(default="auto", description="Reduction positions of a tile: auto, or a number.")
    order: Literal["auto", "mnk", "nmk", "mkn", "nkm"] = Field(
        default="auto", description="The loops over tiles, from the outermost in."
    )
    shape: Literal["auto"] | tuple[int, int] = Field(
        default="auto", description="The array's shape: auto, or [rows, columns] that array has or array.shapes lists."
    )
    overlap: bool = Field(
        default=True,
        description="Jobs that can wait, or need not wait for a whole serial chain, are put into its pauses.",
    )


class Memory(Part):
    """Everything around the array; each key has a default."""

    buffers: Buffers = Field(default=Buffers(), description="On-chip buffers.")
    dram: Dram = Field(default=Dram(), description="Off-chip memory.")
    vector_unit: VectorUnit = Field(default=VectorUnit(), description="The unit for gate functions.")
    formats: Formats = Field(default=Formats(), description="How the skip operand is stored.")
    mapping: Tiling = Field(default=Tiling(), description="How products are cut into tiles.")
