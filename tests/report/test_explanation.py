"""The explanation: its numbers are the report's, and the limit that it names is the one that was built."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from plain.cases import ARRAYS, MECHANISMS, SYSTEMS, machine, networks, write_trace

from simulator.arch import load_arch
from simulator.engine import STALLS
from simulator.report import Report, numbers
from simulator.report.explanation import (
    _SAID,
    LOADS,
    MISSED,
    NEEDED,
    NO_ZEROS,
    OVERHEAD,
    WAITS,
    limiter,
    time_parts,
)
from simulator.run import simulate
from traces import DenseLayer, Layer, TraceWriter, synthetic_trace

# A memory system in which nothing is scarce; each test takes something away.
RICH: dict[str, Any] = {
    "buffers": {
        "skip": {"capacity_kib": 64},
        "shared": {"capacity_kib": 64},
        "output": {"capacity_kib": 64, "port_values_per_cycle": 4096},
    },
    "dram": {"bandwidth_gb_per_s": 4096.0, "latency_ns": 0.0, "queue": 64},
    "vector_unit": {
        "lanes": 4096,
        "gate_forward_cycles_per_value": 1,
        "gate_backward_cycles_per_value": 1,
        "latency_cycles": 1,
    },
}
IDEAL = {"mechanism": "ideal"}
POOR = {"mechanism": "lookahead", "depth": 2, "refill": 2, "banks": None}


def memory(**changes: Any) -> dict[str, Any]:
    return {**RICH, **{block: {**RICH[block], **keys} for block, keys in changes.items()}}


@pytest.fixture(scope="module")
def sparse_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace whose x and h have zeros, too: no product is without any."""
    return synthetic_trace(
        tmp_path_factory.mktemp("explanation") / "sparse.npz",
        layers=2,
        input_size=16,
        hidden_size=16,
        sequence_length=6,
        batch_size=8,
        sparsity=0.6,
        input_sparsity=0.6,
        hidden_sparsity=0.6,
        steps=[5],
    )


BUILT = {
    "array": (IDEAL, {"memory": RICH}, NO_ZEROS),
    "ideal memory": (IDEAL, {}, NO_ZEROS),
    "set-up": (IDEAL, {"array": {"rows": 4, "columns": 4, "pass_overhead_cycles": 500}}, OVERHEAD),
    "DRAM": (IDEAL, {"memory": memory(dram={"bandwidth_gb_per_s": 0.1})}, "dram"),
    "chain": (IDEAL, {"memory": memory(vector_unit={"latency_cycles": 5000})}, "dependency"),
    "vector unit": (
        IDEAL,
        {"memory": memory(vector_unit={"lanes": 1, "gate_backward_cycles_per_value": 40})},
        "vector_unit",
    ),
}


@pytest.mark.parametrize("built", BUILT)
def test_the_limit_is_the_one_that_was_built(built: str, small_trace: Path) -> None:
    skipping, changes, expected = BUILT[built]
    report = simulate(machine(skipping=skipping, **changes), small_trace)
    found = limiter(report)
    assert found.name == expected, time_parts(report)
    assert 0 < found.share <= 1
    last = report.explain()[-1]
    assert last.startswith(f"Largest limit, {numbers.percent(found.share)} of the time: {found.is_what}")
    assert found.moved_by in last


def test_every_reason_of_a_stall_is_known_to_the_explanation() -> None:
    spoken = {*_SAID, *LOADS}
    assert set(STALLS) <= spoken
    assert set(WAITS) <= set(STALLS)
    # No DRAM and no vector unit is behind these.
    assert set(STALLS) - set(WAITS) <= {"operand_bandwidth", "all_reduce"}


def test_a_slow_dram_that_is_not_busy_is_a_wait_for_loads(small_trace: Path) -> None:
    dram = {"latency_ns": 3000.0, "queue": 1}
    report = simulate(machine(skipping=IDEAL, memory=memory(dram=dram)), small_trace)
    found, busy = limiter(report), report.activity.busy_cycles["dram"] / report.total_cycles
    assert found.name == "loads"
    assert busy < 0.1
    assert f"busy for {numbers.percent(busy)} only" in found.is_what
    assert "latency" in found.moved_by


def test_a_poor_mechanism_is_its_own_limit_where_every_product_has_zeros(sparse_everywhere: Path) -> None:
    report = simulate(machine(array={"rows": 8, "columns": 4}, skipping=POOR), sparse_everywhere)
    assert limiter(report).name == MISSED
    assert "deeper window" in limiter(report).moved_by


def test_ideal_skipping_of_zeros_everywhere_is_limited_by_nothing(sparse_everywhere: Path) -> None:
    report = simulate(machine(skipping=IDEAL), sparse_everywhere)
    assert limiter(report).name == "nothing"
    assert "more zeros" in report.explain()[-1]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(networks(), MECHANISMS, ARRAYS, SYSTEMS)
def test_any_machine_is_explained_by_its_own_numbers(
    tmp_path: Path, network: dict[str, Any], skipping: dict[str, Any], array: dict[str, int], system: dict[str, Any]
) -> None:
    try:
        arch = machine(skipping=skipping, array=array, memory=system)
    except ValueError:
        return
    report = simulate(arch, write_trace(tmp_path / "x.npz", network))
    parts = time_parts(report)
    assert sum(part.cycles for part in parts) == report.total_cycles
    assert all(part.cycles >= 0 for part in parts)
    check_numbers(report)


