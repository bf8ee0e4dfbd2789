"""Passes through the hardware of `sv/inner_product_tile.sv`, and what they must equal."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rtl.lookahead_rtl import recorded_masks
from rtl.verilated import Design, library

from simulator.skipping import InnerProduct, run_pass

Int8s = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Law = Callable[[Bools, InnerProduct], Any]

COUNTERS = ("cycles", "executed", "imbalance", "refill", "reads")
LANES = 16

ANY = Design("inner_product_tile", {"ROWS": 8, "COLUMNS": 4, "DEPTH": 8, "LONGEST": 32})


@dataclass(frozen=True)
class Case:
    """One pass: operands and machine.

    Attributes
    ----------
    skip : int8 [rows, positions]
    shared : int8 [positions, columns]
    mechanism : the machine, with the published lanes and moves
    origin : where the case comes from, for messages
    """

    skip: Int8s
    shared: Int8s
    mechanism: InnerProduct
    origin: str

    def __str__(self) -> str:
        (rows, positions), columns = self.skip.shape, self.shared.shape[1]
        return f"{self.origin}: {rows} rows, {columns} columns, {positions} positions, depth {self.mechanism.depth}"


class Tile:
    """A built design, called with numpy arrays."""

    def __init__(self, design: Design) -> None:
        self.size = dict(design.parameters)
        self._library = library(design)

    def run(self, case: Case) -> tuple[dict[str, int], npt.NDArray[np.int32]]:
        """Run a pass: the counters, and the sums int32 [rows, columns]."""
        (rows, positions), columns = case.skip.shape, case.shared.shape[1]
        time_rows = -(-positions // LANES)
        values = np.zeros((self.size["ROWS"], time_rows * LANES), np.int8)
        values[:rows, :positions] = case.skip
        values = np.ascontiguousarray(values.reshape(self.size["ROWS"], time_rows, LANES).transpose(1, 0, 2))
        words = np.zeros((time_rows * LANES, self.size["COLUMNS"]), np.int8)
        words[:positions, :columns] = case.shared
        setting = np.array([time_rows, rows, case.mechanism.depth], np.int32)
        counts = np.zeros(8, np.int64)
        sums = np.zeros((self.size["ROWS"], self.size["COLUMNS"]), np.int32)
        arrays = [ctypes.c_void_p(a.ctypes.data) for a in (values, words, setting, counts, sums)]
        if self._library.run_pass(*arrays):
            return {"cycles": -1}, sums[:rows, :columns]  # it did not end
        return dict(zip(COUNTERS, counts.tolist(), strict=False)), sums[:rows, :columns]


def differences(tile: Tile, case: Case, law: Law = run_pass) -> list[str]:
    """Compare a pass of the hardware with the law's counts and with numpy's sums; say what differs."""
    counts, sums = tile.run(case)
    expected = law(case.skip != 0, case.mechanism)
    wrong = [
        f"{case}: {name} {counts.get(name)} in hardware, {getattr(expected, name)} by the law"
        for name in COUNTERS
        if counts.get(name) != getattr(expected, name)
    ]
    if not np.array_equal(sums, case.skip.astype(np.int32) @ case.shared.astype(np.int32)):
        wrong.append(f"{case}: sums differ from numpy's")
    return wrong


def random_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case]:
    """Make passes of every density, even and uneven, and of any depth up to the build's."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        rows, positions = int(rng.integers(1, size["ROWS"] + 1)), int(rng.integers(0, 401))
        density = float(rng.choice([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, rng.random()]))
        chance = np.full((rows, positions), density)
        if rng.random() < 0.5:
            chance *= 2 * rng.random((rows, 1))
        if rng.random() < 0.5:
            chance *= rng.random((1, positions)) < rng.random()
        yield _valued(rng.random((rows, positions)) < chance, rng, size, f"random case {i}")


def recorded_cases(number: int, seed: int, sample: Path, size: dict[str, int]) -> Iterator[Case]:
    """Cut passes out of a recorded trace, as dh (rows hold sequences) and as dW (rows hold gates)."""
    rng = np.random.default_rng(seed)
    masks = recorded_masks(sample)
    for i in range(number):
        mask = masks[rng.integers(len(masks))]
        mask = mask.T if rng.random() < 0.5 else mask
        shape = int(rng.integers(1, size["ROWS"] + 1)), int(rng.integers(1, min(400, mask.shape[1]) + 1))
        row, column = (int(rng.integers(0, n - m + 1)) for n, m in zip(mask.shape, shape, strict=True))
        yield _valued(mask[row : row + shape[0], column : column + shape[1]], rng, size, f"recorded case {i}")


def _valued(mask: Bools, rng: np.random.Generator, size: dict[str, int], origin: str) -> Case:
    """Put values from the whole range of int8 on a mask, and make a shared operand and a machine."""
    signs = rng.choice(np.array([-1, 1], np.int16), mask.shape)
    skip = np.where(mask, signs * rng.integers(1, 128, mask.shape, dtype=np.int16), 0).astype(np.int8)
    shape = mask.shape[1], int(rng.integers(1, size["COLUMNS"] + 1))
    depth = int(rng.choice([1, 2, 3, 3, 3, size["DEPTH"], rng.integers(1, size["DEPTH"] + 1)]))
    return Case(skip, rng.integers(-128, 128, shape, dtype=np.int8), InnerProduct(depth=depth), origin)
