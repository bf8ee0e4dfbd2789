"""The exact integer counts of a product, by name. They depend on plan and masks, never on time."""

from __future__ import annotations

from enum import IntEnum


class Count(IntEnum):
    """Index of a count; the name is its unit."""

    MACS_DENSE = 0
    MACS_EXECUTED = 1
    MACS_GATED = 2
    MACS_SKIPPED = 3
    SLOTS_IMBALANCE = 4
    SLOTS_CONFLICT = 5
    SLOTS_REFILL = 6
    PASSES = 7
    LANE_SELECTIONS = 8
    MASK_BITS_SCANNED = 9
    STAGING_BITS_WRITTEN = 10
    STAGING_BITS_READ = 11
    ACCUMULATOR_UPDATES = 12
    SKIP_BUFFER_BITS_READ = 13
    SKIP_BUFFER_BITS_WRITTEN = 14
    SHARED_BUFFER_BITS_READ = 15
    SHARED_BUFFER_BITS_WRITTEN = 16
    OUTPUT_BUFFER_BITS_READ = 17
    OUTPUT_BUFFER_BITS_WRITTEN = 18
    METADATA_BITS_WRITTEN = 19
    GATE_FORWARD_VALUES = 20
    GATE_BACKWARD_VALUES = 21
    THRESHOLD_VALUES = 22
    DRAM_READ_BYTES = 23
    DRAM_WRITE_BYTES = 24
    MASK_BITS_PACKED = 25
    LINK_BYTES = 26


COUNTS: tuple[str, ...] = tuple(c.name.lower() for c in Count)
