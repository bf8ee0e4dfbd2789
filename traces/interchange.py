"""Other people's data: matrices as traces, and the masks of a product as matrices.

An imported matrix S [M, K] becomes a trace of one step and one `linear` layer of M sequences of one time step, with K
outputs (G = 1) and N inputs; S is the mask of its gate gradient. So the products of the run are

* ``dx``: S [M, K] x W' [K, N], lanes hold the rows of S: *the* product of the matrix;
* ``dW``: S' [K, M] x x [M, N], the same with S transposed;
* ``y``: x [M, N] x W [N, K], dense, because nothing is known of x.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from traces.bitmask import BitMask, Bools
from traces.errors import InputError, nearest
from traces.header import Layer
from traces.matrix_files import MATRIX_SUFFIXES, read_mask, write_mask
from traces.records import LayerRecord
from traces.trace import Trace
from traces.writer import TraceWriter

MATRIX_LAYER = "matrix"
DEFAULT_COLUMNS = 64

RECURRENT_PRODUCTS = ("gates_x", "gates_h", "dh", "dx", "dW", "dU")
LINEAR_PRODUCTS = ("y", "dx", "dW")
SERIAL_PRODUCTS = ("gates_h", "dh")
"""One product for each time step: `time` picks one; without it the rows of all time steps stand below each other."""


def import_matrix(source: Path, out: Path, columns: int = DEFAULT_COLUMNS) -> Path:
    """Make a trace of one matrix.

    Parameters
    ----------
    source : Path
        S [M, K] as `.npy`, `.mtx` or scipy sparse `.npz`; see `traces.matrix_files`.
    out : Path
        The trace to write; an existing file is replaced.
    columns : int
        N, columns of the other operand; cycles of a pass do not depend on it.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        Where the matrix cannot be read, N is not positive or the trace cannot be written.
    """
    mask = read_mask(source)
    _, rows, bits = mask.shape
    layer = Layer(MATRIX_LAYER, "linear", columns, bits)
    imported = {"from": "matrix", "file": source.name}
    write_linear(out, [layer], 1, rows, [({"step": 0}, {MATRIX_LAYER: {"gate_gradient": mask}})], imported)
    return out


def write_linear(
    out: Path,
    layers: list[Layer],
    T: int,
    B: int,
    steps: list[tuple[dict[str, Any], dict[str, dict[str, BitMask]]]],
    imported: dict[str, Any],
) -> None:
    """Write a trace of linear layers: for each step its entry and its tensors by layer."""
    header = {
        "layers": tuple(layers),
        "batch_size": B,
        "sequence_length": T,
        "task": "imported",
        "imported": imported,
    }
    with TraceWriter(out, header, checkpoint_every_seconds=None) as writer:
        for entry, tensors in steps:
            info = {key: value for key, value in entry.items() if key != "step"}
            writer.add_step(entry["step"], tensors, **info)


def product_mask(trace: Trace, step: int, layer: str, product: str, time: int | None = None) -> Bools:
    """Give the mask of a product's skip operand, as the simulator lays it on lanes.

    Rows beyond ``valid_steps`` are absent. Row order is (t, b), t slow.

    Parameters
    ----------
    trace : Trace
    step : int
        A recorded optimiser step.
    layer, product : str
        A layer of the trace and one of its products: see `LINEAR_PRODUCTS` and `RECURRENT_PRODUCTS`.
    time : int, optional
        Of a serial product, the time step. Without it the rows of all time steps stand below each other.

    Returns
    -------
    bool [M, K]

    Raises
    ------
    InputError
        Where step, layer, product or time is not there, its operand was not recorded (it is dense), or no row is real.
    """
    layer_with(trace, layer, product)
    where = f"{trace.path}: step {step}: {layer}"
    if time is not None:
        _check_time(trace, product, time, f"{where} {product}")
    record = trace.step(step)
    tensor = _operand(record.layers[layer], product)
    if tensor is None:
        name = "hidden" if product == "gates_h" else "input"
        found = f"no recorded mask of {product}'s operand ({name})"
        raise InputError.of(where, found, "a recorded mask: without one the operand is dense")
    real = real_rows(trace, record.valid_steps_of(layer))
    if time is not None:
        real &= (np.arange(trace.sequence_length) == time)[:, None]
    if not real.any():
        raise InputError.of(where, "no real row, only padding", "a step or time with at least one real sequence")
    mask = tensor.unpack()[real]
    return np.ascontiguousarray(mask.T) if product in ("dW", "dU") else mask


def layer_with(trace: Trace, name: str, product: str) -> Layer:
    """Give the recorded layer of that name, once it is known to have that product; otherwise an `InputError`."""
    known = {layer.name: layer for layer in trace.layers}
    if name not in known:
        dense = [layer.name for layer in trace.dense_layers]
        hint = "a dense layer has no recorded mask" if name in dense else nearest(name, known)
        raise InputError.of(str(trace.path), f"no recorded layer {name!r}", f"one of {', '.join(known)}", hint)
    products = LINEAR_PRODUCTS if known[name].kind == "linear" else RECURRENT_PRODUCTS
    if product not in products:
        expected = f"one of {', '.join(products)}"
        raise InputError.of(f"{trace.path}: {name}", f"no product {product!r}", expected, nearest(product, products))
    return known[name]


def real_rows(trace: Trace, valid_steps: Any) -> Bools:
    """Say which rows (t, b) are real and not padding: bool [T, B]."""
    T, B = trace.sequence_length, trace.batch_size
    return np.arange(T)[:, None] < np.broadcast_to(T if valid_steps is None else valid_steps, B)


def export_matrix(trace: Trace, step: int, layer: str, product: str, to: Path, time: int | None = None) -> Path:
    """Write the mask of a product as a matrix file; `product_mask` says which, the suffix of `to` in what form.

    Raises
    ------
    InputError
        Where the product has no mask, the suffix is unknown, scipy is missing or the file cannot be written.
    """
    if to.suffix not in MATRIX_SUFFIXES:
        raise InputError.of(str(to), f"the suffix {to.suffix!r}", f"one of {', '.join(MATRIX_SUFFIXES)}")
    return write_mask(to, product_mask(trace, step, layer, product, time))


def _operand(record: LayerRecord, product: str) -> BitMask | None:
    if product in ("y", "gates_x"):
        return record.input
    if product == "gates_h":
        return record.hidden
    if product in ("dh", "dU") and record.gate_gradient_hidden is not None:
        return record.gate_gradient_hidden
    return record.gate_gradient


def _check_time(trace: Trace, product: str, time: int, where: str) -> None:
    if product not in SERIAL_PRODUCTS:
        expected = f"a time for {' and '.join(SERIAL_PRODUCTS)} alone: the others have all time steps in one product"
        raise InputError.of(where, f"time {time}", expected)
    if not 0 <= time < trace.sequence_length:
        raise InputError.of(where, f"time {time}", f"0 to {trace.sequence_length - 1}")
