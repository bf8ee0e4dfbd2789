"""Passes through the hardware of `sv/lookahead_tile.sv`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rtl.passes import Bools, Case, Int8s, Tile, random_mask, random_values, recorded_masks
from rtl.verilated import Design

from simulator.skipping import Lookahead

# One build for every random case: what the machine is comes in at run time.
ANY = Design("lookahead_tile", {"LANES": 32, "COLUMNS": 8, "SLOTS": 64, "REFILL": 64, "BANKS": 64, "LONGEST": 256})
# The registers of the window in four banks, and four words a cycle: what gets synthesised.
BANKED = Design("lookahead_tile", {"LANES": 8, "COLUMNS": 2, "SLOTS": 16, "REFILL": 4, "BANKS": 4, "LONGEST": 256})


class LookaheadTile(Tile[Lookahead]):
    """A build of the lookahead tile."""

    counters = ("cycles", "executed", "gated", "imbalance", "conflict", "refill", "reads", "fetches")

    def arguments(self, case: Case[Lookahead]) -> tuple[Int8s, Int8s, list[int]]:
        """Give values [positions, LANES], words [positions, COLUMNS] and the machine."""
        (lanes, positions), columns, m = case.skip.shape, case.shared.shape[1], case.mechanism
        slots = self.size["SLOTS"]
        # Unlimited depth is a window that holds the whole pass.
        depth = slots if m.depth is None else m.depth
        banks = slots if m.banks is None else min(m.banks, slots)
        if m.depth is None and positions > slots:
            raise ValueError(f"{positions} positions in a window of {slots}")
        values = np.zeros((positions, self.size["LANES"]), np.int8)
        values[:, :lanes] = case.skip.T
        words = np.zeros((positions, self.size["COLUMNS"]), np.int8)
        words[:, :columns] = case.shared
        refill = slots if m.refill is None else m.refill
        return values, words, [positions, lanes, depth, refill, banks, m.refill is None, m.gate]


def random_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case[Lookahead]]:
    """Make passes of every kind: even and uneven density, all knobs, from empty to full masks."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        lanes = int(rng.integers(1, size["LANES"] + 1))
        positions = int(rng.integers(0, 201)) if rng.random() < 0.7 else int(rng.integers(0, 40))
        yield _case(random_mask(rng, lanes, positions), rng, size, f"random case {i}")


def recorded_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case[Lookahead]]:
    """Make passes of recorded masks."""
    rng = np.random.default_rng(seed)
    for i, mask in enumerate(recorded_masks(number, rng, size["LANES"], 200)):
        yield _case(mask, rng, size, f"recorded case {i}")


def _mechanism(rng: np.random.Generator, positions: int, size: dict[str, int]) -> Lookahead:
    """Draw a machine that the build can be: depth 1 often, as it has modes of its own."""
    fixed_refill, fixed_banks = size["REFILL"] < size["SLOTS"], size["BANKS"] < size["SLOTS"]
    depth = int(rng.choice([1, 2, 3, 4, 8, 16, 32, 64, rng.integers(1, 65), rng.integers(1, 65)]))
    depth = min(depth, size["SLOTS"])
    refill: int | None = int(rng.integers(1, min(depth, size["REFILL"]) + 1))
    if not fixed_refill and rng.random() < 0.3:
        refill = None
    banks: int | None = int(rng.choice([1, 2, 4, 8, 16, rng.integers(1, 65)])) if rng.random() < 0.6 else None
    unlimited = positions <= size["SLOTS"] and rng.random() < 0.1
    return Lookahead(
        depth=None if unlimited else depth,
        refill=refill,
        banks=size["BANKS"] if fixed_banks else banks,
        gate=bool(rng.random() < 0.6),
    )


def _case(mask: Bools, rng: np.random.Generator, size: dict[str, int], origin: str) -> Case[Lookahead]:
    """Draw a machine, values from the whole range of int8, and a shared operand, zeros in it too."""
    mechanism = _mechanism(rng, mask.shape[1], size)
    skip = random_values(rng, mask)
    skip[mask & (rng.random(mask.shape) < 0.05)] = -128
    shape = mask.shape[1], int(rng.integers(1, size["COLUMNS"] + 1))
    return Case(skip, rng.integers(-128, 128, shape, dtype=np.int8), mechanism, origin)
