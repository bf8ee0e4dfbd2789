"""A long run is folded: its rows do not grow with the steps, and what they sum to is what the steps sum to."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import load_arch
from simulator.engine import ActivityBuilder, StepActivity, run
from simulator.engine import activity as module
from simulator.mapping import COUNTS, Count, plan
from simulator.report import Report
from simulator.run import simulate
from simulator.workload import lower
from traces import Trace
from traces.errors import InputError
from traces.synthetic import synthetic_trace

ADDED = ("counts", "array_cycles", "stalls")


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps that differ, the classifier dense; not every sequence is whole."""
    return synthetic_trace(
        tmp_path_factory.mktemp("fold") / "t.npz", layers=2, hidden_size=6, input_size=5, sequence_length=3,
        batch_size=4, sparsity=0.7, steps=6, valid_steps=(3, 2, 3, 1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def steps(trace_file: Path) -> list[StepActivity]:
    machine = load_arch("zero_skip")
    with Trace(trace_file) as trace:
        plans = [plan(machine, lower(trace, trace.step(number))) for number in trace.steps]
    return [StepActivity.of(number, p, run(p, "compiled")) for number, p in enumerate(plans)]


def plain(key: module.ProductKey) -> tuple[object, ...]:
    return key.layer, key.product, key.phase, key.time, key.recorded


@settings(derandomize=True, deadline=None)
@given(data=st.data())
def test_folded_rows_are_the_sums_over_single_steps(steps: list[StepActivity], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(steps), min_size=1, max_size=8), "steps")
    most_rows = data.draw(st.integers(0, 200), "most rows")
    shapes = data.draw(st.lists(st.integers(1, 9), min_size=len(chosen), max_size=len(chosen)), "m")
    folded, single = ActivityBuilder(most_rows), []
    for number, (one, m) in enumerate(zip(chosen, shapes, strict=True)):
        keys = tuple(key._replace(step=number, m=m) for key in one.keys)  # a shape of its own in each step
        step = replace(one, step=number, keys=keys)
        folded.append(step)
        alone = ActivityBuilder()
        alone.append(step)
        single.append(alone.finish())
    found = folded.finish()
    assert found.folded == (len(single) > 1 and sum(len(a.keys) for a in single) > most_rows)
    names = list(dict.fromkeys(plain(key) for a in single for key in a.keys))
    assert list(dict.fromkeys(map(plain, found.keys))) == names  # in order of appearance
    for name in names:
        rows = [i for i, key in enumerate(found.keys) if plain(key) == name]
        before = [(a, i) for a in single for i, key in enumerate(a.keys) if plain(key) == name]
        for column in ADDED:
            wanted = sum(getattr(a, column)[i] for a, i in before)
            assert np.array_equal(getattr(found, column)[rows].sum(axis=0), wanted), (name, column)
        assert int(found.steps[rows].sum()) == len(before)
        assert max(found.keys[i].m for i in rows) == max(a.keys[i].m for a, i in before)
    assert found.total_cycles == sum(a.total_cycles for a in single)
    assert int(found.array_cycles.sum() + found.stalls.sum()) == found.total_cycles
    assert np.array_equal(found.step_counts, [a.counts.sum(axis=0) for a in single])
    assert list(found.step_cycles.values()) == [a.total_cycles for a in single]
    assert (found.end >= found.start).all()
    assert found.end.max() <= found.total_cycles


def test_rows_do_not_grow_with_the_steps(steps: list[StepActivity]) -> None:
    sizes = []
    for repeats in (10, 100):
        builder = ActivityBuilder(most_rows=2 * len(steps[0].keys))
        for number in range(repeats):
            one = steps[number % len(steps)]
            builder.append(replace(one, step=number))
        found = builder.finish()
        columns = (found.counts, found.array_cycles, found.stalls, found.start, found.end, found.steps)
        sizes.append((len(found.keys), sum(column.nbytes for column in columns)))
        assert found.step_counts.nbytes == repeats * 8 * len(COUNTS)
        assert sys.getsizeof(found.keys) < 100 * 8 * len(steps[0].keys)
    assert sizes[0] == sizes[1]
    assert sizes[0][0] <= 2 * len(steps[0].keys)


@pytest.mark.parametrize("machine", ["zero_skip", "staged_window"])
@pytest.mark.parametrize("baseline", [True, False])
def test_a_folded_report_differs_in_its_list_of_products_alone(trace_file: Path, machine: str, baseline: bool) -> None:
    apart = simulate(machine, trace_file, baseline=baseline)
    folded = simulate(machine, trace_file, baseline=baseline, most_rows=0)
    assert folded.activity.folded
    assert not apart.activity.folded
    assert apart.training is not None
    one, other = apart.to_dict(), folded.to_dict()
    for report, products in ((apart, one.pop("products")), (folded, other.pop("products"))):
        dense = sum(row["macs_dense"] for row in products)
        assert dense == report.activity.totals()["macs_dense"]
    if baseline:
        one["baseline"].pop("products")
        other["baseline"].pop("products")
    assert one == other


def test_zeros_of_some_steps_are_told_apart_from_none_in_others(tmp_path: Path) -> None:
    """The report's time without zeros is of steps, so rows of a product with and without them must not mix."""
    from traces import TraceWriter

    header = {
        "layers": [{"name": "a", "kind": "linear", "input_size": 8, "hidden_size": 8}],
        "batch_size": 4,
        "sequence_length": 1,
    }
    with TraceWriter(tmp_path / "t.npz", header) as writer:
        for number in range(4):
            mask = np.ones((1, 4, 8), dtype=bool)
            mask[:, :, 1::2] = number < 2
            writer.add_step(number, {"a": {"gate_gradient": mask}})
    apart, folded = (simulate("zero_skip", tmp_path / "t.npz", most_rows=rows) for rows in (10**6, 0))
    assert apart.to_dict()["explanation"] == folded.to_dict()["explanation"]
    dx = [i for i, key in enumerate(folded.activity.keys) if key.product == "dx"]
    assert folded.activity.steps[dx].tolist() == [2, 2]


def test_entries_of_a_folded_report_say_how_many_steps_they_sum(trace_file: Path) -> None:
    report: Report = simulate("zero_skip", trace_file, most_rows=0)
    assert all(row["step"] is None and 1 <= row["steps"] <= 6 for row in report.products())
    frame = report.frame()
    assert frame["step"].isna().all()
    assert frame["steps"].tolist() == report.activity.steps.tolist()
    assert "steps" not in simulate("zero_skip", trace_file).frame().columns


def test_one_step_is_never_folded(trace_file: Path) -> None:
    assert not simulate("zero_skip", trace_file, steps=(2, 3), most_rows=0).activity.folded


def test_sums_beyond_64_bits_are_refused(steps: list[StepActivity]) -> None:
    half = steps[0].counts.copy()
    half[0, Count.MACS_DENSE] += 2**62 - int(half[:, Count.MACS_DENSE].sum())
    less = half.copy()
    less[0, Count.MACS_DENSE] -= 1
    builder = ActivityBuilder()
    builder.append(replace(steps[0], counts=half))
    with pytest.raises(InputError, match=r"step 7.*2\^63"):
        builder.append(replace(steps[0], step=7, counts=half))
    most = ActivityBuilder()
    most.append(replace(steps[0], counts=half))
    most.append(replace(steps[0], step=7, counts=less))
    assert most.finish().totals()["macs_dense"] == 2**63 - 1


def test_a_timeline_has_a_limit_and_says_so(trace_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulate("zero_skip", trace_file, record_intervals=True, baseline=False)
    history = whole.activity.history
    kept = sum(map(len, (whole.activity.intervals, history.slices, history.tiles, history.arrows)))
    monkeypatch.setattr(module, "MOST_INTERVALS", kept - 1)
    with pytest.raises(InputError, match="intervals in 6 steps"):
        simulate("zero_skip", trace_file, record_intervals=True, baseline=False)
    monkeypatch.setattr(module, "MOST_INTERVALS", kept)
    again = simulate("zero_skip", trace_file, record_intervals=True, baseline=False)
    assert again.activity.intervals == whole.activity.intervals


def test_all_reduces_of_all_steps_are_summed(steps: list[StepActivity]) -> None:
    builder = ActivityBuilder()
    for number, one in enumerate(steps[:3]):
        builder.append(replace(one, step=number, times=replace(one.times, all_reduce_cycles=10**number)))
    assert builder.finish().all_reduce_cycles == 111
