"""Every product through its schedule: right on all mechanisms and machines, and any fault is found and named."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import ARRAYS, MECHANISMS, SYSTEMS, machine, networks, write_trace
from plain.structured import pruned

from simulator import simulate
from simulator.arch import mechanism_of
from simulator.mapping import plan
from simulator.values import ValueMismatch, ValueTally, kernels
from simulator.workload import lower
from traces import Layer, Trace, TraceWriter, synthetic_trace

INNER_PRODUCTS = st.fixed_dictionaries(
    {
        "mechanism": st.just("inner_product"),
        "lanes": st.integers(1, 8),
        "depth": st.integers(1, 4),
        "moves": st.sampled_from([[[1, -1], [1, 0], [2, 2]], [[1, 1], [3, -2]], []]),
    }
)
WIDE_TWINS = st.fixed_dictionaries(
    {"mechanism": st.sampled_from(["dense", "ideal"]), "positions_per_cycle": st.integers(1, 8)}
)
ONE_SIDED = st.one_of(MECHANISMS, INNER_PRODUCTS, WIDE_TWINS)
WEIGHTS = st.sampled_from([None, {"density": 0.4, "seed": 1}])
COLUMNS = st.one_of(st.none(), st.integers(1, 5))


def whole(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


def two_sided(rows: st.SearchStrategy[int | None]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw mechanisms that read both operands; `rows` of a tile may be None where buffers are no limit."""
    tiles = {"tile_rows": rows, "tile_columns": COLUMNS, "weights": WEIGHTS}
    outer = {
        "mechanism": st.just("outer_product"),
        "rows": whole(4),
        "columns": whole(4),
        "pe_rows": whole(2),
        "pe_columns": whole(2),
        "tile_rows": whole(5),
        "tile_columns": whole(5),
        "weights": WEIGHTS,
    }
    fifo = {
        "mechanism": st.just("broadcast_fifo"),
        "pes": whole(6),
        "depth": st.sampled_from([None, 1, 2, 5]),
        "index_bits": st.sampled_from([None, 1, 2]),
        "tile_rows": whole(5),
        "weights": WEIGHTS,
    }
    packed = {
        "mechanism": st.just("packed"),
        "multipliers": whole(12),
        "whole_rows": st.booleans(),
        "distribution_values_per_cycle": st.sampled_from([None, 1, 3]),
        "reduction_values_per_cycle": st.sampled_from([None, 1, 2]),
        "distribution_latency_cycles": st.integers(0, 3),
        "reduction_latency_cycles": st.integers(0, 3),
        **tiles,
    }
    outer_whole = {"mechanism": st.just("outer_product"), "rows": whole(4), "columns": whole(4), **tiles}
    ideal = {"mechanism": st.just("ideal_two_sided"), "multipliers": whole(12), **tiles}
    return st.one_of(*(st.fixed_dictionaries(d) for d in (outer, outer_whole, fifo, packed, ideal)))


def fitting(array: dict[str, int], skipping: dict[str, Any]) -> dict[str, int]:
    """Give the array as many multipliers as the mechanism speaks of, if it does."""
    s = skipping
    match s["mechanism"]:
        case "outer_product":
            return {**array, "rows": s["rows"] * s.get("pe_rows", 1), "columns": s["columns"] * s.get("pe_columns", 1)}
        case "broadcast_fifo":
            return {**array, "rows": 1, "columns": s["pes"]}
        case "packed" | "ideal_two_sided":
            return {**array, "rows": 1, "columns": s["multipliers"]}
    return array


def checked(network: dict[str, Any], **parts: Any) -> ValueTally:
    """Check a random trace on a machine; the tally says that all products with MACs were reached."""
    tally = ValueTally()
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        report = simulate(machine(**parts), trace, baseline=False, check_values=tally)
        products = [p for p in lower(trace, trace.step(7)).products if p.k]
    assert tally.products == len(products)
    assert tally.macs == report.activity.totals()["macs_executed"]
    assert tally.macs_dense == report.activity.totals()["macs_dense"]
    assert tally.passes == report.activity.totals()["passes"]
    return tally


@settings(max_examples=60)
@given(networks(), ARRAYS, st.one_of(ONE_SIDED, two_sided(st.one_of(st.none(), whole(5)))))
def test_values_and_cycles_are_right_with_ideal_memory(network, array, skipping):
    checked(network, array=fitting(array, skipping), skipping=skipping)


