"""From what was observed in a step to what the trace holds of it: shapes, masks, lengths and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from traces.bitmask import BitMask
from traces.records import VALUES
from traces.torch_frontend.observation import Lengths, Observation
from traces.torch_frontend.tap import Tap

HIDDEN_ZEROS_WORTH_RECORDING = 0.01
"""Least share of exact zeros in h_{t-1} at which its mask is recorded, as in `traces.numpy_frontend.diagnosis`."""


@dataclass(frozen=True)
class Shape:
    """T and B of the trace, each None until it is known; ``batch_first`` says how the model flattens [B, T]."""

    sequence_length: int | None
    batch_size: int | None
    batch_first: bool

    def filled(self, T: int, B: int) -> Shape:
        """Take these where nothing is known."""
        return Shape(self.sequence_length or T, self.batch_size or B, self.batch_first)

    @property
    def T(self) -> int:  # noqa: N802 (as in the maths)
        """Time steps, once they are known."""
        assert self.sequence_length is not None
        return self.sequence_length

    @property
    def B(self) -> int:  # noqa: N802
        """Sequences, once they are known."""
        assert self.batch_size is not None
        return self.batch_size


@dataclass(frozen=True)
class StepContent:
    """A step as it will be written.

    Attributes
    ----------
    shape : Shape
    layers : dict of str to Observation or None
        By layer; None where a layer had no backward pass in this step, and so no work.
    dense : dict of str to int64 [batch]
        Real time steps of each sequence in the dense layers.
    """

    shape: Shape
    layers: Mapping[str, Observation | None]
    dense: Mapping[str, Lengths]


def tensors_of(content: StepContent, tap: Tap) -> dict[str, Any]:
    """Make the tensors of one layer as `TraceWriter.add_step` takes them."""
    layer, o = tap.layer(), content.layers[tap.name]
    T, B = content.shape.T, content.shape.B
    if o is None:
        return {"gate_gradient": BitMask.pack(np.zeros((T, B, layer.gate_bits), np.bool_))}
    tensors: dict[str, Any] = {}
    real = np.arange(o.masks["gate_gradient"].shape[0])[:, None] < o.lengths
    for name, mask in o.masks.items():
        if name == "gate_gradient_hidden" and np.array_equal(mask, o.masks["gate_gradient"]):
            continue
        if name in ("input", "hidden"):
            zeros = 1 - np.count_nonzero(mask) / max(1, int(real.sum()) * mask.shape[2])
            if zeros <= (0 if name == "input" else HIDDEN_ZEROS_WORTH_RECORDING):
                continue
        tensors[name] = BitMask.pack(_padded(mask, T, B))
    if o.values is not None:
        values = _padded(o.values, T, B)
        tensors[VALUES] = values[_padded(o.masks["gate_gradient"], T, B)].astype(np.float32)
    return tensors


def lengths_entry(content: StepContent) -> dict[str, Any]:
    """Say which rows are real: ``valid_steps``, and ``layer_valid_steps`` where layers differ."""
    T, B = content.shape.T, content.shape.B
    by_layer: dict[str, list[int]] = {}
    for name, o in content.layers.items():
        by_layer[name] = _padded_lengths(np.zeros(0, np.int64) if o is None else o.lengths, B)
    for name, lengths in content.dense.items():
        by_layer[name] = _padded_lengths(lengths, B)
    first = next(iter(by_layer.values()))
    if all(lengths == first for lengths in by_layer.values()):
        return {"valid_steps": None if first == [T] * B else first}
    return {"valid_steps": None, "layer_valid_steps": {n: v for n, v in by_layer.items() if v != [T] * B}}


def statistics_entry(content: StepContent) -> dict[str, Any]:
    """Say what `GradientSums` found, by layer; ``traces/README.md`` describes the keys."""
    entry: dict[str, dict[str, Any]] = {
        key: {}
        for key in (
            "natural_zeros",
            "thresholded_zeros",
            "gradient_rms",
            "gradient_histogram",
            "zero_columns",
            "weight_gradient_cosine",
            "recurrent_weight_gradient_cosine",
        )
    }
    for name, o in content.layers.items():
        if o is None or o.sums is None:
            continue
        entry["natural_zeros"][name] = o.sums.causes
        entry["thresholded_zeros"][name] = o.sums.thresholded
        entry["gradient_rms"][name] = o.sums.rms
        entry["gradient_histogram"][name] = o.sums.histogram
        entry["zero_columns"][name] = _zero_columns(o)
        entry["weight_gradient_cosine"][name] = o.sums.cosine("W")
        if "U" in o.sums.products:
            entry["recurrent_weight_gradient_cosine"][name] = o.sums.cosine("U")
    return entry


def _zero_columns(o: Observation) -> float:
    """Give the share of columns [t, k] of dG that are zero in the whole batch, of the time steps that any reaches."""
    columns = o.masks["gate_gradient"][: int(o.lengths.max())].any(axis=1)
    return 1 - float(columns.mean()) if columns.size else 0.0


def _padded(array: Any, T: int, B: int) -> Any:
    if array.shape[:2] == (T, B):
        return array
    padded = np.zeros((T, B, array.shape[2]), array.dtype)
    padded[: min(T, len(array)), : array.shape[1]] = array[:T]
    return padded


def _padded_lengths(lengths: Lengths, B: int) -> list[int]:
    return [*lengths.tolist(), *[0] * (B - len(lengths))]
