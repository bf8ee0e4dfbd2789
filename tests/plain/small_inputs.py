"""A machine, a trace and a text so small that a test may replay, sweep and train on them many times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from traces import synthetic_trace

MACHINE = """\
name: small
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 4, refill: 2, banks: null}
memory: ideal
energy_table: cmos_45nm
"""
TEXT = "".join(f"{k * k} is the square of {k}.\n" for k in range(300))
_SHAPE = {"layers": 1, "hidden_size": 6, "input_size": 5, "sequence_length": 3, "batch_size": 4, "sparsity": 0.7}


def small_trace(path: Path, **more: Any) -> None:
    """Write a trace of one layer, of step 10 unless other steps are asked for."""
    synthetic_trace(path, **({"steps": [10]} | _SHAPE | more))


def write_inputs(folder: Path, axes: str) -> None:
    """Write ``small.yaml``, ``a.npz``, ``text.txt`` and a ``space.yaml`` of axes over machine and trace."""
    small_trace(folder / "a.npz")
    space = f"name: small\narchs: [small.yaml]\ntraces: [a.npz]\naxes: {axes}\n"
    for name, text in (("space.yaml", space), ("small.yaml", MACHINE), ("text.txt", TEXT)):
        (folder / name).write_text(text, encoding="utf-8")
