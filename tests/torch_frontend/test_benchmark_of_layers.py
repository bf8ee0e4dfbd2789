"""The benchmark of the PyTorch layers runs, on small sizes; no time is asserted."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")


from benchmarks import torch_layers  # noqa: E402


def test_every_kind_is_measured_against_cells_and_against_its_own():
    rows = torch_layers.measure(times=1, shapes=((8, 5, 3),))
    assert [row.name for row in rows[:2]] == ["torch lstm 8, cells", "torch lstm 8, fused"]
    assert len(rows) == 6
    assert all(math.isfinite(row.ratio) and row.ours > 0 and row.rival > 0 for row in rows)
