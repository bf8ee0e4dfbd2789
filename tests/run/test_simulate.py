"""The whole walk, from a trace file to a report."""

from __future__ import annotations

import json
from math import fsum

import numpy as np
import pytest
from plain.cases import machine

from simulator import simulate
from simulator.arch import load_arch
from simulator.engine import ProductKey
from simulator.mapping import Count
from simulator.run import dense_twin, step_range
from traces import InputError, Trace, synthetic_trace
from traces.trace import DenseLayer, Layer

LAYERS = [
    Layer(name="lstm0", kind="lstm", input_size=32, hidden_size=32),
    Layer(name="lstm1", kind="lstm", input_size=32, hidden_size=32),
]


@pytest.fixture(scope="module")
def eighty_percent(tmp_path_factory):
    """A trace with exactly 80 % zeros in every gate gradient; every layer has all six products."""
    path = tmp_path_factory.mktemp("trace") / "t.npz"
    classifier = DenseLayer("classifier", 32, 50, per="token")
    return synthetic_trace(
        path,
        layers=LAYERS,
        sequence_length=8,
        batch_size=10,
        sparsity=0.8,
        steps=[10, 20, 30],
        dense_layers=[classifier],
    )


def trace_of(tmp_path, sparsity, **options):
    return synthetic_trace(
        tmp_path / f"s{sparsity}.npz", layers=LAYERS, sequence_length=6, batch_size=8, sparsity=sparsity, **options
    )


def test_the_papers_identity_saves_53_percent_of_the_layers(eighty_percent):
    report = simulate("zero_skip", eighty_percent)
    assert report.savings["backward"] == pytest.approx(0.8, abs=1e-4)
    assert report.savings["layers"] == pytest.approx(2 * 0.8 / 3, abs=1e-4)
    dense = report.activity.totals()["macs_dense"]
    layers = report.activity.select(report.activity.where(recorded=True))[Count.MACS_DENSE]
    assert report.savings["network"] == pytest.approx(report.savings["layers"] * layers / dense)
    assert report.savings["network"] < report.savings["layers"]


def test_every_product_closes_its_macs(eighty_percent):
    for name in ("dense", "gated", "vector_skip", "staged_window", "independent_lanes", "zero_skip"):
        counts = simulate(name, eighty_percent, steps=(10, 11), baseline=False).activity.counts
        closed = counts[:, [Count.MACS_EXECUTED, Count.MACS_GATED, Count.MACS_SKIPPED]].sum(axis=1)
        assert np.array_equal(closed, counts[:, Count.MACS_DENSE])


@pytest.mark.parametrize("name", ["gated", "vector_skip", "staged_window", "independent_lanes", "zero_skip"])
def test_full_masks_take_dense_cycles_exactly(tmp_path, name):
    arch = load_arch(name).replaced("memory", "ideal")
    report = simulate(arch, trace_of(tmp_path, 0.0))
    assert report.total_cycles == report.baseline.total_cycles
    assert report.activity.totals()["macs_executed"] == report.activity.totals()["macs_dense"]


def test_empty_masks_cost_no_backward_mac(tmp_path):
    report = simulate("zero_skip", trace_of(tmp_path, 1.0))
    backward = report.activity.select(report.activity.where(phase="backward"))
    assert backward[Count.MACS_EXECUTED] == backward[Count.MACS_GATED] == 0
    forward = report.activity.select(report.activity.where(phase="forward"))
    mac_pj = next(line.pj_each for line in report.energy.lines if line.component == "mac")
    assert report.energy.by_component()["mac"] == forward[Count.MACS_EXECUTED] * mac_pj


def test_the_bound_is_never_beaten_with_ideal_memory(tmp_path):
    path = trace_of(tmp_path, 0.7)
    for name in ("dense", "gated", "vector_skip", "staged_window", "independent_lanes", "zero_skip"):
        report = simulate(load_arch(name).replaced("memory", "ideal"), path)
        assert report.bound.total_cycles <= report.total_cycles <= report.baseline.total_cycles
        assert report.speedup <= report.bound_speedup


def test_ideal_total_is_the_sum_of_the_products(eighty_percent):
    report = simulate(load_arch("zero_skip").replaced("memory", "ideal"), eighty_percent)
    assert report.total_cycles == sum(p["cycles"] for p in report.products())
    assert sum(report.stalls.values()) == 0
    assert report.activity.totals()["dram_read_bytes"] == 0
    assert {c for c, pj in report.energy.by_component().items() if pj} <= {
        "mac", "skip_logic", "staging", "accumulators", "leakage",
    }  # fmt: skip


def test_steps_follow_one_another(eighty_percent):
    report = simulate("zero_skip", eighty_percent, baseline=False)
    assert report.steps == (10, 20, 30)
    assert sum(report.activity.step_cycles.values()) == report.total_cycles
    alone = simulate("zero_skip", eighty_percent, steps=(20, 21), baseline=False)
    assert alone.total_cycles == report.activity.step_cycles[20]
    starts = [p["start"] for p in report.products() if p["step"] == 20]
    assert min(starts) >= report.activity.step_cycles[10]


