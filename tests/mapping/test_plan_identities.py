"""The identities of a plan, with the plain form of the lookahead law as the reference."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import ARRAYS, MECHANISMS, SYSTEMS, machine, networks, write_trace
from plain.lookahead import plain_lookahead
from plain.plan_jobs import Shares

from simulator.mapping import Count, plan
from simulator.mapping.writer_kernels import _share
from simulator.workload import lower


def unpacked(product):
    """The skip operand's mask: bool [M, K]."""
    if product.mask is None:
        return np.ones((product.m, product.k), dtype=bool)
    mask = product.mask
    bits = np.unpackbits(mask.packed, axis=-1, count=mask.bits, bitorder="little").astype(bool)
    return bits if mask.lanes_hold == "rows" else bits.T


def plain_cycles(skipping, mask):
    """Cycles of one pass by the plain form, for every mechanism that `MECHANISMS` draws."""
    knobs = {
        "dense": {"depth": 1, "refill": 1},
        "gated": {"depth": 1, "refill": 1},
        "vector_skip": {"depth": 1, "refill": None},
    }
    if skipping["mechanism"] == "ideal":
        return -(-int(mask.sum()) // len(mask))
    own = {k: v for k, v in skipping.items() if k != "mechanism"}
    chosen = knobs.get(skipping["mechanism"], own)
    return plain_lookahead(mask, chosen["depth"], chosen["refill"], chosen.get("banks"))["cycles"]


@settings(max_examples=60)
@given(networks(), ARRAYS, MECHANISMS)
def test_ideal_memory_cycles_equal_the_plain_form(network, array, skipping):
    array = {**array, "pass_overhead_cycles": 0}
    rows, columns = array["rows"], array["columns"]
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        p = plan(machine(array=array, skipping=skipping), lower(trace, trace.step(7)))
    for planned in p.products:
        product = planned.product
        if product.k == 0:
            assert planned.array_cycles == 0
            continue
        mask = unpacked(product)
        passes = [plain_cycles(skipping, mask[i : i + rows]) for i in range(0, product.m, rows)]
        assert planned.array_cycles == -(-product.n // columns) * sum(passes)


@settings(max_examples=60)
@given(networks(), ARRAYS, MECHANISMS)
def test_counts_close(network, array, skipping):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        arch = machine(array={**array, "pass_overhead_cycles": 0}, skipping=skipping)
        p = plan(arch, lower(trace, trace.step(7)))
    for planned in p.products:
        c, product = planned.counts, planned.product
        assert c[Count.MACS_EXECUTED] + c[Count.MACS_GATED] + c[Count.MACS_SKIPPED] == product.macs_dense
        if skipping["mechanism"] != "dense" and product.k:
            assert c[Count.MACS_EXECUTED] == int(unpacked(product).sum()) * product.n
        idle = c[Count.SLOTS_IMBALANCE] + c[Count.SLOTS_CONFLICT] + c[Count.SLOTS_REFILL]
        slots = int(c[Count.MACS_EXECUTED] + c[Count.MACS_GATED] + idle)
        # Slots of real rows and columns are never more than those of the whole array.
        assert slots <= planned.array_cycles * arch.array.rows * arch.array.columns
        if skipping["mechanism"] == "dense":
            assert c[Count.MACS_EXECUTED] == product.macs_dense


@settings(max_examples=60)
@given(networks(), ARRAYS, MECHANISMS, SYSTEMS)
def test_array_cycles_of_a_system_equal_those_of_ideal_memory_where_k_is_whole(network, array, skipping, memory):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    ideal = plan(machine(array=array, skipping=skipping), workload)
    system = plan(machine(array=array, skipping=skipping, memory=memory), workload)
    for a, b in zip(ideal.products, system.products, strict=True):
        if a.product.k and b.tiling.tile_k >= a.product.k:
            assert a.array_cycles == b.array_cycles
            array_only = list(range(Count.MACS_DENSE, Count.ACCUMULATOR_UPDATES + 1))
            if memory["formats"]["skip_on_chip"] != "dense":  # then other metadata than one mask bit an element is read
                array_only.remove(Count.MASK_BITS_SCANNED)
            assert np.array_equal(a.counts[array_only], b.counts[array_only])


@settings(max_examples=60)
@given(networks(), ARRAYS, SYSTEMS)
def test_dense_traffic_is_at_least_each_operand_once(network, array, memory):
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        workload = lower(trace, trace.step(7))
    arch = machine(array=array, memory={**memory, "formats": {"skip": "dense"}})
    p = plan(arch, workload)
    for planned in p.products:
        product, epilogue = planned.product, planned.product.epilogue
        read = epilogue.load_operand_values * 2 + epilogue.load_accumulator_values * 4
        if product.k and not planned.tiling.skip_on_chip:
            read += product.m * product.k * 2
        if product.k and not planned.tiling.shared_resident:
            read += product.k * product.n * 2
        assert planned.counts[Count.DRAM_READ_BYTES] >= read
        written = epilogue.store_operand_values * 2 + epilogue.store_accumulator_values * 4
        if epilogue.store_skip is not None:
            written += epilogue.store_skip.shape[0] * epilogue.store_skip.shape[1] * 2
        assert planned.counts[Count.DRAM_WRITE_BYTES] == written


@given(st.integers(0, 1000), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_shares_sum_to_the_total_and_stay_near_proportion(total, parts):
    shares = Shares(total, sum(parts))
    dealt = [shares.take(part) for part in parts]
    done = np.cumsum([0, *parts[:-1]]).tolist()
    assert dealt == [_share(total, sum(parts), before, part) for before, part in zip(done, parts, strict=True)]
    assert sum(dealt) == total
    for part, share in zip(parts, dealt, strict=True):
        assert abs(share - total * part / sum(parts)) < 1
    # So a product whose last job has nothing to store has nothing to store at all: engines rely on it.
    assert dealt[-1] >= min(total, 1)


def test_bitmap_bytes_are_exact(tmp_path):
    network = {
        "kinds": ["linear"], "sizes": [5, 9], "T": 4, "B": 5, "density": 0.5, "valid_steps": None,
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 11,
    }  # fmt: skip
    trace = write_trace(tmp_path / "t.npz", network)
    step = trace.step(7)
    nonzeros = step.layers["linear0"].gate_gradient.count()
    roomy = {"buffers": {"skip": {"capacity_kib": 64}, "shared": {"capacity_kib": 64}, "output": {"capacity_kib": 64}}}
    pinned = {"mapping": {"tile_m": 20, "tile_n": 8}}
    arch = machine(
        array={"rows": 20, "columns": 8},
        skipping={"mechanism": "vector_skip"},
        memory={**roomy, **pinned, "formats": {"skip": "bitmap"}},
    )
    p = plan(arch, lower(trace, step))
    dx = next(x for x in p.products if x.product.name == "dx")
    mask_bytes, value_bytes = -(-20 * 9 // 8), nonzeros * 2
    weights_bytes = 9 * 5 * 2
    assert dx.counts[Count.DRAM_READ_BYTES] == mask_bytes + value_bytes + weights_bytes
    made = next(x for x in p.products if x.product.name == "gates_backward")
    assert made.counts[Count.DRAM_WRITE_BYTES] == mask_bytes + value_bytes


def test_cutting_k_restarts_the_window_and_moves_partial_sums(tmp_path):
    network = {
        "kinds": ["linear"], "sizes": [4, 8], "T": 2, "B": 2, "density": 1.0, "valid_steps": None,
        "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 0,
    }  # fmt: skip
    trace = write_trace(tmp_path / "t.npz", network)
    workload = lower(trace, trace.step(7))
    whole = plan(machine(array={"rows": 4, "columns": 4, "pass_overhead_cycles": 3}, memory={}), workload)
    memory = {"mapping": {"tile_k": 3}}
    cut = plan(machine(array={"rows": 4, "columns": 4, "pass_overhead_cycles": 3}, memory=memory), workload)
    a, b = (next(x for x in p.products if x.product.name == "dx") for p in (whole, cut))
    assert a.array_cycles == 8 + 3
    assert b.array_cycles == 8 + 3 * 3
    assert b.counts[Count.PASSES] == 3 * a.counts[Count.PASSES]
    sums_bits = 4 * 4 * 32
    assert a.counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] == sums_bits
    assert b.counts[Count.OUTPUT_BUFFER_BITS_WRITTEN] == 3 * sums_bits


def test_shares_of_huge_totals_do_not_overflow():
    """A petabyte dealt out over 2^40 outputs: the plain form's product has 90 bits, more than an int64."""
    total, whole, part = 10**15, 1 << 40, 1 << 37
    plain = Shares(total, whole)
    for done in range(0, whole, part):
        assert plain.take(part) == _share(total, whole, done, part)
