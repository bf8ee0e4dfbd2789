"""Traces of chosen statistics: exact shares of zeros, placed at random."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from traces.bitmask import BitMask, Bools
from traces.errors import InputError, nearest
from traces.header import DenseLayer, Layer, plain, refuse
from traces.records import VALUES
from traces.schema import entry_problems
from traces.writer import TraceWriter

CORRELATIONS = ("independent", "columns")


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
    correlation: Literal["independent", "columns"] = "independent",
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
    correlation : {"independent", "columns"}
        Zeros anywhere, or whole gate columns: [t, k] zero for the whole batch, as saturated cells make them.
        The last such column may be zero for a part of the batch, which keeps the share exact.
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
    if correlation not in CORRELATIONS:
        hint = nearest(str(correlation), CORRELATIONS)
        raise InputError.of(f"{where} correlation", repr(correlation), f"one of {', '.join(CORRELATIONS)}", hint)
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
            refuse(entry_problems(entry, B, T, where))
        real = np.arange(T)[:, None] < np.broadcast_to(T if valid_steps is None else valid_steps, B)  # (T, B)
        for number in numbers:
            tensors = {}
            for index, layer in enumerate(stack):
                rng = np.random.default_rng([seed, number, index])
                whole_columns = correlation == "columns"
                mask = _mask(rng, real, layer.gate_bits, sparsity, whole_columns)
                record: dict[str, Any] = {"gate_gradient": BitMask.pack(mask)}
                if input_sparsity is not None:
                    record["input"] = _mask(rng, real, layer.input_size, input_sparsity, False)
                if hidden_sparsity is not None and "hidden" in layer.mask_bits:
                    record["hidden"] = _mask(rng, real, layer.hidden_size, hidden_sparsity, False)
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


def _mask(rng: np.random.Generator, real: Bools, bits: int, sparsity: float, whole_columns: bool) -> Bools:
    """Draw a mask [T, B, bits]: zero beyond the real time steps, an exact share of zeros in them."""
    mask = np.repeat(real[:, :, None], bits, axis=2)
    elements = np.count_nonzero(real) * bits
    zeros = round(sparsity * elements)
    if not whole_columns:
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
