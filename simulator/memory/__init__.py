"""Buffers, DRAM and the formats in which operands lie in them."""

from simulator.memory.dram import BandwidthDram
from simulator.memory.formats import FORMATS, Format, StoredMask, bytes_of_bits

__all__ = ["FORMATS", "BandwidthDram", "Format", "StoredMask", "bytes_of_bits"]
