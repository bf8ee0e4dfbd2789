"""Layers of other lengths in one step, replayed by both engines and computed through the schedule."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import load_arch, simulate
from traces import DenseLayer, Layer, Trace, TraceWriter

T, B, D, H = 5, 3, 6, 5

lengths = st.lists(st.integers(0, T), min_size=B, max_size=B)


def write(path: Path, own: dict[str, list[int]], seed: int) -> Path:
    """Write a step of an encoder in both directions, a decoder, an attention projection and a classifier."""
    layers = [
        Layer("encoder", "gru", D, H, input_needs_gradient=False),
        Layer("reverse", "gru", D, H, direction="backward"),
        Layer("decoder", "lstm", H, H),
        Layer("project", "linear", H, H),
    ]
    header = {
        "layers": layers,
        "dense_layers": [DenseLayer("classifier", H, 9)],
        "batch_size": B,
        "sequence_length": T,
    }
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in layers:
        real = np.arange(T)[:, None] < own[layer.name]
        tensors[layer.name] = {"gate_gradient": (rng.random((T, B, layer.gate_bits)) < 0.4) & real[:, :, None]}
    with TraceWriter(path, header) as writer:
        writer.add_step(1, tensors, layer_valid_steps=own)
    return path


@settings(max_examples=25)
@given(st.fixed_dictionaries(dict.fromkeys(("source", "target", "attended"), lengths)), st.integers(0, 99))
def test_engines_agree_values_are_right_and_macs_are_those_of_the_real_rows(rows, seed):
    own = {"encoder": rows["source"], "reverse": rows["source"], "decoder": rows["target"]}
    own |= {"project": rows["attended"], "classifier": rows["target"]}
    with tempfile.TemporaryDirectory() as folder, Trace(write(Path(folder) / "t.npz", own, seed)) as trace:
        arch = load_arch("zero_skip")
        compiled = simulate(arch, trace, baseline=False, check_values=True).to_dict()
        event = simulate(arch, trace, baseline=False, engine="event").to_dict()
    compiled.pop("values", None)
    for key in ("macs", "cycles", "energy_pj", "dram_bytes", "products"):
        assert compiled[key] == event[key]
    source, target, attended = (sum(rows[name]) for name in ("source", "target", "attended"))
    gru = source * 3 * H * (2 * D + 3 * H)
    expected = 2 * gru + source * 3 * H * D + target * 4 * H * 6 * H + attended * 3 * H * H + target * 3 * H * 9
    assert compiled["macs"]["dense"] == expected
