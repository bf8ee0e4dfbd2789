"""Skip operands in DRAM and on chip: bytes, room and bits of every tile, by an encoder that writes every bit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import ARRAYS, MECHANISMS, SYSTEMS, machine, networks, write_trace
from plain.formats import plain_tile_bits

from simulator.mapping import Count, Plan, PlannedProduct, plan
from simulator.mapping.plan import SKIP
from simulator.mapping.tiling import Pins, TilingProblem, k_tiles
from simulator.memory import FORMATS, bytes_of_bits
from simulator.workload import Product, Workload, lower

OPERAND_BITS = 16


def workload_of(network: dict[str, Any]) -> Workload:
    with tempfile.TemporaryDirectory() as folder:
        trace = write_trace(Path(folder) / "t.npz", network)
        return lower(trace, trace.step(7))


def stored_values(mask: Any) -> list[list[int]]:
    """The stored rows, with ones for non-zeros."""
    return np.unpackbits(mask.packed, axis=-1, count=mask.bits, bitorder="little").tolist()  # type: ignore[no-any-return]


def tile_bits(product: Product, rows: range, positions: range, fmt: str, formats: dict[str, Any]) -> tuple[int, int]:
    """Bits of a tile of S [M, K]."""
    if product.mask is None or fmt == "dense":
        return len(rows) * len(positions) * OPERAND_BITS, 0
    stored, elements = (rows, positions) if product.mask.lanes_hold == "rows" else (positions, rows)
    ranges = ((stored.start, stored.stop), (elements.start, elements.stop))
    return plain_tile_bits(
        stored_values(product.mask), *ranges, fmt, OPERAND_BITS, formats["segment"], formats["run_bits"]
    )


def skip_loads(p: Plan, planned: PlannedProduct) -> dict[int, tuple[range, range]]:
    """The tile of S that each load of a product's skip operand holds."""
    product, tiling = planned.product, planned.tiling
    tiles = {}
    for job, (i, _, q) in zip(p.jobs_of(planned).tolist(), tiling.jobs(product.m, product.n, product.k), strict=True):
        load = int(p.job_load_skip[job])
        if load >= 0:
            rows = range(i * tiling.tile_m, min((i + 1) * tiling.tile_m, product.m))
            positions = range(q * tiling.tile_k, min((q + 1) * tiling.tile_k, product.k))
            whole = range(product.m), range(product.k)
            tiles[load] = whole if tiling.skip_on_chip else (rows, positions)
    return tiles


def drawn(skip: str, on_chip: str, segment: int = 32, run_bits: int = 4) -> dict[str, Any]:
    return {"skip": skip, "skip_on_chip": on_chip, "segment": segment, "run_bits": run_bits}


@settings(max_examples=100)
@given(networks(), ARRAYS, MECHANISMS, SYSTEMS)
def test_bytes_room_and_bits_of_every_tile_are_those_of_the_plain_encoder(
    network: dict[str, Any], array: dict[str, Any], skipping: dict[str, Any], memory: dict[str, Any]
) -> None:
    formats = memory["formats"]
    p = plan(machine(array=array, skipping=skipping, memory=memory), workload_of(network))
    for planned in p.products:
        product, counts = planned.product, planned.counts
        on_chip = "dense" if product.mask is None else formats["skip_on_chip"]
        reads_mask = product.mask is not None and skipping["mechanism"] != "dense"
        value_bits = metadata_bits = 0
        for load, tile in skip_loads(p, planned).items():
            assert p.load_buffer[load] == SKIP
            dram = tile_bits(product, *tile, formats["skip"], formats)
            assert p.load_dram_bytes[load] == (0 if planned.tiling.skip_on_chip else bytes_of_bits(*dram))
            room = tile_bits(product, *tile, on_chip, formats)
            assert p.load_space_bytes[load] == bytes_of_bits(*room)
            if on_chip == "dense":
                elements = len(tile[0]) * len(tile[1])
                nonzeros = elements
                if reads_mask and formats["skip"] != "dense":  # zeros are not written
                    values = np.array(stored_values(product.mask))
                    mine = values if product.mask.lanes_hold == "rows" else values.T
                    nonzeros = int(mine[np.ix_(*tile)].sum())
                room = nonzeros * OPERAND_BITS, elements * reads_mask
            value_bits += room[0]
            metadata_bits += room[1]
        assert counts[Count.SKIP_BUFFER_BITS_WRITTEN] == value_bits
        assert counts[Count.METADATA_BITS_WRITTEN] == metadata_bits


