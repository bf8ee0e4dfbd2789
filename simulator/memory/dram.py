"""DRAM at the level `bandwidth`: one data bus with a rate and a latency, in array cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Size = TypeVar("Size", int, npt.NDArray[np.int64])


@dataclass(frozen=True)
class BandwidthDram:
    """Rate and latency of a DRAM.

    Attributes
    ----------
    rate_numerator, rate_denominator : int
        Bytes per array cycle, as an exact fraction.
    latency_cycles : int
        From the arrival of a read to its first byte; writes are posted and have none.
    queue : int
        Reads that may be in flight at once.
    """

    rate_numerator: int
    rate_denominator: int
    latency_cycles: int
    queue: int

    @property
    def unloaded(self) -> BandwidthDram:
        """Itself: a rate and a latency."""
        return self

    @property
    def least_latency_cycles(self) -> int:
        """Latency that no read can beat."""
        return self.latency_cycles

    def busy_cycles(self, addresses: npt.NDArray[np.int64], sizes_bytes: npt.NDArray[np.int64]) -> int:
        """Cycles for which transfers hold the data bus: int64 [transfers] of addresses and sizes."""
        del addresses
        return int(self.transfer_cycles(sizes_bytes).sum())

    def transfer_cycles(self, size_bytes: Size) -> Size:
        """Cycles for which a transfer, or each of an int64 array of them, holds the data bus, rounded up."""
        return -(-size_bytes * self.rate_denominator // self.rate_numerator)
