"""Traces written and read by numpy alone, as the format's text has it: the plain form beside `traces`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def pack(mask: np.ndarray) -> np.ndarray:
    """Pack a bool array [T, B, bits], bit by bit."""
    T, B, bits = mask.shape
    packed = np.zeros((T, B, (bits + 7) // 8), np.uint8)
    for t in range(T):
        for b in range(B):
            for k in range(bits):
                packed[t, b, k // 8] |= int(mask[t, b, k]) << (k % 8)
    return packed


def small_trace(seed: int = 0) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Make the header and the members of a trace with one layer of each kind and two steps."""
    rng = np.random.default_rng(seed)
    T, B = 4, 3
    header = {
        "format": "skipstone-trace",
        "version": 1,
        "layers": [
            {"name": "lstm0", "kind": "lstm", "input_size": 9, "hidden_size": 5},
            {"name": "gru0", "kind": "gru", "input_size": 5, "hidden_size": 8, "direction": "backward"},
            {
                "name": "top",
                "kind": "linear",
                "input_size": 8,
                "hidden_size": 3,
                "input_needs_gradient": True,
            },
        ],
        "dense_layers": [{"name": "classifier", "input_size": 3, "output_size": 65}],
        "batch_size": B,
        "sequence_length": T,
        "policy": {"kind": "fixed", "threshold": 1e-6},
        "steps": [{"step": 3, "loss": 2.5, "valid_steps": [4, 2, 0]}, {"step": 120, "loss": None}],
        "unknown": {"kept": [1, 2, None]},
    }
    members: dict[str, np.ndarray] = {}
    real = np.arange(T)[:, None] < np.array([4, 2, 0])
    for step in (3, 120):
        for name, bits in (("lstm0", 20), ("gru0", 24), ("top", 3)):
            mask = rng.random((T, B, bits)) < 0.4
            if step == 3:
                mask &= real[:, :, None]
            members[f"steps/{step:06d}/{name}/gate_gradient"] = pack(mask)
            if name == "lstm0":
                values = rng.standard_normal(int(mask.sum())).astype(np.float32)
                members[f"steps/{step:06d}/{name}/gate_gradient_values"] = values
        members[f"steps/{step:06d}/lstm0/input"] = pack(rng.random((T, B, 9)) < 0.5)
        members[f"steps/{step:06d}/gru0/hidden"] = pack(rng.random((T, B, 8)) < 0.5)
    hidden_side = rng.random((T, B, 24)) < 0.4
    members["steps/000120/gru0/gate_gradient_hidden"] = pack(hidden_side)
    return header, members


def save(path: Path, header: Any, members: dict[str, Any], compressed: bool = True) -> Path:
    """Write a trace with `np.savez`; `header` may be an object, bytes, an array, or None to leave it out."""
    if isinstance(header, (dict, list, str)):
        header = json.dumps(header).encode()
    if isinstance(header, bytes):
        header = np.frombuffer(header, np.uint8)
    every = members if header is None else {"header": header, **members}
    with path.open("wb") as file:  # np.savez would append .npz to a name without it
        (np.savez_compressed if compressed else np.savez)(file, **every)
    return path


def load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a trace with `np.load` and check nothing."""
    with np.load(path, allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    return json.loads(members.pop("header").tobytes()), members
