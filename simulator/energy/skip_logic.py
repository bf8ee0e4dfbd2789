"""The skip logic in transistors: what synthesis of the tested hardware gave, by depth, banks, width and columns.

`arch_configs/energy/skip_logic.csv` says how it was made; ``python tests/rtl/synthesis.py`` makes it again.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.energy.sram import read_table_text
from traces.errors import InputError, Problem

COLUMNS = (
    "depth",
    "banks",
    "refill",
    "operand_bits",
    "columns",
    "selector",
    "values",
    "multiplexer",
    "staging",
    "control",
    "macs",
    "dense_lane",
    "zero_skip_lane",
    "overhead_percent",
)
Numbers = npt.NDArray[np.float64]
_ADDER = re.compile(r"#\s*int32_adder\s*=\s*([0-9]{1,9})\s*$")


@dataclass(frozen=True)
class LaneParts:
    """Transistors of one lane, with its share of what lanes have in common.

    Attributes
    ----------
    selector : chooses the lane's next non-zero among its pending mask bits
    values : the lane's own values of the skip operand in the window
    multiplexer : chooses the lane's word of the shared operand
    staging : the lane's share of the window's registers and its banks
    control : the lane's share of bank arbitration and of the sliding of the window
    macs : multipliers and accumulators
    dense : the same lane without zero-skipping
    note : where and how the numbers are extrapolated; mostly empty
    """

    selector: float
    values: float
    multiplexer: float
    staging: float
    control: float
    macs: float
    dense: float
    note: str = ""

    @classmethod
    def of(cls, numbers: Iterable[float], note: str = "") -> LaneParts:
        """Make parts of the numbers of `numbers`."""
        selector, values, multiplexer, staging, control, macs, dense = map(float, numbers)
        return cls(selector, values, multiplexer, staging, control, macs, dense, note)

    @property
    def numbers(self) -> Numbers:
        """The transistors as float64 [7], in the order of the attributes."""
        return np.array([getattr(self, part.name) for part in fields(self) if part.name != "note"])

    @property
    def total(self) -> float:
        """Transistors of the zero-skipping lane."""
        return self.selector + self.values + self.multiplexer + self.staging + self.control + self.macs

    @property
    def overhead_percent(self) -> float:
        """What the lane takes more than the dense one, in percent of it."""
        return 100 * (self.total / self.dense - 1)


class SkipLogicRow(NamedTuple):
    """A synthesised lane: `banks` None is unlimited."""

    depth: int
    banks: int | None
    operand_bits: int
    columns: int
    parts: LaneParts


@dataclass(frozen=True)
class SkipLogic:
    """The rows of a file and the 32-bit adder that was synthesised the same way.

    Attributes
    ----------
    int32_adder : int
        Transistors of a 32-bit integer adder: the measure of energy, as energy tables price one.
    rows : tuple of SkipLogicRow
    """

    int32_adder: int
    rows: tuple[SkipLogicRow, ...]

    def adders_per_selection(self, positions: int) -> tuple[float, str]:
        """Say how many 32-bit adders a lane's selector and its share of the control are worth, and a note.

        Parameters
        ----------
        positions : int
            Positions among which the lane chooses, at least 1: the depth of the window.
        """
        smallest = min((row.operand_bits, row.columns) for row in self.rows)
        parts = self.lane(positions, None, *smallest)
        return (parts.selector + parts.control) / self.int32_adder, parts.note

    def lane(self, depth: int, banks: int | None, operand_bits: int, columns: int) -> LaneParts:
        """Give the parts of a lane.

        Between two depths or two numbers of banks each part is linear; beyond the rows it goes on as between
        the nearest two, which `LaneParts.note` says. In columns every part is linear, so any number is exact.

        Parameters
        ----------
        depth : int
            Positions of the window, at least 1.
        banks : int or None
            Words handed out in a cycle, at least 1; None, or as many as the window has positions: unlimited.
        operand_bits, columns : int
            Width of an operand, and MACs of a lane.

        Raises
        ------
        InputError
            If no row has such operands.
        """
        widths = sorted({row.operand_bits for row in self.rows})
        if operand_bits not in widths:
            found, known = f"no rows for operands of {operand_bits} bits", " or ".join(map(str, widths))
            raise InputError.of("skip logic table", found, f"operands of {known} bits")
        rows = [row for row in self.rows if row.operand_bits == operand_bits]
        depths = sorted({row.depth for row in rows if row.banks is None})
        notes: set[str] = set()

        def at_depth(known: int) -> Numbers:
            wide = {row.banks or known for row in rows if row.depth == known}
            wanted = min(banks or known, known)
            if wanted < min(wide):
                notes.add(f"extrapolated to {wanted} banks from {min(wide)}")
            return _line(sorted(wide), lambda b: at_banks(known, None if b == known else b), wanted)

        def at_banks(known: int, some: int | None) -> Numbers:
            of = {row.columns: row.parts.numbers for row in rows if (row.depth, row.banks) == (known, some)}
            return _line(sorted(of), of.__getitem__, columns)

        parts = _line(depths, at_depth, depth)
        if not depths[0] <= depth <= depths[-1]:
            notes.add(f"extrapolated to a depth of {depth} from {depths[0]} to {depths[-1]}")
        return LaneParts.of(parts, "; ".join(sorted(notes)))


def read_skip_logic(path: Path) -> SkipLogic:
    """Read a file such as `arch_configs/energy/skip_logic.csv`.

    Raises
    ------
    InputError
        If the file cannot be read, its columns differ, the adder is missing, or a value is no number.
    """
    name = str(path)
    text = read_table_text(path, "a CSV file of the skip logic's transistors")
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line]
    adders = [int(match[1]) for _, line in numbered if (match := _ADDER.match(line))]
    lines = [(n, line) for n, line in numbered if not line.startswith("#")]
    if not lines or tuple(lines[0][1].split(",")) != COLUMNS:
        found = lines[0][1] if lines else "nothing"
        raise InputError.of(f"{name}:{lines[0][0] if lines else 1}", found, "the columns " + ",".join(COLUMNS))
    if len(adders) != 1 or adders[0] < 1:
        raise InputError.of(name, f"{len(adders)} remarks `# int32_adder = N`", "one, of at least 1 transistor")
    rows: list[SkipLogicRow] = []
    problems: list[Problem] = []
    for number, line in lines[1:]:
        row = _row(line)
        if row is None:
            expected = f"{len(COLUMNS)} numbers of at least 0; banks may be empty"
            problems.append(Problem(f"{name}:{number}", line[:60], expected))
        else:
            rows.append(row)
    if problems:
        raise InputError(problems)
    if not any(row.banks is None for row in rows):
        raise InputError.of(name, "no rows of unlimited banks", "at least one")
    return SkipLogic(adders[0], tuple(rows))


def _row(line: str) -> SkipLogicRow | None:
    cells = dict(zip(COLUMNS, next(csv.reader([line])), strict=False))
    try:
        number = {key: float(cell) for key, cell in cells.items() if key != "banks"}
        banks = int(cells["banks"]) if cells["banks"] else None
        depth, bits, columns = (int(cells[key]) for key in ("depth", "operand_bits", "columns"))
    except (ValueError, KeyError):
        return None
    fits = len(number) == len(COLUMNS) - 1 and all(0 <= value < float("inf") for value in number.values())
    if not fits or min(depth, bits, columns) < 1 or number["dense_lane"] == 0:
        return None
    names = ("selector", "values", "multiplexer", "staging", "control", "macs", "dense_lane")
    return SkipLogicRow(depth, banks, bits, columns, LaneParts.of(number[key] for key in names))


def _line(known: Sequence[int], numbers: Callable[[int], Numbers], wanted: int) -> Numbers:
    """Interpolate between the two neighbours of `wanted`; beyond the ends, the last two go on."""
    if wanted in known or len(known) == 1:
        return numbers(wanted if wanted in known else known[0])
    high = min(max(bisect_left(known, wanted), 1), len(known) - 1)
    low_at, high_at = known[high - 1], known[high]
    low = numbers(low_at)
    return np.maximum(low + (numbers(high_at) - low) * ((wanted - low_at) / (high_at - low_at)), 0)
