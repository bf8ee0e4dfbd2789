"""How sparse the gate gradients are: per gate, layer and step, counting real time steps only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from traces.bitmask import BitMask
from traces.header import Layer
from traces.records import LayerRecord, Step

if TYPE_CHECKING:
    from traces.trace import Trace

Counts = npt.NDArray[np.int64]


def gate_nonzeros(mask: BitMask, gates: int) -> Counts:
    """Count the non-zeros of each gate of a mask [T, B, G*H]: int64 [G]."""
    return _bits_of_gates(mask.packed, mask.bits, gates)


def gate_columns(mask: BitMask, gates: int) -> Counts:
    """Count the gate columns that are non-zero somewhere in the batch: int64 [G].

    A gate column is the elements of one time step and gate unit, [t, :, k].

    Vector skipping over lanes that hold the batch saves exactly the other ones.
    """
    return _bits_of_gates(np.bitwise_or.reduce(mask.packed, axis=1), mask.bits, gates)


def layer_rows(number: int, layer: Layer, record: LayerRecord, valid_steps: Counts | None) -> list[dict[str, Any]]:
    """Measure the gate gradient of one layer in one step: one plain dict for each gate.

    Padded time steps are absent work and are not counted.

    Returns
    -------
    list of dict
        With the keys ``step``, ``layer``, ``gate``, ``zeros`` and ``elements`` (int), ``sparsity`` (their
        ratio; 0.0 where there is no element), and ``zero_columns``: the share of gate columns [t, k] that are
        zero for the whole batch, of those time steps that any sequence reaches.
    """
    mask = record.gate_gradient
    T, B, _ = mask.shape
    rows, times = (T * B, T) if valid_steps is None else (int(valid_steps.sum()), int(valid_steps.max()))
    elements, columns = rows * layer.hidden_size, times * layer.hidden_size
    nonzeros, active = gate_nonzeros(mask, layer.gates), gate_columns(mask, layer.gates)
    return [
        {
            "step": number,
            "layer": layer.name,
            "gate": gate,
            "zeros": elements - int(nonzeros[g]),
            "elements": elements,
            "sparsity": _share(elements - int(nonzeros[g]), elements),
            "zero_columns": _share(columns - int(active[g]), columns),
        }
        for g, gate in enumerate(layer.gate_order)
    ]


def step_rows(step: Step, layers: Iterable[Layer]) -> list[dict[str, Any]]:
    """Measure every layer of a step; see `layer_rows` for the rows."""
    return [
        row
        for layer in layers
        for row in layer_rows(step.number, layer, step.layers[layer.name], step.valid_steps_of(layer.name))
    ]


def time_rows(step: Step, layers: Iterable[Layer]) -> list[dict[str, Any]]:
    """Measure every layer of a step at each time step: one plain dict for each layer, gate and time step.

    Returns
    -------
    list of dict
        With the keys ``step``, ``layer``, ``gate``, ``time``, ``zeros`` and ``elements`` (int), and ``sparsity``; as in
        `layer_rows`, padded time steps are not counted, so that one that no sequence reaches has no element.
    """
    rows = []
    for layer in layers:
        mask, valid = step.layers[layer.name].gate_gradient, step.valid_steps_of(layer.name)
        T, B, _ = mask.shape
        for time in range(T):
            sequences = B if valid is None else int((valid > time).sum())
            nonzeros = _bits_of_gates(mask.packed[time], mask.bits, layer.gates)
            for gate, ones in zip(layer.gate_order, nonzeros.tolist(), strict=True):
                elements = sequences * layer.hidden_size
                row = {"step": step.number, "layer": layer.name, "gate": gate, "time": time}
                row |= {"zeros": elements - ones, "elements": elements, "sparsity": _share(elements - ones, elements)}
                rows.append(row)
    return rows


def step_sparsity(step: Step, layers: Iterable[Layer]) -> dict[str, dict[str, float]]:
    """Return the sparsity of each layer and gate of a step, nested as the header's ``sparsity`` is."""
    return nested(step_rows(step, layers))


def trace_rows(trace: Trace) -> list[dict[str, Any]]:
    """Measure a whole trace, holding one step at a time; see `layer_rows` for the rows."""
    return [row for step in trace for row in step_rows(step, trace.layers)]


def total(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum rows to ``zeros``, ``elements`` and ``sparsity``: the mean sparsity, weighted by elements."""
    zeros = elements = 0
    for row in rows:
        zeros += row["zeros"]
        elements += row["elements"]
    return {"zeros": zeros, "elements": elements, "sparsity": _share(zeros, elements)}


def nested(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Arrange the rows of one step as ``{layer: {gate: sparsity}}``."""
    table: dict[str, dict[str, float]] = {}
    for row in rows:
        table.setdefault(row["layer"], {})[row["gate"]] = row["sparsity"]
    return table


def density(mask: BitMask, valid_steps: Counts | None = None) -> float:
    """Return the share of ones of a mask [T, B, bits] in the real time steps; 0.0 where there are none."""
    T, B, bits = mask.shape
    if valid_steps is None:
        return _share(mask.count(), T * B * bits)
    # An input mask may be set in padded time steps too (a bias, an embedding of the padding token).
    real = np.arange(T)[:, None] < valid_steps  # (T, B)
    ones = int(np.bitwise_count(mask.packed).sum(axis=2, dtype=np.int64)[real].sum())
    return _share(ones, int(valid_steps.sum()) * bits)


def _bits_of_gates(packed: npt.NDArray[np.uint8], bits: int, gates: int) -> Counts:
    """Count the set bits of each of G equal parts of the last axis, summed over the other axes."""
    rows = packed.reshape(-1, packed.shape[-1])
    if bits // gates % 8 == 0:
        ones = np.bitwise_count(rows).reshape(-1, gates, rows.shape[1] // gates).sum(axis=(0, 2), dtype=np.int64)
    else:
        unpacked = np.unpackbits(rows, axis=-1, count=bits, bitorder="little")
        ones = unpacked.sum(axis=0, dtype=np.int64).reshape(gates, -1).sum(axis=1)
    return np.asarray(ones, np.int64)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