@settings(max_examples=60)
@given(
    networks(),
    ARRAYS,
    st.one_of(ONE_SIDED, two_sided(st.one_of(st.none(), whole(5)))),
    SYSTEMS,
    st.one_of(st.none(), st.integers(1, 7)),
)
def test_values_and_cycles_are_right_on_tiles_of_a_memory_system(network, array, skipping, memory, tile_k):
    grain = mechanism_of(
        skipping
    ).position_grain  # a pinned K tile is a multiple of the positions that are taken together
    memory = {**memory, "mapping": {"tile_k": "auto" if tile_k is None else tile_k * grain}}
    checked(network, array=fitting(array, skipping), skipping=skipping, memory=memory)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (3, 5)])
def test_values_are_right_on_structured_masks(tmp_path: Path, n: int, m: int) -> None:
    rng = np.random.default_rng(m)
    tokens, bits = 20, 13
    mask = pruned(rng.random((tokens, bits)) < 0.8, n, m)
    mask &= pruned(mask.T.copy(), n, m).T  # dW reads it along the other axis
    header = {
        "layers": [{"name": "y", "kind": "linear", "input_size": 6, "hidden_size": bits, "input_needs_gradient": True}],
        "batch_size": 5,
        "sequence_length": 4,
    }
    with TraceWriter(tmp_path / "t.npz", header) as writer:
        writer.add_step(7, {"y": {"gate_gradient": mask.reshape(4, 5, bits)}})
    tally = ValueTally()
    arch = machine(skipping={"mechanism": "structured", "n": n, "m": m})
    simulate(arch, tmp_path / "t.npz", baseline=False, check_values=tally)
    assert tally.products == 3


def test_small_buffers_cut_k_and_the_sums_go_on(tmp_path: Path) -> None:
    path = synthetic_trace(tmp_path / "t.npz", layers=1, input_size=40, hidden_size=48, sequence_length=4, batch_size=9)
    arch = machine(
        array={"rows": 8, "columns": 8},
        skipping={"mechanism": "lookahead", "depth": 4, "refill": 2, "banks": 2},
        memory={"buffers": {name: {"capacity_kib": 1} for name in ("skip", "shared", "output")}},
    )
    with Trace(path) as trace:
        tilings = [p.tiling for p in plan(arch, lower(trace, trace.step(0))).products if p.product.k]
    assert any(t.tile_k < 192 and t.tile_m < 36 for t in tilings)
    simulate(arch, path, check_values=True)


def test_values_change_nothing_in_the_report(tmp_path: Path) -> None:
    path = synthetic_trace(tmp_path / "t.npz", layers=2, hidden_size=8, input_size=6, sequence_length=3, batch_size=5)
    assert simulate("zero_skip", path, check_values=True).to_json() == simulate("zero_skip", path).to_json()


# --- recorded values -------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return synthetic_trace(
        tmp_path / "values.npz",
        layers=[Layer(name="lstm0", kind="lstm", input_size=16, hidden_size=24)],
        sequence_length=5,
        batch_size=6,
        valid_steps=[5, 5, 2, 1, 4, 3],
        steps=[3, 9],
        values=True,
    )


@pytest.mark.parametrize("memory", ["ideal", {"mapping": {"tile_k": 7}}])
def test_recorded_values_are_used_and_right(recorded: Path, memory: Any) -> None:
    tally = ValueTally()
    arch = machine(skipping={"mechanism": "lookahead", "depth": 8, "refill": 2, "banks": 2}, memory=memory)
    simulate(arch, recorded, baseline=False, check_values=tally)
    assert tally.recorded_products == 2 * (5 + 3)  # dh of each time step, dx, dW and dU of two steps
    assert tally.products == 2 * (2 * 5 + 4)
    assert "16 of them with recorded gradients" in str(tally)


@pytest.mark.parametrize("error", [1e-11, -1e-11])
def test_the_tolerance_of_recorded_values_is_that_of_rounding(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    exact = kernels.multiply_accumulate

    def rough(lane, position, skip, shared, sums):
        # Seeded values stay exact, so that a recorded product is the one that is wrong.
        exact(lane, position, skip if np.array_equal(skip, np.rint(skip)) else skip * (1 + error), shared, sums)

    monkeypatch.setattr(kernels, "multiply_accumulate", rough)
    with pytest.raises(ValueMismatch, match=r"step 3: lstm0 dh t=4"):
        simulate(machine(), recorded, baseline=False, check_values=True)


def test_a_chain_that_grows_shorter_is_planned_for_its_first_time_step() -> None:
    # All rows are one pass; the first time step has four, and is no member of the chain, whose others have one.
    network = {
        "kinds": ["lstm"], "sizes": [6, 8], "T": 2, "B": 4, "density": 0.0, "valid_steps": [2, 1, 1, 1],
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 0,
    }  # fmt: skip
    tally = checked(
        network, array={"rows": 1, "columns": 3}, skipping={"mechanism": "packed", "multipliers": 3}, memory={}
    )
    assert tally.macs > 0
