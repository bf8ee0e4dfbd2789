"""The benchmarks of memory and growth run, on tiny sizes, and say what they measured; no time is asserted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import growth, memory
from benchmarks.growth import Cost, Growth
from benchmarks.memory import Peak
from benchmarks.repeated import Size, repeated_trace
from simulator.run import simulate
from traces import Trace

TINY = Size(layers=2, hidden=8, T=3, B=4)


@pytest.mark.parametrize("values", [False, True])
def test_a_repeated_trace_is_a_trace_whose_steps_are_alike(tmp_path: Path, values: bool) -> None:
    with Trace(repeated_trace(tmp_path / "t.npz", TINY, 5, values)) as trace:
        assert trace.steps == (0, 1, 2, 3, 4)
        for step in trace:
            for name, layer in step.layers.items():
                first = trace.step(0).layers[name]
                assert np.array_equal(layer.gate_gradient.packed, first.gate_gradient.packed)
                assert (layer.values is not None) == values
        assert len(set(simulate("dense", trace, baseline=False).activity.step_cycles.values())) == 1


def test_peaks_are_measured_in_another_process_and_told() -> None:
    peaks = memory.measure(TINY, 3, TINY, 4)
    assert [p.steps for p in peaks] == [1, 3, 4, 8]
    assert peaks[1].cycles == 3 * peaks[0].cycles
    assert peaks[1].masks_mb * memory.MB == 3 * TINY.mask_elements
    assert all(10 < p.peak_mb < 10_000 and p.file_mb > 0 for p in peaks)
    page = memory.section(peaks)
    assert all(f"| {p.name} |" in page for p in peaks)
    assert "**over**" in memory.section([Peak("huge", 1, 1, 1, memory.LIMIT_MB + 1, 1, 1, 1)])


def test_growth_per_step_is_the_difference_of_peaks() -> None:
    fewer, more = (Peak("x", steps, 0, 0, peak_mb, 1, 1, 1) for steps, peak_mb in ((10, 100.0), (20, 101.0)))
    assert memory.growth_bytes(fewer, more) == pytest.approx(100_000)


def test_every_size_is_doubled_alone() -> None:
    found = growth.measure(TINY, steps=1, times=1)
    assert [g.what for g in found] == ["steps", "H", "B", "T", "array", "N"]
    bits = {g.what: g.exponent("bits") for g in found}
    assert bits == {"steps": 1, "H": 1, "B": 1, "T": 1, "array": 0, "N": 0}
    macs = {g.what: g.exponent("macs") for g in found}
    assert macs == {"steps": 1, "H": 2, "B": 1, "T": 1, "array": 0, "N": 1}
    assert all(math.isfinite(g.exponent(name)) for g in found for name in ("ms", "peak_mb"))
    page = growth.section(found)
    assert all(f"| {g.what} |" in page for g in found)


def test_exponents_are_logarithms_of_ratios() -> None:
    assert Growth("x", ("1", "2"), (Cost(1, 2, 1, 1), Cost(4, 2, 2, 1))).exponent("ms") == 2
