"""Passes through the hardware of `sv/lookahead_tile.sv`, and what they must equal."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rtl.verilated import Design, library

from simulator.skipping import Lookahead, run_pass
from traces import Trace

Int8s = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Law = Callable[[Bools, Lookahead], Any]

COUNTERS = ("cycles", "executed", "gated", "imbalance", "conflict", "refill", "reads", "fetches")
LONGEST_PASS = 256

# One build for every random case: what the machine is comes in at run time.
ANY = Design("lookahead_tile", {"LANES": 32, "COLUMNS": 8, "SLOTS": 64, "REFILL": 64, "BANKS": 64, "LONGEST": 256})
# The registers of the window in four banks, and four words a cycle: what gets synthesised.
BANKED = Design("lookahead_tile", {"LANES": 8, "COLUMNS": 2, "SLOTS": 16, "REFILL": 4, "BANKS": 4, "LONGEST": 256})


@dataclass(frozen=True)
class Case:
    """One pass: operands and machine.

    Attributes
    ----------
    skip : int8 [lanes, positions]
    shared : int8 [positions, columns]
    mechanism : the machine
    origin : where the case comes from, for messages
    """

    skip: Int8s
    shared: Int8s
    mechanism: Lookahead
    origin: str

    def __str__(self) -> str:
        (lanes, positions), columns, m = self.skip.shape, self.shared.shape[1], self.mechanism
        machine = f"depth {m.depth}, refill {m.refill}, banks {m.banks}, gate {m.gate}"
        return f"{self.origin}: {lanes} lanes, {columns} columns, {positions} positions, {machine}"


class Tile:
    """A built design, called with numpy arrays."""

    def __init__(self, design: Design) -> None:
        self.size = dict(design.parameters)
        self._library = library(design)

    def run(self, case: Case) -> tuple[dict[str, int], npt.NDArray[np.int32]]:
        """Run a pass: the counters, and the sums int32 [lanes, columns]."""
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
        setting = np.array([positions, lanes, depth, refill, banks, m.refill is None, m.gate], np.int32)
        counts = np.zeros(len(COUNTERS), np.int64)
        sums = np.zeros((self.size["LANES"], self.size["COLUMNS"]), np.int32)
        arrays = [ctypes.c_void_p(a.ctypes.data) for a in (values, words, setting, counts, sums)]
        if self._library.run_pass(*arrays):
            return {"cycles": -1}, sums[:lanes, :columns]  # it did not end
        return dict(zip(COUNTERS, counts.tolist(), strict=True)), sums[:lanes, :columns]


def differences(tile: Tile, case: Case, law: Law = run_pass) -> list[str]:
    """Compare a pass of the hardware with the law's counts and with numpy's sums; say what differs."""
    counts, sums = tile.run(case)
    expected = law(case.skip != 0, case.mechanism)
    names = [name for name in COUNTERS if name != "fetches" or case.mechanism.depth is not None]
    wrong = [
        f"{case}: {name} {counts.get(name)} in hardware, {getattr(expected, name)} by the law"
        for name in names
        if counts.get(name) != getattr(expected, name)
    ]
    # MACs that nobody counted were skipped.
    if case.skip.size - counts.get("executed", 0) - counts.get("gated", 0) != expected.skipped:
        wrong.append(f"{case}: another number of MACs is skipped than {expected.skipped}")
    if not np.array_equal(sums, case.skip.astype(np.int32) @ case.shared.astype(np.int32)):
        wrong.append(f"{case}: sums differ from numpy's")
    return wrong


def random_cases(number: int, seed: int, size: dict[str, int]) -> Iterator[Case]:
    """Make passes of every kind: even and uneven density, all knobs, from empty to full masks."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        lanes = int(rng.integers(1, size["LANES"] + 1))
        positions = int(rng.integers(0, 201)) if rng.random() < 0.7 else int(rng.integers(0, 40))
        density = float(rng.choice([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, rng.random()]))
        chance = np.full((lanes, positions), density)
        if rng.random() < 0.5:
            chance *= 2 * rng.random((lanes, 1))
        if rng.random() < 0.5:
            chance *= rng.random((1, positions)) < rng.random()
        mask = rng.random((lanes, positions)) < chance
        yield _valued(mask, _mechanism(rng, positions, size), rng, size, f"random case {i}")


def recorded_cases(number: int, seed: int, sample: Path, size: dict[str, int]) -> Iterator[Case]:
    """Cut passes out of a recorded trace, as dh (lanes hold sequences) and as dW (lanes hold gates)."""
    rng = np.random.default_rng(seed)
    masks = recorded_masks(sample)
    for i in range(number):
        mask = masks[rng.integers(len(masks))]
        mask = mask.T if rng.random() < 0.5 else mask
        lanes = int(rng.integers(1, min(size["LANES"], mask.shape[0]) + 1))
        positions = int(rng.integers(1, min(200, mask.shape[1]) + 1))
        row, column = (int(rng.integers(0, n - m + 1)) for n, m in zip(mask.shape, (lanes, positions), strict=True))
        cut = mask[row : row + lanes, column : column + positions]
        yield _valued(cut, _mechanism(rng, positions, size), rng, size, f"recorded case {i}")


def recorded_masks(sample: Path) -> list[Bools]:
    """Read the masks of dG of every step and layer: bool [T * B, G * H]."""
    with Trace(sample) as trace:
        gradients = [record.gate_gradient for step in trace for record in step.layers.values()]
    return [mask.unpack().reshape(-1, mask.shape[-1]) for mask in gradients]


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


def _valued(mask: Bools, mechanism: Lookahead, rng: np.random.Generator, size: dict[str, int], origin: str) -> Case:
    """Put values from the whole range of int8 on a mask, and make a shared operand, zeros in it too."""
    signs = rng.choice(np.array([-1, 1], np.int16), mask.shape)
    magnitudes = rng.integers(1, 128, mask.shape, dtype=np.int16)
    skip = np.where(mask, signs * magnitudes, 0).astype(np.int8)
    skip[mask & (rng.random(mask.shape) < 0.05)] = -128
    shape = mask.shape[1], int(rng.integers(1, size["COLUMNS"] + 1))
    return Case(skip, rng.integers(-128, 128, shape, dtype=np.int8), mechanism, origin)
