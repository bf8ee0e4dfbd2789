"""The machine's memory system: buffers, DRAM, vector unit, formats and tiling; each key has a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WrapValidator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from simulator.arch.parts import Part, Thousandths, TileSize, auto_or_whole, thousandths
from simulator.arch.problems import wrong


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

    skip: SkipBuffer = Field(
        default={}, validate_default=True, description="Holds the skip operand (the gate gradients)."
    )
    shared: SharedBuffer = Field(
        default={}, validate_default=True, description="Holds the shared operand (weights or activations)."
    )
    output: OutputBuffer = Field(
        default={}, validate_default=True, description="Holds sums on their way to the vector unit."
    )


# Orders of the fields of an address, from its most to its least significant part; a column is a burst of a row.
AddressMapping = Literal[
    "row_bank_column_group_channel",
    "row_bank_group_column_channel",
    "row_column_bank_group_channel",
    "row_bank_group_channel_column",
]

MOST_CHANNELS = 1024
Channels = Annotated[Literal["auto"] | Annotated[int, Field(ge=1)], WrapValidator(auto_or_whole)]

RATE_KEYS = {"bandwidth_gb_per_s": 64.0, "latency_ns": 100.0}
"""Keys that only the level `bandwidth` has, and what they are where a file does not say."""

USUAL_STANDARD = "hbm2"

TIMING_KEYS = ("timing", "channels", "page", "address_mapping", "scheduler", "controller_queue")
"""Keys that only the level `timing` reads."""


class Dram(Part):
    """Off-chip memory: a server with a rate and a latency, or banks with timings behind a controller."""

    level: Literal["bandwidth", "timing"] = Field(
        default="bandwidth",
        description="bandwidth: a rate and a latency. timing: channels, banks and rows, command by command.",
    )
    standard: str | None = Field(
        default=None,
        min_length=1,
        description="Names the row dram.<standard> of the energy table; null: hbm2 at level bandwidth, at level timing "
        "the row that the standard's file names.",
    )
    bandwidth_gb_per_s: Annotated[Thousandths, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        description="Sustained rate in GB/s (10^9 bytes), at most three decimals; null: 64 at level bandwidth. At "
        "level timing it must be null, because the standard says it.",
    )
    latency_ns: Annotated[Thousandths, Field(ge=0, le=1e6)] | None = Field(
        default=None,
        description="From a request to its first byte, in nanoseconds; null: 100 at level bandwidth. At level timing "
        "it must be null, because the standard says it.",
    )
    queue: int = Field(default=16, ge=1, le=65536, description="Requests in flight whose latency overlaps.")
    timing: str | None = Field(
        default=None,
        min_length=1,
        description="Level timing: a standard under arch_configs/dram/, or a file relative to this one.",
    )
    channels: Channels = Field(
        default="auto", description="Level timing: channels in all; auto: those of the standard's device or stack."
    )
    page: Literal["open", "closed"] = Field(
        default="open",
        description="Level timing. open: a row stays open until another one or a refresh needs its bank. closed: the "
        "last access that waits for a row closes it (auto-precharge).",
    )
    address_mapping: AddressMapping = Field(
        default="row_bank_column_group_channel",
        description="Level timing: fields of an address from its most to its least significant part.",
    )
    scheduler: Literal["fr_fcfs", "fcfs"] = Field(
        default="fr_fcfs",
        description="Level timing. fr_fcfs: the oldest burst whose row is open and that may go, else the oldest. fcfs: "
        "the oldest burst alone.",
    )
    controller_queue: int = Field(
        default=32,
        ge=1,
        le=256,
        description="Level timing: bursts of each channel that the scheduler sees, reads and writes each.",
    )

    @property
    def bandwidth_mb_per_s(self) -> int:
        """Sustained rate in 10^6 bytes per second, a whole number; level `bandwidth` alone has one."""
        assert self.bandwidth_gb_per_s is not None
        return thousandths(self.bandwidth_gb_per_s)

    @property
    def latency_ps(self) -> int:
        """Latency in picoseconds, a whole number; level `bandwidth` alone has one."""
        assert self.latency_ns is not None
        return thousandths(self.latency_ns)

    @model_validator(mode="before")
    @classmethod
    def _fill_the_rate(cls, data: Any) -> Any:
        """Give the level `bandwidth` the rate and the latency that nobody wrote."""
        if isinstance(data, Mapping) and data.get("level", "bandwidth") == "bandwidth":
            usual = {"standard": USUAL_STANDARD, **RATE_KEYS}
            unsaid = {key: value for key, value in usual.items() if data.get(key) is None}
            return {**data, **unsaid}
        return data

    @model_validator(mode="after")
    def _keys_belong_to_the_level(self) -> Dram:
        errors: list[tuple[str, PydanticCustomError]] = []
        if self.level == "timing":
            for key in RATE_KEYS:
                if (value := getattr(self, key)) is not None:
                    expected = "null or no such key at level timing: the standard says it"
                    errors.append((key, wrong(f"{value:g}", expected)))
            if self.channels != "auto" and self.channels > MOST_CHANNELS:
                errors.append(("channels", wrong(str(self.channels), f"auto, or at most {MOST_CHANNELS}")))
            if self.timing is None:
                hint = "skipstone's own standards are in arch_configs/dram/"
                errors.append(("timing", wrong("null", "the name of a DRAM standard, or a file", hint)))
        else:
            for key in TIMING_KEYS:
                value, default = getattr(self, key), type(self).model_fields[key].default
                if value != default:
                    expected = f"{'null' if default is None else default}, or level: timing beside it"
                    errors.append((key, wrong(str(value), expected, "level bandwidth does not read this key")))
        if errors:
            details: list[InitErrorDetails] = [{"type": error, "loc": (key,), "input": None} for key, error in errors]
            raise ValidationError.from_exception_data("Dram", details)
        return self


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

    buffers: Buffers = Field(default={}, validate_default=True, description="On-chip buffers.")
    dram: Dram = Field(default={}, validate_default=True, description="Off-chip memory.")
    vector_unit: VectorUnit = Field(default={}, validate_default=True, description="The unit for gate functions.")
    formats: Formats = Field(default={}, validate_default=True, description="How the skip operand is stored.")
    mapping: Tiling = Field(default={}, validate_default=True, description="How products are cut into tiles.")
