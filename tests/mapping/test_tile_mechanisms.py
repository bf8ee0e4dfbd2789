"""Plans for mechanisms that read both operands: `run_pass` on unpacked masks is the reference."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import SYSTEMS, machine, networks, write_trace

from simulator.arch import Architecture, load_arch
from simulator.engine.event import run
from simulator.mapping import Count, PassCache, Plan, PlannedProduct, plan
from simulator.mapping.passes import pass_shape
from simulator.skipping import run_pass
from simulator.workload import Product, lower
from traces.errors import InputError

SOME = st.one_of(st.none(), st.integers(1, 9))


@st.composite
def tile_machines(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an array and a mechanism that fits it."""
    overhead = draw(st.integers(0, 3))
    weights = draw(st.sampled_from([None, {"density": 0.4, "seed": 3}]))
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    tile = {"tile_rows": draw(st.integers(1, 9)), "tile_columns": draw(st.integers(1, 9))}
    array = {"rows": rows, "columns": columns, "pass_overhead_cycles": overhead}
    skipping: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"mechanism": "outer_product", "rows": rows, "columns": columns, **tile},
                {"mechanism": "outer_product", "rows": 1, "columns": columns, "pe_rows": rows, **tile},
                {"mechanism": "outer_product", "rows": rows, "columns": columns},
                {"mechanism": "broadcast_fifo", "pes": rows * columns, "depth": 2, "tile_rows": tile["tile_rows"]},
                {"mechanism": "packed", "multipliers": rows * columns, "distribution_values_per_cycle": 2, **tile},
                {"mechanism": "packed", "multipliers": rows * columns},
                {"mechanism": "ideal_two_sided", "multipliers": rows * columns, **tile},
            ]
        )
    )
    return {"array": array, "skipping": {**skipping, "weights": weights}}


def planned(network: dict[str, Any], arch: Architecture) -> Plan:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        return plan(arch, lower(trace, trace.step(7)))


def both_masks(arch: Architecture, product: Product) -> tuple[np.ndarray, np.ndarray]:
    """The masks of both operands: bool [M, K] and [K, N]."""
    a, b = np.ones((product.m, product.k), bool), np.ones((product.k, product.n), bool)
    if product.mask is not None:
        bits = np.unpackbits(product.mask.packed, axis=-1, count=product.mask.bits, bitorder="little").astype(bool)
        a = bits if product.mask.lanes_hold == "rows" else bits.T
    packed = None if product.shared_mask is None else product.shared_mask.packed
    if packed is None and arch.skipping.weights is not None:
        packed = arch.skipping.weights.mask(product.shared_operand, product.k, product.n)
    if packed is not None:
        b = np.unpackbits(packed, axis=-1, count=product.n, bitorder="little").astype(bool)
    return a, b


