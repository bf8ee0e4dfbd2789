"""TensorDash (Mahmoud et al., MICRO 2020): 16 lanes, three time rows."""

from __future__ import annotations

from simulator.skipping import InnerProduct
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table

TIME_ROWS, LANES = 5000, 16
# An independent program of the same law, over 20,000 random time rows (the design notes' known answers).
CURVES = {
    1: {0.1: 1.11, 0.2: 1.247, 0.3: 1.411, 0.4: 1.6, 0.5: 1.816, 0.6: 2.06, 0.7: 2.379, 0.8: 2.745, 0.9: 2.982},
    4: {0.1: 1.103, 0.2: 1.223, 0.3: 1.362, 0.4: 1.52, 0.5: 1.7, 0.6: 1.909, 0.7: 2.112, 0.8: 2.465, 0.9: 2.921},
}
NETWORKS = (
    "Its headline of 1.95x on training is no row: the paper's networks are convolutional and their gradients are not "
    "at hand (DEVIATIONS.md)"
)


def tensordash() -> Table:
    """Speed-up over dense at 80 % random zeros, against the group's own simulator."""
    rows = (
        Row("80 % random zeros, one row of PEs", _speed_up(1, 0.8), 2.73, "x", 0.01),
        Row("most, at 100 % zeros", _speed_up(1, 1.0), 3.0, "x", 0.001),
    )
    return Table(
        "TensorDash",
        "inner_product, 16 lanes, depth 3",
        "2.73x: the group's public simulator (isakedo/DNNsim, history before January 2020), run by the design notes; "
        "at most 3x: MICRO 2020. " + NETWORKS,
        rows,
    )


def tensordash_curves() -> Table:
    """Speed-up over dense against the share of random zeros, one row of PEs and four in lock-step."""
    rows = [
        Row(f"{zeros:.0%} zeros, {pes} row{'s' if pes > 1 else ''}", _speed_up(pes, zeros), theirs, "x", 0.01)
        for pes, curve in CURVES.items()
        for zeros, theirs in curve.items()
    ]
    return Table(
        "TensorDash's law on random masks",
        "inner_product, 16 lanes, depth 3",
        "an independent program of the same law, 20,000 time rows; ours draws 5,000",
        tuple(rows),
        kind="statistics",
    )


def _speed_up(array_rows: int, zeros: float) -> float:
    mask = bernoulli(f"tensordash {array_rows} {zeros}", (array_rows, TIME_ROWS * LANES), 1 - zeros)
    return TIME_ROWS / int(InnerProduct().count(from_bools(mask)).cycles[0])
