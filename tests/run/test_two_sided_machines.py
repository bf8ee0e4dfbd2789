"""The shipped machines that skip zeros of both operands replay a trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator import simulate
from simulator.arch import TileMechanism, load_arch
from simulator.mapping import Count
from traces import Trace, TraceWriter

MACHINES = {
    "scnn": ("outer_product", 1024),
    "dual_side_tensor_core": ("outer_product", 128),
    "eyeriss_v2_pe": ("outer_product", 1),
    "eie": ("broadcast_fifo", 64),
    "sigma": ("packed", 256),
}
T, B, D, H = 4, 6, 20, 24


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LSTM and its classifier, with zeros in every recorded tensor."""
    path = tmp_path_factory.mktemp("two_sided") / "t.npz"
    rng = np.random.default_rng(11)
    header = {
        "layers": [{"name": "lstm0", "kind": "lstm", "input_size": D, "hidden_size": H}],
        "dense_layers": [{"name": "classifier", "input_size": H, "output_size": 30}],
        "batch_size": B,
        "sequence_length": T,
    }
    shares = {"gate_gradient": (4 * H, 0.25), "input": (D, 0.5), "hidden": (H, 0.7)}
    with TraceWriter(path, header) as writer:
        writer.add_step(3, {"lstm0": {n: rng.random((T, B, size)) < share for n, (size, share) in shares.items()}})
    return path


def useful_macs(path: Path) -> int:
    """MACs of the LSTM with two non-zero operands; weights have no zeros."""
    with Trace(path) as trace:
        record = trace.step(3).layers["lstm0"]
        dG = record.gate_gradient.unpack().reshape(T * B, -1).astype(int)
        x, h = (m.unpack().reshape(T * B, -1).astype(int) for m in (record.input, record.hidden))
    forward = (x.sum() + h.sum()) * 4 * H
    return int(forward + dG.sum() * (D + H) + (dG.T @ x).sum() + (dG.T @ h).sum())


@pytest.mark.parametrize("name", MACHINES)
def test_shipped_machine_replays_a_trace(name: str, trace_file: Path) -> None:
    arch = load_arch(name)
    assert isinstance(arch.skipping, TileMechanism)
    assert (arch.skipping.mechanism, arch.multipliers) == MACHINES[name]
    report = simulate(arch, trace_file)
    layers = report.activity.select(report.activity.where(recorded=True))
    classifier = 3 * T * B * H * 30
    assert layers[Count.MACS_EXECUTED] == useful_macs(trace_file)
    assert report.activity.totals()["macs_executed"] == useful_macs(trace_file) + classifier
    closed = report.activity.counts[:, [Count.MACS_EXECUTED, Count.MACS_GATED, Count.MACS_SKIPPED]].sum(axis=1)
    assert np.array_equal(closed, report.activity.counts[:, Count.MACS_DENSE])
    assert 0 < report.utilization <= 1
    assert report.energy.total_pj > 0
    assert report.baseline is not None
    assert report.baseline.activity.totals()["macs_executed"] == report.activity.totals()["macs_dense"]


def test_an_eyeriss_pe_takes_a_cycle_for_each_useful_mac(trace_file: Path) -> None:
    report = simulate("eyeriss_v2_pe", trace_file, baseline=False)
    assert report.total_cycles == report.activity.totals()["macs_executed"]
    assert report.utilization == 1


def test_pruned_weights_save_forward_work_on_eie(trace_file: Path) -> None:
    dense = simulate("eie", trace_file, baseline=False)
    pruned_machine = load_arch("eie", ["skipping.weights={density: 0.1, seed: 1}"])
    pruned = simulate(pruned_machine, trace_file, baseline=False)
    share = pruned.activity.totals()["macs_executed"] / dense.activity.totals()["macs_executed"]
    assert pruned.total_cycles < dense.total_cycles
    assert share < 0.6
    assert simulate(pruned_machine, trace_file, baseline=False).to_json() == pruned.to_json()