def passes(arch: Architecture, product: Product) -> int:
    rows, columns = pass_shape(arch, product)
    return -(-product.m // rows) * -(-product.n // columns)


def counted(product: PlannedProduct) -> dict[str, int]:
    names = ("MACS_EXECUTED", "MACS_GATED", "MACS_SKIPPED", "SLOTS_IMBALANCE", "SLOTS_CONFLICT", "SLOTS_REFILL")
    return {name.partition("_")[2].lower(): int(product.counts[Count[name]]) for name in names}


@settings(max_examples=80)
@given(networks(), tile_machines())
def test_ideal_memory_counts_equal_run_pass(network: dict[str, Any], parts: dict[str, Any]) -> None:
    arch = machine(**parts)
    for product in planned(network, arch).products:
        if not product.product.k:
            assert product.array_cycles == 0
            continue
        a, b = both_masks(arch, product.product)
        expected = run_pass(a, arch.skipping, b)
        overhead = arch.array.pass_overhead_cycles * passes(arch, product.product)
        assert product.array_cycles == expected.cycles + overhead
        assert counted(product) == {name: getattr(expected, name) for name in counted(product)}
        assert product.counts[Count.PASSES] == passes(arch, product.product)


@settings(max_examples=80)
@given(networks(), tile_machines(), SYSTEMS)
def test_counts_close_and_jobs_sum_with_a_memory_system(
    network: dict[str, Any], parts: dict[str, Any], memory: dict[str, Any]
) -> None:
    # A mechanism without tiles of its own finishes all outputs at once: 36 x 20 sums at most, in half of the buffer.
    output = {**memory["buffers"]["output"], "capacity_kib": 8}
    arch = machine(**parts, memory={**memory, "buffers": {**memory["buffers"], "output": output}})
    p = planned(network, arch)
    assert p.job_array_cycles.sum() == sum(product.array_cycles for product in p.products)
    times = run(p)
    assert times.busy["array"] + times.stalls.sum() == times.total_cycles
    for product in p.products:
        c = counted(product)
        assert c["executed"] + c["gated"] + c["skipped"] == product.product.macs_dense
        overhead = arch.array.pass_overhead_cycles * int(product.counts[Count.PASSES])
        # Every slot of every multiplier is told of: nothing is left for rows or columns without work.
        used = c["executed"] + c["gated"] + c["imbalance"] + c["conflict"] + c["refill"]
        assert used == arch.multipliers * (product.array_cycles - overhead)
        if product.product.k:
            a, b = both_masks(arch, product.product)
            assert c["executed"] == (a.astype(int) @ b.astype(int)).sum()


@settings(max_examples=40)
@given(networks(), tile_machines())
def test_a_shared_cache_changes_nothing(network: dict[str, Any], parts: dict[str, Any]) -> None:
    arch = machine(**parts)
    machines = [arch, arch.with_mechanism({"mechanism": "dense"}), arch.with_mechanism({"mechanism": "ideal"})]
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        workload = lower(trace, trace.step(7))
    cache = PassCache()
    for one in [*machines, *machines]:
        for alone, together in zip(plan(one, workload).products, plan(one, workload, cache).products, strict=True):
            assert alone.array_cycles == together.array_cycles
            assert np.array_equal(alone.counts, together.counts)


NETWORK = {
    "kinds": ["lstm"], "sizes": [6, 5], "T": 3, "B": 4, "density": 0.5, "valid_steps": [3, 1, 2, 3],
    "first_needs_gradient": True, "backward": False, "masks": True, "dense_layers": 1, "seed": 5,
}  # fmt: skip


def test_the_recorded_masks_of_x_and_h_are_read() -> None:
    arch = machine(array={"rows": 1, "columns": 1}, skipping={"mechanism": "outer_product", "rows": 1, "columns": 1})
    with_masks = {(p.product.layer, p.product.name): p for p in planned(NETWORK, arch).products}
    without = {(p.product.layer, p.product.name): p for p in planned({**NETWORK, "masks": False}, arch).products}
    for name in ("dW", "dU"):
        product = with_masks["lstm0", name].product
        a, b = both_masks(arch, product)
        assert 0 < b.mean() < 1
        assert with_masks["lstm0", name].array_cycles == (a.astype(int) @ b.astype(int)).sum()
        assert without["lstm0", name].product.shared_mask is None
    assert with_masks["lstm0", "dx"].product.shared_mask is None
    assert with_masks["dense0", "dW"].product.shared_mask is None


def test_what_is_read_for_the_masks_is_counted() -> None:
    arch = machine(
        array={"rows": 2, "columns": 2},
        skipping={"mechanism": "outer_product", "rows": 2, "columns": 2, "tile_rows": 8, "tile_columns": 4},
    )
    for p in planned(NETWORK, arch).products:
        m, k, n = p.product.m, p.product.k, p.product.n
        column_tiles, row_tiles = -(-n // 4), -(-m // 8)
        skip = 0 if p.product.mask is None else m * k * column_tiles
        shared = 0 if p.product.shared_mask is None else k * n * row_tiles
        assert p.counts[Count.MASK_BITS_SCANNED] == skip + shared
        assert p.counts[Count.LANE_SELECTIONS] == (p.counts[Count.MACS_EXECUTED] if skip + shared else 0)


def test_an_index_is_read_with_each_stored_weight() -> None:
    skipping = {"mechanism": "broadcast_fifo", "pes": 1, "depth": 8, "index_bits": 1, "weights": {"density": 0.3}}
    arch = machine(array={"rows": 1, "columns": 1}, skipping=skipping)
    dx = next(p for p in planned(NETWORK, arch).products if p.product.name == "dx" and p.product.layer == "lstm0")
    stored = dx.counts[Count.MACS_EXECUTED] + dx.counts[Count.MACS_GATED]
    assert dx.counts[Count.MACS_GATED] > 0
    assert dx.counts[Count.MASK_BITS_SCANNED] == dx.product.m * dx.product.k + stored


def test_an_array_with_other_multipliers_is_refused() -> None:
    with pytest.raises(InputError, match=r"array: found 4 x 4 = 16 multipliers; expected rows x columns = 64.*packed"):
        machine(skipping={"mechanism": "packed", "multipliers": 64})
    with pytest.raises(InputError, match=r"array: found 32 x 32 = 1024 multipliers; expected rows x columns = 4,"):
        load_arch("dense", ["skipping={mechanism: broadcast_fifo, pes: 4, depth: 8}"])


def test_tiles_are_pinned_in_tiles_of_the_mechanism() -> None:
    skipping = {"mechanism": "outer_product", "rows": 4, "columns": 4, "tile_rows": 8}
    assert machine(skipping=skipping, memory={"mapping": {"tile_m": 16}})
    with pytest.raises(
        InputError, match=r"tile_m: found 12; expected auto, or a multiple of the rows of a pass.*\(8\)"
    ):
        machine(skipping=skipping, memory={"mapping": {"tile_m": 12}})
    with pytest.raises(InputError, match=r"tile_n: found 8; expected auto: a pass.*set skipping\.tile_columns"):
        machine(skipping=skipping, memory={"mapping": {"tile_n": 8}})
