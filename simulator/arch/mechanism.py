"""What every zero-skipping mechanism offers, and the register that the loader reads.

A mechanism is its parameters and a law: from the non-zero mask of a pass to integer counts. It depends on
nothing but the mask. Subclasses live in `simulator.skipping`, one file each; defining one with a
`mechanism: Literal["name"]` field registers it, so a notebook may add its own.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassMasks:
    """Non-zero masks of many passes over the same K positions, position-major.

    The shared operand's mask has the same form, where a `simulator.arch.tile_mechanism.TileMechanism` reads it:
    a lane is then a column, and a pass a tile of columns.

    Attributes
    ----------
    words : uint64 [P, K, ceil(R / 64)]
        Bit r % 64 of word r // 64 at ``[p, k]`` is set where lane r of pass p is non-zero at position k.
        Bits at or above the pass's lane count are 0.
    lanes : int64 [P]
        How many lanes (rows) pass p really has: R, and less only where the last pass is short.
    recorded : bool
        False where no zeros were recorded, so that the operand counts as dense and the masks are full.
    tally : two int64 [P], optional
        Each pass's non-zeros, and the positions that some lane needs, where they were counted along the way:
        see `simulator.skipping.masks.tallied`.
    """

    words: Words
    lanes: Counts
    recorded: bool = True
    tally: tuple[Counts, Counts] | None = None

    @property
    def positions(self) -> int:
        """K."""
        return int(self.words.shape[1])


@dataclass(frozen=True)
class PassCounts:
    """Exact integer counts of P passes, each array int64 [P]; slots and MACs are per column.

    ``lanes * macs_per_lane * cycles == executed + gated + idle`` and
    ``executed + gated + skipped == lanes * positions``, with ``idle == imbalance + conflict + refill``.

    Of a `simulator.arch.tile_mechanism.TileMechanism` the arrays are int64 [P, Q], one entry a tile of rows and
    tile of columns, and slots, MACs, fetches and reads are totals over the tile's columns.

    Attributes
    ----------
    cycles : cycles of the pass
    executed : MACs really multiplied
    gated : MACs switched off in a slot that a zero took
    skipped : MACs whose zero took no slot
    imbalance, conflict, refill : idle slots by reason
    fetches : words of the shared operand (C values each) brought from its buffer
    reads : words of the shared operand handed to lanes (distinct positions per cycle, summed)
    """

    cycles: Counts
    executed: Counts
    gated: Counts
    skipped: Counts
    imbalance: Counts
    conflict: Counts
    refill: Counts
    fetches: Counts
    reads: Counts

    @property
    def idle(self) -> Counts:
        """Idle slots for whatever reason, of the same shape."""
        return self.imbalance + self.conflict + self.refill

    def total(self) -> dict[str, int]:
        """Sum each count over the passes, as Python integers."""
        return {f.name: int(getattr(self, f.name).sum()) for f in fields(self)}


class Mechanism(BaseModel):
    """Base of the parameter models; a subclass states its law in `count`.

    Class attributes ``summary`` (one line) and ``literature`` are what `skipstone mechanisms` prints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    summary: ClassVar[str] = ""
    literature: ClassVar[str] = ""
    registered: ClassVar[dict[str, type[Mechanism]]] = {}

    mechanism: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        name = cls.model_fields["mechanism"].default
        if isinstance(name, str):
            Mechanism.registered[name] = cls

    @property
    def uses_mask(self) -> bool:
        """Whether the hardware reads the mask at all (a plain dense array does not)."""
        return True

    @property
    def staged(self) -> bool:
        """Whether words of the shared operand pass through a staging window between buffer and lanes."""
        return False

    @property
    def selector_positions(self) -> int:
        """Positions among which a lane chooses its next one each cycle: the width of its selector."""
        return 1

    @property
    def slots_per_cycle(self) -> int | None:
        """Multipliers that the parameters speak of: array.rows x array.columns must be as many. None: any array."""
        return None

    def pass_shape(self, array_rows: int, array_columns: int) -> tuple[int | None, int | None]:
        """Rows and columns of outputs that a pass works on; None: all that the product has."""
        return array_rows, array_columns

    def bound(self, array_rows: int, array_columns: int) -> dict[str, Any]:
        """The mechanism that this one cannot beat on the same array, as a machine file has it."""
        return {"mechanism": "ideal", "positions_per_cycle": self.macs_per_lane}

    def dense_twin(self) -> dict[str, Any]:
        """The same array without skipping, as a machine file has it."""
        return {"mechanism": "dense", "positions_per_cycle": self.macs_per_lane}

    @property
    def position_grain(self) -> int:
        """Positions that a K tile should be a multiple of, because the law takes them together."""
        return self.macs_per_lane

    @property
    def macs_per_lane(self) -> int:
        """Multipliers that feed one lane and column: slots of a pass are lanes x macs_per_lane x cycles."""
        return 1

    def fed(self, words_per_cycle: int) -> Mechanism:
        """The same mechanism on a shared buffer that hands out so many words of an array's columns a cycle."""
        del words_per_cycle
        return self

    @abstractmethod
    def count(self, masks: PassMasks) -> PassCounts:
        """Apply the law to every pass."""
