"""Passes through hardware of any mechanism: random and recorded ones, and what each must equal."""

from __future__ import annotations

import ctypes
import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from rtl.verilated import Design, library

from simulator.skipping import InnerProduct, Lookahead, run_pass
from traces import Trace

Int8s = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Mechanism = TypeVar("Mechanism", Lookahead, InnerProduct)
Law = Callable[[Bools, Mechanism], Any]
Tell = Callable[[str, object], None]

SAMPLE = Path(__file__).parents[2] / "traces" / "samples" / "charlm_t1e-6.npz"
KNOBS = ("depth", "refill", "banks", "gate")


@dataclass(frozen=True)
class Case(Generic[Mechanism]):
    """One pass: operands and machine.

    Attributes
    ----------
    skip : int8 [rows, positions]
        A row is a lane of the lookahead family.
    shared : int8 [positions, columns]
    mechanism : the machine
    origin : where the case comes from, for messages
    """

    skip: Int8s
    shared: Int8s
    mechanism: Mechanism
    origin: str

    def __str__(self) -> str:
        (rows, positions), columns = self.skip.shape, self.shared.shape[1]
        machine = ", ".join(f"{name} {value}" for name, value in self.mechanism if name in KNOBS)
        return f"{self.origin}: {rows} rows, {columns} columns, {positions} positions, {machine}"


class Tile(ABC, Generic[Mechanism]):
    """A built design, called with numpy arrays."""

    counters: ClassVar[tuple[str, ...]]

    def __init__(self, design: Design) -> None:
        self.size = dict(design.parameters)
        self._library = library(design)

    @abstractmethod
    def arguments(self, case: Case[Mechanism]) -> tuple[Int8s, Int8s, list[int]]:
        """Give values [steps, rows, ...], words and setting as the wrapper takes them."""

    def run(self, case: Case[Mechanism]) -> tuple[dict[str, int], npt.NDArray[np.int32]]:
        """Run a pass: the counters, and the sums int32 [rows, columns]."""
        values, words, setting = self.arguments(case)
        counts = np.zeros(8, np.int64)
        sums = np.zeros((values.shape[1], self.size["COLUMNS"]), np.int32)
        arrays = (values, words, np.array(setting, np.int32), counts, sums)
        unfinished = self._library.run_pass(*(ctypes.c_void_p(a.ctypes.data) for a in arrays))
        told = {"cycles": -1} if unfinished else dict(zip(self.counters, counts.tolist(), strict=False))
        return told, sums[: case.skip.shape[0], : case.shared.shape[1]]


def differences(tile: Tile[Mechanism], case: Case[Mechanism], law: Law[Mechanism] = run_pass) -> list[str]:
    """Compare a pass of the hardware with the law's counts and with numpy's sums; say what differs."""
    counts, sums = tile.run(case)
    expected = law(case.skip != 0, case.mechanism)
    names = [name for name in tile.counters if name != "fetches" or case.mechanism.depth is not None]
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


def agree(tile: Tile[Mechanism], cases: Sequence[Case[Mechanism]], tell: Tell, what: str) -> None:
    """Fail where a case differs; tell how many were compared."""
    wrong = [text for case in cases for text in differences(tile, case)]
    assert not wrong, "\n".join(wrong)
    tell("told in the summary", f"RTL: {len(cases):,} {what} passes equal in cycles, counts and sums")


def kernel_fault_is_seen(
    tile: Tile[Mechanism], cases: Sequence[Case[Mechanism]], kernels: ModuleType, name: str, right: str, wrong: str
) -> bool:
    """Whether cases that agree with a kernel no longer do with another piece of text in it."""
    text = inspect.getsource(getattr(kernels, name))
    assert text.count(right) == 1
    source = inspect.getsource(kernels).replace(text, text.replace(right, wrong))
    # Machine code is kept by the module's name: each fault needs its own.
    faulty = ModuleType(f"faulty_{hashlib.sha256(source.encode()).hexdigest()[:16]}")
    exec(source, faulty.__dict__)
    assert not any(differences(tile, case) for case in cases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, name, getattr(faulty, name))
        return any(differences(tile, case) for case in cases)


def random_mask(rng: np.random.Generator, rows: int, positions: int) -> Bools:
    """Draw a mask of even or uneven density, from empty to full."""
    density = float(rng.choice([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, rng.random()]))
    chance = np.full((rows, positions), density)
    if rng.random() < 0.5:
        chance *= 2 * rng.random((rows, 1))
    if rng.random() < 0.5:
        chance *= rng.random((1, positions)) < rng.random()
    return rng.random((rows, positions)) < chance


def recorded_masks(number: int, rng: np.random.Generator, most_rows: int, most_positions: int) -> Iterator[Bools]:
    """Cut masks out of a recorded trace's dG, as for dh (rows hold sequences) and for dW (rows hold gates)."""
    with Trace(SAMPLE) as trace:
        gradients = [record.gate_gradient for step in trace for record in step.layers.values()]
    masks = [mask.unpack().reshape(-1, mask.shape[-1]) for mask in gradients]
    for _ in range(number):
        mask = masks[rng.integers(len(masks))]
        mask = mask.T if rng.random() < 0.5 else mask
        rows, positions = (
            int(rng.integers(1, min(n) + 1)) for n in zip((most_rows, most_positions), mask.shape, strict=True)
        )
        row, column = (int(rng.integers(0, n - m + 1)) for n, m in zip(mask.shape, (rows, positions), strict=True))
        yield mask[row : row + rows, column : column + positions]


def random_values(rng: np.random.Generator, mask: Bools) -> Int8s:
    """Put values from -127 to 127 on a mask."""
    signs = rng.choice(np.array([-1, 1], np.int16), mask.shape)
    return np.where(mask, signs * rng.integers(1, 128, mask.shape, dtype=np.int16), 0).astype(np.int8)
