"""Broadcast into FIFOs: each non-zero of a row is sent to all PEs, which multiply it with their share of the columns.

PE p holds columns n with ``n % pes == p`` of the shared operand, zeros left out. The non-zeros of a row of the skip
operand are broadcast one a cycle into a FIFO per PE; PE p works ``w[p, j]`` cycles on broadcast j, its non-zeros at
that position. A place of a FIFO is free again when the PE *finishes* its entry, so with ``depth`` places::

    issue[j] = max(issue[j-1] + 1, max over p of finish[p, j-depth])       issue[0] = 0
    finish[p, j] = max(finish[p, j-1], issue[j] + 1) + w[p, j]

and the row ends with the last finish. Rows follow one after the other; a pass works on ``tile_rows`` of them.

Where non-zeros are stored with the number of zeros before them in ``index_bits`` bits, a zero is stored wherever
``2**index_bits`` of them follow each other. It takes a slot: a gated one. All other zeros are skipped, and a PE's slot
without work, for whatever FIFO it waits, is imbalance.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from simulator.arch.mechanism import Counts, PassCounts, PassMasks
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping.pairs import dense_macs


class BroadcastFifo(TileMechanism):
    """PEs with a share of the columns each, fed with non-zeros through FIFOs."""

    summary: ClassVar[str] = "non-zeros broadcast into a FIFO per PE, each PE skips zeros of its share of the columns"
    literature: ClassVar[str] = "EIE (64 PEs, depth 8, 4 index bits)"

    mechanism: Literal["broadcast_fifo"] = "broadcast_fifo"
    pes: int = Field(ge=1, le=65536, description="PEs with one multiplier each, among which columns are dealt in turn.")
    depth: int | None = Field(
        ge=1,
        description="Places of a PE's FIFO: by how many broadcasts the slowest PE may be behind. null: unlimited.",
    )
    index_bits: int | None = Field(
        default=None,
        ge=1,
        le=32,
        description="Bits of the number of zeros before a stored non-zero of the shared operand; where more zeros "
        "follow each other, one of them is stored. null: as many as are needed.",
    )
    tile_rows: int = Field(
        default=32, ge=1, le=4096, description="Rows of a pass, worked on one after the other: 1 is a row, on its own."
    )

    @property
    def slots_per_cycle(self) -> int:
        """One multiplier a PE."""
        return self.pes

    @property
    def tile_shape(self) -> tuple[int | None, int | None]:
        """Some rows, and all columns."""
        return self.tile_rows, None

    def shared_metadata_bits(self, mask_bits: int, fetches: int) -> int:
        """The index of each value that is fetched; without one, the mask."""
        return mask_bits if self.index_bits is None else fetches * self.index_bits

    def count_tiles(self, skip: PassMasks, shared: PassMasks | None, columns: Counts) -> PassCounts:
        """Apply the law to every tile: exact counts, each int64 [P, Q]."""
        from simulator.skipping.broadcast_fifo_kernels import broadcast, share_out
        from simulator.skipping.kernels import UNLIMITED

        passes, positions, _ = skip.words.shape
        words, tiles = np.ascontiguousarray(skip.words), len(columns)
        cycles, executed, gated = np.zeros((3, tiles, passes), np.int64)
        weights, padding = np.zeros((2, positions, self.pes), np.int64)
        for q, width in enumerate(columns.tolist()):
            if shared is None:
                weights[:] = np.maximum(width - np.arange(self.pes) + self.pes - 1, 0) // self.pes
            else:
                share_out(np.ascontiguousarray(shared.words[q]), self.index_bits or 0, weights, padding)
            depth = UNLIMITED if self.depth is None else self.depth
            broadcast(words, weights, padding, depth, cycles[q], executed[q], gated[q])
        cycles, executed, gated = cycles.T, executed.T, gated.T
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=executed,
            gated=gated,
            skipped=dense_macs(skip, columns) - executed - gated,
            imbalance=self.pes * cycles - executed - gated,
            conflict=none,
            refill=none,
            fetches=executed + gated,
            reads=executed + gated,
        )
