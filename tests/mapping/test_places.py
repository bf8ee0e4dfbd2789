"""Tiles have addresses: tensors do not overlap, their tiles neither, and what is fetched twice lies where it lay."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, machine, networks, write_trace

from simulator.mapping import Plan, plan
from simulator.mapping.plan import OUTPUT
from simulator.workload import lower


def planned(network: dict[str, Any], **changes: Any) -> Plan:
    with tempfile.TemporaryDirectory() as folder, write_trace(Path(folder) / "t.npz", network) as trace:
        return plan(machine(**changes), lower(trace, trace.step(7)))


@settings(max_examples=80)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_tiles_of_a_product_lie_apart(network: Any, array: Any, skipping: Any, memory: Any) -> None:
    p = planned(network, array=array, skipping=skipping, memory=memory)
    for product in p.products:
        runs: dict[int, set[tuple[int, int]]] = {}
        for job in p.jobs_of(product).tolist():
            for load in (p.job_load_skip[job], p.job_load_shared[job], p.job_load_output[job]):
                if load >= 0 and p.load_dram_bytes[load]:
                    start, size = int(p.load_address_bytes[load]), int(p.load_dram_bytes[load])
                    runs.setdefault(int(p.load_buffer[load]), set()).add((start, start + size))
        # Loads of one tile are one run however often it is fetched, so that the set holds each tile once. Encoded
        # tiles may take more bytes than dense ones, where segments are fetched twice: those are left out.
        dense = memory["formats"]["skip"] == "dense"
        for buffer, tiles in runs.items():
            if buffer != 0 or dense:
                ordered = sorted(tiles)
                assert all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))


@settings(max_examples=60)
@given(networks(), SHAPED_ARRAYS, MECHANISMS, SYSTEMS)
def test_partial_sums_come_back_from_where_they_went(network: Any, array: Any, skipping: Any, memory: Any) -> None:
    tiny = {**memory["buffers"], "output": {**memory["buffers"]["output"], "capacity_kib": 1, "double": True}}
    mapping = {"order": "nkm", "tile_k": 2}
    p = planned(network, array=array, skipping=skipping, memory={**memory, "buffers": tiny, "mapping": mapping})
    for load in range(len(p.load_buffer)):
        after = int(p.load_after_job[load])
        if (
            p.load_buffer[load] == OUTPUT
            and after >= 0
            and p.job_product[after] == p.job_product[p.load_last_job[load]]
        ):
            assert p.load_address_bytes[load] == p.job_store_address_bytes[after]
            assert p.load_dram_bytes[load] == p.job_store_bytes[after]


@settings(max_examples=60)
@given(networks(), SHAPED_ARRAYS, SYSTEMS)
def test_results_are_stored_apart(network: Any, array: Any, memory: Any) -> None:
    p = planned(network, array=array, memory=memory)
    if any(not product.tiling.sums_stay for product in p.products):
        return  # sums are written to the same place by each K tile
    stores = sorted(
        (int(start), int(start + size))
        for start, size in zip(p.job_store_address_bytes, p.job_store_bytes, strict=True)
        if size
    )
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(stores))
