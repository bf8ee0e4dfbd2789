"""The benchmark of recording runs, on small sizes, and says what it should; no time is asserted."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from benchmarks import recording
from benchmarks.rows import table

SMALL = ((2, 8, 5, 3),)

STAND_IN = '''
"""Looks like PyTorch to torch_steps.py: every step of 2 x 8 cells takes no time to speak of."""
import types
__version__ = "stand-in"
class Steps:
    def __init__(self, *sizes): assert sizes == (8, 8, 2)
    def __call__(self, x): return (self, None)
    def backward(self, gradient): assert gradient == (5, 3, 8)
    def zero_grad(self, set_to_none): assert set_to_none
class Input:
    pass
def randn(*shape, requires_grad=False):
    assert shape == (5, 3, 8)
    return Input() if requires_grad else shape
def set_num_threads(threads): assert threads >= 1
def manual_seed(seed): pass
nn = types.SimpleNamespace(LSTM=Steps)
'''


def test_recording_row_is_finite_and_torch_is_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(recording.TORCH_PYTHON, raising=False)
    rows = recording.measure(times=1, shapes=SMALL)
    assert [r.name for r in rows] == ["recording 2 x 8"]
    assert all(math.isfinite(r.ratio) and r.ours > 0 and r.rival > 0 for r in rows)
    assert recording.TORCH_PYTHON in capsys.readouterr().out
    assert "every step recorded" in table(rows, "1", 0.1)


def test_rival_computes_in_another_interpreter_with_the_same_instructions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(recording.TORCH_PYTHON, sys.executable)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    row = recording.measure(times=2, shapes=SMALL)[1]
    assert row.name == "lstm 2 x 8"
    assert 0 < row.rival < row.ours
    assert "PyTorch stand-in, held to AVX2 as OPENBLAS_CORETYPE=Haswell holds numpy" in row.note
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert "held to" not in recording.measure(times=1, shapes=SMALL)[1].note


def test_an_interpreter_without_torch_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(recording.TORCH_PYTHON, sys.executable)
    with pytest.raises(RuntimeError, match=recording.TORCH_PYTHON):
        recording.measure(times=1, shapes=SMALL)


def test_told_is_the_turn_of_the_median_ratio() -> None:
    turns = [(1.0, 3.0), (9.0, 9.0), (2.0, 1.0)]  # ratios 3, 1, 0.5
    assert recording._median_turn(turns) == (9.0, 9.0)
    assert recording._median_turn(turns[1:]) == (2.0, 1.0)
