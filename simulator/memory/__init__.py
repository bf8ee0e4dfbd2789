"""Buffers, DRAM and the formats in which operands lie in them."""

from simulator.memory.dram import BandwidthDram
from simulator.memory.formats import FORMATS, Format, StoredMask, bytes_of_bits
from simulator.memory.timing import TimingDram, timing_dram

__all__ = ["FORMATS", "BandwidthDram", "Format", "StoredMask", "TimingDram", "bytes_of_bits", "timing_dram"]
