"""A step's sequences dealt out to chips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from traces.bitmask import BitMask
from traces.records import LayerRecord, Step


def dealt(step: Step, chips: int) -> list[Step]:
    """Deal the sequences of a step out to chips, one after the other: sequence b goes to chip b modulo `chips`.

    So shares differ by at most one sequence. A share is a step of its own, with fewer sequences.
    """
    return [_share(step, slice(chip, None, chips)) for chip in range(chips)]


def _share(step: Step, own: slice) -> Step:
    info = dict(step.info)
    if info.get("valid_steps") is not None:
        info["valid_steps"] = info["valid_steps"][own]
    if info.get("layer_valid_steps"):
        info["layer_valid_steps"] = {
            name: None if steps is None else steps[own] for name, steps in info["layer_valid_steps"].items()
        }
    valid = None if step.valid_steps is None else step.valid_steps[own]
    layers = {name: _record(record, own) for name, record in step.layers.items()}
    return replace(step, info=info, valid_steps=valid, layers=layers)


def _record(record: LayerRecord, own: slice) -> LayerRecord:
    tensors: dict[str, Any] = {
        name: BitMask(np.ascontiguousarray(mask.packed[:, own]), mask.bits)
        for name, mask in record.tensors.items()
        if isinstance(mask, BitMask)
    }
    if record.values is not None:
        everywhere = record.gate_gradient.unpack()  # (T, B, G*H)
        mine = np.zeros(everywhere.shape, np.bool_)
        mine[:, own] = True
        tensors["values"] = record.values[mine[everywhere]]
    return LayerRecord(**tensors)
