"""SRAM energy by capacity: rows of a table, or of a CSV file of a memory model."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pydantic import Field

from simulator.arch.parts import Part
from traces.errors import InputError, Problem

COLUMNS = (
    "technology_nm",
    "capacity_kib",
    "read_pj",
    "write_pj",
    "latency_ns",
    "accesses_per_ns",
    "area_mm2",
    "leakage_mw",
)
CSV_BITS = 64
"""Width of the port that the rows of a CSV file are for."""


class SramRow(Part):
    """Energy of one access to an SRAM of one capacity."""

    capacity_kib: float = Field(gt=0, allow_inf_nan=False, description="Capacity in KiB.")
    read_pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of a read in pJ.")
    write_pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of a write in pJ.")
    bits: int = Field(ge=1, description="Bits of an access.")
    technology_nm: float = Field(gt=0, description="Technology node in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false where the numbers are only recalled or estimated.")


def read_sram_csv(path: Path, technology_nm: float, source: str, verified: bool) -> tuple[SramRow, ...]:
    """Read the rows of one technology from a CSV file such as `arch_configs/energy/sram_cacti.csv`.

    Lines that start with ``#`` are remarks; the first other line names the columns, `COLUMNS`. Energies are
    per access of `CSV_BITS` bits.

    Raises
    ------
    InputError
        If the file cannot be read, its columns differ, a value is no number, or the technology has no rows.
    """
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are no UTF-8 text"
        raise InputError.of(name, str(reason), "a CSV file of SRAM energies") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line and not line.startswith("#")]
    if not lines or tuple(next(csv.reader([lines[0][1]]))) != COLUMNS:
        found = lines[0][1] if lines else "nothing"
        raise InputError.of(f"{name}:{lines[0][0] if lines else 1}", found, "the columns " + ",".join(COLUMNS))
    rows: list[SramRow] = []
    problems: list[Problem] = []
    nodes: set[float] = set()
    for number, line in lines[1:]:
        cells = next(csv.reader(io.StringIO(line)))
        try:
            node, capacity_kib, read_pj, write_pj = (float(cell) for cell in cells[:4])
        except ValueError:
            problems.append(Problem(f"{name}:{number}", line[:60], f"{len(COLUMNS)} numbers"))
            continue
        if not (len(cells) == len(COLUMNS) and capacity_kib > 0 and 0 <= min(read_pj, write_pj) < math.inf):
            problems.append(Problem(f"{name}:{number}", line[:60], f"{len(COLUMNS)} numbers, none negative"))
            continue
        nodes.add(node)
        if node == technology_nm:
            rows.append(
                SramRow(
                    capacity_kib=capacity_kib,
                    read_pj=read_pj,
                    write_pj=write_pj,
                    bits=CSV_BITS,
                    technology_nm=node,
                    source=source,
                    verified=verified,
                )
            )
    if problems:
        raise InputError(problems)
    if not rows:
        known = ", ".join(f"{node:g}" for node in sorted(nodes))
        raise InputError.of(name, f"no rows for {technology_nm:g} nm", f"one of the nodes {known}")
    return tuple(sorted(rows, key=lambda row: row.capacity_kib))


def access_pj_per_bit(rows: Sequence[SramRow], capacity_bytes: int, write: bool) -> tuple[float, str]:
    """Give the energy of an access in pJ per bit, and a note where it is extrapolated.

    Between two rows the energy per bit is linear in the logarithm of the capacity. Outside them it follows
    the power law through the two nearest rows, which stays positive, and the note says so; a single row is
    taken for all capacities, with a note wherever the capacity differs.

    Parameters
    ----------
    rows : sequence of SramRow
        In rising order of capacity.
    capacity_bytes : int
        Capacity of the SRAM, at least 1.
    write : bool
        Whether the access is a write.
    """
    assert capacity_bytes >= 1
    points = [(row.capacity_kib, (row.write_pj if write else row.read_pj) / row.bits) for row in rows]
    kib = capacity_bytes / 1024
    for at, pj in points:
        if at == kib:
            return pj, ""
    lowest, highest = points[0][0], points[-1][0]
    if lowest < kib < highest:
        (low, low_pj), (high, high_pj) = next(pair for pair in pairwise(points) if pair[0][0] < kib < pair[1][0])
        share = math.log(kib / low) / math.log(high / low)
        return low_pj + share * (high_pj - low_pj), ""
    note = f"extrapolated to {kib:g} KiB from {lowest:g} to {highest:g} KiB"
    if len(points) == 1:
        return points[0][1], note
    (near, near_pj), (far, far_pj) = points[:2] if kib < lowest else points[:-3:-1]
    if near_pj == 0 or far_pj == 0:
        return near_pj, note
    exponent = math.log(far_pj / near_pj) / math.log(far / near)
    return near_pj * (kib / near) ** exponent, note
