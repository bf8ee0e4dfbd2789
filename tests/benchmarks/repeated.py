"""A trace of any length from one step: its masks are drawn once, and written again for each step."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traces import Trace
from traces.archive import Member, append, directory, encode, end_of
from traces.header import encode_header
from traces.records import member_name
from traces.synthetic import synthetic_trace


@dataclass(frozen=True)
class Size:
    """Sizes of a stack of LSTM layers: layers, hidden (and input) size H, time steps T, batch B."""

    layers: int
    hidden: int
    T: int
    B: int

    @property
    def mask_elements(self) -> int:
        """Gate gradients of a step, a byte each as an unpacked mask."""
        return self.layers * self.T * self.B * 4 * self.hidden


def repeated_trace(path: Path, size: Size, steps: int, values: bool = False) -> Path:
    """Write a trace whose steps 0, 1, ... are all alike, 80 % zeros; the file is as large as if they were not.

    Parameters
    ----------
    path : Path
    size : Size
    steps : int
    values : bool
        Whether to record gate gradient values too, which make a file some ten times as large.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        once = synthetic_trace(
            Path(folder) / "once.npz", layers=size.layers, hidden_size=size.hidden, input_size=size.hidden,
            sequence_length=size.T, batch_size=size.B, values=values,
        )  # fmt: skip
        with Trace(once) as trace:
            data, layers = trace.header, [layer.name for layer in trace.layers]
            tensors = {
                (layer, name): trace._archive.copy(member_name(0, layer, name))
                for layer in layers
                for name in trace.step(0).layers[layer].tensors
            }
    (first,) = data["steps"]
    raw = encode_header({**data, "steps": [{**first, "step": number} for number in range(steps)]})
    members: list[Member] = []
    with path.open("wb") as file:
        for number in range(steps):
            for (layer, name), (member, packed) in tensors.items():
                again = Member(
                    member_name(number, layer, name),
                    member.method, member.crc, member.compressed_bytes, member.data_bytes,
                )  # fmt: skip
                members.append(append(file, again, packed, end_of(members[-1]) if members else 0))
        header, packed = encode("header", np.frombuffer(raw, np.uint8))
        members.append(append(file, header, packed, end_of(members[-1])))
        file.write(directory(members, end_of(members[-1])))
        file.flush()
        os.fsync(file.fileno())
    return path
