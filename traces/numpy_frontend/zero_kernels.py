"""Where a gate gradient is zero and why, one time step at a time. Importing this loads numba.

A time step is looked at while it is in the first caches, and the bits of [4H, B] must be turned to rows of 4H. Nothing
here computes a number that training reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from traces.bitmask import Bytes
from traces.numpy_frontend.parameters import Floats, Integers

Words = npt.NDArray[np.uint64]

WORD, TOGETHER = 64, 16
"""Bits of a square's side, and values that are compared with 0 at a time."""
SATURATED, ZERO_STATE, UPSTREAM, UNDERFLOW = range(4)
"""Where `count_causes` counts each cause."""


@intrinsic  # type: ignore[untyped-decorator]
def _nonzeros_of_sixteen(typing: Any, flat: Any, at: Any) -> Any:
    """Bits of the non-zeros, and of what is no number, among ``flat[at : at + 16]``: uint64, the first the lowest."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        values = ir.VectorType(context.get_data_type(signature.args[0].dtype), TOGETHER)
        place = builder.gep(array.data, [context.cast(builder, arguments[1], signature.args[1], types.int64)])
        loaded = builder.load(builder.bitcast(place, values.as_pointer()), align=4)
        held = builder.fcmp_unordered("!=", loaded, ir.Constant(values, [0.0] * TOGETHER))
        return builder.zext(builder.bitcast(held, ir.IntType(TOGETHER)), ir.IntType(WORD))

    return types.uint64(flat, at), emit


@intrinsic  # type: ignore[untyped-decorator]
def _ones_in(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def _exchange(block: Words, step: int, low: np.uint64, end: int) -> None:
    """Exchange quarters of `step` rows and bits, in squares of twice as many."""
    shift = np.uint64(step)
    for corner in range(0, end, 2 * step):
        for i in range(corner, corner + step):
            here, there = np.uint64(i), np.uint64(i + step)
            swap = ((block[here] >> shift) ^ block[there]) & low
            block[there] ^= swap
            block[here] ^= swap << shift


def _pack_mask(t: int, gradient: Floats, packed: Bytes, nonzeros: Integers) -> None:
    """Pack where the gate gradients of a time step are not zero, and count these by gate.

    Words of bits, one a unit, are turned to rows, one a sequence, in squares of 64 x 64 bits by exchanging ever smaller
    quarters (Hacker's Delight, section 7-3).

    Parameters
    ----------
    t : int
    gradient : floating [4H, B]
        dG_t, C-contiguous.
    packed : uint8 [T, B, ceil(4H / 8)]
        Its time step t is overwritten.
    nonzeros : int64 [4]
        Added to.
    """
    units, sequences = gradient.shape
    flat = gradient.reshape(-1)
    block = np.empty(WORD, np.uint64)
    for first in range(0, sequences, WORD):
        width = min(WORD, sequences - first)
        for unit in range(0, units, WORD):
            rows = min(WORD, units - unit)
            gate, ones = 4 * unit // units, 0
            of_gate_end = (gate + 1) * units // 4
            for k in range(rows):
                at = (unit + k) * sequences + first
                bits = np.uint64(0)
                if width < TOGETHER:
                    for b in range(width):
                        bits |= np.uint64(flat[at + b] != 0) << np.uint64(b)
                else:
                    for b in range(0, width - TOGETHER + 1, TOGETHER):
                        bits |= _nonzeros_of_sixteen(flat, at + b) << np.uint64(b)
                    last = width - TOGETHER  # some of them for a second time
                    bits |= _nonzeros_of_sixteen(flat, at + last) << np.uint64(last)
                block[k] = bits
                if unit + k == of_gate_end:
                    nonzeros[gate] += ones
                    gate, of_gate_end, ones = gate + 1, (gate + 2) * units // 4, 0
                ones += _ones_in(bits)
            nonzeros[gate] += ones
            block[rows:] = 0
            _exchange(block, 32, np.uint64(0x0000_0000_FFFF_FFFF), WORD)
            turned = WORD if width > WORD // 2 else WORD // 2  # no sequence needs the others
            _exchange(block, 16, np.uint64(0x0000_FFFF_0000_FFFF), turned)
            _exchange(block, 8, np.uint64(0x00FF_00FF_00FF_00FF), turned)
            _exchange(block, 4, np.uint64(0x0F0F_0F0F_0F0F_0F0F), turned)
            _exchange(block, 2, np.uint64(0x3333_3333_3333_3333), turned)
            _exchange(block, 1, np.uint64(0x5555_5555_5555_5555), turned)
            octets, byte = (rows + 7) // 8, unit // 8
            for b in range(width):
                if octets == WORD // 8:
                    for i in range(WORD // 8):  # one store of eight bytes
                        packed[t, first + b, byte + i] = block[b] >> np.uint64(8 * i)
                else:
                    for i in range(octets):
                        packed[t, first + b, byte + i] = block[b] >> np.uint64(8 * i)


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
