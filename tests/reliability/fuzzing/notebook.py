"""What a process that tries inputs writes as it goes, so that its death loses nothing: counts, the input at hand."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_COUNTS = struct.Struct("<QQQQdI")
LONGEST = 1 << 20


class Notebook:
    """A file in memory that the process and whoever watches it share.

    Attributes
    ----------
    tried, accepted, faults, done : int
        Inputs; `done` is 1 once all were tried.
    grown_mib : float
        By how much the process's largest resident memory grew.
    """

    def __init__(self, path: Path, fresh: bool = True) -> None:
        if fresh:
            path.write_bytes(bytes(_COUNTS.size + LONGEST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.path = path
        self.tried = self.accepted = self.faults = self.done = 0
        self.grown_mib = 0.0

    def begin(self, data: bytes) -> None:
        """Note an input before it is tried."""
        kept = data[:LONGEST]
        self._map[_COUNTS.size : _COUNTS.size + len(kept)] = kept
        self._write(len(kept))

    def end(self) -> None:
        """Note the counts once it was."""
        self._write(0)

    def _write(self, length: int) -> None:
        _COUNTS.pack_into(self._map, 0, self.tried, self.accepted, self.faults, self.done, self.grown_mib, length)

    def read(self) -> bytes:
        """Take over the counts; give the input that was at hand, empty where none was."""
        counts = _COUNTS.unpack_from(self._map, 0)
        self.tried, self.accepted, self.faults, self.done, self.grown_mib, length = counts
        return bytes(self._map[_COUNTS.size : _COUNTS.size + length])
