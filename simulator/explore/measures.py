"""What the name of a measure says: how to tell its values, and whether more of it is better.

Measures carry their units in their names (``time_us``, ``energy_total_pj``, ``dram_read_bytes``), so nothing but the
name is needed, for a column of a user's own as well.
"""

from __future__ import annotations

from simulator.report import numbers

MORE_IS_BETTER = ("speedup", "saving", "throughput", "utilization", "macs_skipped", "macs_per_mm2")
"""A measure with one of these in its name is to be large; all others (cycles, energies, bytes) are to be small."""
SHARES = ("saving", "utilization", "sparsity")


def more_is_better(name: str) -> bool:
    """Say whether a measure of this name is to be large."""
    return any(word in name for word in MORE_IS_BETTER)


def said(name: str, value: float) -> str:
    """Say a value in the unit that its measure's name has, scaled for reading."""
    if name.endswith("_pj"):
        return numbers.energy(value)
    if name.endswith("_us"):
        return numbers.time(value)
    if name.endswith("_bytes"):
        return numbers.data(int(value))
    if "speedup" in name:
        return numbers.times(value)
    if any(word in name for word in SHARES):
        return f"{100 * value:.1f} %"
    return numbers.count(int(value)) if float(value).is_integer() else f"{value:,.6g}"


def signed(name: str, difference: float) -> str:
    """Say a difference of a measure with its sign, that of two shares in points."""
    if not difference:
        return "0"
    points = any(word in name for word in SHARES)
    amount = f"{100 * abs(difference):.1f} points" if points else said(name, abs(difference))
    return ("+" if difference > 0 else "-") + amount


def changed(share: float | None) -> str:
    """Say a relative change with its sign; a dash where there is none to tell."""
    if not share:
        return "-" if share is None else "0.0 %"
    return f"{100 * share:+.1f} %" if abs(share) >= 0.0005 else f"{'+' if share > 0 else '-'}<0.1 %"
