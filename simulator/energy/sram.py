"""SRAM by capacity: energy, area and leakage from rows of a table, or of a CSV file of a memory model."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pydantic import Field

from simulator.arch.parts import Part
from traces.errors import InputError, Problem
from traces.regular_files import in_place_of_file

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
LONGEST_LINE = 1000
CSV_BITS = 64
"""Width of the port that the rows of a CSV file are for, where no remark ``# port_bits = N`` says another."""
_REMARK = re.compile(r"#\s*(port_bits|banks)\s*=\s*([0-9]{1,9})\s*$")

PORT_WIDTHS: dict[int, tuple[float, float]] = {
    8: (0.43744, 0.34534),
    16: (0.21996, 0.15694),
    32: (0.13622, 0.08937),
    64: (0.08859, 0.06918),
    128: (0.07005, 0.05939),
    256: (0.05321, 0.05604),
    512: (0.03885, 0.05837),
}
"""pJ per bit of a read and of a write, by bits of the port: 64 KiB at 22 nm, CACTI 7 as packed by hwcomponents-cacti
1.0.40, measured with a binary rebuilt from its sources. The rule ``cacti_port_width`` uses their ratios alone."""


class SramRow(Part):
    """Energy of one access to an SRAM of one capacity; area and leakage where its source has them."""

    capacity_kib: float = Field(gt=0, allow_inf_nan=False, description="Capacity in KiB.")
    read_pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of a read in pJ.")
    write_pj: float = Field(ge=0, allow_inf_nan=False, description="Energy of a write in pJ.")
    bits: int = Field(ge=1, description="Bits of an access.")
    technology_nm: float = Field(gt=0, description="Technology node in nanometres.")
    source: str = Field(min_length=1, description="Key in `sources`, or where the numbers come from.")
    verified: bool = Field(description="false where the numbers are only recalled or estimated.")
    area_mm2: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="Area in mm2.")
    leakage_mw: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="Leakage in mW.")
    banks: int = Field(default=1, ge=1, description="Banks of that memory, whose wires the energy then has.")


def read_sram_csv(path: Path, technology_nm: float, source: str, verified: bool) -> tuple[SramRow, ...]:
    """Read the rows of one technology from a CSV file such as `arch_configs/energy/sram_cacti.csv`.

    Lines that start with ``#`` are remarks; the first other line names the columns, `COLUMNS`. Energies are
    per access of `CSV_BITS` bits and memories have one bank, unless remarks ``# port_bits = N`` and ``# banks = N``
    say so.

    Raises
    ------
    InputError
        If the file cannot be read, its columns differ, a value is no number, or the technology has no rows.
    """
    name = str(path)
    text = read_table_text(path, "a CSV file of SRAM energies")
    said = {match[1]: int(match[2]) for line in text.splitlines() if (match := _REMARK.match(line))}
    bits, banks = said.get("port_bits", CSV_BITS), said.get("banks", 1)
    if min(bits, banks) < 1:
        raise InputError.of(name, f"port_bits = {bits}, banks = {banks}", "at least one bit and one bank")
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line and not line.startswith("#")]
    if not lines or tuple(next(csv.reader([lines[0][1]]))) != COLUMNS:
        found = lines[0][1] if lines else "nothing"
        raise InputError.of(f"{name}:{lines[0][0] if lines else 1}", found, "the columns " + ",".join(COLUMNS))
    rows: list[SramRow] = []
    problems: list[Problem] = []
    nodes: set[float] = set()
    for number, line in lines[1:]:
        cells = next(csv.reader(io.StringIO(line)))
        numbers = _numbers(cells)
        if numbers is None:
            problems.append(Problem(f"{name}:{number}", line[:60], f"{len(COLUMNS)} numbers"))
            continue
        if not (numbers["capacity_kib"] > 0 and all(0 <= value < math.inf for value in numbers.values())):
            problems.append(Problem(f"{name}:{number}", line[:60], f"{len(COLUMNS)} numbers, none negative"))
            continue
        nodes.add(numbers["technology_nm"])
        if numbers["technology_nm"] == technology_nm:
            kept = {key: numbers[key] for key in ("technology_nm", "capacity_kib", "read_pj", "write_pj")}
            kept |= {key: numbers[key] for key in ("area_mm2", "leakage_mw")}
            rows.append(SramRow(**kept, bits=bits, banks=banks, source=source, verified=verified))
    if problems:
        raise InputError(problems)
    if not rows:
        known = ", ".join(f"{node:g}" for node in sorted(nodes))
        raise InputError.of(name, f"no rows for {technology_nm:g} nm", f"one of the nodes {known}")
    sizes = [row.capacity_kib for row in rows]
    if len(set(sizes)) < len(sizes):
        raise InputError.of(name, f"two rows of one capacity at {technology_nm:g} nm", "one row for each capacity")
    return tuple(sorted(rows, key=lambda row: row.capacity_kib))


