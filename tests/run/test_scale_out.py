"""Chips that train together: one is no news, work is conserved, a ring moves what a ring moves, sparse never more."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, tiny_machine, write_trace

from simulator import simulate
from simulator.arch import Architecture, load_arch
from simulator.engine import run
from simulator.engine.chips import WEIGHT_GRADIENTS, gradient_bytes, ring_cycles
from simulator.mapping import Count, plan
from simulator.report import Report, summary
from simulator.run import bound_of, dense_twin
from simulator.values import ValueTally
from simulator.workload import dealt, lower
from traces import InputError, Trace, TraceWriter, synthetic_trace

SAMPLE = Path(__file__).parents[2] / "traces" / "samples" / "charlm_t1e-6.npz"
MEMORIES = st.one_of(st.just("ideal"), SYSTEMS)
COUNTS = st.integers(2, 9)
LINKS = st.fixed_dictionaries(
    {"bandwidth_gb_per_s": st.sampled_from([0.3, 4.0, 1000.0]), "latency_ns": st.sampled_from([0.0, 7.0, 100.0])}
)
CHIPS = st.fixed_dictionaries(
    {
        "count": COUNTS,
        "batch": st.sampled_from(["per_chip", "divided"]),
        "gradients": st.sampled_from(["dense", "sparse"]),
        "overlap": st.booleans(),
        "link": LINKS,
    }
)


@contextmanager
def trace_of(network: dict[str, Any]) -> Iterator[Trace]:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        yield trace


def fitting(chips: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    """No more chips than a divided batch has sequences."""
    most = network["B"] if chips["batch"] == "divided" else chips["count"]
    return {**chips, "count": min(chips["count"], most)}


def alone(arch: Architecture) -> Architecture:
    return Architecture.parse({**arch.to_dict(), "chips": 1})


def with_chips(arch: Architecture, **changes: Any) -> Architecture:
    return Architecture.parse({**arch.to_dict(), "chips": {**arch.to_dict()["chips"], **changes}})


@settings(max_examples=15, deadline=None)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, MEMORIES, CHIPS)
def test_one_array_on_one_chip_is_the_machine_that_says_nothing_of_them(
    network: Any, array: Any, skipping: Any, memory: Any, chips: Any
) -> None:
    parts = {"array": array, "skipping": skipping, "memory": memory}
    plain, told = machine(**parts), machine(**parts, arrays=1, chips={**chips, "count": 1})
    assert told.digest == plain.digest
    with trace_of(network) as trace:
        report = simulate(plain, trace)
        assert simulate(told, trace).to_json() == report.to_json()
    assert "scale_out" not in report.to_dict()


@settings(max_examples=30, deadline=None)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, MEMORIES, CHIPS)
def test_chips_with_a_batch_each_do_that_many_times_the_work_in_the_time_of_one(
    network: Any, array: Any, skipping: Any, memory: Any, chips: Any
) -> None:
    arch = machine(array=array, skipping=skipping, memory=memory, chips={**chips, "batch": "per_chip"})
    with trace_of(network) as trace:
        one, many = (simulate(a, trace, baseline=False) for a in (alone(arch), arch))
    count = chips["count"]
    links = many.activity.counts[:, Count.LINK_BYTES].copy()
    work = many.activity.counts.copy()
    work[:, Count.LINK_BYTES] = 0
    assert np.array_equal(work, count * one.activity.counts)
    exposed = many.stalls.get("all_reduce", 0)
    assert many.total_cycles == one.total_cycles + exposed
    assert exposed <= many.activity.all_reduce_cycles
    assert one.activity.all_reduce_cycles == 0
    assert set(np.flatnonzero(links)) <= {i for i, k in enumerate(many.activity.keys) if k.product in WEIGHT_GRADIENTS}
    assert many.utilization <= one.utilization
    if one.area is not None and one.area.lines:
        assert many.area.total_mm2 == pytest.approx(count * one.area.total_mm2)
    energy, of_one = many.energy.by_component(), one.energy.by_component()
    for name, pj in of_one.items():
        if name != "leakage":
            assert energy[name] == pytest.approx(count * pj)
    if one.total_cycles:
        waited = many.total_cycles / one.total_cycles
        assert energy["leakage"] == pytest.approx(count * of_one["leakage"] * waited)
        assert many.scale_out.throughput_times_one_chip == pytest.approx(count / waited)


@settings(max_examples=30, deadline=None)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, MEMORIES, CHIPS)
def test_a_divided_batch_is_the_same_work_and_the_slowest_share_decides(
    network: Any, array: Any, skipping: Any, memory: Any, chips: Any
) -> None:
    chips = fitting({**chips, "batch": "divided"}, network)
    ends = network["valid_steps"]
    # A chip whose sequences are all padding does nothing; one chip counts layers "per sequence" for such ones, too.
    assume(ends is None or all(any(ends[chip :: chips["count"]]) for chip in range(chips["count"])))
    arch = machine(array=array, skipping=skipping, memory=memory, chips=chips)
    with trace_of(network) as trace:
        one, many = (simulate(a, trace, baseline=False) for a in (alone(arch), arch))
        shares = dealt(trace.step(7), chips["count"])
        sequences = [-(-(network["B"] - chip) // chips["count"]) for chip in range(chips["count"])]
        workloads = [lower(trace, share, batch_size=size) for share, size in zip(shares, sequences, strict=True)]
    totals, of_one = many.activity.totals(), one.activity.totals()
    kept = ["macs_dense", "macs_executed", "gate_forward_values", "gate_backward_values", "threshold_values"]
    assert {name: totals[name] for name in kept} == {name: of_one[name] for name in kept}
    times = [run(plan(alone(arch), workload), "event").total_cycles for workload in workloads]
    assert many.total_cycles == max(times) + many.stalls.get("all_reduce", 0)
    assert many.total_cycles == many.activity.array_cycles.sum() + many.activity.stalls.sum()
    shapes = {(k.layer, k.product, k.time): (k.m, k.k, k.n) for k in one.activity.keys if k.k}
    # What a chip makes alone (the first dG of shorter sequences) may have a time step of its own.
    for key, counts in zip(many.activity.keys, many.activity.counts, strict=True):
        assert counts[Count.MACS_DENSE] == key.m * key.k * key.n
        if key.k:
            assert shapes[key.layer, key.product, key.time] == (key.m, key.k, key.n)


@settings(max_examples=30, deadline=None)
@given(networks(), MECHANISMS, MEMORIES, CHIPS)
def test_a_ring_moves_twice_each_gradient_but_one_part_and_sparse_never_more(
    network: Any, skipping: Any, memory: Any, chips: Any
) -> None:
    chips = fitting(chips, network)
    arch = machine(skipping=skipping, memory=memory, chips=chips)
    dense, sparse = with_chips(arch, gradients="dense"), with_chips(arch, gradients="sparse")
    with trace_of(network) as trace:
        dense_run, sparse_run = (simulate(a, trace, baseline=False) for a in (dense, sparse))
        workload = lower(trace, trace.step(7))
    count = chips["count"]
    if count == 1:
        return
    gradients = [p for p in workload.products if p.name in WEIGHT_GRADIENTS]
    every_byte = sum(p.m * p.n * 4 for p in gradients)  # sums are fp32
    sums = dense_run.scale_out.all_reduce
    assert Fraction(sums.bytes, count) == Fraction(2 * (count - 1), count) * every_byte
    assert sums.cycles == sum(ring_cycles(dense, p.m * p.n * 4) for p in gradients)
    assert sparse_run.scale_out.all_reduce.bytes <= sums.bytes
    assert sparse_run.scale_out.all_reduce.cycles <= sums.cycles
    assert sparse_run.total_cycles <= dense_run.total_cycles
    if chips["batch"] == "divided":  # all rows of all chips are known
        needed = 0
        for p in gradients:
            rows = p.m
            if p.mask is not None:
                bits = np.unpackbits(p.mask.packed, axis=1, count=p.mask.bits, bitorder="little")
                rows = int(bits.any(axis=0).sum())
            places_bits = rows * (p.m - 1).bit_length()
            needed += min(p.m * p.n * 4, -(-(rows * p.n * 32 + places_bits) // 8))
        assert sparse_run.scale_out.all_reduce.bytes == 2 * (count - 1) * needed


@settings(max_examples=30, deadline=None)
@given(networks(), MECHANISMS, MEMORIES, CHIPS)
def test_overlap_hides_and_never_adds(network: Any, skipping: Any, memory: Any, chips: Any) -> None:
    arch = machine(skipping=skipping, memory=memory, chips=fitting(chips, network))
    with trace_of(network) as trace:
        at_once, after = (
            simulate(with_chips(arch, overlap=yes), trace, baseline=False, record_intervals=True)
            for yes in (True, False)
        )
    if arch.chips.count == 1:
        return
    one, other = at_once.scale_out.all_reduce, after.scale_out.all_reduce
    assert (one.bytes, one.cycles) == (other.bytes, other.cycles)
    assert one.exposed_cycles <= other.exposed_cycles == other.cycles
    assert at_once.total_cycles - one.exposed_cycles == after.total_cycles - other.exposed_cycles
    for report in (at_once, after):
        link = sorted((i.start, i.end) for i in report.activity.history.slices if i.unit == "link")
        assert sum(end - start for start, end in link) == one.cycles
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(link))
        assert max((end for _, end in link), default=0) <= report.total_cycles


@settings(max_examples=30, deadline=None)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, MEMORIES, CHIPS, st.integers(1, 3))
def test_a_report_of_many_chips_adds_up(
    network: Any, array: Any, skipping: Any, memory: Any, chips: Any, arrays: int
) -> None:
    chips = fitting(chips, network)
    arch = machine(array=array, skipping=skipping, memory=memory, chips=chips, arrays=arrays)
    with trace_of(network) as trace:
        report = simulate(arch, trace)
        by_event = simulate(arch, trace, engine="event")
    data = report.to_dict()
    assert by_event.to_json() == report.to_json()
    cycles = data["cycles"]
    assert cycles["total"] == sum(cycles["by_phase"].values()) + sum(cycles["stalls"].values())
    energy = data["energy_pj"]
    for name in ("by_phase", "by_product", "by_layer", "by_component"):
        assert sum(energy[name].values()) == pytest.approx(energy["total"])
    assert 0 <= data["utilization"] <= 1
    assert sum(data["explanation"]["time"].values()) == pytest.approx(1 if cycles["total"] else 0)
    uses = summary.slot_uses(report)
    assert all(use.slots >= 0 for use in uses)
    assert sum(use.slots for use in uses) >= cycles["total"] - sum(cycles["stalls"].values())
    assert all(row.utilization is None or 0 <= row.utilization <= 1 for row in summary.cycle_rows(report))
    frame = report.frame()
    assert frame["energy_pj"].sum() == pytest.approx(energy["total"])
    if chips["count"] > 1:
        assert frame["link_bytes"].sum() == data["scale_out"]["all_reduce"]["bytes"]
        assert frame["stall_all_reduce_cycles"].sum() == data["scale_out"]["all_reduce"]["exposed_cycles"]
        assert energy["by_component"]["link"] == data["scale_out"]["all_reduce"]["energy_pj"]
    else:
        assert not {"link_bytes", "stall_all_reduce_cycles", "energy_link_pj"} & set(frame)


@settings(max_examples=30, deadline=None)
@given(networks(), MECHANISMS, MEMORIES, CHIPS)
def test_links_serve_gradients_in_the_order_in_which_they_are_stored(
    network: Any, skipping: Any, memory: Any, chips: Any
) -> None:
    arch = machine(skipping=skipping, memory=memory, chips={**chips, "batch": "per_chip", "gradients": "dense"})
    with trace_of(network) as trace:
        one, many = (simulate(a, trace, baseline=False) for a in (alone(arch), arch))
    free_at = 0
    keys = zip(one.activity.keys, one.activity.end.tolist(), strict=True)
    stored = [(end, index, key) for index, (key, end) in enumerate(keys) if key.product in WEIGHT_GRADIENTS]
    for end, _, key in sorted(stored, key=lambda gradient: gradient[:2]):
        ready = end if chips["overlap"] else one.total_cycles
        free_at = max(free_at, ready) + ring_cycles(arch, 4 * key.m * key.n)
    assert many.total_cycles == max(one.total_cycles, free_at)


def test_a_ring_by_hand() -> None:
    """Three chips, 10 bytes, 2 bytes a cycle, latency 5: four times a part of 4 bytes, 5 + 2 cycles each."""
    arch = tiny_machine().replaced("chips", {"count": 3, "link": {"bandwidth_gb_per_s": 2.0, "latency_ns": 5.0}})
    assert ring_cycles(arch, 10) == 4 * (5 + 2)
    assert ring_cycles(arch, 0) == 0
    assert ring_cycles(alone(arch), 10) == 0


@pytest.mark.parametrize(("nonzero_rows", "expected"), [(0, 0), (1, 17), (2, 33), (3, 48), (8, 128)])
def test_a_sparse_gradient_by_hand(nonzero_rows: int, expected: int) -> None:
    """8 rows of 4 sums of 32 bits: 16 bytes and 3 bits a row, and never more than 128 bytes."""
    arch = tiny_machine().replaced("chips", {"count": 3, "gradients": "sparse"})
    places = {3: 3 * 16 + 2}
    assert gradient_bytes(arch, 8, 4, nonzero_rows) == places.get(nonzero_rows, expected)


def test_rows_of_other_chips_are_taken_to_be_other_rows(tmp_path: Path) -> None:
    network = {
        "kinds": ["lstm"], "sizes": [3, 8], "T": 2, "B": 2, "density": 0.05, "valid_steps": None, "seed": 3,
        "first_needs_gradient": False, "backward": False, "masks": False, "dense_layers": 0,
    }  # fmt: skip
    arch = machine(skipping={"mechanism": "vector_skip"}, chips={"count": 2, "gradients": "sparse"})
    with write_trace(tmp_path / "t.npz", network) as trace:
        mask = trace.step(7).layers["lstm0"].gate_gradient.unpack()
        sent = simulate(arch, trace, baseline=False).activity
    rows = int(mask.any(axis=(0, 1)).sum())
    assert 0 < 2 * rows < 32
    (dW,) = sent.counts[sent.where(product="dW"), Count.LINK_BYTES]
    assert dW == 2 * -(-2 * rows * (3 * 32 + 5) // 8)


def test_steps_of_a_machine_that_reads_no_mask_but_sends_sparse_gradients_are_each_replayed() -> None:
    arch = load_arch("dense", ["chips=2", "chips.gradients=sparse", "chips.batch=divided"])
    with Trace(SAMPLE) as trace:
        together = simulate(arch, trace, baseline=False).activity
        for number in trace.steps:
            one = simulate(arch, trace, steps=(number, number + 1), baseline=False).activity
            own = np.array([key.step == number for key in together.keys])
            assert np.array_equal(together.counts[own], one.counts)


def test_a_folded_run_has_the_same_links() -> None:
    arch = load_arch("zero_skip", ["chips=4", "chips.link.bandwidth_gb_per_s=5"])
    apart, folded = (simulate(arch, SAMPLE, baseline=False, most_rows=n) for n in (1 << 16, 1))
    assert folded.activity.folded
    assert folded.scale_out == apart.scale_out
    assert folded.stalls == apart.stalls


def test_twin_and_bound_are_scaled_out_alike_and_the_twin_sends_dense_gradients() -> None:
    arch = load_arch("zero_skip", ["arrays=2", "chips=4", "chips.gradients=sparse", "chips.link.latency_ns=1"])
    assert bound_of(arch).chips == arch.chips
    assert dense_twin(arch).chips == with_chips(arch, gradients="dense").chips
    assert dense_twin(arch).arrays == bound_of(arch).arrays == 2


def test_values_are_those_of_numpy_on_arrays_and_chips() -> None:
    arch = load_arch("zero_skip", ["arrays=3", "chips=2", "chips.batch=divided"])
    tally = ValueTally()
    with Trace(SAMPLE) as trace:
        report = simulate(arch, trace, steps=(2000, None), baseline=False, check_values=tally)
    assert tally.macs_dense == report.activity.totals()["macs_dense"]


def test_recorded_values_go_with_their_sequences(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    mask = rng.random((3, 5, 8)) < 0.4
    values = rng.standard_normal(mask.shape).astype(np.float32)
    layer = {"name": "l", "kind": "rnn", "input_size": 2, "hidden_size": 8}
    with TraceWriter(
        tmp_path / "t.npz", {"layers": [layer], "batch_size": 5, "sequence_length": 3, "dense_layers": []}
    ) as writer:
        writer.add_step(7, {"l": {"gate_gradient": mask, "gate_gradient_values": values[mask]}})
    with Trace(tmp_path / "t.npz") as trace:
        shares = dealt(trace.step(7), 2)
    for chip, share in enumerate(shares):
        own = slice(chip, None, 2)
        assert np.array_equal(share.layers["l"].values, values[:, own][mask[:, own]])


def test_more_chips_than_sequences_are_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"17 chips to divide a batch of 16.*chips.batch: per_chip"):
        simulate(load_arch("zero_skip", ["chips=17", "chips.batch=divided"]), SAMPLE)


def test_a_slow_link_is_named_as_the_limit() -> None:
    arch = load_arch("zero_skip", ["chips=8", "chips.link.bandwidth_gb_per_s=0.1"])
    report = simulate(arch, SAMPLE, steps=(2000, None))
    assert report.to_dict()["explanation"]["limiter"]["name"] == "all_reduce"
    assert "links between the chips" in report.explain()[-1]


def test_json_of_many_chips_has_the_keys_that_readme_promises() -> None:
    report: Report = simulate(load_arch("zero_skip", ["arrays=2", "chips=4"]), SAMPLE, steps=(2000, None))
    data = json.loads(report.to_json())["scale_out"]
    assert list(data) == ["arrays", "chips", "batch", "all_reduce", "throughput_times_one_chip", "sequences_per_s"]
    assert list(data["all_reduce"]) == ["bytes", "bytes_per_chip", "cycles", "exposed_cycles", "energy_pj"]
    assert (data["arrays"], data["chips"], data["batch"]) == (2, 4, "per_chip")
    assert report.baseline.to_dict()["scale_out"]["chips"] == 4


@pytest.mark.parametrize("batch", ["per_chip", "divided"])
def test_dram_commands_of_chips_are_those_of_all_of_them(batch: str, tmp_path: Path) -> None:
    dram = {"level": "timing", "timing": "ddr4_3200"}
    layout = {"layers": 1, "hidden_size": 4, "input_size": 4, "sequence_length": 2, "sparsity": 0.5}
    with (
        Trace(synthetic_trace(tmp_path / "all.npz", batch_size=4, **layout)) as four,
        Trace(synthetic_trace(tmp_path / "half.npz", batch_size=2, **layout)) as two,
    ):
        pair = machine(memory={"dram": dram}, chips={"count": 2, "batch": batch})
        found = simulate(pair, four, baseline=False).activity.dram_commands
        share = simulate(alone(pair), four if batch == "per_chip" else two, baseline=False).activity.dram_commands
    if batch == "per_chip":
        assert found == {name: 2 * done for name, done in share.items()}
    else:  # a share has other zeros, but as much that is not skipped: its weights
        assert share["reads"] < found["reads"] <= 3 * share["reads"]
