"""Numbers as people read them: a unit, a sensible scale, thousands separators; plain ASCII."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from traces.printable import printable

LARGEST_IN_FULL = 10**10  # larger counts are scaled, so that no column of a report overflows


class Unit(NamedTuple):
    """A unit, and how many base units one of it is."""

    name: str
    size: float


ENERGY_UNITS = (
    Unit("pJ", 1),
    Unit("nJ", 1e3),
    Unit("uJ", 1e6),
    Unit("mJ", 1e9),
    Unit("J", 1e12),
    Unit("kJ", 1e15),
    Unit("MJ", 1e18),
)
TIME_UNITS = (Unit("ns", 1e-3), Unit("us", 1), Unit("ms", 1e3), Unit("s", 1e6))
BYTE_UNITS = (Unit("B", 1), Unit("kB", 1e3), Unit("MB", 1e6), Unit("GB", 1e9), Unit("TB", 1e12))
MM2 = Unit("mm2", 1)
COUNT_UNITS = (Unit("", 1), Unit("M", 1e6), Unit("G", 1e9), Unit("T", 1e12), Unit("P", 1e15), Unit("E", 1e18))


def unit_for(values: Iterable[float], units: tuple[Unit, ...]) -> Unit:
    """Pick the largest unit of which the largest value has at least one; the smallest unit for nothing."""
    largest = max((abs(value) for value in values), default=0)
    # What would round to 1,000 of a unit is told in the next one.
    fitting = [unit for unit in units if largest >= 0.9995 * unit.size]
    return fitting[-1] if fitting else units[0]


def scaled(value: float, unit: Unit) -> str:
    """Say a value in a given unit, without its name: three decimals below 10, fewer above."""
    amount = value / unit.size
    if unit.size == 1 and float(value).is_integer():
        return f"{value:,.0f}"
    if 0 < abs(amount) < 0.9995:
        return aligned(value, unit)
    decimals = 3 if abs(amount) < 9.9995 else 2 if abs(amount) < 99.995 else 1
    return f"{amount:,.{decimals}f}"


def aligned(value: float, unit: Unit) -> str:
    """Say a value in a unit for a column of a table: three decimals throughout, points in a line."""
    amount = value / unit.size
    if 0 < abs(amount) < 0.0005:
        return "<0.001" if amount > 0 else ">-0.001"
    return f"{amount:,.3f}"


def energy(value_pj: float) -> str:
    """Say an energy, given in pJ."""
    unit = unit_for([value_pj], ENERGY_UNITS)
    return f"{scaled(value_pj, unit)} {unit.name}"


def time(value_us: float) -> str:
    """Say a time, given in microseconds."""
    unit = unit_for([value_us], TIME_UNITS)
    return f"{scaled(value_us, unit)} {unit.name}"


def data(value_bytes: int) -> str:
    """Say an amount of data, in decimal units as DRAM rates have them."""
    unit = unit_for([value_bytes], BYTE_UNITS)
    return f"{scaled(value_bytes, unit)} {unit.name}"


def count(value: int, largest_in_full: int = LARGEST_IN_FULL) -> str:
    """Say a count in full with thousands separators; from `largest_in_full` on in M, G, T, P or E."""
    if abs(value) < largest_in_full:
        return f"{value:,}"
    unit = unit_for([value], COUNT_UNITS)
    return f"{scaled(value, unit)} {unit.name}"


def percent(share: float) -> str:
    """Say a share; what is not nothing is never told as 0.0 %."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    if -0.0005 < share <= 0:
        return "0.0 %"
    return f"{100 * share:.1f} %"


def times(ratio: float | None) -> str:
    """Say a ratio, as a speed-up is told; a dash where there is none."""
    return "-" if ratio is None else f"{ratio:,.2f}x"


def ratio(over: float, under: float) -> float | None:
    """Divide; None by zero."""
    return over / under if under else None


def plain(text: str) -> str:
    """Replace what is not printable: see `traces.printable`."""
    return printable(text)


def shortened(text: str, longest: int) -> str:
    """Cut a printable text to so many characters, the last three of them dots if it was longer."""
    text = plain(text)
    return text if len(text) <= longest else text[: longest - 3] + "..."
