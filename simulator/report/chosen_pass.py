"""One pass of a run, chosen by its name: what its lanes hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, TileMechanism
from simulator.engine.passes import pass_name, row_passes
from simulator.mapping import Plan, PlannedProduct
from simulator.values import SCHEDULES
from simulator.values.operands import unpacked
from traces.errors import InputError, nearest

Bools = npt.NDArray[np.bool_]

OPTION = "--waves-pass"


@dataclass(frozen=True, eq=False)
class ChosenPass:
    """A pass of a product.

    Attributes
    ----------
    name : str
        As `pass_name` gives it.
    mask : bool [lanes, positions]
        True where the skip operand is non-zero.
    recorded : bool
        False where no zeros were recorded, so that the mask is full.
    """

    name: str
    mask: Bools
    recorded: bool


def require_lane_schedule(arch: Architecture) -> None:
    """Refuse a machine whose mechanism does not say which lane consumes which position when.

    Raises
    ------
    InputError
        If its passes have no waves.
    """
    mechanism = type(arch.skipping)
    if mechanism in SCHEDULES:
        return
    reads_both = "reads both operands, so that its passes have no lanes" if issubclass(mechanism, TileMechanism) else ""
    raise InputError.of(
        f"machine {arch.name}: skipping.mechanism",
        f"{arch.skipping.mechanism}, which {reads_both or 'states no schedule'}",
        "one of " + ", ".join(sorted(model.model_fields["mechanism"].default for model in SCHEDULES)),
        "leave out --waves",
    )


def choose_pass(plan: Plan, name: str | None) -> ChosenPass:
    """Find a pass of a step.

    Parameters
    ----------
    plan : Plan
    name : str, optional
        Layer, product and time step, and after a colon the number of the pass, counted over K tiles and within them
        over tiles of rows: ``lstm0 dh t=3:2``. Without a colon the first pass. Default: the first pass of the first
        product that has recorded zeros in dG, or else of the first product.

    Raises
    ------
    InputError
        If there is no such pass.
    """
    products = {planned.label: planned for planned in plan.products if planned.product.k and planned.product.m}
    if not products:
        raise InputError.of(OPTION, "a step without a product", "a product to show a pass of")
    if name is None:
        planned = _first_with_zeros(list(products.values()))
        return _cut(planned, 0)
    label, colon, number = name.strip().rpartition(":")
    label, number = (label, number) if colon else (number, "0")
    label = " ".join(label.split())
    if label not in products:
        hint = nearest(label, list(products)) or f"such as {next(iter(products))!r}"
        raise InputError.of(OPTION, repr(name), "a product of the step and a pass, 'LAYER PRODUCT t=TIME:PASS'", hint)
    planned = products[label]
    passes = -(-planned.product.k // planned.tiling.tile_k) * row_passes(planned)
    if not number.strip().isdecimal() or int(number) >= passes:
        there = "pass 0 alone" if passes == 1 else f"a pass from 0 to {passes - 1}"
        raise InputError.of(OPTION, repr(name), f"{there} of {label}, after the last colon")
    return _cut(planned, int(number))


def _first_with_zeros(products: list[PlannedProduct]) -> PlannedProduct:
    backward = (p for p in products if p.product.phase == "backward")
    return next((p for p in backward if not _mask(p).all()), products[0])


def _mask(planned: PlannedProduct) -> Bools:
    """Give where the skip operand is non-zero, as far as anything is known: bool [M, K]."""
    product = planned.product
    return np.ones((product.m, product.k), np.bool_) if product.mask is None else unpacked(product.mask)


def _cut(planned: PlannedProduct, number: int) -> ChosenPass:
    product, tiling = planned.product, planned.tiling
    q, p = divmod(number, row_passes(planned))
    own = _mask(planned)[p * tiling.rows : (p + 1) * tiling.rows, q * tiling.tile_k : (q + 1) * tiling.tile_k]
    return ChosenPass(pass_name(planned, q, p), own, product.mask is not None)
