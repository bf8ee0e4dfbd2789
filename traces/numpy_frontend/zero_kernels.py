"""Where a gate gradient is zero and why, one time step at a time. Importing this loads numba.

A time step is looked at while it is in the first caches, and the bits of [4H, B] must be turned to rows of 4H. Nothing
here computes a number that training reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from traces.bitmask import Bytes
from traces.numpy_frontend.parameters import Floats, Integers

SATURATED, ZERO_STATE, UPSTREAM, UNDERFLOW = range(4)
"""Where `count_causes` counts each cause."""


def _pack_mask(t: int, mask: Bytes, packed: Bytes, nonzeros: Integers) -> None:
    """Pack the mask of a time step and count its non-zeros by gate.

    Bytes all along, eight rows at a time: so the compiler makes vectors of it.

    Parameters
    ----------
    t : int
    mask : uint8 [4H, B]
        1 where dG_t is not zero, else 0.
    packed : uint8 [T, B, ceil(4H / 8)]
        Its time step t is overwritten.
    nonzeros : int64 [4]
        Added to.
    """
    units, sequences = mask.shape
    row = np.empty(sequences, np.uint8)
    for byte in range(units // 8):
        m = mask[8 * byte : 8 * byte + 8]
        for b in range(sequences):
            row[b] = (
                m[0, b] | m[1, b] << 1 | m[2, b] << 2 | m[3, b] << 3
                | m[4, b] << 4 | m[5, b] << 5 | m[6, b] << 6 | m[7, b] << 7
            )  # fmt: skip
        for b in range(sequences):
            packed[t, b, byte] = row[b]
    if units % 8:
        for b in range(sequences):
            last = np.uint8(0)
            for k in range(units % 8):
                last |= mask[units - units % 8 + k, b] << k
            packed[t, b, units // 8] = last
    for gate in range(4):
        ones = np.int64(0)
        for k in range(gate * units // 4, (gate + 1) * units // 4):
            in_row = np.int32(0)
            for b in range(sequences):
                in_row += mask[k, b]
            ones += in_row
        nonzeros[gate] += ones


def _count_causes(
    raw: Floats, gates: Floats, before: Floats, cell_tanh: Floats, dh: Floats, dc: Floats, counts: Integers
) -> None:
    """Count the zeros of a time step of dG before its threshold, by the first cause that holds.

    Parameters
    ----------
    raw, gates : floating [4H, B]
        dG_t before the threshold, and the gates' activations.
    before, cell_tanh, dh, dc : floating [H, B]
        c_{t-1}, tanh(c_t), and the gradients of h_t and c_t.
    counts : int64 [4]
        Added to; see `LayerDiagnosis.natural_zeros` for the causes.
    """
    H, sequences = dh.shape
    one = gates.dtype.type(1)
    for row in range(4 * H):
        gate, k = row // H, row % H
        for b in range(sequences):
            if raw[row, b] != 0:
                continue
            i, activation, tanh_c = gates[k, b], gates[row, b], cell_tanh[k, b]
            # What the gate's own derivative and factor are; for g, i is both its factor and what closes its gate.
            if gate == 3:
                saturated, zero_state = one - activation * activation == 0 or i == 0, False
            else:
                saturated = activation * (one - activation) == 0
                factor = gates[3 * H + k, b] if gate == 0 else (before[k, b] if gate == 1 else tanh_c)
                zero_state = factor == 0
            if gate != 2 and dc[k, b] == 0 and gates[2 * H + k, b] * (one - tanh_c * tanh_c) == 0:
                saturated = True
            if saturated:
                counts[SATURATED] += 1
            elif zero_state:
                counts[ZERO_STATE] += 1
            elif dh[k, b] == 0 and (gate == 2 or dc[k, b] == 0):
                counts[UPSTREAM] += 1
            else:
                counts[UNDERFLOW] += 1


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        kernel: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder for its cache: compile anew in each process
        kernel = numba.njit(nogil=True)(function)
    return kernel


pack_mask, count_causes = _compiled(_pack_mask), _compiled(_count_causes)
