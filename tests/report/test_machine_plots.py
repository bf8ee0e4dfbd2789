"""Plots of what a machine does: points and bars stand where the report's numbers say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from plain.cases import machine

from simulator.mapping import Count
from simulator.report import Report, summary
from simulator.report.break_even import BreakEven, Crossing, CurvePoint, recorded_points
from simulator.report.plots import roofline, slots_by_product, speedup_by_sparsity
from simulator.report.plots.roofline import WHOLE, dram_bytes_per_cycle, roofline_points
from simulator.report.plots.speedup import MacCeiling
from simulator.run import simulate

pytestmark = pytest.mark.usefixtures("no_window")
HOSTILE = r"$\frac{1}{ <b>&" + "x" * 90


def line(axes: Axes, label: str) -> list[tuple[float, float]]:
    found = next(one for one in axes.get_lines() if str(one.get_label()) == label)
    return [(float(x), float(y)) for x, y in zip(found.get_xdata(), found.get_ydata(), strict=True)]


# --- roofline ----------------------------------------------------------------------------------------------------


def test_roofline_points_sum_to_the_run(report: Report) -> None:
    *products, whole = roofline_points(report)
    totals = report.activity.totals()
    assert whole.name == WHOLE
    assert (whole.macs, whole.cycles) == (totals["macs_executed"], report.total_cycles)
    assert whole.dram_bytes == totals["dram_read_bytes"] + totals["dram_write_bytes"]
    assert sum(point.macs for point in products) == whole.macs
    with_macs = {key.product for key, macs in zip(report.activity.keys, macs_of(report), strict=True) if macs}
    assert {point.name for point in products} == with_macs


def macs_of(report: Report) -> list[int]:
    executed: list[int] = report.activity.counts[:, Count.MACS_EXECUTED].tolist()
    return executed


def test_a_run_is_below_its_roofline(report: Report) -> None:
    for one in (report, report.baseline, report.bound):
        assert one is not None
        whole = roofline_points(one)[-1]
        assert whole.macs_per_cycle <= one.arch.multipliers
        assert whole.macs_per_cycle <= whole.intensity * dram_bytes_per_cycle(one)


def test_roofline_draws_each_point_and_the_ridge(report: Report) -> None:
    assert report.baseline is not None
    axes = roofline(report)
    ridge = report.arch.multipliers / dram_bytes_per_cycle(report)
    roof = axes.get_lines()[0]
    assert (float(roof.get_xdata()[1]), float(roof.get_ydata()[1])) == (ridge, report.arch.multipliers)  # type: ignore[index]
    for point in roofline_points(report):
        assert line(axes, point.name) == [(pytest.approx(point.intensity), pytest.approx(point.macs_per_cycle))]
    low, high = axes.get_ylim()
    for one in (report, report.baseline):
        assert all(low < point.macs_per_cycle < high for point in roofline_points(one))


def test_roofline_of_a_timed_dram_has_the_rate_of_its_pins(small_trace: object) -> None:
    timed = machine(memory={"dram": {"level": "timing", "timing": "hbm2_2000", "channels": 2}})
    one = simulate(timed, small_trace, steps=(7, 8), baseline=False)  # type: ignore[arg-type]
    whole = roofline_points(one)[-1]
    assert whole.macs_per_cycle <= whole.intensity * dram_bytes_per_cycle(one)
    assert len(roofline(one).get_lines()) > 3


def test_a_product_without_traffic_stands_at_the_right_edge(report: Report) -> None:
    counts = report.activity.counts.copy()
    of_dh = report.activity.where(product="dh")
    counts[of_dh, Count.DRAM_READ_BYTES] = counts[of_dh, Count.DRAM_WRITE_BYTES] = 0
    axes = roofline(replace(report, activity=replace(report.activity, counts=counts)))
    ((x, _),) = line(axes, "dh")
    others = [x for point in roofline_points(report) if point.name != "dh" for x, _ in line(axes, point.name)]
    assert max(others) < x < axes.get_xlim()[1]


def test_ideal_memory_has_no_roofline(ideal_memory_report: Report) -> None:
    with pytest.raises(ValueError, match="no roofline"):
        ideal_memory_report.plot.roofline()


# --- slots -------------------------------------------------------------------------------------------------------


def test_slots_of_the_products_sum_to_those_of_the_run(report: Report) -> None:
    names = report.cycles_by("product")
    for index, whole in enumerate(summary.slot_uses(report)):
        assert sum(summary.slot_uses(report, name)[index].slots for name in names) == whole.slots


def test_slots_fill_each_bar_and_say_what_was_executed(report: Report) -> None:
    axes = slots_by_product(report)
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == [*(name for name, cycles in report.cycles_by("product").items() if cycles), "whole run"]
    widths = {str(bars.get_label()): [bar.get_width() for bar in bars] for bars in axes.containers}
    for row in range(len(rows)):
        assert sum(parts[row] for parts in widths.values()) == pytest.approx(100)
    slots = report.arch.multipliers * int(report.activity.array_cycles.sum())
    assert widths["executed MACs"][-1] == pytest.approx(100 * report.activity.totals()["macs_executed"] / slots)


# --- speed-up ----------------------------------------------------------------------------------------------------


def test_speedup_marks_recorded_steps_and_their_bound(report: Report) -> None:
    assert report.bound is not None
    assert report.baseline is not None
    axes = speedup_by_sparsity(report)
    name = report.arch.name
    for label, one in (("recorded", report), ("ideal skipping", report.bound.beside(report.baseline, report.bound))):
        expected = [(100 * point.sparsity, point.speedup) for _, point in recorded_points(one)]
        assert line(axes, f"{label}: {name}") == expected
        assert len(expected) == len(report.steps)


def test_the_ceiling_is_what_the_macs_say(report: Report) -> None:
    ceiling = MacCeiling.of(report)
    totals = report.activity.totals()
    assert ceiling.dense == totals["macs_dense"]
    backward = report.activity.where(recorded=True, phase="backward")
    assert ceiling.by_gradient == report.activity.select(backward)[Count.MACS_DENSE]
    assert ceiling.at(0) == pytest.approx(1)  # nothing is known of zeros in x and h here
    assert ceiling.at(1) == pytest.approx(ceiling.dense / ceiling.elsewhere)
    gains = [y for _, y in line(speedup_by_sparsity(report), "if MACs were all")]
    assert gains == sorted(gains)


def test_the_ceiling_at_the_recorded_sparsity_is_the_saving_of_macs(report: Report) -> None:
    # Only where all layers have as many MACs for each gate gradient is it the recorded saving itself.
    here = MacCeiling.of(report).at(report.sparsity)
    assert here == pytest.approx(1 / (1 - report.savings["network"]), rel=0.1)


def test_several_machines_stand_beside_each_other(report: Report) -> None:
    other = replace(report, arch=report.arch.replaced("name", "other"))
    axes = speedup_by_sparsity([report, other])
    colors = {to_hex(one.get_color()) for one in axes.get_lines() if str(one.get_label()).startswith("recorded")}
    assert len(colors) == 2
    assert sum(str(one.get_label()) == "if MACs were all" for one in axes.get_lines()) == 1


def test_reports_may_have_names_of_their_own(report: Report) -> None:
    axes = speedup_by_sparsity({"one": report, "$two$": report})
    labels = {str(one.get_label()) for one in axes.get_lines()}
    assert {"recorded: one", r"recorded: \$two\$"} <= labels


def test_a_break_even_adds_its_curve(report: Report) -> None:
    points = (CurvePoint(0.0, 0.9, -0.1), CurvePoint(1.0, 2.0, 0.5))
    shape = {"batch_size": 5, "time_steps": 3, "recorded_time_steps": 3, "seed": 0}
    found = BreakEven("m", "0", "1", **shape, points=points, time=Crossing("never"), energy=Crossing("never"))
    axes = replace(report, break_even=found).plot.speedup()
    assert line(axes, f"independent zeros: {report.arch.name}") == [(0, 0.9), (100, 2.0)]
    bound = speedup_by_sparsity(report, ideal=points)
    assert line(bound, "ideal skipping, independent zeros") == [(0, 0.9), (100, 2.0)]


def test_without_a_dense_twin_there_is_no_speedup_to_draw(lone_report: Report) -> None:
    with pytest.raises(ValueError, match="no dense twin"):
        lone_report.plot.speedup()


@pytest.mark.parametrize("name", ["energy", "cycles", "roofline", "slots", "speedup"])
def test_a_hostile_name_is_drawn_as_it_is(report: Report, name: str) -> None:
    hostile = replace(report, arch=report.arch.replaced("name", HOSTILE[:100]))
    axes = getattr(hostile.plot, name)()
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    texts = [axes.title, *axes.get_xticklabels(), *legend.get_texts()]
    assert any(r"\$\frac{1}{...xxx" in text.get_text() for text in texts)
