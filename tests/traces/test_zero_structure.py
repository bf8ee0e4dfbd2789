"""Zeros told apart: against a loop over all elements, and on cases that one can count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.bitmask import BitMask
from traces.trace import Trace
from traces.writer import TraceWriter
from traces.zero_structure import ZeroStructure, step_structure, zero_structure


def plain(mask: np.ndarray, valid: list[int] | None) -> ZeroStructure:
    T, B, bits = mask.shape
    ends = [T] * B if valid is None else valid
    real = [(t, b) for t in range(T) for b in range(B) if t < ends[b]]
    counts = dict.fromkeys(("dead", "column", "row", "scattered"), 0)
    for t, b in real:
        for k in range(bits):
            if mask[t, b, k]:
                continue
            if not any(mask[s, c, k] for s, c in real):
                counts["dead"] += 1
            elif not any(mask[t, c, k] for s, c in real if s == t):
                counts["column"] += 1
            elif not mask[t, b].any():
                counts["row"] += 1
            else:
                counts["scattered"] += 1
    return ZeroStructure(len(real) * bits, **counts)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_every_zero_is_counted_once_where_a_loop_finds_it(data: st.DataObject) -> None:
    T, B, bits = (data.draw(st.integers(1, 4)) for _ in range(3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((T, B, bits)) < data.draw(st.sampled_from([0.0, 0.1, 0.4, 0.9]))
    mask &= rng.random((1, 1, bits)) < 0.8
    mask &= rng.random((T, 1, bits)) < 0.8
    mask &= rng.random((T, B, 1)) < 0.8
    valid = data.draw(st.one_of(st.none(), st.lists(st.integers(0, T), min_size=B, max_size=B)))
    if valid is not None:
        mask &= (np.arange(T)[:, None] < np.array(valid))[:, :, None]
    found = zero_structure(BitMask.pack(mask), None if valid is None else np.array(valid))
    assert found == plain(mask, valid)


def test_a_dead_unit_is_dead_and_a_silent_sequence_is_a_row() -> None:
    mask = np.ones((2, 3, 8), np.bool_)
    mask[:, :, 5] = False  # dead: 6 zeros
    mask[1, :, 2] = False  # a column: 3
    mask[0, 1, :] = False  # a row: 8 less the dead one
    mask[1, 0, 0] = False  # scattered
    found = zero_structure(BitMask.pack(mask))
    assert found == ZeroStructure(48, dead=6, column=3, row=7, scattered=1)
    assert found.sparsity == 17 / 48
    assert found.shares() == {"dead": 6 / 17, "column": 3 / 17, "row": 7 / 17, "scattered": 1 / 17}


def test_a_mask_without_zeros_has_no_shares() -> None:
    found = zero_structure(BitMask.pack(np.ones((1, 1, 8), np.bool_)))
    assert found.zeros == 0
    assert set(found.shares().values()) == {0.0}


def test_a_step_counts_the_real_rows_of_each_layer(tmp_path: Path) -> None:
    layers = [{"name": name, "kind": "rnn", "input_size": 4, "hidden_size": 4} for name in ("encoder", "decoder")]
    real = {"encoder": [3, 1], "decoder": [2, 2]}
    masks = {name: np.ones((3, 2, 4), np.bool_) & (np.arange(3)[:, None] < real[name])[:, :, None] for name in real}
    masks["decoder"][0, 0, 1] = False
    header = {"layers": layers, "batch_size": 2, "sequence_length": 3}
    with TraceWriter(tmp_path / "t.npz", header) as writer:
        tensors = {name: {"gate_gradient": mask} for name, mask in masks.items()}
        writer.add_step(1, tensors, layer_valid_steps=real)
    with Trace(tmp_path / "t.npz") as trace:
        found = step_structure(trace.step(1), trace.layers)
    assert found == ZeroStructure(elements=(4 + 4) * 4, scattered=1)