def test_json_is_the_same_bytes_each_time_and_whole(eighty_percent):
    first, second = (simulate("zero_skip", eighty_percent).to_json() for _ in range(2))
    assert first == second
    report = json.loads(first)
    cycles = report["cycles"]
    assert cycles["total"] == sum(cycles["by_phase"].values()) + sum(cycles["stalls"].values())
    assert sum(cycles["by_product"].values()) == sum(cycles["by_phase"].values())
    assert sum(p["cycles"] for p in report["products"]) == sum(cycles["by_phase"].values())
    assert report["energy_pj"]["total"] == fsum(report["energy_pj"]["by_component"].values())
    macs = report["macs"]
    assert macs["dense"] == macs["executed"] + macs["gated"] + macs["skipped"]
    assert report["baseline"]["macs"]["executed"] == macs["dense"]
    assert report["speedup"] == report["baseline"]["cycles"]["total"] / cycles["total"]


def test_dense_twin_differs_only_in_skipping_and_formats():
    arch = load_arch("zero_skip", ["memory.formats.skip_on_chip=csc"])
    twin = dense_twin(arch)
    assert twin.skipping.mechanism == "dense"
    assert twin.memory.formats.skip == twin.memory.formats.skip_on_chip == "dense"
    same = twin.with_mechanism(arch.skipping).replaced("memory.formats.skip", "bitmap")
    assert same.replaced("memory.formats.skip_on_chip", "csc") == arch


def test_the_twin_of_a_mechanism_with_tiles_of_its_own_maps_freely(eighty_percent):
    pinned = load_arch("dual_side_tensor_core", ["memory.mapping.tile_m=32"])  # 8 x 16 multipliers, tiles of 32 x 32
    assert dense_twin(pinned).memory.mapping.tile_m == "auto"
    assert simulate(pinned, eighty_percent, steps=(10, 11)).speedup > 1


@pytest.mark.parametrize("name", ["tensordash", "scnn", "eie", "sigma", "dual_side_tensor_core", "eyeriss_v2_pe"])
def test_published_machines_never_beat_their_bound_with_ideal_memory(eighty_percent, name):
    report = simulate(load_arch(name).replaced("memory", "ideal"), eighty_percent, steps=(10, 11))
    assert report.bound.total_cycles <= report.total_cycles
    assert report.utilization <= 1
    counts = report.activity.counts
    closed = counts[:, [Count.MACS_EXECUTED, Count.MACS_GATED, Count.MACS_SKIPPED]].sum(axis=1)
    assert np.array_equal(closed, counts[:, Count.MACS_DENSE])


def test_a_dense_machine_is_its_own_twin(eighty_percent):
    report = simulate("dense", eighty_percent)
    assert report.speedup == 1
    assert report.energy_saving == 0


def test_without_baseline_there_is_nothing_to_compare_with(eighty_percent):
    report = simulate("zero_skip", eighty_percent, baseline=False).to_dict()
    assert [report[k] for k in ("baseline", "speedup", "energy_saving", "bound_speedup")] == [None] * 4


def test_another_batch_shape_and_kind_run(tmp_path):
    layers = [
        Layer(name="a", kind="gru", input_size=5, hidden_size=7, direction="backward"),
        Layer(name="b", kind="rnn", input_size=7, hidden_size=3),
        Layer(name="c", kind="linear", input_size=3, hidden_size=9),
    ]
    path = synthetic_trace(tmp_path / "t.npz", layers=layers, sequence_length=4, batch_size=3, valid_steps=[4, 1, 0])
    report = simulate("zero_skip", path)
    assert report.total_cycles > 0
    assert set(report.cycles_by("layer")) == {"a", "b", "c"}


def test_both_engines_give_the_same_report(eighty_percent):
    reports = [simulate("zero_skip", eighty_percent, engine=engine).to_json() for engine in ("compiled", "event")]
    assert reports[0] == reports[1]


def test_progress_counts_steps(eighty_percent):
    seen = []
    simulate("dense", eighty_percent, baseline=False, progress=lambda done, todo: seen.append((done, todo)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("text", "steps"), [("1:5", (1, 5)), (":5", (None, 5)), ("7:", (7, None)), (":", (None, None))]
)
def test_step_range_reads_both_sides(text, steps):
    assert step_range(text) == steps


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:3", "", "1.5:2"])
def test_step_range_refuses_anything_else(text):
    with pytest.raises(InputError, match=r"--steps: found .*; expected A:B"):
        step_range(text)


def test_a_range_without_a_recorded_step_is_refused(eighty_percent):
    with pytest.raises(InputError, match=r"--steps 31:40: found no recorded step in that range.*10 to 30"):
        simulate("dense", eighty_percent, steps=(31, 40))


def test_a_machine_that_cannot_hold_the_network_is_refused(eighty_percent):
    small = {
        "buffers": {
            "skip": {"capacity_kib": 1}, "shared": {"capacity_kib": 1},
            "output": {"capacity_kib": 1},
        },
        "mapping": {"tile_m": 512, "tile_n": 4},
    }  # fmt: skip
    with pytest.raises(InputError, match="output"):
        simulate(machine(memory=small), eighty_percent)


def test_product_keys_name_each_product_once(eighty_percent):
    report = simulate("dense", eighty_percent, baseline=False)
    keys = [(k.step, k.layer, k.product, k.time) for k in report.activity.keys]
    assert len(keys) == len(set(keys))
    assert isinstance(report.activity.keys[0], ProductKey)


def test_trace_and_architecture_objects_are_taken_as_they_are(eighty_percent):
    arch = load_arch("dense")
    with Trace(eighty_percent) as trace:
        assert simulate(arch, trace).arch is arch
