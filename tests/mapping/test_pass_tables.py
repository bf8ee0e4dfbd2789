"""Pass tables of products counted together are those of the products counted one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, TINY_MEMORY, machine, networks, write_trace

from simulator.arch import PassCounts
from simulator.mapping import PassCache, PassTable, passes, plan
from simulator.workload import Product, Workload, lower
from traces.errors import InputError

quick = settings(max_examples=60, deadline=None, derandomize=True)
NETWORK: dict[str, Any] = {
    "kinds": ["lstm"],
    "sizes": [5, 7],
    "T": 4,
    "B": 3,
    "density": 0.5,
    "valid_steps": None,
    "first_needs_gradient": True,
    "backward": False,
    "masks": True,
    "dense_layers": 0,
    "seed": 1,
}


def lowered(network: dict[str, Any]) -> Workload:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        return lower(trace, trace.step(7))


def groups(workload: Workload) -> Iterator[list[Product]]:
    """Products that are alike in name and shape, as the planner groups them."""
    found: dict[tuple[str, str, int], list[Product]] = {}
    for product in workload.products:
        if product.k:
            found.setdefault((product.layer, product.name, product.m), []).append(product)
    yield from found.values()


def same(ours: PassTable, one: PassTable) -> None:
    for field in fields(PassCounts):
        mine, plain = getattr(ours.counts, field.name), getattr(one.counts, field.name)
        assert mine.dtype == plain.dtype == np.int64
        assert np.array_equal(mine, plain), field.name
    assert np.array_equal(ours.lanes, one.lanes)
    assert np.array_equal(ours.nonzeros, one.nonzeros)
    assert ours.masked_shared == one.masked_shared


@quick
@given(
    networks(),
    st.one_of(MECHANISMS, st.just({"mechanism": "packed", "multipliers": 6})),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 12),
)
def test_tables_together_equal_tables_one_by_one(
    network: dict[str, Any], mechanism: dict[str, Any], rows: int, columns: int, tile_k: int
) -> None:
    array = {"rows": 2, "columns": 3} if mechanism["mechanism"] == "packed" else {"rows": rows, "columns": columns}
    arch = machine(array=array, skipping=mechanism)
    together, apart = PassCache(), PassCache()
    for alike in groups(lowered(network)):
        ours = together.tables(arch, alike, tile_k, (rows, columns))
        one_for_all = alike[0].mask is None and mechanism["mechanism"] != "packed"
        assert len(ours.nonzeros) == (1 if one_for_all else len(alike))
        for index, product in enumerate(alike):
            same(ours.of(index), apart.table(arch, product, tile_k, (rows, columns)))
        # What was counted is found again.
        assert together.tables(arch, alike, tile_k, (rows, columns)) is ours


@quick
@given(networks(), MECHANISMS, st.integers(1, 6), st.integers(1, 12))
def test_threads_count_what_one_thread_counts(
    network: dict[str, Any], mechanism: dict[str, Any], rows: int, tile_k: int
) -> None:
    arch = machine(array={"rows": rows, "columns": 3}, skipping=mechanism)
    many, one = PassCache(threads=3), PassCache(threads=1)
    wanted = [passes.Wanted(alike, tile_k, (rows, 3)) for alike in groups(lowered(network))]
    with mock.patch.object(passes, "PAYING_SECONDS", 0):
        many.prepare(arch, wanted)
    with mock.patch.object(passes, "_count", side_effect=AssertionError("counted again")):
        ours = [many.tables(arch, w.products, w.tile_k, w.shape) for w in wanted]
    for table, w in zip(ours, wanted, strict=True):
        same(table, one.tables(arch, w.products, w.tile_k, w.shape))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(networks(), MECHANISMS, st.integers(0, 3000), st.sampled_from(["dense", "csc"]))
def test_a_cache_that_forgets_changes_no_plan(
    network: dict[str, Any], mechanism: dict[str, Any], most_bytes: int, fmt: str
) -> None:
    workload, small = lowered(network), PassCache(most_bytes=most_bytes)
    for rows in (2, 3, 2):
        memory = {**TINY_MEMORY, "mapping": {}, "formats": {"skip": fmt}}
        arch = machine(array={"rows": rows, "columns": 3}, skipping=mechanism, memory=memory)
        ours, fresh = plan(arch, workload, small), plan(arch, workload)
        assert np.array_equal(ours.job_array_cycles, fresh.job_array_cycles)
        assert np.array_equal(ours.load_dram_bytes, fresh.load_dram_bytes)
    newest = max(t.nbytes for t in small._tables.values())
    assert sum(t.nbytes for t in small._tables.values()) == small._bytes <= max(most_bytes, newest)
    assert sum(s.nbytes for s in small.stored._stored.values()) == small.stored.nbytes


def test_a_mask_that_a_thread_cannot_count_is_refused_by_the_caller() -> None:
    arch = machine(skipping={"mechanism": "structured", "n": 1, "m": 4})
    alike = list(groups(lowered({**NETWORK, "density": 1.0})))
    cache = PassCache(threads=2)
    with mock.patch.object(passes, "PAYING_SECONDS", 0):
        cache.prepare(arch, [passes.Wanted(one, one[0].k, (4, 4)) for one in alike])
    dh = next(one for one in alike if one[0].name == "dh")
    with pytest.raises(InputError, match="dh, time step"):
        cache.tables(arch, dh, dh[0].k, (4, 4))


def test_recorded_time_steps_are_never_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = machine(skipping={"mechanism": "lookahead", "depth": 3, "refill": 2, "banks": None})
    serial = [alike for alike in groups(lowered(NETWORK)) if len(alike) > 1]
    assert {alike[0].name for alike in serial} == {"gates_h", "dh"}

    laid = []
    lay = passes.rows_on_lanes
    monkeypatch.setattr(passes, "rows_on_lanes", lambda *a, **k: laid.append(1) or lay(*a, **k))
    for alike in serial:
        laid.clear()
        table = PassCache().tables(arch, alike, 4, (2, 2))
        assert len(laid) == -(-alike[0].k // 4)  # once for each K tile, whatever the number of time steps
        zeros = table.nonzeros.sum(axis=(1, 2)).tolist()
        bits = [np.unpackbits(p.mask.packed, axis=-1, count=p.k, bitorder="little") for p in alike if p.mask]
        assert zeros == [int(one.sum()) for one in bits]


def test_a_broken_pattern_is_refused_in_the_words_of_one_product() -> None:
    arch = machine(skipping={"mechanism": "structured", "n": 1, "m": 4})
    dh = next(alike for alike in groups(lowered({**NETWORK, "density": 1.0})) if alike[0].name == "dh")
    with pytest.raises(InputError) as alone:
        PassCache().table(arch, dh[0], dh[0].k, (4, 4))
    with pytest.raises(InputError) as together:
        PassCache().tables(arch, dh, dh[0].k, (4, 4))
    assert str(together.value) == str(alone.value)
    assert f"time step {dh[0].time}" in str(together.value)
