"""Random masks of two operands for property tests."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Bools = npt.NDArray[np.bool_]
SIDES = st.one_of(st.integers(1, 12), st.sampled_from([31, 64, 65, 70]))


@st.composite
def two_masks(draw: st.DrawFn, most_positions: int = 40) -> tuple[Bools, Bools]:
    """Draw masks [m, k] and [k, n] whose rows and positions have densities of their own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, k, n = draw(SIDES), draw(st.integers(0, most_positions)), draw(SIDES)
    densities = st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9, 1.0])
    masks = []
    for shape, density in (((m, k), draw(densities)), ((k, n), draw(densities))):
        chance = np.full(shape, density)
        if draw(st.booleans()):
            chance = chance * 2 * rng.random((shape[0], 1))
        if draw(st.booleans()):
            chance = chance * (rng.random((1, shape[1])) < 0.5)
        masks.append(np.asarray(rng.random(shape) < chance))
    return masks[0], masks[1]


def unpacked_case(case: dict[str, Any]) -> tuple[Bools, Bools]:
    """Unpack the masks ``a`` [m, k] and ``b`` [k, n] of a known answer."""
    found = []
    for name, shape in (("a", (case["m"], case["k"])), ("b", (case["k"], case["n"]))):
        octets = np.frombuffer(base64.b64decode(case[name]), np.uint8)
        bits = np.unpackbits(octets, bitorder="little", count=shape[0] * shape[1])
        found.append(bits.reshape(shape).astype(np.bool_))
    return found[0], found[1]