def check_numbers(report: Report) -> None:
    """Compare the first sentence with the report, number by number."""
    sentences = report.explain()
    if not report.total_cycles:
        assert sentences == ["Nothing was replayed: the recorded steps have no work."]
        return
    twin, first = report.baseline, sentences[0]
    assert first.startswith(f"At {numbers.percent(report.sparsity)} sparsity of dG, ")
    assert twin is not None
    assert report.energy_saving is not None
    time = 1 - report.total_cycles / twin.total_cycles
    for saving, what in ((time, "time"), (report.energy_saving, "energy")):
        if saving >= 0.0005:
            assert re.search(rf"saves .*{re.escape(numbers.percent(saving))} of {what}", first), first
        elif saving <= -0.0005:
            assert re.search(rf"costs .*{re.escape(numbers.percent(-saving))} more {what}", first), first
        else:
            assert re.search(rf"changes .*less than 0\.1 % of {what}", first), first
    work = int(report.activity.array_cycles.sum())
    assert f" {work:,}" in first
    assert f" {report.total_cycles - work:,}" in first
    assert (" fall" in first or " stay" in first) or " rise" in first
    totals = report.activity.totals()
    if totals["macs_executed"] == totals["macs_dense"]:
        assert "every MAC is executed" in first
    else:
        assert f"{numbers.percent(report.savings['network'])} of the network's MACs" in first
    assert all(sentence.endswith(".") and sentence.isascii() for sentence in sentences)
    assert "nan" not in " ".join(sentences)


@pytest.mark.parametrize(
    "name", ["zero_skip", "gated", "dense", "scnn", "sigma", "independent_lanes", "systolic", "eie"]
)
def test_shipped_machines_are_explained_by_their_own_numbers(name: str, small_trace: Path) -> None:
    check_numbers(simulate(load_arch(name), small_trace))


def test_a_loss_is_told_as_a_loss(report: Report) -> None:
    assert report.baseline is not None
    turned = replace(report, energy=report.baseline.energy, baseline=replace(report.baseline, energy=report.energy))
    saving = turned.energy_saving
    assert saving is not None
    assert f"but costs {numbers.percent(-saving)} more energy here" in turned.explain()[0]


def test_energy_sentences_name_the_components_that_fell_and_those_that_did_not(report: Report) -> None:
    assert report.baseline is not None
    text = " ".join(report.explain())
    here, twin = report.energy.by_component(), report.baseline.energy.by_component()
    total = report.baseline.energy.total_pj
    most = max(here, key=lambda name: twin[name] - here[name])
    assert f"{most} {numbers.percent((twin[most] - here[most]) / total)}" in text
    same = [
        name for name in here if twin[name] and here[name] >= twin[name] and here[name] > 0.001 * report.energy.total_pj
    ]
    assert same
    listed = text.partition("Not smaller than the twin's: ")[2].partition(" %")[0]
    assert all(name in listed for name in same)
    added = sum(max(0.0, here[name] - twin[name]) for name in here)
    assert f"costs {numbers.percent(added / total)} of the dense twin's energy" in text


def test_products_without_zeros_are_named_and_only_they(report: Report) -> None:
    text = " ".join(report.explain())
    named = re.search(r"work on products without a recorded zero \(([^)]*)\)", text)
    assert named is not None
    names = named.group(1).split(", ")
    assert "gates_h" in names
    assert "dh" not in names
    share = next(part.share for part in time_parts(report) if part.name == NO_ZEROS)
    assert f"{numbers.percent(share)} is work on products without" in text


def test_without_a_twin_nothing_is_claimed_to_be_saved(lone_report: Report) -> None:
    text = " ".join(lone_report.explain())
    assert "nothing was replayed to compare it with" in text
    assert "twin" not in text
    assert "saves" not in text
    assert {part.name: part.cycles for part in time_parts(lone_report)}[MISSED] == 0


def test_the_json_has_sentences_shares_and_the_limit(report: Report) -> None:
    data = report.to_dict()["explanation"]
    assert data["sentences"] == report.explain()
    assert sum(data["time"].values()) == pytest.approx(1)
    assert list(data["time"])[:4] == [NO_ZEROS, OVERHEAD, MISSED, NEEDED]
    assert data["limiter"]["share"] == limiter(report).share


def test_a_step_of_nothing_but_padding_is_explained(tmp_path: Path) -> None:
    header = {"layers": [Layer("a", "lstm", 3, 4)], "batch_size": 2, "sequence_length": 3}
    with TraceWriter(tmp_path / "x.npz", {**header, "dense_layers": [DenseLayer("d", 4, 5)]}) as writer:
        writer.add_step(1, {"a": {"gate_gradient": np.zeros((3, 2, 16), np.bool_)}}, valid_steps=[0, 0])
    report = simulate(machine(skipping=POOR), tmp_path / "x.npz")
    assert report.explain() == ["Nothing was replayed: the recorded steps have no work."]
    told = report.to_dict()["explanation"]["limiter"]
    assert (told["name"], told["share"]) == ("nothing", 0.0)
