"""Node scaling by a named rule: what energy, area and delay of logic become at another node.

``stillmaker_baas_2017``: A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration 58 (2017) 74-81. Area goes by their table of factors, energy and delay by
polynomials of the supply voltage, fitted to simulated inverters of each node; only ratios of them mean anything.

The numbers were read at second hand, in nodeScale (NanoCAD Laboratory, UCLA). hwcomponents' scaling has some of them,
too, and the same: the areas from 130 nm to 7 nm, and the energies of 130, 90 and 65 nm, of low-power 45 and 32 nm and
of high-performance 20 to 7 nm; a third program has the same delays of high-performance 45, 14, 10 and 7 nm. Nodes that
are not in the paper, such as 22 nm, are refused rather than interpolated.

It is a rule for logic gates. From 45 nm to 7 nm it gives 0.07 of the energy, while Jouppi et al. (ISCA 2021) have 0.31
for a float16 multiplication: where a source has a number, take the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from traces.errors import InputError

Transistors = Literal["high_performance", "low_power"]

NODES_NM = (180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7)

# Area at the column's node over area at the row's, both in the order of NODES_NM; two digits, as printed.
_AREA = (
    (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
    (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
    (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
    (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
    (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
    (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
    (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
    (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
    (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
    (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
    (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
)

# Coefficients of V^3, V^2, V and 1 for the delay, and of V^2, V and 1 for the energy.
_Fit = tuple[tuple[float, float, float, float], tuple[float, float, float]]
_BULK: Mapping[int, _Fit] = {  # one kind of transistors
    180: ((0, 97.09, -356.7, 406.5), (0, 24.64, -17.98)),
    130: ((-76.65, 334.9, -493.4, 275.8), (7.171, -6.709, 2.904)),
    90: ((-60.34, 262.5, -384.2, 210.9), (4.762, -4.781, 2.092)),
    65: ((-53.3, 230.4, -333.9, 178.6), (3.755, -4.398, 1.975)),
}
_FITS: Mapping[Transistors, Mapping[int, _Fit]] = {
    "high_performance": {
        **_BULK,
        45: ((-501.6, 1567, -1619, 566.1), (1.018, -0.3107, 0.1539)),
        32: ((-1047, 2982, -2797, 873.5), (0.8367, -0.4341, 0.1701)),
        20: ((0, 34.63, -66.37, 41.15), (0.373, -0.1582, 0.04104)),
        16: ((0, 24.8, -47.52, 28.87), (0.2958, -0.1241, 0.03024)),
        14: ((-40.66, 109.2, -100.6, 35.92), (0.2363, -0.09675, 0.02239)),
        10: ((-34.95, 93.65, -85.99, 30.4), (0.2068, -0.09311, 0.02375)),
        7: ((-28.58, 76.6, -70.26, 24.69), (0.1776, -0.09097, 0.02447)),
    },
    "low_power": {
        **_BULK,
        45: ((-285.7, 1239, -1795, 898.8), (1.103, -0.362, 0.2767)),
        32: ((-325.9, 1374, -1922, 913.2), (0.9559, -0.7823, 0.471)),
        20: ((-160.5, 514.1, -558.6, 217.5), (0.2632, -0.14, 0.06841)),
        16: ((-114.6, 366.7, -397.4, 153.6), (0.2139, -0.1187, 0.05639)),
        14: ((-85.37, 271.6, -292.2, 111.4), (0.1556, -0.06472, 0.03066)),
        10: ((-71.76, 228.6, -246.3, 93.91), (0.1261, -0.0518, 0.02769)),
        7: ((-61.79, 196.1, -210.3, 79.55), (0.09365, -0.03409, 0.02043)),
    },
}


@dataclass(frozen=True)
class Operation:
    """At which node, at which supply voltage and with which transistors a circuit works.

    Attributes
    ----------
    node_nm : float
        One of `NODES_NM`.
    volts : float
        Supply voltage.
    transistors : "high_performance" or "low_power"
        Alike at 65 nm and above.
    """

    node_nm: float
    volts: float
    transistors: Transistors = "high_performance"


def area_factor(from_nm: float, to_nm: float) -> float:
    """Area at one node over area at another; there and back is 1 within the rounding of two digits.

    Raises
    ------
    InputError
        If a node is not in the paper.
    """
    return float(_AREA[_index(from_nm)][_index(to_nm)])


def energy_factor(start: Operation, end: Operation) -> float:
    """Energy of an operation at `end` over that at `start`.

    Raises
    ------
    InputError
        If a node is not in the paper, or a voltage is so low that the node's fit no longer rises with it.
    """
    return _energy(end) / _energy(start)


def delay_factor(start: Operation, end: Operation) -> float:
    """Delay of a gate at `end` over that at `start`.

    Raises
    ------
    InputError
        If a node is not in the paper, or the node's fit is not positive at the voltage.
    """
    return _delay(end) / _delay(start)


def _index(node_nm: float) -> int:
    if node_nm not in NODES_NM:
        known = ", ".join(map(str, NODES_NM))
        hint = "take a table of the node's own, or a node near it"
        raise InputError.of("rule stillmaker_baas_2017", f"a node of {node_nm:g} nm", f"one of {known} nm", hint)
    return NODES_NM.index(int(node_nm))


def _energy(at: Operation) -> float:
    _index(at.node_nm)
    a, b, c = _FITS[at.transistors][int(at.node_nm)][1]
    energy = a * at.volts**2 + b * at.volts + c
    if energy <= 0 or 2 * a * at.volts + b <= 0:
        raise _too_low(at, "energy")
    return energy


def _delay(at: Operation) -> float:
    _index(at.node_nm)
    a, b, c, d = _FITS[at.transistors][int(at.node_nm)][0]
    delay = a * at.volts**3 + b * at.volts**2 + c * at.volts + d
    if delay <= 0:
        raise _too_low(at, "delay")
    return delay


def _too_low(at: Operation, what: str) -> InputError:
    found = f"{at.volts:g} V at {at.node_nm:g} nm"
    return InputError.of("rule stillmaker_baas_2017", found, f"a voltage at which the node's fit of {what} holds")
