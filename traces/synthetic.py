"""Traces of chosen statistics: exact shares of zeros, placed at random."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from traces.bitmask import BitMask, Bools
from traces.errors import InputError, nearest
from traces.header import DenseLayer, Layer, plain, refuse
from traces.records import VALUES
from traces.schema import entry_problems
from traces.writer import TraceWriter

CORRELATIONS = ("independent", "columns")
_STRUCTURED = re.compile(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2})", re.ASCII)


def synthetic_trace(
    path: str | os.PathLike[str],
    *,
    layers: int | Sequence[Layer] = 1,
    hidden_size: int | None = None,
    input_size: int | None = None,
    sequence_length: int,
    batch_size: int,
    sparsity: float = 0.8,
    steps: int | Sequence[int] = 1,
    seed: int = 0,
    kind: str = "lstm",
    dense_layers: Sequence[DenseLayer] = (),
    input_sparsity: float | None = None,
    hidden_sparsity: float | None = None,
    correlation: str = "independent",
    valid_steps: Sequence[int] | None = None,
    values: bool = False,
) -> Path:
    """Write a trace whose masks are random but have exactly the stated shares of zeros.

    The same arguments give the same masks; the same versions of Skipstone, numpy and Python the same bytes.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    layers : int or sequence of Layer
        How many layers of `kind`, `hidden_size` and `input_size` (the later ones take the hidden state of the
        one before); or the layers themselves.
    sequence_length, batch_size : int
        T and B.
    sparsity : float
        Share of zeros in each layer's gate gradient: ``round(sparsity * elements)`` of its elements in real
        time steps are zero, in every step. From 0 to 1.
    steps : int or sequence of int
        Record steps 0, 1, ... or these.
    input_sparsity, hidden_sparsity : float, optional
        Shares of zeros of the masks of x_t and h_{t-1}; None leaves the mask out: dense.
    correlation : {"independent", "columns", "n:m"}
        Zeros anywhere, or whole gate columns: [t, k] zero for the whole batch, as saturated cells make them.
        The last such column may be zero for a part of the batch, which keeps the share exact. Or a pattern such as
        ``"2:4"``, in all masks: at most n non-zeros in every m consecutive elements of a row (t, b), and in every m
        consecutive rows of an element, so that dx and dW both keep it (a *transposable* mask; Hubara et al.,
        NeurIPS 2021, recalled). A share below ``1 - n / m``, which such masks cannot have, is refused.
    valid_steps : sequence of int, optional
        Real time steps of each sequence; the gate gradient is zero beyond them.
    values : bool
        Whether to record gate gradient values too: float32, normally distributed.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        Where an argument is not as stated.
    """
    where = f"{path}: synthetic trace"
    shares = {"sparsity": sparsity, "input_sparsity": input_sparsity, "hidden_sparsity": hidden_sparsity}
    for name, share in shares.items():
        if share is not None and not 0.0 <= share <= 1.0:
            raise InputError.of(f"{where} {name}", repr(share), "a share from 0 to 1")
    if seed < 0:
        raise InputError.of(f"{where} seed", repr(seed), "an integer of at least 0")
    _pattern(correlation, f"{where} correlation")
    elsewhere = "independent" if correlation == "columns" else correlation  # of the masks of x and h
    stack = _stack(layers, kind, input_size, hidden_size, where) if isinstance(layers, int) else tuple(layers)
    header: dict[str, Any] = {
        "layers": stack,
        "dense_layers": tuple(dense_layers),
        "batch_size": batch_size,
        "sequence_length": sequence_length,
        "task": "synthetic",
        "seed": seed,
        "synthetic": {**shares, "correlation": correlation},
    }
    T, B = sequence_length, batch_size
    with TraceWriter(path, header, checkpoint_every_seconds=None) as writer:
        numbers = range(steps) if isinstance(steps, int) else steps
        for number in (0, *numbers):
            entry = {"step": number, "valid_steps": plain(valid_steps, where)}
            refuse(entry_problems(entry, B, T, where, ()))
        real = np.arange(T)[:, None] < np.broadcast_to(T if valid_steps is None else valid_steps, B)  # (T, B)
        for number in numbers:
            tensors = {}
            for index, layer in enumerate(stack):
                rng = np.random.default_rng([seed, number, index])
                mask = _mask(rng, real, layer.gate_bits, sparsity, correlation, f"{where} sparsity")
                record: dict[str, Any] = {"gate_gradient": BitMask.pack(mask)}
                if input_sparsity is not None:
                    place = f"{where} input_sparsity"
                    record["input"] = _mask(rng, real, layer.input_size, input_sparsity, elsewhere, place)
                if hidden_sparsity is not None and "hidden" in layer.mask_bits:
                    place = f"{where} hidden_sparsity"
                    record["hidden"] = _mask(rng, real, layer.hidden_size, hidden_sparsity, elsewhere, place)
                if values:
                    drawn = rng.standard_normal(np.count_nonzero(mask), dtype=np.float32)
                    record[VALUES] = np.where(drawn == 0, np.float32(1), drawn)
                tensors[layer.name] = record
            writer.add_step(number, tensors, valid_steps=valid_steps)
    return Path(path)


def _stack(count: int, kind: str, input_size: int | None, hidden_size: int | None, where: str) -> tuple[Layer, ...]:
    if input_size is None or hidden_size is None:
        raise InputError.of(where, "a number of layers alone", "input_size and hidden_size beside it")
    sizes = [input_size] + [hidden_size] * (count - 1)
    return tuple(
        Layer(f"{kind}{index}", kind, size, hidden_size, input_needs_gradient=index > 0)
        for index, size in enumerate(sizes[:count])
    )


def _mask(rng: np.random.Generator, real: Bools, bits: int, sparsity: float, correlation: str, where: str) -> Bools:
    """Draw a mask [T, B, bits]: zero beyond the real time steps, an exact share of zeros in them."""
    pattern = _pattern(correlation, where)
    if pattern is not None:
        return _patterned(rng, real, bits, sparsity, pattern, where)
    mask = np.repeat(real[:, :, None], bits, axis=2)
    elements = np.count_nonzero(real) * bits
    zeros = round(sparsity * elements)
    if correlation == "independent":
        ones = np.ones(elements, np.bool_)
        ones[rng.choice(elements, zeros, replace=False, shuffle=False)] = False
        mask[real] = ones.reshape(-1, bits)
        return mask
    T = len(real)
    for column in rng.permutation(T * bits):
        if zeros == 0:
            break
        t, k = divmod(int(column), bits)
        sequences = np.flatnonzero(real[t])[:zeros]
        mask[t, sequences, k] = False
        zeros -= len(sequences)
    return mask


def _pattern(correlation: str, where: str) -> tuple[int, int] | None:
    """Read ``"n:m"``; None for a correlation without a pattern."""
    if correlation in CORRELATIONS:
        return None
    match = _STRUCTURED.fullmatch(str(correlation))
    n, m = map(int, match.groups()) if match else (1, 0)
    if n > m:
        expected = f"one of {', '.join(CORRELATIONS)}, or n:m with n of at most m, such as 2:4"
        raise InputError.of(where, repr(correlation), expected, nearest(str(correlation), CORRELATIONS))
    return n, m


def _patterned(
    rng: np.random.Generator, real: Bools, bits: int, sparsity: float, pattern: tuple[int, int], where: str
) -> Bools:
    """Draw a mask [T, B, bits] with at most n non-zeros in every m elements and in every m real rows.

    Blocks of m x m with exactly n ones in each row and column (a circulant with rows and columns permuted) are laid
    side by side; then non-zeros are taken away at random until the share is exact.
    """
    n, m = pattern
    rows = np.count_nonzero(real)
    down, across = -(-rows // m), -(-bits // m)
    band = (np.arange(m)[:, None] - np.arange(m)) % m < n  # (m, m), n ones in each row and column
    orders = rng.random((2, down, across, m)).argsort(axis=3)
    blocks = band[orders[0][..., :, None], orders[1][..., None, :]]  # (down, across, m, m)
    kept = blocks.transpose(0, 2, 1, 3).reshape(down * m, across * m)[:rows, :bits].reshape(-1).copy()
    ones = kept.size - round(sparsity * kept.size)
    excess = np.count_nonzero(kept) - ones
    if excess < 0:
        least = 1 - np.count_nonzero(kept) / kept.size
        found = f"{sparsity!r} with the pattern {n}:{m} on {rows} x {bits} elements"
        raise InputError.of(where, found, f"a share of at least {least:.4f} (rounded), or another pattern")
    kept[rng.choice(np.flatnonzero(kept), excess, replace=False, shuffle=False)] = False
    mask = np.zeros((*real.shape, bits), np.bool_)
    mask[real] = kept.reshape(rows, bits)
    return mask