@settings(max_examples=60)
@given(networks(), ARRAYS, MECHANISMS, SYSTEMS, st.sampled_from([fmt for fmt in FORMATS if fmt != "dense"]))
def test_an_array_reads_what_its_buffer_stores_once_for_each_tile_of_columns(
    network: dict[str, Any], array: dict[str, Any], skipping: dict[str, Any], memory: dict[str, Any], fmt: str
) -> None:
    memory = {**memory, "formats": {**memory["formats"], "skip_on_chip": fmt}}
    p = plan(machine(array=array, skipping=skipping, memory=memory), workload_of(network))
    for planned in p.products:
        product, tiling = planned.product, planned.tiling
        if not product.k or product.mask is None:
            continue
        tiles = [
            tile_bits(
                product,
                range(i, min(i + tiling.tile_m, product.m)),
                range(q, min(q + tiling.tile_k, product.k)),
                fmt,
                memory["formats"],
            )
            for i in range(0, product.m, tiling.tile_m)
            for q in range(0, product.k, tiling.tile_k)
        ]
        column_tiles = -(-product.n // array["columns"])
        assert planned.counts[Count.SKIP_BUFFER_BITS_READ] == sum(values for values, _ in tiles) * column_tiles
        assert planned.counts[Count.MASK_BITS_SCANNED] == sum(metadata for _, metadata in tiles) * column_tiles


@settings(max_examples=60)
@given(networks(), ARRAYS, SYSTEMS)
def test_no_tile_takes_more_than_its_share_of_the_buffer(
    network: dict[str, Any], array: dict[str, Any], memory: dict[str, Any]
) -> None:
    arch = machine(array=array, memory=memory)
    p = plan(arch, workload_of(network))
    rooms = [getattr(arch.system.buffers, name).slot_bytes for name in ("skip", "output")]
    for buffer, room in zip((SKIP, 2), rooms, strict=True):
        assert p.load_space_bytes[p.load_buffer == buffer].max(initial=0) <= room


@settings(max_examples=60)
@given(networks(), ARRAYS, SYSTEMS)
def test_every_bit_of_the_gate_gradient_is_written_once(
    network: dict[str, Any], array: dict[str, Any], memory: dict[str, Any]
) -> None:
    p = plan(machine(array=array, memory=memory), workload_of(network))
    formats = memory["formats"]
    for planned in p.products:
        epilogue, stores = planned.product.epilogue, p.job_store_bytes[p.jobs_of(planned)]
        assert planned.counts[Count.DRAM_WRITE_BYTES] == stores.sum()
        dense = epilogue.store_operand_values * 2 + epilogue.store_accumulator_values * 4
        product, tiling = planned.product, planned.tiling
        if not tiling.sums_stay:
            dense += (-(-product.k // tiling.tile_k) - 1) * product.m * product.n * 4
        if epilogue.store_skip is None:
            assert stores.sum() == dense
            continue
        values = stored_values(epilogue.store_skip)
        whole = (0, len(values)), (0, len(values[0]))
        least = dense + bytes_of_bits(
            *plain_tile_bits(values, *whole, formats["skip"], OPERAND_BITS, formats["segment"], formats["run_bits"])
        )
        # Metadata is rounded up to bytes once a tile; values are whole bytes here.
        assert least <= stores.sum() < least + np.count_nonzero(stores) or stores.sum() == least
        assert stores[-1] > 0


# Counts and places of 8 bits in segments of 255, runs of 8 bits, 8 rows: every aligned tile is whole bytes.
NETWORK = {
    "kinds": ["lstm"], "sizes": [20, 255], "T": 3, "B": 8, "density": 0.1, "valid_steps": None,
    "first_needs_gradient": True, "backward": False, "masks": False, "dense_layers": 0, "seed": 5,
}  # fmt: skip
ALIGNED = {"rows": 255, "columns": 8}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("capacity_kib", [2, 64])  # K of dx in one tile, or in several
def test_what_is_written_once_is_what_aligned_readers_fetch(fmt: str, capacity_kib: int) -> None:
    memory = {
        "formats": drawn(fmt, "csc", 255, 8),
        "buffers": {"skip": {"capacity_kib": capacity_kib, "double": False}, "shared": {"capacity_kib": 2048}},
    }
    p = plan(machine(array=ALIGNED, skipping={"mechanism": "gated"}, memory=memory), workload_of(NETWORK))
    written = sum(x.counts[Count.DRAM_WRITE_BYTES] for x in p.products if x.product.epilogue.store_skip is not None)
    assert written > 0
    for planned in p.products:
        if planned.product.name in ("dx", "dW", "dU"):
            loads = skip_loads(p, planned)
            times = dict.fromkeys(loads.values(), 0)
            for tile in loads.values():
                times[tile] += 1
            (passes,) = set(times.values())  # over the whole operand
            assert sum(p.load_dram_bytes[load] for load in loads) == passes * written
            if capacity_kib == 2 and planned.product.name == "dx":
                assert len(times) > 1
                assert planned.tiling.tile_k % 255 == 0


def test_a_tile_that_cuts_segments_fetches_all_of_them() -> None:
    memory = {
        "formats": drawn("bitmap", "dense", 32),
        "mapping": {"tile_k": 48},
        "buffers": {"skip": {"capacity_kib": 64}},
    }
    workload = workload_of({**NETWORK, "kinds": ["linear"], "sizes": [20, 96], "T": 1})
    p = plan(machine(array={"rows": 8, "columns": 20}, skipping={"mechanism": "gated"}, memory=memory), workload)
    dx = next(x for x in p.products if x.product.name == "dx")
    nonzeros = np.array(stored_values(dx.product.mask)).reshape(8, 3, 32).sum(axis=(0, 2))
    loads = sorted(skip_loads(p, dx))
    # Positions 0 to 48 overlap segments 0 and 1, positions 48 to 96 segments 1 and 2.
    expected = [2 * int(nonzeros[s : s + 2].sum()) + 8 * 64 // 8 for s in (0, 1)]
    assert p.load_dram_bytes[loads].tolist() == expected


@pytest.mark.parametrize("mechanism", ["dense", "gated"])
def test_an_array_that_reads_no_mask_needs_its_zeros_in_the_buffer(mechanism: str) -> None:
    memory = {"formats": drawn("bitmap", "dense"), "buffers": {"skip": {"capacity_kib": 64}}}
    p = plan(machine(skipping={"mechanism": mechanism}, memory=memory), workload_of({**NETWORK, "sizes": [4, 8]}))
    for planned in p.products:
        if planned.product.mask is not None:
            tiles = list(skip_loads(p, planned).values())
            values = np.array(stored_values(planned.product.mask))
            written = values.size if mechanism == "dense" else values.sum()
            times = len(tiles) // len(set(tiles))  # that the whole operand is brought
            assert planned.counts[Count.SKIP_BUFFER_BITS_WRITTEN] == written * OPERAND_BITS * times


def test_an_encoded_operand_fits_whole_where_a_dense_one_must_be_cut() -> None:
    network = {**NETWORK, "sizes": [20, 64], "density": 0.05}
    buffers = {"skip": {"capacity_kib": 3, "double": True}, "shared": {"capacity_kib": 512}}
    passes = {}
    for fmt in FORMATS:
        arch = machine(
            array={"rows": 8, "columns": 8},
            skipping={"mechanism": "gated"},
            memory={"formats": drawn("csc", fmt), "buffers": buffers},
        )
        p = plan(arch, workload_of(network))
        dx = next(x for x in p.products if x.product.name == "dx")
        dh = [x for x in p.products if x.product.name == "dh"]
        # 8 x 256 values of 2 bytes are 4096 bytes; half of 3 KiB is 1536.
        assert all(x.tiling.skip_on_chip == (fmt != "dense") for x in dh if x.product.in_chain)
        passes[fmt] = int(dx.counts[Count.PASSES])
    assert passes["dense"] >= 3 * passes["csc"]
    assert passes["bitmap"] == passes["rle"] == passes["csc"]


@settings(max_examples=300)
@given(
    st.integers(1, 60), st.integers(1, 300), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9),
    st.integers(1, 2000), st.integers(1, 2000), st.sampled_from([1, 1, 2, 4, 16]), st.sampled_from([8, 16]),
)  # fmt: skip
def test_the_longest_k_of_a_dense_operand_is_a_quotient(
    m: int, k: int, n: int, rows: int, columns: int, skip_room: int, shared_room: int, grain: int, bits: int
) -> None:
    problem = TilingProblem(
        m=m, n=n, k=k, operand_bits=bits, accumulator_bits=32,
        skip_bytes=lambda tile_m, tile_k: 0,
        skip_room_bytes=lambda tile_m, tile_k: bytes_of_bits(min(tile_m, m) * min(tile_k, k) * bits),
        room_bytes=(skip_room, shared_room, 1 << 20), partial_bytes=0, store_bytes=0, vector_cycles=0,
        port_values_per_cycle=1, skip_in_chain=False, shared_stays=False, resident_bytes=shared_room,
        position_grain=grain,
    )  # fmt: skip
    longest = min(k, skip_room * 8 // (bits * min(rows, m)), shared_room * 8 // (bits * min(columns, n)))
    if grain <= longest < k:
        longest -= longest % grain
    tile_k = -(-k // -(-k // max(1, longest)))
    expected = min(tile_k + -tile_k % grain, k) if longest >= grain else tile_k
    assert k_tiles(problem, rows, columns, Pins())[0] == expected


@pytest.mark.parametrize(("room", "tile_k"), [(100, 96), (95, 64), (40, 32), (31, 28), (13, 12), (3, 3)])
def test_k_tiles_are_whole_segments_or_else_whole_groups_where_they_fit(room: int, tile_k: int) -> None:
    problem = TilingProblem(
        m=1, n=1, k=192, operand_bits=8, accumulator_bits=32,
        skip_bytes=lambda tile_m, tile_k: 0, skip_room_bytes=lambda tile_m, tile_k: tile_k,
        room_bytes=(room, 1 << 20, 1 << 20), partial_bytes=0, store_bytes=0, vector_cycles=0,
        port_values_per_cycle=1, skip_in_chain=False, shared_stays=False, resident_bytes=1 << 20,
        position_grain=4, segment_positions=32,
    )  # fmt: skip
    assert k_tiles(problem, 1, 1, Pins())[0] == tile_k


def test_the_longest_k_of_an_encoded_operand_fits_and_no_longer_one_does() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 40, 60)  # what each of 60 positions takes, in bytes

    def room(tile_m: int, tile_k: int) -> int:
        return max(int(sizes[s : s + tile_k].sum()) for s in range(0, 60, tile_k))

    for limit in range(int(sizes.max()), int(sizes.sum()) + 1, 7):
        problem = TilingProblem(
            m=4, n=4, k=60, operand_bits=8, accumulator_bits=32,
            skip_bytes=lambda tile_m, tile_k: 0, skip_room_bytes=room,
            room_bytes=(limit, 1 << 20, 1 << 20), partial_bytes=0, store_bytes=0, vector_cycles=0,
            port_values_per_cycle=1, skip_in_chain=False, shared_stays=False, resident_bytes=1 << 20,
        )  # fmt: skip
        tile_k = k_tiles(problem, 4, 4, Pins())[0]
        assert room(4, tile_k) <= limit
        assert all(room(4, -(-60 // parts)) > limit for parts in range(1, -(-60 // tile_k)))
