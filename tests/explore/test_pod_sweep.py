"""Sweeps over arrays and chips: the shipped one, and rows that are what `simulate` says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from simulator.explore import Space, enumerate_grid, load_space
from simulator.explore.evaluate import evaluate
from simulator.run import simulate
from traces import synthetic_trace


def test_the_shipped_pod_has_a_point_for_each_machine_and_none_twice() -> None:
    points = enumerate_grid(load_space("pod")).points
    assert len({point.key for point in points}) == len(points) == 3 * (1 + 3 * 2 * 2)
    assert Counter(point.machine.chips.count for point in points) == {1: 3, 2: 12, 4: 12, 8: 12}


def test_rows_say_what_the_report_says_and_one_chip_has_no_links(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    synthetic_trace(path, input_size=6, hidden_size=8, sequence_length=3, batch_size=4, sparsity=0.6)
    space = Space.parse(
        {
            "name": "s",
            "archs": ["pod"],
            "traces": [str(path)],
            "axes": {"arrays": [1, 2], "chips": [1, 4], "chips.batch": ["per_chip", "divided"]},
        }
    )
    points = enumerate_grid(space).points
    assert {point.machine.chips.link.bandwidth_gb_per_s for point in points} == {62}  # that of the machine's file
    for point in points:
        row, report = evaluate(point), simulate(point.machine, path)
        assert row["cycles_total"] == report.total_cycles
        assert row["energy_total_pj"] == report.energy.total_pj
        scale_out = report.scale_out
        assert row.get("throughput_sequences_per_s") == (None if scale_out is None else scale_out.sequences_per_s)
        if point.machine.chips.count == 1:
            assert not {"link_bytes", "energy_link_pj", "all_reduce_cycles"} & set(row)
        else:
            assert row["link_bytes"] == scale_out.all_reduce.bytes
            assert row["all_reduce_exposed_cycles"] == report.stalls["all_reduce"]
