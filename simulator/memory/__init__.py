"""Buffers, DRAM and the formats in which operands lie in them."""

from simulator.memory.dram import BandwidthDram
from simulator.memory.formats import FORMATS, bytes_of_bits, stored_bits

__all__ = ["FORMATS", "BandwidthDram", "bytes_of_bits", "stored_bits"]
