"""Where a gate gradient is zero and why, one time step at a time. Importing this loads numba.

One pass over a time step while it is in the first caches: the same with numpy takes some ten passes, and the bits
of [4H, B] must be turned to rows of 4H. Nothing here computes a number that training reads.
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


def _note_zeros(
    t: int, raw: Floats, dG: Floats, packed: Bytes, nonzeros: Integers, rows: Integers, kept: Floats
) -> Any:
    """Pack the mask of dG[:, t] and count its non-zeros by gate; keep some rows of dG_t before the threshold.

    Parameters
    ----------
    t : int
    raw : floating [4H, B]
        dG_t before the threshold.
    dG : floating [4H, T, B]
    packed : uint8 [T, B, ceil(4H / 8)]
        Its time step t is overwritten.
    nonzeros : int64 [4]
        Added to.
    rows : int64 [kept rows]
    kept : floating [kept rows, T, B]
        Its time step t becomes those rows of ``raw``.

    Returns
    -------
    int
        How many elements of ``raw`` are zero.
    """
    units, sequences = raw.shape
    bits = np.empty(sequences, np.uint8)
    zeros = np.int64(0)
    for byte in range((units + 7) // 8):
        bits[:] = 0
        for row in range(8 * byte, min(8 * byte + 8, units)):
            bit = np.uint8(1 << (row & 7))
            # 32 bits wide, so that as many elements fit into a vector as there are floats in one.
            row_nonzeros = row_zeros = np.int32(0)
            for b in range(sequences):
                on = dG[row, t, b] != 0
                bits[b] |= bit if on else np.uint8(0)
                row_nonzeros += on
                row_zeros += raw[row, b] == 0
            nonzeros[4 * row // units] += row_nonzeros
            zeros += row_zeros
        for b in range(sequences):
            packed[t, b, byte] = bits[b]
    for k in range(rows.size):
        kept[k, t] = raw[rows[k]]
    return zeros


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


note_zeros, count_causes = _compiled(_note_zeros), _compiled(_count_causes)
