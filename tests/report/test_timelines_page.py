"""The page about timelines says of the shipped sample what the sample's timeline and waves have."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from plain import vcd

from simulator import simulate
from simulator.arch import load_arch
from simulator.commands.waves import find_pass
from simulator.engine import Activity
from simulator.report.waves import write_waves
from simulator.skipping import run_pass
from traces import Trace

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "traces" / "samples" / "charlm_t1e-6.npz"
WINDOW = 207_185, 210_185
PASS = "lstm1 dh t=50:0"


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join((ROOT / "docs" / "how-to" / "timelines.md").read_text(encoding="utf-8").split())


def cycles(activity: Activity, window: tuple[int, int]) -> Counter[str]:
    """Cycles within a window by unit, and of what has reasons by unit and reason."""
    found = Counter[str]()
    for i in (*activity.intervals, *activity.history.slices):
        inside = min(i.end, window[1]) - max(i.start, window[0])
        found[i.unit] += inside
        found[f"{i.unit}: {i.name.split(' (')[0]}"] += inside
    return found


def test_the_window_is_as_the_page_says(page: str) -> None:
    activity = simulate("zero_skip", SAMPLE, steps=(1000, 1001), baseline=False, record_intervals=WINDOW).activity
    found = cycles(activity, WINDOW)
    assert f"--timeline-cycles {WINDOW[0]}:{WINDOW[1]}" in page
    assert f"It works {found['array']:,} of the 3,000 cycles" in page
    assert found["array stalls"] == found["array stalls: dependency"]
    assert f"all {found['array stalls']} stalled cycles are `dependency`" in page
    assert f"**vector_unit** takes 32 cycles a tile, {found['vector_unit']} in all" in page
    assert found["dram"] == 3000
    assert f"{found['dram: read']:,} of them reading" in page
    assert f"({found['dma_in waits: queue']:,} cycles)" in page
    in_flight = np.zeros(3000, np.int64)
    for i in activity.history.slices:
        if i.unit.startswith("dma_in ") and i.size_bytes:
            in_flight[max(0, i.start - WINDOW[0]) : i.end - WINDOW[0]] += 1
    assert in_flight.max() == 16
    assert (in_flight == 16).mean() > 0.8
    assert "all 16 reads of its queue under way for most of the time" in page


def test_the_whole_sample_is_as_the_page_says(page: str) -> None:
    activity = simulate("zero_skip", SAMPLE, baseline=False, record_intervals=True).activity
    found = cycles(activity, (0, activity.total_cycles))
    waits = {name: found[f"dma_in waits: {name}"] for name in ("queue", "room in the skip buffer", "data")}
    assert f"place in the queue for {waits['queue']:,} cycles" in page
    assert f"room in the skip buffer for {waits['room in the skip buffer']:,}" in page
    assert f"output buffer for {found['dma_in waits: room in the output buffer']:,}" in page
    assert f"not stored yet for {waits['data']:,}" in page
    assert f"{found['array stalls']:,} of {activity.total_cycles:,} cycles" in page


def test_the_pass_is_as_the_page_says(page: str, tmp_path: Path) -> None:
    pytest.importorskip("vcd", reason="pyvcd not found; pip install 'skipstone[waves]'")
    arch = load_arch("zero_skip")
    with Trace(SAMPLE) as trace:
        chosen, _ = find_pass(arch, trace, (1000, 1001), PASS)
    write_waves(arch, chosen, tmp_path / "w.vcd")
    _, changes = vcd.read(tmp_path / "w.vcd")
    (end,) = [time // 2 for time, value in changes["skipstone.tile.done"] if value == "1"]

    def signal(name: str) -> list[str]:
        return [vcd.at(changes[f"skipstone.{name}"], 2 * cycle) for cycle in range(end)]

    lanes, positions = chosen.mask.shape
    nonzeros = sorted(chosen.mask.sum(axis=1).tolist())
    slides = Counter(int(bits, 2) for bits in signal("tile.array.slide"))
    assert f"takes {end} cycles" in page
    assert f"{lanes} lanes x {positions} positions {chosen.mask.sum():,} are not zero" in page
    said = f"by 1 position in {slides[1]} cycles, by 2 in {slides[2]}, by 3 in {slides[3]} and by 4"
    assert said in page
    assert f"`refill` allows, in {slides[4]}." in page
    assert signal("tile.asks") == signal("tile.consumes")
    assert set(signal("model.lane[14].macs")) == {"1"}
    assert nonzeros[-1] == end > nonzeros[-2]
    assert f"have {nonzeros[0]} to {nonzeros[-2]} non-zeros" in page
    unlimited = {"mechanism": "lookahead", "depth": None, "refill": None, "banks": None}
    assert run_pass(chosen.mask, unlimited).cycles == end
    base = [int(bits, 2) for bits in signal("tile.array.control.base")]
    assert all(b - a == int(s, 2) for (a, b), s in zip(pairwise(base), signal("tile.array.slide"), strict=False))
