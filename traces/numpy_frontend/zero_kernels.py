"""Where a gate gradient is zero and why, one time step at a time. Importing this loads numba.

A time step is looked at while it is in the first caches. Nothing here computes a number that training reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from traces.bitmask import Bytes
from traces.numpy_frontend.parameters import Floats, Integers

WORD, TOGETHER = 32, 16
"""Units of a word of bits, and sequences whose values are compared with 0 at a time."""
SATURATED, ZERO_STATE, UPSTREAM, UNDERFLOW = range(4)
"""Where `count_causes` counts each cause."""


@intrinsic  # type: ignore[untyped-decorator]
def _gather_units(typing: Any, values: Any, first: Any, words: Any, place: Any) -> Any:
    """Write ``words[place : place + 16]``: bit j of word b is where ``values[first + j, b]`` is not 0."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        source, target = (context.make_array(kinds[k])(context, builder, arguments[k]) for k in (0, 2))
        unit, place = (context.cast(builder, arguments[k], kinds[k], types.int64) for k in (1, 3))
        several = ir.VectorType(context.get_data_type(kinds[0].dtype), TOGETHER)
        bits = ir.VectorType(ir.IntType(WORD), TOGETHER)
        zeros, none = ir.Constant(several, [0.0] * TOGETHER), ir.Constant(bits, [0] * TOGETHER)
        apart = builder.extract_value(source.strides, 0)
        here = builder.bitcast(builder.gep(source.data, [place]), ir.IntType(8).as_pointer())
        here = builder.gep(here, [builder.mul(unit, apart)])
        found = none
        for j in range(WORD):
            loaded = builder.load(builder.bitcast(here, several.as_pointer()), align=4)
            held = builder.fcmp_unordered("!=", loaded, zeros)  # what is no number is not zero, too
            found = builder.or_(found, builder.select(held, ir.Constant(bits, [1 << j] * TOGETHER), none))
            here = builder.gep(here, [apart])
        builder.store(found, builder.bitcast(builder.gep(target.data, [place]), bits.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(values, first, words, place), emit


@intrinsic  # type: ignore[untyped-decorator]
def _ones_in(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint32(types.uint32), emit


def _pack_mask(values: Floats, packed: Bytes, counts: Integers) -> None:
    """Pack where the values of a time step are not zero, and count these and the units that have one.

    A word of each sequence takes a bit from each of 32 units. Sequences lie side by side, so words grow 16 at a time.

    Parameters
    ----------
    values : floating [units, B]
        Of any strides; fastest where sequences lie side by side.
    packed : uint8 [B, ceil(units / 8)]
        Overwritten.
    counts : int64 [2, G]
        Added to: non-zeros of each of G equal shares of the units, and units that are not zero in some sequence.
    """
    units, sequences = values.shape
    gates = counts.shape[1]
    words = np.empty(sequences, np.uint32)
    together = sequences >= TOGETHER and values.strides[1] == values.itemsize
    for first in range(0, units, WORD):
        rows = min(WORD, units - first)
        if rows == WORD and together:
            for b in range(0, sequences, TOGETHER):
                begin = min(b, sequences - TOGETHER)  # the last may be some for a second time
                _gather_units(values, first, words, begin)
        else:
            words[:] = 0
            for unit in range(rows):
                for b in range(sequences):
                    words[b] |= np.uint32(values[first + unit, b] != 0) << np.uint32(unit)
        somewhere = np.uint32(0)
        for b in range(sequences):
            somewhere |= words[b]
        low, gate = 0, gates * first // units
        while low < rows:
            high = min(rows, (gate + 1) * units // gates - first)
            of_gate, ones = np.uint32((1 << high) - (1 << low)), np.uint32(0)
            for b in range(sequences):
                ones += _ones_in(words[b] & of_gate)
            counts[0, gate] += ones
            counts[1, gate] += _ones_in(somewhere & of_gate)
            low, gate = high, gate + 1
        byte = first // 8
        if rows == WORD:
            for b in range(sequences):
                for i in range(WORD // 8):  # one store of four bytes
                    packed[b, byte + i] = words[b] >> np.uint32(8 * i)
        else:
            for b in range(sequences):
                for i in range((rows + 7) // 8):
                    packed[b, byte + i] = words[b] >> np.uint32(8 * i)


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