def read_table_text(path: Path, expected: str) -> str:
    """Read the text of a CSV file that an energy table names; `InputError` where it cannot be read."""
    if found := in_place_of_file(path):
        raise InputError.of(str(path), found, expected)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError.of(str(path), "bytes that are no UTF-8 text", expected) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError.of(str(path), found, expected) from None
    if max(map(len, text.splitlines()), default=0) > LONGEST_LINE:
        raise InputError.of(str(path), f"a line of more than {LONGEST_LINE} characters", expected)
    return text


def _numbers(cells: list[str]) -> dict[str, float] | None:
    try:
        return {key: float(cell) for key, cell in zip(COLUMNS, cells, strict=True)}
    except ValueError:
        return None


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


def area_mm2(rows: Sequence[SramRow], capacity_bytes: int) -> tuple[float, str]:
    """Give the area of an SRAM in mm2, and a note where it is extrapolated.

    Between two rows, and beyond the last, it follows the power law through the two nearest: cells make most of the
    area, so that it is close to proportional. A single row is taken in proportion.

    Parameters
    ----------
    rows : sequence of SramRow
        In rising order of capacity, each with its area.
    capacity_bytes : int
        Capacity of the SRAM, at least 1.
    """
    points = [(row.capacity_kib, row.area_mm2 or 0.0) for row in rows]
    kib, note = _place(points, capacity_bytes)
    (near, near_mm2), (far, far_mm2) = _neighbours(points, kib)
    if near == far or near_mm2 == 0 or far_mm2 == 0:
        return near_mm2 * kib / near, note
    exponent = math.log(far_mm2 / near_mm2) / math.log(far / near)
    return float(near_mm2 * (kib / near) ** exponent), note


def leakage_mw(rows: Sequence[SramRow], capacity_bytes: int) -> tuple[float, str]:
    """Give the leakage of an SRAM in mW, and a note where it is extrapolated.

    Between two rows it is linear in the capacity, because cells leak; beyond them it is in proportion to the
    nearest row.

    Parameters
    ----------
    rows : sequence of SramRow
        In rising order of capacity, each with its leakage.
    capacity_bytes : int
        Capacity of the SRAM, at least 1.
    """
    points = [(row.capacity_kib, row.leakage_mw or 0.0) for row in rows]
    kib, note = _place(points, capacity_bytes)
    (near, near_mw), (far, far_mw) = _neighbours(points, kib)
    if note or near == far:
        return near_mw * kib / near, note
    return near_mw + (far_mw - near_mw) * (kib - near) / (far - near), note


def _place(points: Sequence[tuple[float, float]], capacity_bytes: int) -> tuple[float, str]:
    """Give a capacity in KiB, and a note where it lies outside the rows."""
    assert capacity_bytes >= 1
    kib, lowest, highest = capacity_bytes / 1024, points[0][0], points[-1][0]
    if lowest <= kib <= highest:
        return kib, ""
    return kib, f"extrapolated to {kib:g} KiB from {lowest:g} to {highest:g} KiB"


def _neighbours(points: Sequence[tuple[float, float]], kib: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Find the two rows that a capacity lies between, or the nearest two, the nearest first."""
    if len(points) == 1:
        return points[0], points[0]
    pairs = list(pairwise(points))
    if kib >= points[-1][0]:
        return points[-1], points[-2]
    return next((pair for pair in pairs if kib < pair[1][0]), pairs[0])


def bank_of(rows: Sequence[SramRow], capacity_bytes: int, banks: int) -> tuple[int, int, str]:
    """Say how a memory of several banks is looked up: how many memories, bytes of each, and a note.

    A file of memories of as many banks has their wires in it, and the whole is looked up. In a file of memories of
    one bank, each bank is a memory of its own.

    Raises
    ------
    InputError
        If the rows are of memories of several banks, but not as many.
    """
    modelled = rows[0].banks
    if modelled == banks:
        return 1, capacity_bytes, ""
    if modelled != 1:
        found = f"a buffer of {banks} {'bank' if banks == 1 else 'banks'}"
        raise InputError.of("SRAM file", found, f"{modelled} banks, as the file's memories have, or a file of one bank")
    each_bytes = -(-capacity_bytes // banks)
    each = f"{banks} banks of {each_bytes / 1024:g} KiB"
    return banks, each_bytes, f"priced as {each}, with nothing for the wires between them and the array"


def width_factor(width_bits: int, port_bits: int, write: bool) -> tuple[float, str]:
    """Give the rule ``cacti_port_width``: energy per bit at one port width over that at another, and a note.

    Between two widths of `PORT_WIDTHS` it follows the power law through them, and beyond the last two likewise,
    which the note says. It was measured on one capacity at one node and is taken to hold for all.
    """

    def per_bit(width: int) -> float:
        points = [(float(bits), pj[int(write)]) for bits, pj in PORT_WIDTHS.items()]
        (near, near_pj), (far, far_pj) = _neighbours(points, width)
        exponent = math.log(far_pj / near_pj) / math.log(far / near)
        return float(near_pj * (width / near) ** exponent)

    narrow, wide = min(PORT_WIDTHS), max(PORT_WIDTHS)
    inside = narrow <= width_bits <= wide
    note = "" if inside else f"width extrapolated to {width_bits} bits from {narrow} to {wide}"
    return per_bit(width_bits) / per_bit(port_bits), note
