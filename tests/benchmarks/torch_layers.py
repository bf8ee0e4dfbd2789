"""PyTorch layers with a thresholded backward pass against an unfused loop of cells, and against ``torch.nn``'s own.

In turns, as `recording.py` does it and for the same reason. PyTorch is an extra; without it nothing is measured.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.recording import _median_turn, _seconds
from benchmarks.rows import Row

SHAPES = ((256, 100, 32), (650, 35, 20))
"""Cells, time steps T, batch B; the input is as wide as the layer. See `recording.SHAPES`."""

KINDS = ("LSTM", "GRU", "RNN")


def measure(times: int = 7, shapes: Sequence[tuple[int, int, int]] = SHAPES) -> list[Row]:
    """Measure every kind and shape; other shapes only for a quick check that it works."""
    if importlib.util.find_spec("torch") is None:
        print("PyTorch layers are left out: the extra [torch] is not installed")
        return []
    return [row for kind in KINDS for shape in shapes for row in _rows(kind, *shape, times)]


def _rows(kind: str, H: int, T: int, B: int, times: int) -> list[Row]:
    import torch
    from torch import nn

    from traces.torch_frontend import sparsify

    torch.manual_seed(0)
    fused: Any = getattr(nn, kind)(H, H)
    ours: Any = getattr(nn, kind)(H, H)
    ours.load_state_dict(fused.state_dict())
    sparsify(ours, {"kind": "fixed", "threshold": 1e-6})
    cell: Any = getattr(nn, f"{kind}Cell")(H, H)
    x, weights = torch.randn(T, B, H).requires_grad_(), torch.randn(T, B, H)

    def loop(x: Any) -> Any:
        state, outs = None, []
        for x_t in x:
            state = cell(x_t, state)
            outs.append(state[0] if kind == "LSTM" else state)
        return torch.stack(outs)

    def step(forward: Callable[[Any], Any]) -> Callable[[], None]:
        return lambda: (forward(x) * weights).sum().backward()

    steps = step(lambda x: ours(x)[0]), step(loop), step(lambda x: fused(x)[0])
    for each in steps:
        each()
    turns = [[_seconds(each) for each in steps] for _ in range(times)]
    what = f"forward and backward of {H} cells, T {T}, B {B}, threshold 1e-6, {torch.get_num_threads()} thread(s)"
    name = f"torch {kind.lower()} {H}"
    against_cells = _median_turn([(mine, cells) for mine, cells, _ in turns])
    against_fused = _median_turn([(mine, whole) for mine, _, whole in turns])
    return [
        Row(f"{name}, cells", *against_cells, 1, 0.5, f"{what}; rival: a loop of nn.{kind}Cell through autograd"),
        Row(f"{name}, fused", *against_fused, 1, 0.25, f"{what}; rival: nn.{kind}"),
    ]
