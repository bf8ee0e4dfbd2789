"""Passes through the hardware of `sv/inner_product_tile.sv`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rtl.passes import Bools, Case, Int8s, Tile, random_mask, random_values, recorded_masks
from rtl.verilated import Design

from simulator.skipping import InnerProduct

LANES = 16

ANY = Design("inner_product_tile", {"ROWS": 8, "COLUMNS": 4, "DEPTH": 8, "LONGEST": 32})


class InnerProductTile(Tile[InnerProduct]):
    """A build of the inner-product tile: the published lanes and moves."""

    counters = ("cycles", "executed", "imbalance", "refill", "reads")

    def arguments(self, case: Case[InnerProduct]) -> tuple[Int8s, Int8s, list[int]]:
        """Give values [time_rows, ROWS, LANES], words [time_rows * LANES, COLUMNS] and the machine."""
        (rows, positions), columns = case.skip.shape, case.shared.shape[1]
        time_rows = -(-positions // LANES)
        values = np.zeros((self.size["ROWS"], time_rows * LANES), np.int8)
        values[:rows, :positions] = case.skip
        values = np.ascontiguousarray(values.reshape(self.size["ROWS"], time_rows, LANES).transpose(1, 0, 2))
        words = np.zeros((time_rows * LANES, self.size["COLUMNS"]), np.int8)
        words[:positions, :columns] = case.shared
        return values, words, [time_rows, rows, case.mechanism.depth]


def random_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case[InnerProduct]]:
    """Make passes of every density, even and uneven, and of any depth up to the build's."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        rows, positions = int(rng.integers(1, size["ROWS"] + 1)), int(rng.integers(0, 401))
        yield _case(random_mask(rng, rows, positions), rng, size, f"random case {i}")


def recorded_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case[InnerProduct]]:
    """Make passes of recorded masks."""
    rng = np.random.default_rng(seed)
    for i, mask in enumerate(recorded_masks(number, rng, size["ROWS"], 400)):
        yield _case(mask, rng, size, f"recorded case {i}")


def _case(mask: Bools, rng: np.random.Generator, size: dict[str, int], origin: str) -> Case[InnerProduct]:
    """Draw values, a shared operand, zeros in it too, and a machine."""
    skip = random_values(rng, mask)
    shape = mask.shape[1], int(rng.integers(1, size["COLUMNS"] + 1))
    depth = int(rng.choice([1, 2, 3, 3, 3, size["DEPTH"], rng.integers(1, size["DEPTH"] + 1)]))
    return Case(skip, rng.integers(-128, 128, shape, dtype=np.int8), InnerProduct(depth=depth), origin)
